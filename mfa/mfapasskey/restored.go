package mfapasskey

import "context"

// AfterRestore ends the ceremonies of a store that was brought back from a backup, where those that ended since are open
// again. Call it with [github.com/focushq/idp/mfa.Service.AfterRestore].
func (s *Service) AfterRestore(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `DELETE FROM mfa_passkey_ceremonies`)
	return err
}
