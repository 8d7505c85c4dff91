package oauth_test

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/google/go-cmp/cmp"
	"github.com/ory/fosite"
)

func TestSec_OA01_RedirectURIsAreExact(t *testing.T) {
	w := newWorld(t)
	for _, uri := range []string{
		"", "-", "https://app.example/callback/", "https://app.example/callback?x=1", "https://app.example/callback#x",
		"https://app.example/callback/..;/", "https://app.example/./callback", "https://APP.example/callback",
		"https://app.example./callback", "https://app.example:443/callback", "http://app.example/callback",
		"https://user@app.example/callback", "https://app.example@evil.example/callback", "https://evil.example/callback",
		"https://app.example\\@evil.example/callback", "https://app.example/callback%00", "https://app.example/%63allback",
		"https://app.example/callback\t", " https://app.example/callback", "//app.example/callback", "javascript:alert(1)",
		"data:text/html,x", "https://аpp.example/callback", "HTTPS://app.example/callback", "https:///app.example/callback",
	} {
		t.Run(uri, func(t *testing.T) {
			w.wantPage(w.authorize(request("web", "redirect_uri", uri)), "invalid_request", "redirect_uri")
			w.wantPage(w.post("/oauth2/authorize", request("web", "redirect_uri", uri)), "invalid_request", "redirect_uri")
		})
	}
	if a := w.authorize(request("nobody")); a.status != 400 {
		t.Error(a.status)
	}
	w.wantPage(w.authorize(request("nobody")), "invalid_client", "client_id")
	w.wantPage(w.authorize(request("-", "client_id", "-")), "invalid_client", "client_id")
}

func TestTrap23_LoopbackRedirects(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "native", AuthMethod: "none", RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb"}})
	w.client(&oauth.Client{ID: "server", RedirectURIs: []string{"http://127.0.0.1:9000/cb"}})
	for uri, want := range map[string]bool{
		"http://127.0.0.1/cb": true, "http://127.0.0.1:4711/cb": true, "com.example.app:/cb": true,
		"http://localhost:4711/cb": false, "http://127.0.0.1:4711/cb2": false, "http://x@127.0.0.1:4711/cb": false,
		"https://127.0.0.1:4711/cb": false, "http://127.0.0.2:4711/cb": false, "http://127.0.0.1:4711/cb?x": false,
	} {
		a := w.authorize(request("native", "redirect_uri", uri))
		if got := a.location().Query().Get("code") != ""; got != want || want && !strings.HasPrefix(a.header.Get("Location"), uri+"?") {
			t.Errorf("%s: %d %s", uri, a.status, a.header.Get("Location"))
		}
	}
	w.wantPage(w.authorize(request("server", "redirect_uri", "http://127.0.0.1:9001/cb")), "invalid_request", "redirect_uri")
}

func TestTrap25_StateIsOptionalAndExact(t *testing.T) {
	w := newWorld(t)
	for _, state := range []string{"", "x", "1234567", strings.Repeat("s-._~", 40), `"<>&%#{}+ =;'` + "`|\\^", "ä€😀"} {
		for _, mode := range []string{"query", "fragment"} {
			for _, broken := range []bool{false, true} {
				v := request("web", "state", state, "response_mode", mode)
				if state == "" {
					v.Del("state")
				}
				if broken {
					v.Set("prompt", "bogus")
				}
				u := w.authorize(v).location()
				q := u.Query()
				if mode == "fragment" {
					q, _ = url.ParseQuery(u.EscapedFragment())
				}
				if q.Get("state") != state || q.Has("state") != (state != "") || q.Get("iss") != issuer || q.Has("error") != broken {
					t.Errorf("state %q, %s: %s", state, mode, u)
				}
			}
		}
	}
}

func TestSec_OA08_TheIssuerIsNamed(t *testing.T) {
	w := newWorld(t)
	q := w.authorize(request("web")).location().Query()
	if diff := cmp.Diff([]string{issuer}, q["iss"]); diff != "" || len(q) != 3 {
		t.Error(q)
	}
	w.wantRedirected(w.authorize(request("web", "scope", "unknown")), "invalid_scope")
	w.host.err = fosite.ErrConsentRequired
	w.wantRedirected(w.authorize(request("web", "prompt", "none")), "consent_required")
}

