package mfasql

import (
	"context"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
)

// AddCodes keeps a pending set in the place of the subject's pending one.
func (s *Store) AddCodes(ctx context.Context, set mfa.CodeSet) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		if err := s.removeCodes(ctx, set.Subject, false); err != nil {
			return err
		}
		_, err := s.db.Exec(ctx, `INSERT INTO mfa_recovery_sets
			(id, subject, session, enrollment, salt, created_at, active) VALUES ($1, $2, $3, $4, $5, $6, FALSE)`,
			set.ID, set.Subject, set.Session, set.Enrollment, set.Salt, unix(set.CreatedAt))
		if err != nil {
			return err
		}
		for _, c := range set.Codes {
			_, err := s.db.Exec(ctx, `INSERT INTO mfa_recovery_codes (set_id, subject, n, hash, used_at)
				VALUES ($1, $2, $3, $4, $5)`, set.ID, set.Subject, c.N, c.Hash, unix(c.UsedAt))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// removeCodes removes a subject's active or pending set.
func (s *Store) removeCodes(ctx context.Context, subject string, active bool) error {
	_, err := s.db.Exec(ctx, `DELETE FROM mfa_recovery_codes WHERE set_id IN
		(SELECT id FROM mfa_recovery_sets WHERE subject = $1 AND active = $2)`, subject, active)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, `DELETE FROM mfa_recovery_sets WHERE subject = $1 AND active = $2`, subject, active)
	return err
}

const selectSet = `SELECT id, subject, session, enrollment, salt, created_at FROM mfa_recovery_sets WHERE subject = $1 AND active`

// selectCodes are those of the active set, which may be another one by then: its codes fit no salt but their own.
const selectCodes = `SELECT n, hash, used_at FROM mfa_recovery_codes
	WHERE set_id = (SELECT id FROM mfa_recovery_sets WHERE subject = $1 AND active) ORDER BY n`

// Codes returns the subject's active set.
func (s *Store) Codes(ctx context.Context, subject string) (mfa.CodeSet, error) {
	var row struct {
		ID, Subject, Session, Enrollment string
		Salt                             []byte
		CreatedAt                        int64 `db:"created_at"`
	}
	err := s.db.Get(ctx, &row, selectSet, subject)
	if dbx.IsNotFound(err) {
		return mfa.CodeSet{}, nil
	}
	if err != nil {
		return mfa.CodeSet{}, err
	}
	var codes []struct {
		N      int
		Hash   []byte
		UsedAt int64 `db:"used_at"`
	}
	err = s.db.Select(ctx, &codes, selectCodes, subject)
	if err != nil {
		return mfa.CodeSet{}, err
	}
	out := mfa.CodeSet{
		ID: row.ID, Owner: mfa.Owner{Subject: row.Subject, Session: row.Session}, Enrollment: row.Enrollment,
		Salt: row.Salt, CreatedAt: fromUnix(row.CreatedAt),
	}
	for _, c := range codes {
		out.Codes = append(out.Codes, mfa.CodeRecord{N: c.N, Hash: c.Hash, UsedAt: fromUnix(c.UsedAt)})
	}
	return out, nil
}

const selectHolding = `SELECT (SELECT COUNT(*) FROM mfa_authenticators WHERE subject = $1) AS authenticators,
	(SELECT COUNT(*) FROM mfa_recovery_codes WHERE used_at = 0 AND set_id IN
		(SELECT id FROM mfa_recovery_sets WHERE subject = $1 AND active)) AS codes_left,
	COALESCE((SELECT created_at FROM mfa_recovery_sets WHERE subject = $1 AND active), 0) AS codes_made_at`

// Holding counts what a subject has.
func (s *Store) Holding(ctx context.Context, subject string) (mfa.Holding, error) {
	var row struct {
		Authenticators int
		CodesLeft      int   `db:"codes_left"`
		CodesMadeAt    int64 `db:"codes_made_at"`
	}
	err := s.db.Get(ctx, &row, selectHolding, subject)
	if err != nil {
		return mfa.Holding{}, err
	}
	return mfa.Holding{Authenticators: row.Authenticators, CodesLeft: row.CodesLeft, CodesMadeAt: fromUnix(row.CodesMadeAt)}, nil
}

// ActivateCodes puts the owner's pending set in the place of the active one.
func (s *Store) ActivateCodes(ctx context.Context, owner mfa.Owner, enrollment, set string) (won bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		var pending string
		err := s.db.Get(ctx, &pending, `SELECT id FROM mfa_recovery_sets
			WHERE id = $1 AND subject = $2 AND session = $3 AND enrollment = $4 AND NOT active`,
			set, owner.Subject, owner.Session, enrollment)
		if dbx.IsNotFound(err) {
			won = false
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.removeCodes(ctx, owner.Subject, true); err != nil {
			return err
		}
		won, err = s.one(ctx, `UPDATE mfa_recovery_sets SET active = TRUE WHERE id = $1 AND NOT active`, set)
		return err
	})
	return won, err
}

// UseCode marks a code as used, once, and forgets its hash.
func (s *Store) UseCode(ctx context.Context, subject, set string, n int, at time.Time) (bool, error) {
	return s.one(ctx, `UPDATE mfa_recovery_codes SET used_at = $4, hash = NULL
		WHERE set_id = $1 AND n = $2 AND subject = $3 AND used_at = 0`, set, n, subject, unix(at))
}
