package mfasql

import (
	"context"
	"fmt"
	"strings"
)

// codesBatch is how many people one statement of CodesLeftAmong asks for.
const codesBatch = 500

// CodesLeftAmong returns how many unused recovery codes those of subjects have who have any: one statement for up to 500
// of them. It is for lists of people; what a sign-in needs, Codes says.
func (s *Store) CodesLeftAmong(ctx context.Context, subjects []string) (map[string]int, error) {
	// Always the same statement, so that it is prepared once: a short batch repeats its last subject.
	marks := make([]string, codesBatch)
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	query := `SELECT mfa_recovery_sets.subject AS subject, count(*) AS n
		FROM mfa_recovery_sets JOIN mfa_recovery_codes ON mfa_recovery_codes.set_id = mfa_recovery_sets.id
		WHERE mfa_recovery_sets.active AND mfa_recovery_codes.used_at = 0 AND mfa_recovery_sets.subject IN (` +
		strings.Join(marks, ", ") + `) GROUP BY mfa_recovery_sets.subject`
	out := make(map[string]int)
	for from := 0; from < len(subjects); from += codesBatch {
		args := make([]any, codesBatch)
		for i := range args {
			args[i] = subjects[min(from+i, len(subjects)-1)]
		}
		var rows []struct {
			Subject string
			N       int
		}
		if err := s.db.Select(ctx, &rows, query, args...); err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[r.Subject] = r.N
		}
	}
	return out, nil
}
