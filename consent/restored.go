package consent

import (
	"context"
	"fmt"
)

// AfterRestore forgets every decision of a database that was brought back from a backup: some have been taken back since, and
// people are asked anew. Call it before anybody is served.
func (s *Store) AfterRestore(ctx context.Context) error {
	if _, err := s.DB.Exec(ctx, `DELETE FROM consents`); err != nil {
		return fmt.Errorf("consent: after a restore: %w", err)
	}
	return nil
}
