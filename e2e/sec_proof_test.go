package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	v3 "github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// secKey is a key that signs client assertions and DPoP proofs.
type secKey struct {
	t   testing.TB
	key *ecdsa.PrivateKey
}

func secNewKey(t testing.TB) *secKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &secKey{t, key}
}

// sign returns claims as a JWS of that type, which brings its key along.
func (k *secKey) sign(typ string, claims map[string]any) string {
	k.t.Helper()
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType(jose.ContentType(typ))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.key}, options)
	if err != nil {
		k.t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		k.t.Fatal(err)
	}
	return token
}

func (k *secKey) assertion(client, issuer, jti string) string {
	return k.sign("JWT", map[string]any{
		"iss": client, "sub": client, "aud": issuer, "jti": jti, "exp": time.Now().Add(5 * time.Minute).Unix(),
	})
}

func (k *secKey) proof(issuer, jti string) string {
	return k.sign("dpop+jwt", map[string]any{"jti": jti, "htm": "POST", "htu": issuer + "/oauth2/token", "iat": time.Now().Unix()})
}

func TestSec_OA13_TK09_TwoProcesses(t *testing.T) {
	t.Parallel()
	r := secReplicate(t)
	k := secNewKey(t)
	r.client("jobs", func(c *oauth.Client) {
		c.AuthMethod, c.AuthAlg, c.GrantTypes, c.Scopes = "private_key_jwt", "ES256", []string{"client_credentials"}, []string{"run"}
		c.JWKS = &v3.JSONWebKeySet{Keys: []v3.JSONWebKey{{Key: &k.key.PublicKey, Use: "sig", Algorithm: "ES256"}}}
	})
	send := func(replica, assertion, proof string) (bool, int, error) {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		request, err := http.NewRequest(http.MethodPost, replica+"/oauth2/token", strings.NewReader(form.Encode()))
		if err != nil {
			return false, 0, err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("DPoP", proof)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			return false, 0, err
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode == http.StatusOK, response.StatusCode, nil
	}
	for trial := range 12 {
		assertion := k.assertion("jobs", r.Issuer, fmt.Sprint("a", trial))
		proof := k.proof(r.Issuer, fmt.Sprint("p", trial))
		r.race("a client assertion", func(i int, replica string) (bool, int, error) {
			return send(replica, assertion, k.proof(r.Issuer, fmt.Sprint(trial, "-", i)))
		})
		r.race("a DPoP proof", func(i int, replica string) (bool, int, error) {
			return send(replica, k.assertion("jobs", r.Issuer, fmt.Sprint("b", trial, "-", i)), proof)
		})
	}
}

func TestSec_TK08_EveryRefreshAsksAgain(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	rpGroups(t, s, 0, "nobody", "staff")
	edit := func(c *idptest.Client, change func(*oauth.Client)) {
		edited := *c.Client
		change(&edited)
		if err := s.OAuth.Clients().Update(t.Context(), &edited); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(p *secPerson, c *idptest.Client){
		"disabled":          func(p *secPerson, _ *idptest.Client) { must(s.Actions().Disable(t.Context(), p.Subject)) },
		"deleted":           func(p *secPerson, _ *idptest.Client) { must(s.Actions().Delete(t.Context(), p.Subject)) },
		"MFA reset":         func(p *secPerson, _ *idptest.Client) { must(s.Actions().ResetMFA(t.Context(), p.Subject, "lost")) },
		"consent withdrawn": func(p *secPerson, c *idptest.Client) { must(s.Consents.Revoke(t.Context(), p.Subject, c.Client.ID)) },
		"group left": func(p *secPerson, _ *idptest.Client) {
			p.Groups = nil
			must(s.Accounts.Update(t.Context(), p.Account))
		},
		"policy": func(p *secPerson, _ *idptest.Client) {
			p.Groups = []string{"staff", "nobody"} // whom the policy wants to enrol
			must(s.Accounts.Update(t.Context(), p.Account))
		},
		"scope taken": func(_ *secPerson, c *idptest.Client) {
			edit(c, func(c *oauth.Client) { c.Scopes = []string{"openid", "offline_access"} })
		},
		"closed to groups": func(_ *secPerson, c *idptest.Client) {
			edit(c, func(c *oauth.Client) { c.Groups = []string{"nobody"} })
		},
		"MFA required": func(_ *secPerson, c *idptest.Client) { edit(c, func(c *oauth.Client) { c.MFA = "required" }) },
		"MFA always":   func(_ *secPerson, c *idptest.Client) { edit(c, func(c *oauth.Client) { c.MFA = "always" }) },
	} {
		name := strings.ReplaceAll(strings.ToLower(name), " ", "-")
		c := s.client(name, func(c *oauth.Client) { c.Groups, c.Consent = []string{"staff"}, "ask" })
		p, b := s.person(name, func(a *account.NewAccount) { a.Groups = []string{"staff"} }), s.Browser()
		tokens := s.exchange(c, secAt(t, p.signIn(b, c), "/consent").Submit("consent-allow"))
		tokens = s.mustRefresh(c, tokens)
		change(p, c)
		before := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'oauth.token_refused'`)
		if _, err := s.refresh(c, tokens); err == nil {
			t.Errorf("%s: refreshed", name)
		} else {
			secInvalidGrant(t, err)
		}
		if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'oauth.token_refused'`) - before; n != 1 {
			t.Errorf("%s: %d events", name, n)
		}
		if s.userInfo(tokens) != nil {
			t.Errorf("%s: userinfo answers", name)
		}
	}
}

func TestSec_TK05_ReuseIsTold(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	tokens := s.exchange(s.app, s.person("alice").signIn(s.Browser(), s.app))
	next := s.mustRefresh(s.app, tokens)
	s.Clock.Add(61 * time.Second)
	for range 3 { // told once, however often it comes
		_, err := s.refresh(s.app, tokens)
		secInvalidGrant(t, err)
	}
	_, err := s.refresh(s.app, next)
	secInvalidGrant(t, err)
	s.Deliver(t.Context())
	sent := s.Mail.Sent()
	if len(sent) != 1 || sent[0].To != "alice@example.com" || !strings.Contains(sent[0].Text, "App app") {
		t.Errorf("told by %v", sent)
	}
	if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'oauth.refresh_reused'`); n != 1 {
		t.Errorf("%d events", n)
	}
}
