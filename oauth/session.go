package oauth

import (
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/token/jwt"
)

// session is what fosite carries from the authorization to the tokens: the facts of the grant's row. It implements
// openid.Session. Expiry is not kept here but in the row, by our clock; so SetExpiresAt does nothing.
type session struct {
	subject, sessionID string
	acr                string
	amr                []string
	authTime           int64 // Unix seconds
	requestedAt        int64
	nonce              string // of the authorization request; refreshed ID tokens have none
	claims             grantedClaims
	machine            bool   // client_credentials: there is no person and no grant
	bound              string // thumbprint of the key that the code or refresh token is for (RFC 9449), "": anybody's
	jkt                string // of the key that this request proved

	oidc    jwt.IDTokenClaims // for fosite's checks of prompt and max_age alone
	headers jwt.Headers
}

// SetExpiresAt does nothing.
func (s *session) SetExpiresAt(fosite.TokenType, time.Time) {}

// GetExpiresAt returns the zero time: fosite then reports the configured lifetimes.
func (s *session) GetExpiresAt(fosite.TokenType) time.Time { return time.Time{} }

// GetUsername returns "": names are no business of tokens.
func (s *session) GetUsername() string { return "" }

// GetSubject returns whom the grant is about.
func (s *session) GetSubject() string { return s.subject }

// Clone returns a copy that shares only slices that nobody changes.
func (s *session) Clone() fosite.Session {
	c := *s
	c.headers.Extra = nil
	return &c
}

// IDTokenClaims returns what fosite checks. Our ID tokens are made of the other fields.
func (s *session) IDTokenClaims() *jwt.IDTokenClaims { return &s.oidc }

// IDTokenHeaders returns headers that fosite looks at for a hash that we don't use.
func (s *session) IDTokenHeaders() *jwt.Headers { return &s.headers }

// forFosite fills the claims that fosite compares with its own clock, shifted from ours to that one: a test that moves
// our clock must not look like a sign-in in the future. Both times are whole seconds, as tokens have them.
func (s *session) forFosite(now time.Time) {
	shift := time.Since(now)
	s.oidc.Subject = s.subject
	s.oidc.AuthTime = time.Unix(s.authTime, 0).Add(shift)
	s.oidc.RequestedAt = time.Unix(s.requestedAt, 0).Add(shift)
}
