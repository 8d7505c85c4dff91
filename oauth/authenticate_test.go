package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"
)

func TestSec_OA12_OneRegisteredMethod(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "post", AuthMethod: "client_secret_post"})
	method := func(client, secret, how string) answer {
		v := w.exchange(client, w.code(client, "scope", "openid"))
		switch how {
		case "basic":
			return w.post("/oauth2/token", v, "Authorization", basic(client, secret))
		case "basic without client_id":
			v.Del("client_id")
			return w.post("/oauth2/token", v, "Authorization", basic(client, secret))
		case "post":
			v.Set("client_secret", secret)
		}
		return w.post("/oauth2/token", v)
	}
	for _, c := range []struct {
		client, how string
		good        bool
	}{
		{"web", "basic", true}, {"web", "basic without client_id", true}, {"web", "post", false}, {"web", "none", false},
		{"post", "basic", false}, {"post", "post", true}, {"post", "none", false},
		{"spa", "none", true},
	} {
		a := method(c.client, w.secrets[c.client], c.how)
		if c.good && a.status != 200 {
			t.Errorf("%s by %s: %d %s", c.client, c.how, a.status, a.body)
		} else if !c.good {
			w.wantError(a, 401, "invalid_client")
		}
	}
	w.wantError(method("spa", "invented", "basic"), 401, "invalid_client")
	w.wantError(method("spa", "invented", "post"), 401, "invalid_client")
	for _, secret := range []string{"", w.secrets["web"] + "x", w.secrets["web"][1:], strings.ToUpper(w.secrets["web"]), w.secrets["post"]} {
		w.wantError(method("web", secret, "basic"), 401, "invalid_client")
	}

	v := w.exchange("web", "x", "client_secret", w.secrets["web"])
	w.wantError(w.post("/oauth2/token", v, "Authorization", basic("web", w.secrets["web"])), 400, "invalid_request")
	v = w.exchange("spa", "x")
	w.wantError(w.post("/oauth2/token", v, "Authorization", basic("web", w.secrets["web"])), 401, "invalid_client")
	w.wantError(w.post("/oauth2/token", w.exchange("nobody", "x"), "Authorization", basic("nobody", "x")), 401, "invalid_client")
	w.wantError(w.post("/oauth2/token?client_secret="+w.secrets["post"], w.exchange("post", "x")), 400, "invalid_request")
	w.wantError(w.post("/oauth2/token", w.exchange("web", "x"), "Authorization", "Bearer x"), 401, "invalid_client")
}

func TestBytesThatAreNoText(t *testing.T) {
	both(t, func(w *world) {
		for _, id := range []string{"web\x00", "\xff", "a b", strings.Repeat("x", 1000)} {
			v := w.exchange("web", "x")
			v.Del("client_id")
			w.wantError(w.post("/oauth2/token", v, "Authorization", basic(id, "secret")), 401, "invalid_client")
			w.wantError(w.post("/oauth2/token", v, "Authorization", basic("web", id)), 401, "invalid_client")
			w.wantError(w.post("/oauth2/token", v, "Authorization", basic("web", w.secrets["web"]), "Origin", "https://\xff"), 400, "invalid_grant")
		}
		id := w.suspend(request("web"))
		w.wantPage(w.get("/oauth2/authorize?resume="+id[:8]+url.QueryEscape("\xc3\x28aaaaaaaaaaaa")), "invalid_request", "")
	})
}

func TestTrap35_WrongSecretsCostNothing(t *testing.T) {
	w := newWorld(t)
	var hash string
	if err := w.db.Get(t.Context(), &hash, `SELECT secret_hash FROM oauth_clients WHERE id = 'web'`); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$hmac$") || strings.Contains(hash, w.secrets["web"]) {
		t.Errorf("kept as %s", hash)
	}
	v := w.exchange("web", "x")
	c := w.crowd()
	begin := time.Now()
	for i := range 200 {
		c.from = fmt.Sprintf("198.51.100.%d", i)
		w.wantError(w.post("/oauth2/token", v, "Authorization", basic("web", "wrong-secret")), 401, "invalid_client")
	}
	if took := time.Since(begin); took > 20*time.Second { // bcrypt would need 45 s for them on a free core
		t.Errorf("200 wrong secrets took %v", took)
	}
}

func TestSecretsRotate(t *testing.T) {
	both(t, func(w *world) {
		old := w.secrets["web"]
		fresh, err := w.server.Clients().RotateSecret(w.Context(), "web", "", time.Hour)
		if err != nil || len(fresh) != 43 {
			w.Fatal(fresh, err)
		}
		try := func(secret string) int {
			return w.post("/oauth2/token", w.exchange("web", w.code("web")), "Authorization", basic("web", secret)).status
		}
		if try(old) != 200 || try(fresh) != 200 {
			w.Error("during the overlap")
		}
		w.clock.Add(time.Hour)
		w.host.auth = signedIn(w.clock.Now())
		if try(old) != 401 || try(fresh) != 200 {
			w.Error("after the overlap")
		}
		if _, err := w.server.Clients().RotateSecret(w.Context(), "spa", "", 0); err == nil {
			w.Error("a public client got a secret")
		}
	})
}

