package oauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// TestSec_OA02_FortyBadRedirectURIs: nothing of this can be registered, by whatever way.
func TestSec_OA02_FortyBadRedirectURIs(t *testing.T) {
	w := newWorld(t)
	token, _ := w.openRegistration(nil)
	bad := []string{
		"", "x", "/callback", "//app.example/cb", "https:", "https://", "https:///x", "https:app.example/cb", "https://*/", "https://*.example/",
		"https://app.example/*", "https://app.example/#x", "https://app.example/#", "https://u@app.example/", "https://u:p@app.example/",
		"https://app.example@evil.example/", "https://good.example\\@evil.example/", "http://app.example/", "http://192.0.2.1/", "http://10.0.0.1/cb",
		"http://localhost.evil.example/", "javascript:alert(1)", "JavaScript:alert(1)", "jAvAsCrIpT://app.example/%0aalert(1)", "data:text/html,x",
		"DATA:text/html;base64,eA==", "vbscript:x", "file:///etc/passwd", "ftp://app.example/", "ws://app.example/", "blob:https://app.example/x",
		"about:blank", "https://app.example/a/../b", "https://app.example\\x", "https://app.example/ x", "https://app.example/\n", "https://app.example/\x00",
		"https://app.example/ä", "https://bücher.example/", "https://127.0.0.1/cb", "https://[::1]/cb", "myapp:/cb", "myapp://cb",
		strings.Repeat("https://app.example/", 200),
	}
	if len(bad) < 40 {
		t.Fatal(len(bad))
	}
	for _, uri := range bad {
		for _, method := range []string{"client_secret_basic", "none"} {
			_, err := w.server.Clients().Create(t.Context(), &oauth.Client{AuthMethod: method, RedirectURIs: []string{uri}}, "")
			var invalid *oauth.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != "redirect_uris" {
				t.Errorf("%s %q: %v", method, uri, err)
			}
			a := w.manage(http.MethodPost, "/oauth2/register", token, asked(fields{"redirect_uris": []string{uri}, "token_endpoint_auth_method": method}))
			w.wantError(a, 400, "invalid_redirect_uri")
		}
	}
}

