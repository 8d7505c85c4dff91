package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
)

// Our own tokens are always of the same few kinds, so that their compact JWS (RFC 7515 section 7.1) is made and read here by
// hand: with a header that was encoded once, and without a library's generality, which cost more than half of an ECDSA signature.
// What others sign (assertions, DPoP proofs) go-jose reads.

// signingTypes are the types of the tokens that a key may sign.
var signingTypes = []string{typID, typAccess, typLogout, typUserinfo}

// heads returns the encoded protected headers of what the key kid signs, by type.
func heads(alg, kid string) map[string]string {
	out := make(map[string]string, len(signingTypes))
	for _, typ := range signingTypes {
		out[typ] = base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":%q}`, alg, kid, typ)))
	}
	return out
}

// sign returns payload as a compact JWS of the given type.
func (k *signingKey) sign(typ string, payload []byte) (string, error) {
	head, ok := k.heads[typ]
	if !ok {
		return "", fmt.Errorf("oauth: a key does not sign %s", typ)
	}
	encoding := base64.RawURLEncoding
	size := len(head) + 1 + encoding.EncodedLen(len(payload))
	text := make([]byte, 0, size+1+encoding.EncodedLen(256)) // 256: RSA's
	text = append(append(text, head...), '.')
	text = encoding.AppendEncode(text, payload)
	signature, err := k.signature(text)
	if err != nil {
		return "", fmt.Errorf("oauth: sign by %s: %w", k.KID, err)
	}
	return string(encoding.AppendEncode(append(text, '.'), signature)), nil
}

// signature signs text by the key's algorithm (RFC 7518 sections 3.3 and 3.4, RFC 8037 section 3.1).
func (k *signingKey) signature(text []byte) ([]byte, error) {
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		sum := sha256.Sum256(text)
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			return nil, err
		}
		out := make([]byte, 2*sumSize)
		r.FillBytes(out[:sumSize])
		s.FillBytes(out[sumSize:])
		return out, nil
	case *rsa.PrivateKey:
		sum := sha256.Sum256(text)
		return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:])
	case ed25519.PrivateKey:
		return ed25519.Sign(private, text), nil
	}
	return nil, fmt.Errorf("a %T does not sign", k.private)
}

// sumSize is the size of a coordinate of P-256 and of a SHA-256 hash.
const sumSize = sha256.Size

// signed reports whether signature is the key's for text.
func (k *signingKey) signed(text, signature []byte) bool {
	switch public := k.public.Key.(type) {
	case *ecdsa.PublicKey:
		if len(signature) != 2*sumSize {
			return false
		}
		sum := sha256.Sum256(text)
		r, s := new(big.Int).SetBytes(signature[:sumSize]), new(big.Int).SetBytes(signature[sumSize:])
		return ecdsa.Verify(public, sum[:], r, s)
	case *rsa.PublicKey:
		sum := sha256.Sum256(text)
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, text, signature)
	}
	return false
}

// open returns the payload of a token whose head is this key's; ok says whether the key has signed it. known says so before.
func (k *signingKey) open(token string, known bool) (payload []byte, ok bool) {
	at := strings.LastIndexByte(token, '.')
	text := token[:max(at, 0)]
	_, body, found := strings.Cut(text, ".")
	if !found || strings.Contains(body, ".") || strings.ContainsAny(token, "\r\n") { // which base64 would skip
		return nil, false
	}
	encoding := base64.RawURLEncoding.Strict()
	if !known {
		signature, err := encoding.DecodeString(token[at+1:])
		if err != nil || !k.signed([]byte(text), signature) {
			return nil, false
		}
	}
	payload, err := encoding.DecodeString(body)
	return payload, err == nil
}

// maxVerified is how many tokens are remembered twice over.
const maxVerified = 2048

// unread stands for what a token says that we have signed and nobody has brought yet.
var unread = new(tokenClaims)

// verified remembers what recent tokens of ours say: looking at a signature of P-256 again and again costs more than all else
// that a resource server asks for. A signature that was good stays so; whether its key still counts, the time and the
// grant are looked at every time. It is safe for concurrent use.
type verified struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]*tokenClaims // by hash; old ones are forgotten together
}

// get returns what a token says that was signed or verified a short time ago, nil when that is not known, or unread. It is
// shared: nobody changes it.
func (v *verified) get(sum [sha256.Size]byte) *tokenClaims {
	v.mu.Lock()
	defer v.mu.Unlock()
	if claims := v.young[sum]; claims != nil {
		return claims
	}
	claims := v.old[sum]
	if claims != nil {
		v.keep(sum, claims)
	}
	return claims
}

// put remembers a token that was signed or verified.
func (v *verified) put(sum [sha256.Size]byte, claims *tokenClaims) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keep(sum, claims)
}

func (v *verified) keep(sum [sha256.Size]byte, claims *tokenClaims) {
	if v.young == nil || len(v.young) >= maxVerified {
		v.young, v.old = make(map[[sha256.Size]byte]*tokenClaims, 64), v.young
	}
	v.young[sum] = claims
}