func TestTrap28_ResponseModes(t *testing.T) {
	w := newWorld(t)
	state := `"><script>alert(1)</script>&`
	a := w.authorize(request("web", "response_mode", "form_post", "state", state))
	if a.status != 200 || !strings.Contains(a.body, `action="`+callback+`"`) || strings.Contains(a.body, state) ||
		!regexp.MustCompile(`name="code" value="[A-Za-z0-9_-]{64}"`).MatchString(a.body) || !strings.Contains(a.body, `name="iss"`) {
		t.Errorf("form_post: %d %s", a.status, a.body)
	}
	if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy: %s", policy)
	}
	a = w.authorize(request("web", "response_mode", "form_post", "response_type", "-"))
	if a.status != 200 || !strings.Contains(a.body, `value="unsupported_response_type"`) || a.header.Get("Location") != "" {
		t.Errorf("form_post of an error: %d %s", a.status, a.body)
	}
	if u := w.authorize(request("web", "response_mode", "fragment")).location(); u.RawQuery != "" || !strings.Contains(u.Fragment, "code=") {
		t.Errorf("fragment: %s", u)
	}
	w.wantRedirected(w.authorize(request("web", "response_mode", "bogus")), "unsupported_response_mode")
}

func TestTrap36_NothingSuperfluous(t *testing.T) {
	w := newWorld(t)
	if q := w.authorize(request("web")).location().Query(); q.Has("scope") {
		t.Error(q)
	}
	if id := payload(t, w.tokens("web")["id_token"]); id["rat"] != nil || id["name"] != nil || id["sid"] != nil {
		t.Error(id)
	}
}

// Request objects are refused by redirect, whether fosite would take them or not.
func TestTrap15_UnsignedRequestObjectsAreRefused(t *testing.T) {
	w := newWorld(t)
	const none = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCIsInJlZGlyZWN0X3VyaSI6Imh0dHBzOi8vZXZpbC5leGFtcGxlLyJ9."
	w.wantRedirected(w.authorize(request("web", "request", none)), "request_not_supported")
	w.wantRedirected(w.authorize(request("web", "request", none, "scope", "email")), "request_not_supported")
	w.wantRedirected(w.authorize(request("web", "request_uri", "https://app.example/object")), "request_uri_not_supported")
	w.wantRedirected(w.authorize(request("web", "registration", "{}")), "registration_not_supported")
	w.wantPage(w.authorize(request("web", "request", none, "redirect_uri", "https://evil.example/")), "invalid_request", "redirect_uri")
}

// fosite would print a request object's numbers and objects as garbage and then ignore them.
func TestTrap16_RequestObjectsNeverSetParameters(t *testing.T) {
	w := newWorld(t)
	const object = "eyJhbGciOiJub25lIn0.eyJtYXhfYWdlIjo2MCwiY2xhaW1zIjp7fX0."
	w.wantRedirected(w.post("/oauth2/authorize", request("web", "request", object)), "request_not_supported")
}

func TestSec_OA11_RequestObjectsAreNamed(t *testing.T) {
	w := newWorld(t)
	q := w.authorize(request("web", "request", "x.y.z")).location().Query()
	if q.Get("error") != "request_not_supported" || q.Get("state") != "st-123" {
		t.Error(q)
	}
}

func TestTrap18_MaxAge(t *testing.T) {
	w := newWorld(t)
	for _, bad := range []string{"-1", "x", "1.5", "99999999999", "1 ", "0x1"} {
		w.wantRedirected(w.authorize(request("web", "max_age", bad)), "invalid_request")
	}
	// The host says "signed in a minute ago", which is not what these want.
	w.wantRedirected(w.authorize(request("web", "max_age", "0")), "login_required")
	w.wantRedirected(w.authorize(request("web", "max_age", "59")), "login_required")
	w.code("web", "max_age", "60")
	for value, want := range map[string]time.Duration{"": -1, "0": 0, "60": time.Minute} {
		w.authorize(request("web", "max_age", value))
		if got := w.host.last.MaxAge(); got != want && value != "" {
			t.Errorf("max_age %q: %v", value, got)
		}
	}
}

