package dbx

import (
	"context"
	"fmt"
	"strings"
)

// presentBatch is how many values one statement of Present asks for.
const presentBatch = 500

// Present returns which of values stand in a column of a table, each once and in any order: one statement for up to 500
// of them. Table and column are constants of the caller, never input.
func (db *DB) Present(ctx context.Context, table, column string, values []string) ([]string, error) {
	// Always the same statement, so that it is prepared once: a short batch repeats its last value.
	marks := make([]string, presentBatch)
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	query := fmt.Sprintf("SELECT DISTINCT %[2]s FROM %[1]s WHERE %[2]s IN (%[3]s)", table, column, strings.Join(marks, ", "))
	seen := make(map[string]bool)
	var out []string
	for from := 0; from < len(values); from += presentBatch {
		args := make([]any, presentBatch)
		for i := range args {
			args[i] = values[min(from+i, len(values)-1)]
		}
		var found []string
		if err := db.Select(ctx, &found, query, args...); err != nil {
			return nil, err
		}
		for _, value := range found {
			if !seen[value] {
				seen[value] = true
				out = append(out, value)
			}
		}
	}
	return out, nil
}
