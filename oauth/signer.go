package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// errToken says that a token is not one that we signed for this use.
var errToken = errors.New("oauth: not a token of ours")

// tokenClaims are the claims of our tokens that we read again.
type tokenClaims struct {
	Issuer   string       `json:"iss"`
	Subject  string       `json:"sub"`
	Audience jwt.Audience `json:"aud"`
	Expiry   int64        `json:"exp"`
	ID       string       `json:"jti"`
	ClientID string       `json:"client_id"`
	Scope    string       `json:"scope"`
	Session  string       `json:"sid"`
	IssuedAt int64        `json:"iat"`
	Key      struct {
		JKT string `json:"jkt"` // RFC 9449 section 6.1
	} `json:"cnf"`
}

// sign returns claims as a JWS of the given type by the current key of alg.
func (k *keyring) sign(ctx context.Context, alg, typ string, claims map[string]any) (string, error) {
	if err := k.fresh(ctx, keyInterval); err != nil {
		return "", err
	}
	key, err := k.current(alg)
	if err != nil {
		return "", err
	}
	return jwt.Signed(key.signers[typ]).Claims(claims).Serialize()
}

// verify returns the claims of a token of the given type that one of the published keys signed. The key decides the
// algorithm, the header only names the key: nothing that the token brings along is believed. The times are not checked.
func (k *keyring) verify(ctx context.Context, typ, token string) (*tokenClaims, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil || len(parsed.Headers) != 1 {
		return nil, errToken
	}
	header := parsed.Headers[0]
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, errToken
	}
	key, err := k.byID(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	if key == nil || key.Alg != header.Algorithm {
		return nil, errToken
	}
	var claims tokenClaims
	if err := parsed.Claims(key.public.Key, &claims); err != nil {
		return nil, errToken
	}
	return &claims, nil
}

// byID returns the published key kid, nil when there is none. A key that another replica made a moment ago is found
// too, at one look per second.
func (k *keyring) byID(ctx context.Context, kid string) (*signingKey, error) {
	find := func() *signingKey {
		k.mu.RLock()
		defer k.mu.RUnlock()
		key := k.keys[kid]
		if key == nil || key.RetiredAt != 0 && key.RetiredAt <= k.now().Unix() {
			return nil
		}
		return key
	}
	if key := find(); key != nil {
		return key, nil
	}
	if err := k.fresh(ctx, time.Second); err != nil {
		return nil, err
	}
	return find(), nil
}

// leftHalf returns at_hash (OpenID Connect Core 1.0 section 3.1.3.6). For Ed25519 the hash is the curve's own.
func leftHalf(alg, token string) string {
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:sha512.Size/2])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2])
}
