package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/ory/fosite"
)

// revoke is POST /oauth2/revoke (RFC 7009). A refresh token of any generation, or an access token, ends the whole grant
// that it came from, so that nothing of it stays behind; a token that a client has for itself ends alone. What is not
// the caller's token, or none, is answered in the same way and stays as it is (section 2.2). token_type_hint is not
// needed: our tokens show what they are.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	client, token, err := s.presented(r, true)
	if err != nil {
		s.failJSON(w, r, err)
		return
	}
	err = s.giveBack(r.Context(), client, token)
	if err != nil && !errors.Is(err, errInvalidToken) {
		s.failJSON(w, r, err) // never 200: the client would believe that the token is dead
		return
	}
	w.WriteHeader(http.StatusOK)
}

// giveBack ends a token of client; errInvalidToken says that it is none. It doesn't ask whether the person may still use
// it: who is disabled today may be back tomorrow.
func (s *Server) giveBack(ctx context.Context, client *Client, token string) error {
	if id, generation, mac, ok := parseRefresh(token); ok {
		g, err := s.store.grant(ctx, id)
		if errors.Is(err, fosite.ErrNotFound) {
			return errInvalidToken
		}
		if err != nil {
			return err
		}
		if !s.store.isRefresh(g, generation, mac) || g.ClientID != client.ID {
			return errInvalidToken
		}
		_, err = s.store.revokeGrant(ctx, id, EventTokenRevoked)
		return unavailable(err)
	}
	a, err := s.readAccess(ctx, token)
	if err != nil {
		return err
	}
	if a.clientID != client.ID {
		return errInvalidToken
	}
	if a.grantID == "" {
		return s.store.revokeAlone(ctx, a)
	}
	_, err = s.store.revokeGrant(ctx, a.grantID, EventTokenRevoked)
	return unavailable(err)
}

// revokeAlone ends an access token without a grant: an opaque one loses its row, a JWT is remembered until it expires.
func (s *store) revokeAlone(ctx context.Context, a *access) error {
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		query, args := `DELETE FROM oauth_access WHERE sig = $1`, []any{a.opaque}
		if a.opaque == nil {
			sum := sha256.Sum256([]byte(a.jti))
			query = `INSERT INTO oauth_revoked (jti_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`
			args = []any{sum[:], a.expiry}
		}
		rows, err := s.db.Exec(ctx, query, args...)
		if err != nil || rows == 0 {
			return err
		}
		return s.audit(ctx, Event{Kind: EventTokenRevoked, Client: a.clientID})
	})
	return unavailable(err)
}