// clientKey returns a client's key and its public set.
func clientKey(t testing.TB) (*ecdsa.PrivateKey, *jose.JSONWebKeySet) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"}}}
}

func assertion(t testing.TB, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *world) asserting(client, token string) url.Values {
	return w.exchange(client, w.code(client), "client_id", "-", "client_assertion", token,
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
}

func TestSec_OA13_PrivateKeyJWT(t *testing.T) {
	both(t, func(w *world) {
		key, set := clientKey(w)
		w.client(&oauth.Client{ID: "keyed", AuthMethod: "private_key_jwt", AuthAlg: "ES256", JWKS: set})
		n := 0
		good := func(changes ...any) map[string]any {
			n++
			claims := map[string]any{
				"iss": "keyed", "sub": "keyed", "aud": issuer, "jti": fmt.Sprint("j", n), "exp": w.clock.Now().Add(5 * time.Minute).Unix(),
			}
			for i := 0; i < len(changes); i += 2 {
				claims[changes[i].(string)] = changes[i+1]
			}
			return claims
		}
		send := func(claims map[string]any) answer {
			return w.token(w.asserting("keyed", assertion(w, key, jose.ES256, "k1", claims)))
		}
		for _, aud := range []any{issuer, issuer + "/oauth2/token", []string{"https://x.example", issuer}} {
			if a := send(good("aud", aud)); a.status != 200 {
				w.Errorf("aud %v: %s", aud, a.body)
			}
		}
		for name, changes := range map[string][]any{
			"empty aud": {"aud", ""}, "foreign aud": {"aud", "https://other.example"}, "iss": {"iss", "web"}, "sub": {"sub", "web"},
			"no jti": {"jti", ""}, "expired": {"exp", w.clock.Now().Unix()}, "far": {"exp", w.clock.Now().Add(time.Hour).Unix()},
			"no exp": {"exp", nil}, "not yet": {"nbf", w.clock.Now().Add(5 * time.Minute).Unix()},
		} {
			if a := send(good(changes...)); a.status != 401 {
				w.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		public, _ := json.Marshal(set.Keys[0])
		for name, token := range map[string]string{
			"unknown kid":   assertion(w, key, jose.ES256, "k2", good()),
			"HS256":         assertion(w, public, jose.HS256, "k1", good()),
			"none":          "eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.eyJpc3MiOiJrZXllZCIsInN1YiI6ImtleWVkIn0.",
			"garbage":       "x",
			"other's key":   func() string { other, _ := clientKey(w); return assertion(w, other, jose.ES256, "k1", good()) }(),
			"no assertion ": "",
		} {
			w.wantError(w.token(w.asserting("keyed", token)), 401, "invalid_client")
			_ = name
		}
		w.assertAtOnce(assertion(w, key, jose.ES256, "k1", good()))
	})
}

// assertAtOnce sends one assertion many times at once: it is good once.
func (w *world) assertAtOnce(token string) {
	w.Helper()
	var wg sync.WaitGroup
	var wins atomic.Int64
	for range 16 {
		v := w.asserting("keyed", token)
		wg.Go(func() {
			if w.post("/oauth2/token", v).status == 200 {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		w.Errorf("one assertion was taken %d times", wins.Load())
	}
}

func TestTrap19_AssertionsForOthersSpendNothing(t *testing.T) {
	w := newWorld(t)
	key, set := clientKey(t)
	w.client(&oauth.Client{ID: "one", AuthMethod: "private_key_jwt", AuthAlg: "ES256", JWKS: set})
	w.client(&oauth.Client{ID: "two", AuthMethod: "private_key_jwt", AuthAlg: "ES256", JWKS: set})
	claims := func(client, aud string) map[string]any {
		return map[string]any{"iss": client, "sub": client, "aud": aud, "jti": "same", "exp": w.clock.Now().Add(time.Minute).Unix()}
	}
	send := func(client, aud string) int {
		return w.token(w.asserting(client, assertion(t, key, jose.ES256, "k1", claims(client, aud)))).status
	}
	if got := []int{send("one", "https://x.example"), send("one", issuer), send("two", issuer), send("two", issuer)}; fmt.Sprint(got) != "[401 200 200 401]" {
		t.Error(got)
	}
}

// published answers requests for a key set.
type published struct {
	mu    sync.Mutex
	set   *jose.JSONWebKeySet
	calls int
}

func (p *published) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	return transport{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(p.set) })}.RoundTrip(r)
}

func TestTrap17_KeySetsAreFetchedWithCare(t *testing.T) {
	w := newWorld(t)
	key, set := clientKey(t)
	remote := &published{set: set}
	cfg := w.config()
	cfg.Outbound = &http.Client{Transport: remote}
	w.server, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	w.client(&oauth.Client{ID: "remote", AuthMethod: "private_key_jwt", AuthAlg: "ES256", JWKSURI: "https://app.example/jwks"})
	n := 0
	send := func(kid string) int {
		n++
		w.host.auth = signedIn(w.clock.Now())
		return w.token(w.asserting("remote", assertion(t, key, jose.ES256, kid, map[string]any{
			"iss": "remote", "sub": "remote", "aud": issuer, "jti": fmt.Sprint(n), "exp": w.clock.Now().Add(time.Minute).Unix(),
		}))).status
	}
	for range 2 {
		if got := send("k1"); got != 200 || remote.calls != 1 {
			t.Errorf("%d after %d calls", got, remote.calls)
		}
	}
	for range 10 {
		if send("invented") != 401 {
			t.Error("an invented kid passed")
		}
	}
	if remote.calls != 2 { // the first one of them may be a new key
		t.Errorf("%d calls with invented kids", remote.calls)
	}
	w.clock.Add(time.Minute)
	set.Keys[0].KeyID = "k2"
	if send("k2") != 200 || remote.calls != 3 {
		t.Errorf("after a rotation: %d calls", remote.calls)
	}
}

func TestSec_OA02_Registration(t *testing.T) {
	w := newWorld(t)
	for _, uri := range []string{
		"", "x", "/callback", "https://*.example/", "https://app.example/#x", "https://u@app.example/", "http://app.example/",
		"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "ftp://app.example/", "https://", "https:///x",
		"https://app.example/a/../b", "https://app.example\\x", "https://app.example/ x", "https://app.example/ä",
		"https://127.0.0.1/cb", "https://[::1]/cb", "file:///etc/passwd", "myapp:/cb", "com.example.app:/cb", "vbscript:x",
		strings.Repeat("https://app.example/", 200),
	} {
		_, err := w.server.Clients().Create(t.Context(), &oauth.Client{RedirectURIs: []string{uri}}, "")
		var invalid *oauth.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "redirect_uris" {
			t.Errorf("%q: %v", uri, err)
		}
	}
	for name, c := range map[string]*oauth.Client{
		"id":            {ID: "a b"},
		"auth_method":   {AuthMethod: "client_secret_jwt"},
		"id_token_alg":  {IDTokenAlg: "none"},
		"access_token":  {AccessToken: "x"},
		"grant_types":   {GrantTypes: []string{"password"}},
		"scopes":        {Scopes: []string{"open id"}},
		"mfa":           {MFA: "sometimes"},
		"jwks":          {AuthMethod: "private_key_jwt"},
		"redirect_uris": {RedirectURIs: []string{}},
	} {
		if c.RedirectURIs == nil {
			c.RedirectURIs = []string{callback}
		}
		_, err := w.server.Clients().Create(t.Context(), c, "")
		var invalid *oauth.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.server.Clients().Create(t.Context(), &oauth.Client{ID: "web", RedirectURIs: []string{callback}}, ""); !errors.Is(err, oauth.ErrTaken) {
		t.Error(err)
	}
}

func TestClients(t *testing.T) {
	both(t, func(w *world) {
		clients := w.server.Clients()
		c, err := clients.Get(w.Context(), "web")
		if err != nil || c.Name != "Web" || c.IDTokenAlg != "RS256" || c.Consent != "ask" || c.MFA != "optional" || c.AccessToken != "jwt" {
			w.Fatalf("%+v %v", c, err)
		}
		if !clients.SecretIs(c, w.secrets["web"]) || clients.SecretIs(c, "") {
			w.Error("the secret")
		}
		edited := *c
		edited.Name, edited.RedirectURIs = "New", []string{"https://new.example/cb"}
		if err := clients.Update(w.Context(), &edited); err != nil {
			w.Fatal(err)
		}
		all, err := clients.List(w.Context())
		if err != nil || len(all) != 2 || all[1].Name != "New" || !clients.SecretIs(all[1], w.secrets["web"]) {
			w.Errorf("%v %v", all, err)
		}
		edited.ID = "none"
		for _, err := range []error{clients.Update(w.Context(), &edited), clients.Delete(w.Context(), "none")} {
			if !errors.Is(err, oauth.ErrNotFound) {
				w.Error(err)
			}
		}
		if err := clients.Delete(w.Context(), "web"); err != nil {
			w.Fatal(err)
		}
		if _, err := clients.Get(w.Context(), "web"); !errors.Is(err, oauth.ErrNotFound) {
			w.Error(err)
		}
		if w.host.count(oauth.EventClientDeleted) != 1 || w.host.count(oauth.EventClientCreated) != 2 || w.host.count(oauth.EventClientUpdated) != 1 {
			w.Error(w.host.events)
		}
		if secret, err := clients.Create(w.Context(), &oauth.Client{ID: "own", RedirectURIs: []string{callback}}, "chosen-elsewhere"); secret != "chosen-elsewhere" || err != nil {
			w.Error(secret, err)
		}
		var invalid *oauth.InvalidError
		if _, err := clients.Create(w.Context(), &oauth.Client{ID: "short", RedirectURIs: []string{callback}}, "by-hand"); !errors.As(err, &invalid) {
			w.Errorf("7 characters: %v", err)
		}
	})
}
