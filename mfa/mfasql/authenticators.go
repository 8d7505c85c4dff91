package mfasql

import (
	"context"

	"github.com/focushq/idp/mfa"
)

// keptEnrollments is how many pending enrolments a subject has, the new one included.
const keptEnrollments = 5

// AddEnrollment keeps a pending enrolment and drops this subject's oldest ones.
func (s *Store) AddEnrollment(ctx context.Context, e mfa.PendingEnrollment) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `INSERT INTO mfa_enrollments
			(id, subject, session, account, secret, created_at, expires_at, pairs, proven, step_offset, last_step)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10)`,
			e.ID, e.Subject, e.Session, e.Account, e.Secret, unix(e.CreatedAt), unix(e.ExpiresAt),
			e.Proven, e.Offset, e.LastStep)
		if err != nil {
			return err
		}
		_, err = s.db.Exec(ctx, `DELETE FROM mfa_enrollments WHERE subject = $1 AND id <> $2 AND id NOT IN
			(SELECT id FROM mfa_enrollments WHERE subject = $1 AND id <> $2 ORDER BY created_at DESC, id LIMIT $3)`,
			e.Subject, e.ID, keptEnrollments-1)
		return err
	})
}

// Enrollments returns a subject's pending enrolments, oldest first.
func (s *Store) Enrollments(ctx context.Context, subject string) ([]mfa.PendingEnrollment, error) {
	var rows []struct {
		ID, Subject, Session, Account string
		Secret                        []byte
		CreatedAt                     int64 `db:"created_at"`
		ExpiresAt                     int64 `db:"expires_at"`
		Proven                        bool
		Offset                        int64 `db:"step_offset"`
		LastStep                      int64 `db:"last_step"`
	}
	err := s.db.Select(ctx, &rows, `SELECT id, subject, session, account, secret, created_at, expires_at, proven,
		step_offset, last_step FROM mfa_enrollments WHERE subject = $1 ORDER BY created_at, id`, subject)
	if err != nil {
		return nil, err
	}
	var out []mfa.PendingEnrollment
	for _, r := range rows {
		out = append(out, mfa.PendingEnrollment{
			ID: r.ID, Owner: mfa.Owner{Subject: r.Subject, Session: r.Session}, Account: r.Account, Secret: r.Secret,
			CreatedAt: fromUnix(r.CreatedAt), ExpiresAt: fromUnix(r.ExpiresAt),
			Proven: r.Proven, Offset: r.Offset, LastStep: r.LastStep,
		})
	}
	return out, nil
}

// CountPair adds one to the pairs tried, below limit.
func (s *Store) CountPair(ctx context.Context, subject, id string, limit int) (bool, error) {
	return s.one(ctx, `UPDATE mfa_enrollments SET pairs = pairs + 1 WHERE id = $1 AND subject = $2 AND pairs < $3`,
		id, subject, limit)
}

// Prove notes the two codes of an enrolment, once.
func (s *Store) Prove(ctx context.Context, subject, id string, offset, lastStep int64) (bool, error) {
	return s.one(ctx, `UPDATE mfa_enrollments SET proven = TRUE, step_offset = $3, last_step = $4
		WHERE id = $1 AND subject = $2 AND NOT proven`, id, subject, offset, lastStep)
}

// RemoveEnrollments removes all pending enrolments of a subject.
func (s *Store) RemoveEnrollments(ctx context.Context, subject string) (int, error) {
	rows, err := s.db.Exec(ctx, `DELETE FROM mfa_enrollments WHERE subject = $1`, subject)
	return int(rows), err
}

const selectAuthenticators = `SELECT id, subject, name, secret, step_offset, provisional, run, last_step,
	added_at, last_used_at FROM mfa_authenticators WHERE subject = $1 ORDER BY added_at, id`

// Authenticators returns a subject's authenticators, oldest first.
func (s *Store) Authenticators(ctx context.Context, subject string) ([]mfa.AuthenticatorRecord, error) {
	var rows []struct {
		ID, Subject, Name string
		Secret            []byte
		Offset            int64 `db:"step_offset"`
		Provisional       bool
		Run               int
		LastStep          int64 `db:"last_step"`
		AddedAt           int64 `db:"added_at"`
		LastUsedAt        int64 `db:"last_used_at"`
	}
	err := s.db.Select(ctx, &rows, selectAuthenticators, subject)
	if err != nil {
		return nil, err
	}
	var out []mfa.AuthenticatorRecord
	for _, r := range rows {
		out = append(out, mfa.AuthenticatorRecord{
			ID: r.ID, Subject: r.Subject, Name: r.Name, Secret: r.Secret, Offset: r.Offset, Provisional: r.Provisional,
			Run: r.Run, LastStep: r.LastStep, AddedAt: fromUnix(r.AddedAt), LastUsedAt: fromUnix(r.LastUsedAt),
		})
	}
	return out, nil
}

// AuthenticatorsAmong returns those of subjects who have an authenticator: one statement for up to 500 of them.
func (s *Store) AuthenticatorsAmong(ctx context.Context, subjects []string) ([]string, error) {
	return s.db.Present(ctx, "mfa_authenticators", "subject", subjects)
}

// AddAuthenticator keeps an authenticator.
func (s *Store) AddAuthenticator(ctx context.Context, a mfa.AuthenticatorRecord) error {
	_, err := s.db.Exec(ctx, `INSERT INTO mfa_authenticators
		(id, subject, name, secret, step_offset, provisional, run, last_step, added_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		a.ID, a.Subject, a.Name, a.Secret, a.Offset, a.Provisional, a.Run, a.LastStep, unix(a.AddedAt), unix(a.LastUsedAt))
	return err
}

// AdvanceStep moves an authenticator's last step forward, never back.
func (s *Store) AdvanceStep(ctx context.Context, subject, id string, a mfa.Advance) (bool, error) {
	return s.one(ctx, `UPDATE mfa_authenticators SET last_step = $3, step_offset = $4, provisional = $5, run = $6,
		last_used_at = CASE WHEN $7 > last_used_at THEN $7 ELSE last_used_at END
		WHERE id = $1 AND subject = $2 AND last_step < $8`,
		id, subject, a.Step, a.Offset, a.Provisional, a.Run, unix(a.At), a.First())
}

// RenameAuthenticator gives an authenticator another name.
func (s *Store) RenameAuthenticator(ctx context.Context, subject, id, name string) (bool, error) {
	return s.one(ctx, `UPDATE mfa_authenticators SET name = $3 WHERE id = $1 AND subject = $2`, id, subject, name)
}

// RemoveAuthenticator removes an authenticator.
func (s *Store) RemoveAuthenticator(ctx context.Context, subject, id string) (bool, error) {
	return s.one(ctx, `DELETE FROM mfa_authenticators WHERE id = $1 AND subject = $2`, id, subject)
}
