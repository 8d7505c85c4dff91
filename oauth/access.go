package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/focushq/idp/internal/dbx"
	"github.com/ory/fosite"
)

// errInvalidToken and errInsufficientScope are those of RFC 6750 section 3.1.
var (
	errInvalidToken      = &fosite.RFC6749Error{ErrorField: "invalid_token", CodeField: http.StatusUnauthorized}
	errInsufficientScope = &fosite.RFC6749Error{ErrorField: "insufficient_scope", CodeField: http.StatusForbidden}
)

// access is what an access token stands for.
type access struct {
	grantID  string  // "": the client has the token for itself (RFC 6749 section 4.4)
	grant    *grant  // nil then
	client   *Client // set when the token is good
	clientID string
	scopes   []string
	audience []string // never empty; the issuer stands for this server's own resources
	jkt      string   // thumbprint of the key that the token is bound to (RFC 9449 section 6); "": whoever has it
	issued   int64    // Unix seconds; 0: not known
	expiry   int64    // Unix seconds
	jti      string
	opaque   []byte // key of an opaque token's row
}

// access returns what a presented access token stands for. errInvalidToken says that it is none of ours, or has ended.
// Who has it must still be the one it is bound to, and whom it is for is for the caller to look at.
func (s *Server) access(ctx context.Context, token string) (*access, error) {
	a, err := s.readAccess(ctx, token)
	if err != nil {
		return nil, err
	}
	a.client, err = s.store.client(ctx, a.clientID)
	if errors.Is(err, fosite.ErrNotFound) {
		return nil, errInvalidToken
	}
	if err != nil {
		return nil, err
	}
	if a.grantID == "" {
		return a, s.standsAlone(ctx, a)
	}
	return a, s.ground(ctx, a)
}

// readAccess reads an access token that we made and whose time is not over; errInvalidToken says that it is none.
func (s *Server) readAccess(ctx context.Context, token string) (*access, error) {
	if len(token) > maxJWT {
		return nil, errInvalidToken
	}
	read := s.readOpaque
	if strings.Contains(token, ".") {
		read = s.readJWT
	}
	a, err := read(ctx, token)
	if err != nil {
		return nil, err
	}
	if s.cfg.Now().Unix() >= a.expiry || s.restored > 0 && a.issued <= s.restored {
		return nil, errInvalidToken
	}
	return a, nil
}

func (s *Server) readJWT(ctx context.Context, token string) (*access, error) {
	claims, err := s.keys.verify(ctx, typAccess, token)
	if errors.Is(err, errToken) || err == nil && claims.Issuer != s.cfg.Issuer {
		return nil, errInvalidToken
	}
	if err != nil {
		return nil, err
	}
	a := &access{
		clientID: claims.ClientID, scopes: strings.Fields(claims.Scope), audience: claims.Audience, jkt: claims.Key.JKT,
		issued: claims.IssuedAt, expiry: claims.Expiry, jti: claims.ID,
	}
	if !strings.HasPrefix(a.jti, machineToken) {
		a.grantID, _, _ = strings.Cut(a.jti, ".")
	}
	return a, nil
}

func (s *Server) readOpaque(ctx context.Context, token string) (*access, error) {
	sum := sha256.Sum256([]byte(token))
	var row accessRow
	err := s.cfg.DB.GetAhead(ctx, &row, s.store.tokenLookups(), `SELECT a.sig, a.grant_id, a.client_id, a.scope, a.audience, a.dpop_jkt,
		a.issued_at, a.expires_at, COALESCE(g.subject, '') AS subject, COALESCE(g.session_id, '') AS session_id
		FROM oauth_access AS a LEFT JOIN oauth_grants AS g ON g.id = a.grant_id WHERE a.sig = $1`, sum[:])
	if dbx.IsNotFound(err) {
		return nil, errInvalidToken
	}
	if err != nil {
		return nil, unavailable(err)
	}
	a := &access{
		grantID: row.GrantID, clientID: row.ClientID, scopes: strings.Fields(row.Scope), audience: strings.Fields(row.Audience),
		jkt: row.JKT, issued: row.IssuedAt, expiry: row.ExpiresAt, opaque: row.Sig,
		jti: base64.RawURLEncoding.EncodeToString(sum[:16]), // a name for it that nobody can use
	}
	if len(a.audience) == 0 {
		a.audience = []string{s.cfg.Issuer}
	}
	return a, nil
}

// ground finds the grant of a and refuses it when that, what the client may have, or its person has ended.
func (s *Server) ground(ctx context.Context, a *access) (err error) {
	a.grant, err = s.store.grantOf(ctx, a.client, a.grantID)
	if errors.Is(err, fosite.ErrNotFound) || err == nil && (a.grant.RevokedAt.Valid || a.grant.ClientID != a.clientID) {
		return errInvalidToken
	}
	if err != nil {
		return err
	}
	err = s.stands(ctx, a.client, a.grant, looking)
	if errors.Is(err, ErrEnded) {
		return errInvalidToken
	}
	return err
}

// standsAlone refuses a token that a client had for itself when the client may not have it any more, or gave it back.
func (s *Server) standsAlone(ctx context.Context, a *access) error {
	var err error
	a.client, err = s.store.judged(ctx, a.client, func(c *Client) error {
		// A client that was deleted and made again is another one.
		if !slices.Contains(c.GrantTypes, "client_credentials") || !s.permits(c, a.scopes, a.audience) ||
			a.opaque == nil && a.issued < c.CreatedAt.Unix() {
			return errInvalidToken
		}
		return nil
	})
	if err != nil {
		return err
	}
	if a.opaque != nil {
		return nil // revoked, it would have no row
	}
	var n int
	sum := sha256.Sum256([]byte(a.jti))
	if err := s.cfg.DB.Get(ctx, &n, `SELECT COUNT(*) FROM oauth_revoked WHERE jti_hash = $1`, sum[:]); err != nil {
		return unavailable(err)
	}
	if n > 0 {
		return errInvalidToken
	}
	return nil
}
