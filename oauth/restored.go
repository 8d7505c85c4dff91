package oauth

import (
	"context"

	"github.com/focushq/idp/internal/dbx"
	"github.com/go-jose/go-jose/v4/jwt"
)

// AfterRestore makes a database safe that was brought back from a backup, where everything used or ended since then counts
// as unused: grants with their codes and tokens, requests, pushed requests, devices and initial access tokens end, and what
// clients signed or were given for themselves before this moment is not taken any more. Clients that want to hear of ended
// sessions are told. Call it before anybody is served, in a transaction with the other domains'; a running Server does not
// notice.
func (s *Server) AfterRestore(ctx context.Context) error {
	now := s.cfg.Now()
	return unavailable(s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		_, err := s.cfg.DB.Exec(ctx, `INSERT INTO oauth_restored (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at`, now.Unix())
		if err != nil {
			return err
		}
		if _, err := s.cfg.DB.Exec(ctx, `UPDATE oauth_grants SET revoked_at = $1 WHERE revoked_at IS NULL`, now.Unix()); err != nil {
			return err
		}
		for _, query := range []string{
			`DELETE FROM oauth_access`, `DELETE FROM oauth_requests`, `DELETE FROM oauth_pushed`, `DELETE FROM oauth_devices`,
			`DELETE FROM oauth_registration_tokens`,
		} {
			if _, err := s.cfg.DB.Exec(ctx, query); err != nil {
				return err
			}
		}
		_, err = s.cfg.DB.Exec(ctx, `UPDATE oauth_logins SET due_at = $1, expires_at = $2 WHERE due_at = 0`,
			now.Add(noticeHead).Unix(), now.Add(noticeLife).Unix())
		return err
	}))
}

// loadRestored notes when the database was brought back from a backup.
func (s *Server) loadRestored(ctx context.Context) error {
	err := s.cfg.DB.Get(ctx, &s.restored, `SELECT at FROM oauth_restored WHERE id = 1`)
	if dbx.IsNotFound(err) {
		return nil
	}
	return unavailable(err)
}

// outlived reports whether what a client signed is of before the last restore, when it may have been used already. One that
// does not say when it was made was made a whole life before its end.
func (s *Server) outlived(issued, expiry *jwt.NumericDate) bool {
	if s.restored == 0 {
		return false
	}
	if issued != nil { // by a clock that may be ahead of ours
		return issued.Time().Add(-clockSkew).Unix() <= s.restored
	}
	return expiry == nil || expiry.Time().Add(-assertionLife).Unix() <= s.restored
}
