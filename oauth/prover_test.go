package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// prover makes DPoP proofs, good and bad ones.
type prover struct {
	w   *world
	key crypto.Signer
	alg string
	jkt string
	n   int
}

func (w *world) prover() *prover {
	w.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.Fatal(err)
	}
	return w.proverOf(key, "ES256")
}

func (w *world) proverOf(key crypto.Signer, alg string) *prover {
	w.Helper()
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		w.Fatal(err)
	}
	return &prover{w: w, key: key, alg: alg, jkt: base64.RawURLEncoding.EncodeToString(sum)}
}

// jwk returns the key's public part, or all of it, as a header holds it.
func (p *prover) jwk(private bool) map[string]any {
	key := jose.JSONWebKey{Key: p.key.Public()}
	if private {
		key.Key = p.key
	}
	text, err := key.MarshalJSON()
	if err != nil {
		p.w.Fatal(err)
	}
	return decoded(p.w, text)
}

func decoded(t testing.TB, text []byte) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// proof returns a good proof for the token endpoint, with changes of its claims in pairs; those of "header." change the
// header, nil removes.
func (p *prover) proof(changes ...any) string {
	p.w.Helper()
	p.n++
	header := map[string]any{"typ": "dpop+jwt", "alg": p.alg, "jwk": p.jwk(false)}
	claims := map[string]any{
		"jti": fmt.Sprint("p", p.n, "-", p.jkt), "htm": "POST", "htu": issuer + "/oauth2/token", "iat": p.w.clock.Now().Unix(),
	}
	for i := 0; i < len(changes); i += 2 {
		part, name := claims, changes[i].(string)
		if rest, ok := strings.CutPrefix(name, "header."); ok {
			part, name = header, rest
		}
		if part[name] = changes[i+1]; changes[i+1] == nil {
			delete(part, name)
		}
	}
	return p.signed(header, claims)
}

// at returns a good proof for userinfo with that access token.
func (p *prover) at(token string, changes ...any) string {
	return p.proof(append([]any{"htm", "GET", "htu", issuer + "/oauth2/userinfo", "ath", hashed(token)}, changes...)...)
}

func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (p *prover) signed(header, claims map[string]any) string {
	var parts [2]string
	for i, part := range []map[string]any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			p.w.Fatal(err)
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(text)
	}
	input := parts[0] + "." + parts[1]
	alg, _ := header["alg"].(string)
	return input + "." + base64.RawURLEncoding.EncodeToString(p.signature(alg, input))
}

// signature signs by what the header says, whether or not that is allowed.
func (p *prover) signature(alg, input string) []byte {
	sum := sha256.Sum256([]byte(input))
	var out []byte
	var err error
	switch key := p.key.(type) {
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, key, sum[:])
		if err = e; err == nil {
			size := key.Curve.Params().BitSize / 8
			out = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
	case *rsa.PrivateKey:
		if alg == "PS256" {
			out, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			out, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		}
	case ed25519.PrivateKey:
		out = ed25519.Sign(key, []byte(input))
	}
	if err != nil {
		p.w.Fatal(err)
	}
	switch alg {
	case "none", "":
		return nil
	case "HS256":
		public, _ := json.Marshal(p.jwk(false))
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
	return out
}

// proofRequest returns a request to the token endpoint with the proofs in DPoP headers.
func (w *world) proofRequest(v url.Values, proofs ...string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, issuer+"/oauth2/token", strings.NewReader(v.Encode()))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id := v.Get("client_id"); w.secrets[id] != "" {
		r.Header.Set("Authorization", basic(id, w.secrets[id]))
	}
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	return r
}

// proving sends such a request.
func (w *world) proving(v url.Values, proofs ...string) answer {
	w.Helper()
	return w.do(w.browser, w.proofRequest(v, proofs...))
}

// machine returns the parameters of a client credentials request.
func (w *world) machine(client string, changes ...string) url.Values {
	v := url.Values{"grant_type": {"client_credentials"}}
	w.credentials(client, v)
	change(v, changes)
	return v
}
