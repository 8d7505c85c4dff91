package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"

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

// verify returns the claims of a token of the given type that one of our keys signed. The key decides the algorithm, the
// header only names the key: nothing that the token brings along is believed. The times are not checked.
func (k *keyring) verify(ctx context.Context, typ, token string) (*tokenClaims, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil || len(parsed.Headers) != 1 {
		return nil, errToken
	}
	header := parsed.Headers[0]
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, errToken
	}
	key, err := k.byID(ctx, header.KeyID, typ)
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

// byID returns the key kid that may have signed a token of the given type, nil when there is none. That is a published
// one, and for ID tokens a retired one too: they come back as id_token_hint alone, from people who were signed in for long.
func (k *keyring) byID(ctx context.Context, kid, typ string) (*signingKey, error) {
	if err := k.fresh(ctx, keyInterval); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	key := k.keys[kid]
	if key == nil || typ != typID && key.retired(k.now()) {
		return nil, nil
	}
	return key, nil
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
