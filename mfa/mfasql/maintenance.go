package mfasql

import (
	"context"
	"fmt"
	"time"

	"github.com/focushq/idp/mfa"
)

// RemoveAll removes all that is kept about a subject, but for its attempts.
func (s *Store) RemoveAll(ctx context.Context, subject string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		for _, query := range []string{
			`DELETE FROM mfa_enrollments WHERE subject = $1`,
			`DELETE FROM mfa_authenticators WHERE subject = $1`,
			`DELETE FROM mfa_recovery_codes WHERE subject = $1`,
			`DELETE FROM mfa_recovery_sets WHERE subject = $1`,
			`DELETE FROM mfa_devices WHERE subject = $1`,
			`DELETE FROM mfa_people WHERE subject = $1`,
		} {
			if _, err := s.db.Exec(ctx, query, subject); err != nil {
				return err
			}
		}
		return nil
	})
}

// Prune removes up to limit rows of each kind that ended before stale (enrolments, pending codes, counts of networks) or
// now (devices). Any number of replicas may do so, each its own rows.
func (s *Store) Prune(ctx context.Context, stale, now time.Time, limit int) (int, error) {
	began := time.Now()
	removed, err := s.pruneCodes(ctx, stale, limit)
	if err != nil {
		return removed, err
	}
	for _, each := range []struct {
		table, by, where string
		before           time.Time
	}{
		{"mfa_enrollments", "expires_at", "expires_at < $1", stale},
		{"mfa_devices", "expires_at", "expires_at < $1", now},
		{"mfa_attempts", "until", "key LIKE 'network/%' AND until < $1", stale},
	} {
		rows, err := s.db.Exec(ctx, "DELETE FROM "+each.table+" WHERE "+s.db.Some(each.table, each.by, each.where, limit), each.before.Unix())
		if err != nil {
			return removed, err
		}
		removed += int(rows)
	}
	return removed, s.db.Rest(ctx, time.Since(began))
}

// pruneCodes removes sets that were never confirmed, with their codes: in this order, so that none is confirmed meanwhile.
func (s *Store) pruneCodes(ctx context.Context, stale time.Time, limit int) (removed int, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		var sets []string
		if err := s.db.Select(ctx, &sets, "DELETE FROM mfa_recovery_sets WHERE "+
			s.db.Some("mfa_recovery_sets", "created_at", "NOT active AND created_at < $1", limit)+" RETURNING id", stale.Unix()); err != nil {
			return err
		}
		for _, id := range sets {
			if _, err := s.db.Exec(ctx, `DELETE FROM mfa_recovery_codes WHERE set_id = $1`, id); err != nil {
				return err
			}
		}
		removed = len(sets)
		return nil
	})
	return removed, err
}

// SealedSecrets returns sealed secrets of everybody, by place and row.
func (s *Store) SealedSecrets(ctx context.Context, after mfa.SealedSecret, limit int) ([]mfa.SealedSecret, error) {
	var out []mfa.SealedSecret
	err := s.db.Select(ctx, &out, `SELECT place, id, subject, secret FROM (
			SELECT '`+mfa.PlaceAuthenticator+`' AS place, id, subject, secret FROM mfa_authenticators
			UNION ALL SELECT '`+mfa.PlaceEnrollment+`', id, subject, secret FROM mfa_enrollments
			UNION ALL SELECT '`+mfa.PlaceCodes+`', id, subject, salt FROM mfa_recovery_sets) AS sealed
		WHERE place > $1 OR place = $1 AND id > $2 ORDER BY place, id LIMIT $3`, after.Place, after.ID, limit)
	return out, err
}

// SwapSealed writes a secret if it is still the one that was.
func (s *Store) SwapSealed(ctx context.Context, was mfa.SealedSecret, secret []byte) (bool, error) {
	query, known := map[string]string{
		mfa.PlaceAuthenticator: `UPDATE mfa_authenticators SET secret = $4 WHERE id = $1 AND subject = $2 AND secret = $3`,
		mfa.PlaceEnrollment:    `UPDATE mfa_enrollments SET secret = $4 WHERE id = $1 AND subject = $2 AND secret = $3`,
		mfa.PlaceCodes:         `UPDATE mfa_recovery_sets SET salt = $4 WHERE id = $1 AND subject = $2 AND salt = $3`,
	}[was.Place]
	if !known {
		return false, fmt.Errorf("mfasql: no place %q", was.Place)
	}
	return s.one(ctx, query, was.ID, was.Subject, was.Secret, secret)
}

// Distrust uses up all time steps to step and removes everything else that a backup brings back to life.
func (s *Store) Distrust(ctx context.Context, step int64) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		for _, query := range []string{
			`UPDATE mfa_authenticators SET last_step = $1 + step_offset WHERE last_step < $1 + step_offset`,
			`UPDATE mfa_authenticators SET last_step = $1 WHERE provisional AND last_step < $1`,
		} {
			if _, err := s.db.Exec(ctx, query, step); err != nil {
				return err
			}
		}
		for _, query := range []string{
			`DELETE FROM mfa_enrollments`, `DELETE FROM mfa_recovery_codes`, `DELETE FROM mfa_recovery_sets`,
			`DELETE FROM mfa_devices`,
			// It may have worked since, or something may have stood beside it: the password alone takes none away.
			`UPDATE mfa_passkeys SET first = FALSE WHERE first`,
		} {
			if _, err := s.db.Exec(ctx, query); err != nil {
				return err
			}
		}
		return nil
	})
}
