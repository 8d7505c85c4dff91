package mfapasskey

import (
	"context"
	"slices"

	"github.com/focushq/idp/mfa"
)

// Abandon takes away passkeys that have never worked, for somebody who has nothing else: a device kept the first one
// where it cannot be found again, and no recovery codes stand yet. MFA is off then, as it was before they were added;
// until the first use nothing was protected. Call it after the right password, of which it asks no more.
//
// It returns [mfa.ErrInUse], and has changed nothing, when one of the passkeys was ever used, be it at this very moment,
// or when the person has an app, another factor, or recovery codes; and [mfa.ErrNotFound] for a person without passkeys.
func (s *Service) Abandon(ctx context.Context, subject string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		rows, err := s.rows(ctx, subject)
		if err != nil {
			return err
		}
		switch {
		case len(rows) == 0:
			return mfa.ErrNotFound
		case slices.ContainsFunc(rows, func(r row) bool { return r.LastUsedAt != 0 }):
			return mfa.ErrInUse
		}
		for _, r := range rows {
			err := s.mfa.Drop(ctx, Name, subject, r.Name, func(ctx context.Context) error { return s.abandon(ctx, r) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// abandon deletes one passkey on the condition of [Service.Abandon]. It runs with the person's factors for itself; only
// the use of a passkey does not wait for that, which is why the condition stands in the statement too.
func (s *Service) abandon(ctx context.Context, r row) error {
	status, err := s.mfa.Status(ctx, r.Subject)
	switch {
	case err != nil:
		return err
	case len(status.Authenticators) > 0, len(status.Factors) > 1, !status.CodesMadeAt.IsZero():
		return mfa.ErrInUse
	}
	gone, err := s.db.Exec(ctx, `DELETE FROM mfa_passkeys WHERE id = $1 AND subject = $2 AND last_used_at = 0`, r.ID, r.Subject)
	if err == nil && gone == 0 {
		return mfa.ErrInUse
	}
	return err
}
