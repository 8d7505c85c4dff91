package account

import (
	"context"
	"fmt"
)

// Waiting returns how many people have to wait, after wrong passwords, until another one of theirs is looked at. What it reads
// is an index of those whose wait has not ended, and a few of networks and names that nobody has.
func (s *Service) Waiting(ctx context.Context) (n int, err error) {
	err = s.cfg.DB.Get(ctx, &n, `SELECT count(*) FROM account_attempts WHERE until > $1 AND key LIKE 'subject/%'`, s.now().Unix())
	if err != nil {
		return 0, fmt.Errorf("account: who waits: %w", err)
	}
	return n, nil
}