func TestTrap30_PromptLoginDoesNotLoop(t *testing.T) {
	both(t, func(w *world) {
		for _, v := range []url.Values{request("web", "prompt", "login"), request("web", "max_age", "0")} {
			w.host.set(func(h *host) { h.auth = nil })
			_, id, _ := strings.Cut(w.authorize(v).header.Get("Location"), "=")
			w.clock.Add(3 * time.Millisecond) // the same second
			w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
			w.clock.Add(50 * time.Minute) // a slow person
			if a := w.get("/oauth2/authorize?resume=" + id); a.location().Query().Get("code") == "" {
				w.Errorf("%v: %d %s %s", v, a.status, a.header.Get("Location"), a.body)
			}
		}
		w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now().Add(-time.Second)) })
		w.wantRedirected(w.authorize(request("web", "prompt", "login")), "login_required")
	})
}

func TestSec_OA16_PromptNone(t *testing.T) {
	w := newWorld(t)
	for _, prompt := range []string{"none login", "bogus", "login bogus", "NONE"} {
		w.wantRedirected(w.authorize(request("web", "prompt", prompt)), "invalid_request")
	}
	w.code("web", "prompt", "none")
	w.host.auth = nil
	w.wantRedirected(w.authorize(request("web", "prompt", "none")), "login_required")
	w.host.err = fosite.ErrInteractionRequired
	w.wantRedirected(w.authorize(request("web", "prompt", "none")), "interaction_required")
}

func TestSec_OA03_CodeOnly(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []string{"token", "id_token", "code id_token", "code token", "none", "code code", "-"} {
		w.wantRedirected(w.authorize(request("web", "response_type", kind)), "unsupported_response_type")
	}
}

