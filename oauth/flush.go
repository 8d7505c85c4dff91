package oauth

import (
	"context"
	"time"
)

// flush writes what the unit of ctx collected, with the event, all or nothing. errLost says that the code or the refresh
// token was used, revoked or expired meanwhile; nothing has been written then.
func (s *store) flush(ctx context.Context, u *unit, event Event) error {
	return unavailableUnlessRefused(s.db.InOne(ctx, func(ctx context.Context) error {
		var err error
		switch {
		case u.redeem:
			err = s.redeem(ctx, u)
		case u.rotate:
			err = s.rotate(ctx, u)
		default:
			err = s.follow(ctx, u)
		}
		if err != nil {
			return err
		}
		if err := s.insertAccess(ctx, u.access); err != nil {
			return err
		}
		return s.audit(ctx, event)
	}))
}

// insertAccess stores an opaque access token; nil: there is none.
func (s *store) insertAccess(ctx context.Context, a *accessRow) error {
	if a == nil {
		return nil
	}
	if a.GrantID != "" { // which ends with the client
		_, err := s.db.Exec(ctx, `INSERT INTO oauth_access (sig, grant_id, client_id, scope, audience, dpop_jkt, issued_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			a.Sig, a.GrantID, a.ClientID, a.Scope, a.Audience, a.JKT, a.IssuedAt, a.ExpiresAt)
		return unavailable(err)
	}
	rows, err := s.db.Exec(ctx, `INSERT INTO oauth_access (sig, grant_id, client_id, scope, audience, dpop_jkt, issued_at,
		expires_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8
		WHERE EXISTS (SELECT 1 FROM oauth_clients WHERE id = $3 AND created_at = $9)`,
		a.Sig, a.GrantID, a.ClientID, a.Scope, a.Audience, a.JKT, a.IssuedAt, a.ExpiresAt, a.registered)
	if err == nil && rows == 0 {
		return errClientGone // see insertGrant
	}
	return unavailable(err)
}

// redeem marks the code as used and begins the chain of refresh tokens.
func (s *store) redeem(ctx context.Context, u *unit) error {
	now := s.now()
	generation, idleEnd := 0, int64(0)
	if u.seed != nil {
		generation, idleEnd = 1, idleEndOf(u, now)
	}
	rows, err := s.db.Exec(ctx, `UPDATE oauth_grants SET code_used_at = $1, rt_gen = $2, rt_seed = $3, rt_rotated_at = $1,
		rt_expires_at = $4, dpop_jkt = $6 WHERE id = $5 AND code_used_at IS NULL AND revoked_at IS NULL
		AND code_expires_at > $1`, now.Unix(), generation, u.seed, idleEnd, u.grant.ID, u.jkt)
	if err == nil && rows == 0 {
		return errLost
	}
	return unavailable(err)
}

// rotate moves the chain to the next generation. When a parallel request has just done so, its successor is ours too:
// the token is computed from the row, so both answers are the same.
func (s *store) rotate(ctx context.Context, u *unit) error {
	now := s.now()
	rows, err := s.db.Exec(ctx, `UPDATE oauth_grants SET rt_gen = rt_gen + 1, rt_rotated_at = $1, rt_expires_at = $2
		WHERE id = $3 AND rt_gen = $4 AND revoked_at IS NULL`, now.Unix(), idleEndOf(u, now), u.grant.ID, u.grant.RTGen)
	if err != nil || rows == 1 {
		return unavailable(err)
	}
	return s.follow(ctx, u)
}

// follow looks whether the token that comes after the presented one may still be given again: it is the current one,
// its grace is not over, and nobody has revoked the grant meanwhile.
func (s *store) follow(ctx context.Context, u *unit) error {
	g, err := s.grant(ctx, u.grant.ID)
	if err != nil {
		return err
	}
	if g.RevokedAt.Valid || g.RTGen != u.presented+1 || !s.inGrace(g, s.now()) {
		return errLost
	}
	return nil
}

// idleEndOf returns when the refresh token ends unless it is used, never later than the grant (Unix seconds).
func idleEndOf(u *unit, now time.Time) int64 { return min(now.Add(u.idle).Unix(), u.grant.ExpiresAt) }

// burn marks the presented code as used because the request that brought it failed: a code is good for one attempt
// (RFC 9700 section 4.8.2 asks so for a wrong verifier).
func (s *store) burn(ctx context.Context, u *unit) error {
	_, err := s.db.Exec(ctx, `UPDATE oauth_grants SET code_used_at = $1 WHERE id = $2 AND code_used_at IS NULL`,
		s.now().Unix(), u.grant.ID)
	return unavailable(err)
}
