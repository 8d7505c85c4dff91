package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/ory/fosite"
)

// Limits of a DPoP proof.
const (
	proofWindow = time.Minute     // how far its iat may be from our clock, either way
	nonceLife   = 5 * time.Minute // a nonce is offered so long, and good for as long again
	maxID       = 512             // length of a jti
)

// errInvalidProof and errUseNonce are those of RFC 9449 sections 5 and 8.
var (
	errInvalidProof = &fosite.RFC6749Error{ErrorField: "invalid_dpop_proof", CodeField: http.StatusBadRequest}
	errUseNonce     = &fosite.RFC6749Error{ErrorField: "use_dpop_nonce", CodeField: http.StatusBadRequest}
)

// proofClaims are the claims of a DPoP proof (RFC 9449 section 4.2).
type proofClaims struct {
	ID        string           `json:"jti"`
	Method    string           `json:"htm"`
	URI       string           `json:"htu"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	Expiry    *jwt.NumericDate `json:"exp"`
	TokenHash string           `json:"ath"`
	Nonce     string           `json:"nonce"`
}

// proof verifies the DPoP proof of r (RFC 9449 section 4.3) and returns the thumbprint of its key, "" when r brings
// none. A proof at a resource must be for the access token there; token is "" elsewhere. A bad proof is errInvalidProof,
// one that lacks a good nonce errUseNonce.
func (s *Server) proof(ctx context.Context, r *http.Request, token string) (jkt string, err error) {
	headers := r.Header.Values("DPoP")
	switch len(headers) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", because(errInvalidProof, "", "there is more than one proof")
	}
	jkt, claims, ok := parseProof(headers[0])
	if !ok {
		return "", because(errInvalidProof, "", "the proof is no JWT of type dpop+jwt that its own jwk signed")
	}
	// The issuer's URL, never the Host header: that one is the sender's.
	if !s.fits(claims, r.Method, s.cfg.Issuer+r.URL.Path, token) {
		return "", because(errInvalidProof, "", "the proof's htm, htu, iat, jti or ath is not as this request wants it")
	}
	if claims.Nonce == "" && s.cfg.RequireNonce || claims.Nonce != "" && !s.isNonce(claims.Nonce) {
		return "", errUseNonce
	}
	// Last: what is refused for another reason may be sent again.
	return jkt, s.spendProof(ctx, jkt, claims)
}

// parseProof returns the claims of a well-formed proof with a good signature, and the thumbprint (RFC 7638) of the key
// that it brings along.
func parseProof(text string) (jkt string, claims proofClaims, ok bool) {
	if len(text) > maxJWT {
		return "", claims, false
	}
	parsed, err := jwt.ParseSigned(text, signatureAlgorithms(proofAlgs))
	if err != nil || len(parsed.Headers) != 1 {
		return "", claims, false
	}
	header := parsed.Headers[0]
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	key := header.JSONWebKey
	if typ != "dpop+jwt" || key == nil || !key.IsPublic() || !suits(header.Algorithm, key.Key) {
		return "", claims, false
	}
	if err := parsed.Claims(key.Key, &claims); err != nil {
		return "", claims, false
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), claims, err == nil
}

// suits reports whether a public key is one for alg, and strong enough.
func suits(alg string, key any) bool {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return alg == "ES256" && key.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return (alg == "PS256" || alg == "RS256") && key.N.BitLen() >= 2048 && key.N.BitLen() <= 8192
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// fits reports whether a proof was made for this request, now.
func (s *Server) fits(claims proofClaims, method, target, token string) bool {
	now := s.cfg.Now()
	good := claims.ID != "" && len(claims.ID) <= maxID && claims.Method == method && sameTarget(claims.URI, target) &&
		claims.IssuedAt != nil && claims.IssuedAt.Time().Sub(now).Abs() <= proofWindow && !s.outlived(claims.IssuedAt, nil) &&
		(claims.NotBefore == nil || !claims.NotBefore.Time().After(now.Add(clockSkew))) &&
		(claims.Expiry == nil || now.Before(claims.Expiry.Time()))
	if token == "" {
		return good
	}
	sum := sha256.Sum256([]byte(token))
	return good && claims.TokenHash == base64.RawURLEncoding.EncodeToString(sum[:])
}

// sameTarget reports whether a proof's htu is the address target, which has no query and no fragment; those of htu
// don't count (RFC 9449 section 4.3, RFC 3986 section 6.2).
func sameTarget(htu, target string) bool {
	got, err := url.Parse(htu)
	if err != nil || got.User != nil || got.Host == "" {
		return false
	}
	want, err := url.Parse(target)
	return err == nil && strings.EqualFold(got.Scheme, want.Scheme) && authority(got) == authority(want) &&
		got.EscapedPath() == want.EscapedPath()
}

// authority returns the host of u in lower case, with its port unless that is the scheme's own.
func authority(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port, ok := map[string]string{"https": ":443", "http": ":80"}[strings.ToLower(u.Scheme)]; ok {
		host = strings.TrimSuffix(host, port)
	}
	return strings.TrimSuffix(host, ":")
}

// spendProof uses up a proof: on no replica is it good a second time.
func (s *Server) spendProof(ctx context.Context, jkt string, claims proofClaims) error {
	sum := sha256.Sum256([]byte(jkt + " " + claims.ID))
	rows, err := s.cfg.DB.Exec(ctx, `INSERT INTO oauth_proofs (hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		sum[:], claims.IssuedAt.Time().Add(proofWindow).Unix())
	if err == nil && rows == 0 {
		return because(errInvalidProof, "", "the proof's jti was used before")
	}
	return unavailable(err)
}

// offerNonce tells the client which nonce its next proof should hold (RFC 9449 section 8.2).
func (s *Server) offerNonce(w http.ResponseWriter) {
	w.Header().Set("DPoP-Nonce", s.nonce(s.cfg.Now().Unix()/int64(nonceLife/time.Second)))
}

// nonce returns the nonce of a span of time. Every replica computes the same one, so that none has to be kept.
func (s *Server) nonce(span int64) string {
	mac := hmac.New(sha256.New, s.nonceKey)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(span)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// isNonce reports whether nonce is the one of this span, the last, or the next: clocks of replicas differ.
func (s *Server) isNonce(nonce string) bool {
	span := s.cfg.Now().Unix() / int64(nonceLife/time.Second)
	return slices.ContainsFunc([]int64{span, span - 1, span + 1}, func(n int64) bool {
		return hmac.Equal([]byte(nonce), []byte(s.nonce(n)))
	})
}
