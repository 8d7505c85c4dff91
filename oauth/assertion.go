package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/ory/fosite"
)

// Limits of a client assertion.
const (
	assertionLife = 10 * time.Minute // exp may not be further ahead: the jti has to be remembered as long
	clockSkew     = 30 * time.Second // FAPI 2 wants 10 s accepted and 60 s refused
)

// assertionClaims are the claims of a client assertion (RFC 7523 section 3).
type assertionClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  audience         `json:"aud"`
	ID        string           `json:"jti"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

// audience is the claim aud that remembers whether it was a single string.
type audience struct {
	jwt.Audience
	single bool
}

// UnmarshalJSON reads a string or an array of strings.
func (a *audience) UnmarshalJSON(text []byte) error {
	a.single = len(text) > 0 && text[0] == '"'
	return json.Unmarshal(text, &a.Audience)
}

// authenticateAssertion is private_key_jwt (RFC 7523 section 3, OpenID Connect Core 1.0 section 9) at the endpoint path.
// The jti is used up last, so that an assertion for somebody else doesn't spend it, and per client, so that no client
// spends another's.
func (s *Server) authenticateAssertion(ctx context.Context, path string, form url.Values) (*Client, error) {
	if form.Get("client_assertion_type") != assertionType {
		return nil, fault(fosite.ErrInvalidRequest, "client_assertion_type",
			"The client_assertion_type must be the one of RFC 7523.")
	}
	token, err := jwt.ParseSigned(form.Get("client_assertion"), signatureAlgorithms(assertionAlgs))
	if err != nil || len(token.Headers) != 1 {
		return nil, because(fosite.ErrInvalidClient, "", "the assertion is no JWT of an algorithm that is taken")
	}
	var claimed assertionClaims
	if err := token.UnsafeClaimsWithoutVerification(&claimed); err != nil {
		return nil, because(fosite.ErrInvalidClient, "", "the assertion's claims are not as RFC 7523 has them")
	}
	if id := form.Get("client_id"); id != "" && id != claimed.Subject {
		return nil, because(fosite.ErrInvalidClient, "", "the assertion's sub is not the client_id")
	}
	client, err := s.store.client(ctx, claimed.Subject)
	if errors.Is(err, fosite.ErrNotFound) {
		return nil, because(fosite.ErrInvalidClient, claimed.Subject, "there is no such client, or it is disabled")
	}
	if err != nil {
		return nil, err
	}
	var claims assertionClaims
	client, err = s.store.judged(ctx, client, func(client *Client) (err error) {
		claims, err = s.readAssertion(ctx, client, token, path)
		return err
	})
	if err == nil {
		err = s.spend(ctx, client, claims)
	}
	if err != nil {
		return nil, because(err, claimed.Subject, "")
	}
	return client, nil
}

// readAssertion returns the claims of an assertion of client that was made for the endpoint path.
func (s *Server) readAssertion(ctx context.Context, client *Client, token *jwt.JSONWebToken, path string) (assertionClaims, error) {
	var claims assertionClaims
	header := token.Headers[0]
	if client.AuthMethod != "private_key_jwt" || !mayAssert(client, header.Algorithm) {
		return claims, because(fosite.ErrInvalidClient, "", "the client is registered for "+client.AuthMethod+" "+client.AuthAlg)
	}
	keys, err := s.clientKeys(ctx, client, header.KeyID, header.Algorithm)
	if err != nil {
		return claims, because(fosite.ErrInvalidClient, "", "the client's keys cannot be loaded")
	}
	if !slices.ContainsFunc(keys, func(key any) bool {
		return suits(header.Algorithm, key) && token.Claims(key, &claims) == nil
	}) {
		return claims, because(fosite.ErrInvalidClient, "", "no key of the client made the assertion's signature")
	}
	switch {
	case !s.isAddressed(client, claims.Audience, path):
		return claims, because(fosite.ErrInvalidClient, "", "the assertion's aud is not for this client to use here")
	case s.outlived(claims.IssuedAt, claims.Expiry):
		return claims, because(fosite.ErrInvalidClient, "", "the assertion is of before the restore from a backup")
	case !s.isAssertion(client, claims):
		return claims, because(fosite.ErrInvalidClient, "", "the assertion's iss, jti, exp, nbf or iat is not as it must be now")
	}
	return claims, nil
}

// isFAPI reports whether the rules of the FAPI 2 Security Profile apply to the client.
func isFAPI(client *Client) bool {
	return client.AuthMethod == "private_key_jwt" && (client.RequirePAR || client.DPoPBound)
}

// mayAssert reports whether alg may sign the assertions of client: the registered one, or any when it registered none.
// FAPI 2 takes no RS256 (section 5.4).
func mayAssert(client *Client, alg string) bool {
	return (client.AuthAlg == "" || client.AuthAlg == alg) && (alg != "RS256" || !isFAPI(client))
}

// isAddressed reports whether an assertion was made for this server: for the issuer, the token endpoint (RFC 7523
// section 3), or the endpoint that was called. FAPI 2 leaves the issuer as a string alone, because an assertion with
// several audiences can be used by one of them at another.
func (s *Server) isAddressed(client *Client, to audience, path string) bool {
	if isFAPI(client) {
		return to.single && to.Contains(s.cfg.Issuer)
	}
	return to.Contains(s.cfg.Issuer) || to.Contains(s.cfg.Issuer+"/oauth2/token") || to.Contains(s.cfg.Issuer+path)
}

// isAssertion reports whether a verified assertion is the client's own, and of this moment.
func (s *Server) isAssertion(client *Client, claims assertionClaims) bool {
	now := s.cfg.Now()
	return claims.Issuer == client.ID && claims.Subject == client.ID &&
		claims.ID != "" && len(claims.ID) <= maxID &&
		claims.Expiry != nil && now.Before(claims.Expiry.Time()) && !claims.Expiry.Time().After(now.Add(assertionLife)) &&
		(claims.NotBefore == nil || !claims.NotBefore.Time().After(now.Add(clockSkew))) &&
		(claims.IssuedAt == nil || !claims.IssuedAt.Time().After(now.Add(clockSkew)))
}

// spend uses up an assertion.
func (s *Server) spend(ctx context.Context, client *Client, claims assertionClaims) error {
	sum := sha256.Sum256([]byte(claims.ID))
	rows, err := s.cfg.DB.Exec(ctx, `INSERT INTO oauth_jti (client_id, jti_hash, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT DO NOTHING`, client.ID, sum[:], claims.Expiry.Time().Unix())
	if err == nil && rows == 0 {
		return because(fosite.ErrInvalidClient, "", "the assertion's jti was used before")
	}
	return unavailable(err)
}

// clientKeys returns the public keys that may have signed for client by alg: those of kid, or all where no kid is named.
func (s *Server) clientKeys(ctx context.Context, client *Client, kid, alg string) (keys []any, err error) {
	set := client.JWKS
	if set == nil {
		if set, err = s.loader.load(ctx, client.JWKSURI, kid); err != nil {
			return nil, err
		}
	}
	found := set.Keys
	if kid != "" {
		found = set.Key(kid)
	}
	for _, key := range found {
		if isFor(key, alg) {
			keys = append(keys, key.Key)
		}
	}
	return keys, nil
}

// signatureAlgorithms returns names in the type of the library.
func signatureAlgorithms(names []string) []jose.SignatureAlgorithm {
	out := make([]jose.SignatureAlgorithm, len(names))
	for i, name := range names {
		out[i] = jose.SignatureAlgorithm(name)
	}
	return out
}
