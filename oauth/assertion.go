package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"
	"github.com/ory/fosite"
)

// Limits of a client assertion.
const (
	assertionLife = 10 * time.Minute // exp may not be further ahead: the jti has to be remembered as long
	clockSkew     = time.Minute
)

// authenticateAssertion is private_key_jwt (RFC 7523 section 3, OpenID Connect Core 1.0 section 9). The jti is used up
// last, so that an assertion for somebody else doesn't spend it, and per client, so that no client spends another's.
func (s *Server) authenticateAssertion(ctx context.Context, form url.Values) (fosite.Client, error) {
	if form.Get("client_assertion_type") != assertionType {
		return nil, fault(fosite.ErrInvalidRequest, "client_assertion_type", "The client_assertion_type must be the one of RFC 7523.")
	}
	token, err := jwt.ParseSigned(form.Get("client_assertion"))
	if err != nil || len(token.Headers) != 1 {
		return nil, fosite.ErrInvalidClient
	}
	var claimed jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claimed); err != nil {
		return nil, fosite.ErrInvalidClient
	}
	if id := form.Get("client_id"); id != "" && id != claimed.Subject {
		return nil, fosite.ErrInvalidClient
	}
	client, err := s.store.client(ctx, claimed.Subject)
	if errors.Is(err, fosite.ErrNotFound) {
		return nil, fosite.ErrInvalidClient
	}
	if err != nil {
		return nil, err
	}
	header := token.Headers[0]
	if client.AuthMethod != "private_key_jwt" || header.Algorithm != client.AuthAlg {
		return nil, fosite.ErrInvalidClient
	}
	keys, err := s.clientKeys(ctx, client, header.KeyID)
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "oauth: a client's keys cannot be loaded", "client", client.ID, "error", err)
		return nil, fosite.ErrInvalidClient
	}
	var claims jwt.Claims
	if !slices.ContainsFunc(keys, func(key jose.JSONWebKey) bool { return token.Claims(key.Key, &claims) == nil }) {
		return nil, fosite.ErrInvalidClient
	}
	if err := s.checkAssertion(client, claims); err != nil {
		return nil, err
	}
	return client, s.spend(ctx, client, claims)
}

// checkAssertion checks what a verified assertion says.
func (s *Server) checkAssertion(client *Client, claims jwt.Claims) error {
	now := s.cfg.Now()
	good := claims.Issuer == client.ID && claims.Subject == client.ID &&
		claims.ID != "" && len(claims.ID) <= 512 &&
		(claims.Audience.Contains(s.cfg.Issuer) || claims.Audience.Contains(s.cfg.Issuer+"/oauth2/token")) &&
		claims.Expiry != nil && now.Before(claims.Expiry.Time()) && !claims.Expiry.Time().After(now.Add(assertionLife)) &&
		(claims.NotBefore == nil || !claims.NotBefore.Time().After(now.Add(clockSkew))) &&
		(claims.IssuedAt == nil || !claims.IssuedAt.Time().After(now.Add(clockSkew)))
	if !good {
		return fosite.ErrInvalidClient
	}
	return nil
}

// spend uses up an assertion.
func (s *Server) spend(ctx context.Context, client *Client, claims jwt.Claims) error {
	sum := sha256.Sum256([]byte(claims.ID))
	rows, err := s.cfg.DB.Exec(ctx, `INSERT INTO oauth_jti (client_id, jti_hash, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT DO NOTHING`, client.ID, sum[:], claims.Expiry.Time().Unix())
	if err != nil {
		return unavailable(err)
	}
	if rows == 0 {
		return fosite.ErrInvalidClient
	}
	return nil
}

// clientKeys returns the public keys that may have signed for client: those of kid, or all where no kid is named.
func (s *Server) clientKeys(ctx context.Context, client *Client, kid string) ([]jose.JSONWebKey, error) {
	set := client.JWKS
	if set == nil {
		var err error
		if set, err = s.loader.load(ctx, client.JWKSURI, kid); err != nil {
			return nil, err
		}
	}
	keys := set.Keys
	if kid != "" {
		keys = set.Key(kid)
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key jose.JSONWebKey) bool {
		return !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig"
	}), nil
}
