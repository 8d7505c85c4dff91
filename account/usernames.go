package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// namesBatch is how many people one statement of Usernames asks for.
const namesBatch = 200

// Usernames returns the user names of those of subjects who are there, by subject: one statement for up to 200 of them. It is for
// lists that speak of people.
func (s *Service) Usernames(ctx context.Context, subjects []string) (map[string]string, error) {
	subjects = slices.Compact(slices.Sorted(slices.Values(subjects)))
	subjects = slices.DeleteFunc(subjects, func(subject string) bool { return subject == "" || !printable(subject) }) // nobody's
	// Always the same statement, so that it is prepared once: a short batch repeats its last subject.
	marks := make([]string, namesBatch)
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	query := `SELECT subject, username FROM accounts WHERE subject IN (` + strings.Join(marks, ", ") + `)`
	out := make(map[string]string, len(subjects))
	for batch := range slices.Chunk(subjects, namesBatch) {
		args := make([]any, namesBatch)
		for i := range args {
			args[i] = batch[min(i, len(batch)-1)]
		}
		var rows []struct {
			Subject  string `db:"subject"`
			Username string `db:"username"`
		}
		if err := s.cfg.DB.Select(ctx, &rows, query, args...); err != nil {
			return nil, fmt.Errorf("account: user names: %w", err)
		}
		for _, r := range rows {
			out[r.Subject] = r.Username
		}
	}
	return out, nil
}
