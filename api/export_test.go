package api

import "fmt"

// Problems returns the rows that the manual has for the kinds, as far as the status.
func Problems() []string {
	var out []string
	for _, k := range kinds() {
		out = append(out, fmt.Sprintf("| `%s` | %d |", k.name, k.status))
	}
	return out
}
