package mfa

import (
	"context"
	"errors"
	"time"
)

// Prune removes what ended: enrolments and unconfirmed recovery codes of yesterday, devices whose time is over. Call it
// now and then; any number of replicas may.
func (s *Service) Prune(ctx context.Context) error {
	const batch = 500
	for {
		now := s.config.Now()
		removed, err := s.store.Prune(ctx, now.Add(-24*time.Hour), now, batch)
		if err != nil || removed == 0 {
			return err
		}
	}
}

// Reseal seals every secret anew and returns how many there were: after it nothing needs the keys that the Cipher had
// before its newest one. It may run beside everything else, and again. A secret that doesn't open is left as it is, and is
// part of the error.
func (s *Service) Reseal(ctx context.Context) (int, error) {
	const batch = 200
	done, last := 0, SealedSecret{}
	var broken error
	for {
		rows, err := s.store.SealedSecrets(ctx, last, batch)
		if err != nil || len(rows) == 0 {
			return done, errors.Join(err, broken)
		}
		for _, row := range rows {
			last = row
			plain, err := s.unseal(ctx, row.Place, row.ID, row.Subject, row.Secret)
			if err != nil {
				broken = errors.Join(broken, err)
				continue
			}
			fresh, err := s.seal(row.Place, row.ID, row.Subject, plain)
			if err != nil {
				return done, err
			}
			// A row that went or changed meanwhile was written with the newest key.
			swapped, err := s.store.SwapSealed(ctx, row, fresh)
			if err != nil {
				return done, err
			}
			if swapped {
				done++
			}
		}
	}
}

// AfterRestore makes a store safe that was brought back from a backup, where everything used since then counts as
// unused: time steps up to now are used up, and recovery codes, remembered devices and begun enrolments are taken away.
// People keep their apps and passkeys and are asked to make new recovery codes. Call it before anybody can sign in.
func (s *Service) AfterRestore(ctx context.Context) error {
	return s.store.Distrust(ctx, stepAt(s.config.Now())+window)
}