func TestSec_OA02_FreePortsAreForNativeLoopback(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct {
		client    oauth.Client
		asked     string
		redirects bool
	}{
		{oauth.Client{ID: "a", AuthMethod: "none", RedirectURIs: []string{"http://127.0.0.1/cb"}}, "http://127.0.0.1:5000/cb", true},
		{oauth.Client{ID: "b", AuthMethod: "none", RedirectURIs: []string{"http://[::1]:1/cb"}}, "http://[::1]:5000/cb", true},
		{oauth.Client{ID: "c", ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1/cb"}}, "http://127.0.0.1:5000/cb", true},
		{oauth.Client{ID: "d", AuthMethod: "none", RedirectURIs: []string{"http://localhost/cb"}}, "http://localhost:5000/cb", false},
		{oauth.Client{ID: "e", AuthMethod: "none", RedirectURIs: []string{"https://app.example/cb"}}, "https://app.example:5000/cb", false},
		{oauth.Client{ID: "f", RedirectURIs: []string{"http://127.0.0.1/cb"}}, "http://127.0.0.1:5000/cb", false},
		{oauth.Client{ID: "g", AuthMethod: "none", RedirectURIs: []string{"http://127.0.0.1/cb"}}, "http://127.0.0.1:5000/cb/x", false},
	} {
		w.client(&row.client)
		a := w.authorize(request(row.client.ID, "redirect_uri", row.asked))
		if got := a.location().Query().Has("code"); got != row.redirects {
			t.Errorf("%s: %d %s", row.client.ID, a.status, a.header.Get("Location"))
		}
	}
}

func TestRulesOfClients(t *testing.T) {
	w := newWorld(t)
	for field, c := range map[string]oauth.Client{
		"grant_types":                  {AuthMethod: "none", GrantTypes: []string{"client_credentials"}},
		"introspect":                   {AuthMethod: "none", Introspect: true},
		"resources":                    {Resources: []string{"https://api.example/#x"}},
		"userinfo_signed_response_alg": {UserinfoAlg: "none"},
		"contacts":                     {Contacts: []string{"a\nb"}},
		"jwks_uri":                     {JWKSURI: "http://app.example/jwks"},
		"backchannel_logout_uri":       {BackchannelLogoutURI: "https://app.example/#x"},
		"frontchannel_logout_uri":      {FrontchannelLogoutURI: "https://evil.example/fc"},
		"initiate_login_uri":           {InitiateLoginURI: "http://localhost/login"},
		"default_max_age":              {DefaultMaxAge: func() *oauth.Seconds { n := oauth.Seconds(-5); return &n }()},
		"access_token_life":            {AccessTokenLife: 1 << 40},
	} {
		c.RedirectURIs = []string{callback}
		_, err := w.server.Clients().Create(t.Context(), &c, "")
		var invalid *oauth.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	// A setting that would not count is not kept.
	public := (&oauth.Client{AuthMethod: "none", Consent: "skip"}).WithDefaults()
	if public.Consent != "ask" {
		t.Errorf("a public client that says consent: %s", public.Consent)
	}
	for grant, most := range map[string]int{"client_credentials": 0, "authorization_code": 3, "urn:ietf:params:oauth:grant-type:device_code": 3} {
		if c := (&oauth.Client{GrantTypes: []string{grant}}).WithDefaults(); len(c.Scopes) != most {
			t.Errorf("%s: %q", grant, c.Scopes)
		}
	}
	for name, c := range map[string]oauth.Client{
		"machine":    {GrantTypes: []string{"client_credentials"}},
		"television": {AuthMethod: "none", GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}},
		"resources":  {RedirectURIs: []string{callback}, Resources: []string{"https://api.example/v1?x=y", "urn:example:api"}, Introspect: true},
		"ed25519":    {RedirectURIs: []string{callback}, AuthMethod: "private_key_jwt", AuthAlg: "EdDSA", JWKSURI: "https://127.0.0.1:8443/jwks"},
		"local keys": {RedirectURIs: []string{callback}, AuthMethod: "private_key_jwt", JWKSURI: "http://127.0.0.1/jwks"},
	} {
		if _, err := w.server.Clients().Create(t.Context(), &c, ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestADeletedClientsGrantsAreNobodys: they are removed later and in batches, and whoever gets the id finds none.
func TestADeletedClientsGrantsAreNobodys(t *testing.T) {
	both(t, func(w *world) {
		clients := w.server.Clients()
		w.client(&oauth.Client{ID: "app", AccessToken: "opaque"})
		tokens := w.tokens("app")
		left := func() (n int) {
			w.Helper()
			if err := w.db.Get(w.Context(), &n, `SELECT (SELECT COUNT(*) FROM oauth_grants WHERE client_id = 'app') +
				(SELECT COUNT(*) FROM oauth_access WHERE client_id = 'app') + (SELECT COUNT(*) FROM oauth_gone)`); err != nil {
				w.Fatal(err)
			}
			return n
		}
		if err := clients.Delete(w.Context(), "app"); err != nil {
			w.Fatal(err)
		}
		if n := left(); n != 3 {
			w.Errorf("removed at once: %d rows", n)
		}
		if a := w.userinfo(text(tokens["access_token"])); a.status != 401 {
			w.Errorf("userinfo of a deleted client: %d", a.status)
		}
		w.client(&oauth.Client{ID: "app", AccessToken: "opaque"})
		if n := left(); n != 0 {
			w.Errorf("the new client of the id finds %d rows", n)
		}
		if a := w.userinfo(text(tokens["access_token"])); a.status != 401 {
			w.Errorf("userinfo of the client before: %d", a.status)
		}
		tokens = w.tokens("app")
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		if a := w.userinfo(text(tokens["access_token"])); a.status != 200 {
			w.Errorf("the new client's own: %d", a.status)
		}
		if err := clients.Delete(w.Context(), "app"); err != nil {
			w.Fatal(err)
		}
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		if n := left(); n != 0 {
			w.Errorf("%d rows stay", n)
		}
	})
}

func TestHowLongTwoSecretsAreGood(t *testing.T) {
	w := newWorld(t)
	clients := w.server.Clients()
	for _, overlap := range []time.Duration{-time.Hour, 31 * 24 * time.Hour, 99999 * time.Hour} {
		_, err := clients.RotateSecret(t.Context(), "web", "", overlap)
		var invalid *oauth.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "overlap" {
			t.Errorf("%v: %v", overlap, err)
		}
	}
	for _, overlap := range []time.Duration{30 * 24 * time.Hour, time.Hour} {
		if _, err := clients.RotateSecret(t.Context(), "web", "", overlap); err != nil {
			t.Fatal(err)
		}
		c, err := clients.Get(t.Context(), "web")
		if err != nil || c.SecretOverlap().Unix() != w.clock.Now().Add(overlap).Unix() {
			t.Errorf("%v: until %v (%v)", overlap, c.SecretOverlap(), err)
		}
	}
}
