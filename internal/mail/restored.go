package mail

import (
	"context"
	"fmt"
)

// AfterRestore forgets the messages of an outbox that was brought back from a backup: most of them have been sent since, and
// no link in them works any more.
func (o *Outbox) AfterRestore(ctx context.Context) error {
	if _, err := o.DB.Exec(ctx, `DELETE FROM outbox`); err != nil {
		return fmt.Errorf("mail: after a restore: %w", err)
	}
	return nil
}
