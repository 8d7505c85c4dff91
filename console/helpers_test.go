package console_test

import "github.com/focushq/idp/audit"

func filter(action string) audit.Filter { return audit.Filter{Action: action} }

// flipped is a cursor with another letter in it.
func flipped(cursor string) string {
	letter := "A"
	if cursor[20] == 'A' {
		letter = "B"
	}
	return cursor[:20] + letter + cursor[21:]
}
