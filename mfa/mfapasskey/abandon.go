package mfapasskey

import (
	"context"
	"slices"

	"github.com/focushq/idp/mfa"
)

// Abandon takes away a first passkey that has never worked, for somebody who has nothing else: a device kept it where it
// cannot be found again, and no recovery codes stand yet. MFA is off then, as it was before it was added; until its first
// use nothing was protected. Call it after the right password, given just now, of which it asks no more.
//
// It returns [mfa.ErrInUse], and has changed nothing, when something stood before the passkey ([mfa.Credential].First),
// when it was ever used, be it at this very moment, or when the person has anything beside it: another passkey, an app,
// another factor, recovery codes. For a person without passkeys it returns [mfa.ErrNotFound].
func (s *Service) Abandon(ctx context.Context, subject string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		rows, err := s.rows(ctx, subject)
		switch {
		case err != nil:
			return err
		case len(rows) == 0:
			return mfa.ErrNotFound
		case slices.ContainsFunc(rows, func(r row) bool { return !r.First || r.LastUsedAt != 0 }):
			return mfa.ErrInUse
		}
		only := rows[0] // of two, the second was not the first
		return s.mfa.Drop(ctx, Name, subject, only.Name, func(ctx context.Context) error { return s.abandon(ctx, only) })
	})
}

// abandon deletes the passkey on the condition of [Service.Abandon]. It runs with the person's factors for itself; only
// the use of a passkey does not wait for that, which is why the condition stands in the statement too.
func (s *Service) abandon(ctx context.Context, r row) error {
	status, err := s.mfa.Status(ctx, r.Subject)
	switch {
	case err != nil:
		return err
	case len(status.Authenticators) > 0, len(status.Factors) > 1, !status.CodesMadeAt.IsZero():
		return mfa.ErrInUse
	}
	gone, err := s.db.Exec(ctx, `DELETE FROM mfa_passkeys WHERE id = $1 AND subject = $2 AND first AND last_used_at = 0
		AND NOT EXISTS (SELECT 1 FROM mfa_passkeys WHERE subject = $2 AND id <> $1)`, r.ID, r.Subject)
	if err == nil && gone == 0 {
		return mfa.ErrInUse
	}
	return err
}
