package session

import (
	"context"
	"fmt"
)

// AfterRestore ends every session of a database that was brought back from a backup: some of them have been ended since. It
// tells nobody: the host ends what belongs to them. Call it before anybody is served.
func (m *Manager) AfterRestore(ctx context.Context) error {
	if _, err := m.DB.Exec(ctx, `DELETE FROM sessions`); err != nil {
		return fmt.Errorf("session: after a restore: %w", err)
	}
	return nil
}
