package account

import (
	"context"
	"fmt"
)

// AfterRestore ends every link and forgets who waits for one, in a database that was brought back from a backup: some have
// been used since. What lists keep of second factors is to be looked at anew. Call it before anybody is served, and after
// the second factors' own.
func (s *Service) AfterRestore(ctx context.Context) error {
	return s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		for _, query := range []string{
			`DELETE FROM account_links`, `DELETE FROM account_asks`, `UPDATE accounts SET codes_left = 0 WHERE codes_left > 0`,
			`UPDATE account_work SET position = '', due_at = 0, until = 0`,
		} {
			if _, err := s.cfg.DB.Exec(ctx, query); err != nil {
				return fmt.Errorf("account: after a restore: %w", err)
			}
		}
		return nil
	})
}
