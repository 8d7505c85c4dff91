package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func newKey(t testing.TB, alg string) (key crypto.Signer) {
	t.Helper()
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func thumbprint(t testing.TB, key crypto.Signer) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// public returns the key set that a client publishes.
func public(t testing.TB, key crypto.Signer, alg string) jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: thumbprint(t, key), Algorithm: alg, Use: "sig"}}}
}

// signer signs under the key's thumbprint as kid.
func signer(t testing.TB, key crypto.Signer, alg, typ string) jose.Signer {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: key, KeyID: thumbprint(t, key)},
	}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// assertion returns a client assertion (RFC 7523); edit may spoil it.
func (p *provider) assertion(client string, key crypto.Signer, alg string, edit ...func(map[string]any)) string {
	p.t.Helper()
	now := p.Clock.Now()
	claims := map[string]any{
		"iss": client, "sub": client, "aud": p.Issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	for _, change := range edit {
		change(claims)
	}
	signed, err := jwt.Signed(signer(p.t, key, alg, "JWT")).Claims(claims).Serialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return signed
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// asserted adds an assertion to a form.
func asserted(form url.Values, assertion string) url.Values {
	return with(form, "client_assertion_type", assertionType, "client_assertion", assertion)
}

// proof is a DPoP proof (RFC 9449) before it is signed.
type proof struct {
	header, claims map[string]any
	key            crypto.Signer
	alg            string
}

// proofFor returns a good proof for a request.
func (p *provider) proofFor(key crypto.Signer, alg, method, path, token string) *proof {
	out := &proof{
		header: map[string]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: key.Public()}},
		claims: map[string]any{"jti": rand.Text(), "htm": method, "htu": p.Issuer + path, "iat": p.Clock.Now().Unix()},
		key:    key, alg: alg,
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		out.claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return out
}

func (f *proof) sign(t testing.TB) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	for name, value := range f.header {
		options.ExtraHeaders[jose.HeaderKey(name)] = value
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(f.alg), Key: f.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Signed(s).Claims(f.claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// form sends a form with headers ("name", "value" pairs).
func (p *provider) form(path string, form url.Values, headers ...string) reply {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.Issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return p.send(r)
}
