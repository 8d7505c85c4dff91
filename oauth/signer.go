package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

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
	if err := k.fresh(ctx); err != nil {
		return "", err
	}
	key, err := k.current(alg)
	if err != nil {
		return "", err
	}
	payload, err := appendObject(make([]byte, 0, 512), claims)
	if err != nil {
		return "", err
	}
	token, err := key.sign(typ, payload)
	if err == nil && typ == typAccess { // it will come back
		k.verified.put(sha256.Sum256([]byte(token)), unread)
	}
	return token, err
}

// verify returns the claims of a token of the given type that one of our keys signed, which are shared. The token's header
// must be that of such a key to the letter: nothing that the token brings along is believed. The times are not checked.
func (k *keyring) verify(ctx context.Context, typ, token string) (*tokenClaims, error) {
	head, _, _ := strings.Cut(token, ".")
	key, err := k.byHead(ctx, head, typ)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, errToken
	}
	sum := sha256.Sum256([]byte(token))
	claims := k.verified.get(sum)
	if claims != nil && claims != unread {
		return claims, nil
	}
	payload, ok := key.open(token, claims == unread)
	if !ok {
		return nil, errToken
	}
	claims = new(tokenClaims)
	if err := json.Unmarshal(payload, claims); err != nil {
		return nil, errToken
	}
	k.verified.put(sum, claims)
	return claims, nil
}

// byHead returns the key that may have signed a token of the given type with this header, nil when there is none. That is a
// published one, and for ID tokens a retired one too: they come back as id_token_hint alone, from people who were signed in
// for long.
func (k *keyring) byHead(ctx context.Context, head, typ string) (*signingKey, error) {
	if err := k.fresh(ctx); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, key := range k.keys { // a handful
		if key.heads[typ] == head && (typ == typID || !key.retired(k.now())) {
			return key, nil
		}
	}
	return nil, nil
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
