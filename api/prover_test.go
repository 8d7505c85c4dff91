package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/focushq/idp"
)

type idpConfig = idp.Config

// prover has a key for DPoP (RFC 9449).
type prover struct {
	t      *testing.T
	f      *fixture
	signer jose.Signer
}

func newProver(t *testing.T, f *fixture) *prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	return &prover{t, f, signer}
}

func (p *prover) proof(method, address, token string) string {
	p.t.Helper()
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": p.f.Clock.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	text, err := jwt.Signed(p.signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

func (p *prover) token(client, secret string) string {
	p.t.Helper()
	r, _ := http.NewRequest("POST", p.f.Issuer+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("DPoP", p.proof("POST", p.f.Issuer+"/oauth2/token", ""))
	r.SetBasicAuth(client, secret)
	response, err := p.f.HTTP.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Type != "DPoP" {
		p.t.Fatal(answer, err)
	}
	return answer.Token
}