func TestSec_OA14_NothingIsReflected(t *testing.T) {
	w := newWorld(t)
	const payload = `<script>alert("x")</script>`
	safe := regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`)
	for _, name := range []string{
		"client_id", "redirect_uri", "response_type", "scope", "prompt", "max_age", "claims", "response_mode", "resume",
		"id_token_hint", "code_challenge", "code_challenge_method", "audience", "resource", "acr_values", payload,
	} {
		a := w.authorize(request("web", name, payload))
		if strings.Contains(a.body, payload) {
			t.Errorf("%s: reflected in %s", name, a.body)
		}
		q := a.location().Query()
		if text := q.Get("error_description"); !safe.MatchString(text) || strings.Contains(text, "alert") {
			t.Errorf("%s: %q", name, text)
		}
	}
	for _, name := range []string{"grant_type", "code", "scope", "redirect_uri", "code_verifier", "client_id", "resource"} {
		a := w.token(w.exchange("web", w.code("web"), name, payload))
		if text, _ := a.json["error_description"].(string); strings.Contains(a.body, "alert") || !safe.MatchString(text) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	w.wantPage(w.get("/oauth2/authorize?client_id=web%00"), "invalid_request", "client_id")
	w.wantPage(w.get("/oauth2/authorize?client_id=%ff"), "invalid_request", "client_id")
}

func TestSec_OA15_RedirectsAre303(t *testing.T) {
	w := newWorld(t)
	for _, a := range []answer{
		w.post("/oauth2/authorize", request("web")), w.authorize(request("web")),
		w.post("/oauth2/authorize", request("web", "prompt", "bogus")),
	} {
		if a.status != http.StatusSeeOther || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", a.status, a.header)
		}
	}
}

func TestRequestFacts(t *testing.T) {
	w := newWorld(t)
	hint := w.tokens("web")["id_token"].(string)
	w.clock.Add(48 * time.Hour) // an expired hint is good
	w.host.auth = signedIn(w.clock.Now())
	v := request("web", "scope", "openid email", "id_token_hint", hint, "acr_values", "aal2 aal1", "login_hint", "bob@example.com",
		"claims", `{"id_token":{"acr":{"essential":true,"values":["urn:x","aal2"]},"mfa_enrolled":null},"userinfo":{"name":{"essential":true}}}`)
	a := w.authorize(v)
	if a.location().Query().Get("code") == "" {
		t.Fatal(a)
	}
	r := w.host.last
	got := []any{r.Client().ID, r.HintSubject(), r.ACRValues(), r.EssentialACR(), r.LoginHint(), r.Scopes(), r.Prompt(), r.MaxAge(), r.ID}
	want := []any{
		"web", "alice-1", []string{"urn:x", "aal2"}, true, "bob@example.com",
		[]string{"openid", "email", "mfa", "profile"}, []string{}, time.Duration(-1), "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	w.host.auth.Subject = "bob-2"
	w.wantRedirected(w.authorize(v), "login_required")
	w.wantRedirected(w.authorize(request("web", "claims", `{"id_token":{"sub":{"value":"carol"}}}`)), "login_required")
	w.wantRedirected(w.authorize(request("web", "claims", `{`)), "invalid_request")
	w.wantRedirected(w.authorize(request("web", "claims", `{"id_token":{"acr":{"essential":true,"value":"aal3"}}}`)), "unmet_authentication_requirements")
	w.code("web", "claims", `{"id_token":{"acr":{"essential":true,"values":["aal3","aal2"]}}}`)
	w.code("web", "claims", `{"id_token":{"acr":{"value":"aal3"}}}`)
	w.wantRedirected(w.authorize(request("web", "resource", "https://api.example")), "invalid_target")
	w.wantRedirected(w.authorize(request("spa", "id_token_hint", hint)), "invalid_request")
}

func TestUnknownParametersAreIgnored(t *testing.T) {
	w := newWorld(t)
	w.code("web", "display", "popup", "ui_locales", "de en", "claims_locales", "de", "foo", "bar", "login_hint", "x@y", "acr_values", "1 2")
}

func TestHostsErrors(t *testing.T) {
	both(t, func(w *world) {
		w.host.err = errors.New("no directory")
		w.wantRedirected(w.authorize(request("web")), "server_error")
		if n := strings.Count(w.log.String(), "no directory"); n != 1 {
			w.Errorf("logged %d times: %s", n, w.log)
		}
		w.host.err = nil
		w.host.auditErr = errors.New("disk full")
		w.wantRedirected(w.authorize(request("web")), "temporarily_unavailable")
		var n int
		if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM oauth_grants`); err != nil || n != 0 {
			w.Errorf("%d grants, %v", n, err)
		}
		w.host.auditErr = nil
		w.host.auth.ACR = ""
		w.wantRedirected(w.authorize(request("web")), "server_error")
	})
}

// With an empty fosite.Config this would be a race: fields are filled while serving.
func TestTrap31_NothingIsFilledWhileServing(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { w.tokens("web") })
	}
	wg.Wait()
}

func TestTrap33_TwoServersInOneProcess(t *testing.T) {
	one, two := newWorld(t), newWorld(t)
	token := one.tokens("web")["refresh_token"].(string)
	two.wantError(two.token(two.refreshing("web", token)), 400, "invalid_grant")
	two.tokens("web")
	if a := one.token(one.refreshing("web", token)); a.status != 200 {
		t.Error(a.body)
	}
}

// The client is told which parameter it repeated, if its name can be told.
func TestARepeatedParameterIsNamed(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]string{
		"nonce": "The parameter nonce must not be repeated.", "acr_values": "The parameter acr_values must not be repeated.",
		`<b>"`: "A parameter must not be repeated.", "Nonce1": "A parameter must not be repeated.",
		strings.Repeat("x", 41): "A parameter must not be repeated.",
	} {
		v := request("web")
		v[name] = []string{"a", "b"}
		a := w.authorize(v)
		w.wantRedirected(a, "invalid_request")
		if got := a.location().Query().Get("error_description"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	for changes, want := range map[[2]string]string{
		{"code_challenge", "code_challenge_method"}: "", {"code_challenge", "x"}: "A code_challenge_method without a code_challenge means nothing.",
	} {
		a := w.authorize(request("web", changes[0], "-", changes[1], "-"))
		if got := a.location().Query().Get("error_description"); got != want {
			t.Errorf("without %v: %s", changes, got)
		}
	}
}
