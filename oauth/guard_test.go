package oauth_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp/oauth"
)

// fetch is what a page of origin sends by its script: a preflight first, as browsers do for these headers, and the
// request after it. It returns the answers as the page's browser sees them.
func (w *world) fetch(origin, method, path string, form url.Values, headers ...string) (preflight, real answer) {
	w.Helper()
	var names []string
	for i := 0; i < len(headers); i += 2 {
		names = append(names, strings.ToLower(headers[i]))
	}
	r, _ := http.NewRequestWithContext(w.Context(), http.MethodOptions, issuer+path, nil)
	r.Header.Set("Origin", origin)
	r.Header.Set("Access-Control-Request-Method", method)
	r.Header.Set("Access-Control-Request-Headers", strings.Join(names, ","))
	preflight = w.do(w.browser, r)
	r, _ = http.NewRequestWithContext(w.Context(), method, issuer+path, strings.NewReader(form.Encode()))
	r.Header.Set("Origin", origin)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return preflight, w.do(w.browser, r)
}

// readable reports whether the browser gives the answer to a page of origin.
func readable(a answer, origin string) bool {
	return a.header.Get("Access-Control-Allow-Origin") == origin && len(a.header.Values("Access-Control-Allow-Origin")) == 1
}

// What oidc-client-ts and oauth4webapi send from a page, with and without DPoP.
func TestSec_HT03_PagesOfClientsMayCall(t *testing.T) {
	both(t, func(w *world) {
		const origin = "https://app.example"
		p := w.prover()
		plain, bound := w.tokens("spa"), w.bound("spa", p)
		token, other := plain["access_token"].(string), bound["access_token"].(string)
		for name, c := range map[string]struct {
			method, path string
			form         url.Values
			headers      []string
			status       int
		}{
			"code":         {"POST", "/oauth2/token", w.exchange("spa", w.code("spa")), nil, 200},
			"bound code":   {"POST", "/oauth2/token", w.exchange("spa", w.code("spa")), []string{"DPoP", p.proof()}, 200},
			"bad code":     {"POST", "/oauth2/token", w.exchange("spa", "x"), nil, 400},
			"bad proof":    {"POST", "/oauth2/token", w.exchange("spa", "x"), []string{"DPoP", "x"}, 400},
			"refresh":      {"POST", "/oauth2/token", w.refreshing("spa", plain["refresh_token"].(string)), nil, 200},
			"userinfo":     {"GET", "/oauth2/userinfo", nil, []string{"Authorization", "Bearer " + token}, 200},
			"by POST":      {"POST", "/oauth2/userinfo", nil, []string{"Authorization", "Bearer " + token}, 200},
			"with a proof": {"GET", "/oauth2/userinfo", nil, []string{"Authorization", "DPoP " + other, "DPoP", p.at(other)}, 200},
			"no token":     {"GET", "/oauth2/userinfo", nil, nil, 401},
			"bad token":    {"GET", "/oauth2/userinfo", nil, []string{"Authorization", "Bearer x"}, 401},
			"not bound":    {"GET", "/oauth2/userinfo", nil, []string{"Authorization", "Bearer " + other}, 401},
			"revoke":       {"POST", "/oauth2/revoke", url.Values{"client_id": {"spa"}, "token": {"x"}}, nil, 200},
			"push":         {"POST", "/oauth2/par", request("spa"), nil, 201},
			"in the query": {"GET", "/oauth2/userinfo?access_token=x", nil, nil, 400},
		} {
			preflight, a := w.fetch(origin, c.method, c.path, c.form, c.headers...)
			if a.status != c.status || !readable(a, origin) || !readable(preflight, origin) || preflight.status != 204 {
				w.Errorf("%s: %d %v then %d %v %s", name, preflight.status, preflight.header, a.status, a.header, a.body)
			}
			for _, header := range []string{"authorization", "content-type", "dpop"} {
				if !slices.Contains(listed(preflight.header.Get("Access-Control-Allow-Headers")), header) {
					w.Errorf("%s: the page may not send %s", name, header)
				}
			}
			for _, header := range []string{"www-authenticate", "dpop-nonce"} {
				if !slices.Contains(listed(a.header.Get("Access-Control-Expose-Headers")), header) {
					w.Errorf("%s: the page does not see %s", name, header)
				}
			}
			for _, each := range []answer{preflight, a} {
				if each.header.Get("Access-Control-Allow-Credentials") != "" || !slices.Contains(each.header.Values("Vary"), "Origin") {
					w.Errorf("%s: %v", name, each.header)
				}
			}
		}
	})
}

func listed(header string) []string { return strings.Split(strings.ToLower(header), ", ") }

func TestSec_HT03_PagesOfStrangersMayNot(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "native", AuthMethod: "none", RedirectURIs: []string{"com.example.app:/cb", "http://127.0.0.1/cb"}})
	token := "Bearer " + w.tokens("spa")["access_token"].(string)
	for _, path := range []string{"token", "userinfo", "revoke", "par", "device"} {
		for _, origin := range []string{
			"https://evil.example", "null", "https://app.example.evil.example", "http://app.example", "https://app.example:444", "https://APP.example",
			"https://app.example/", "com.example.app:", "com.example.app://", "*", "https://*", "http://127.0.0.1:8080", "https://app.example\x00",
			"file://", "", strings.Repeat("https://x", 400), "https://app.example, https://evil.example",
		} {
			method := "POST"
			if path == "userinfo" {
				method = "GET"
			}
			preflight, a := w.fetch(origin, method, "/oauth2/"+path, nil, "Authorization", token)
			for _, each := range []answer{preflight, a} {
				for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Expose-Headers"} {
					if got := each.header.Get(name); got != "" {
						t.Errorf("%s from %q: %s is %s", path, origin, name, got)
					}
				}
			}
			if !slices.Contains(a.header.Values("Vary"), "Origin") {
				t.Errorf("%s from %q: a cache would mix the answers", path, origin)
			}
		}
	}
	// What no page has to call, none may.
	for _, path := range []string{"introspect", "register", "authorize", "logout"} {
		preflight, a := w.fetch("https://app.example", "POST", "/oauth2/"+path, nil, "Authorization", token)
		if preflight.header.Get("Access-Control-Allow-Origin")+a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v %v", path, preflight.header, a.header)
		}
	}
	// What is public is for everybody.
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks"} {
		preflight, a := w.fetch("https://evil.example", "GET", path, nil, "X-Requested-With", "fetch")
		if a.status != 200 || !readable(a, "*") || preflight.status != 204 || !readable(preflight, "*") ||
			preflight.header.Get("Access-Control-Allow-Headers") != "*" {
			t.Errorf("%s: %d %v, %d %v", path, preflight.status, preflight.header, a.status, a.header)
		}
	}
}

// A client that changes its redirect URIs changes who may call, at once.
func TestOriginsFollowTheClient(t *testing.T) {
	both(t, func(w *world) {
		const origin = "https://moved.example"
		w.client(&oauth.Client{ID: "moving", AuthMethod: "none", RedirectURIs: []string{origin + "/cb"}})
		may := func() bool {
			preflight, a := w.fetch(origin, "GET", "/oauth2/userinfo", nil)
			return readable(preflight, origin) && readable(a, origin)
		}
		if !may() {
			w.Error("before")
		}
		c, err := w.server.Clients().Get(w.Context(), "moving")
		if err != nil {
			w.Fatal(err)
		}
		moved := *c
		moved.RedirectURIs = []string{"https://elsewhere.example/cb"}
		w.update(&moved)
		if may() {
			w.Error("after the move")
		}
		w.update(c)
		if !may() {
			w.Error("back again")
		}
		if err := w.server.Clients().Delete(w.Context(), "moving"); err != nil {
			w.Fatal(err)
		}
		if may() {
			w.Error("after its end")
		}
	})
}

func TestSec_OA09_RepeatedParametersOfPrograms(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["access_token"].(string)
	for _, path := range []string{"token", "introspect", "revoke", "userinfo", "par", "device"} {
		for _, name := range []string{"token", "client_id", "access_token", "scope", "grant_type", "unknown"} {
			a := w.post("/oauth2/"+path, url.Values{name: {token, token}}, "Authorization", basic("web", w.secrets["web"]))
			if a.status != 400 || a.json["error"] != "invalid_request" {
				t.Errorf("%s with %s twice: %d %s", path, name, a.status, a.body)
			}
		}
	}
	w.wantActive("afterwards", "web", token)
}

func TestSec_OA14_ErrorsOfProgramsHoldNoInput(t *testing.T) {
	w := newWorld(t)
	const payload = `"><script>alert(1)</script>\` + "\r\nX-Injected: 1"
	for _, path := range []string{"token", "introspect", "revoke", "userinfo", "par", "device"} {
		for _, name := range []string{"token", "token_type_hint", "access_token", "client_id", "grant_type", "scope", payload} {
			for _, headers := range [][]string{{"Authorization", basic("web", w.secrets["web"])}, {"Authorization", basic(payload, payload)}, nil} {
				a := w.post("/oauth2/"+path, url.Values{name: {payload}}, headers...)
				if challenge := a.header.Get("WWW-Authenticate"); strings.Contains(a.body+challenge, "alert") || a.header.Get("X-Injected") != "" {
					t.Errorf("%s with %s: %s %s", path, name, challenge, a.body)
				}
				if kind := a.header.Get("Content-Type"); a.body != "" && kind != "application/json" {
					t.Errorf("%s with %s: %s", path, name, kind)
				}
			}
		}
	}
	a := w.present("GET", "Authorization", "Bearer "+`x", error="none`)
	if got := a.header.Get("WWW-Authenticate"); a.status != 401 || strings.Contains(got, "none") {
		t.Errorf("%d %s", a.status, got)
	}
}

// The endpoints that authenticate a client do it by one rule (see TestSec_OA12_OneRegisteredMethod for the token endpoint).
func TestSec_OA12_OneRuleForAllEndpoints(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "post", AuthMethod: "client_secret_post"})
	for _, path := range []string{"introspect", "revoke", "par"} {
		form := func(client string, changes ...string) url.Values {
			v := request(client, "token", "x")
			change(v, changes)
			return v
		}
		for name, a := range map[string]answer{
			"post by basic": w.post("/oauth2/"+path, form("post"), "Authorization", basic("post", w.secrets["post"])),
			"basic by post": w.post("/oauth2/"+path, form("web", "client_secret", w.secrets["web"])),
			"none":          w.post("/oauth2/"+path, form("web")),
			"wrong":         w.post("/oauth2/"+path, form("post", "client_secret", "wrong")),
			"another's":     w.post("/oauth2/"+path, form("web"), "Authorization", basic("post", w.secrets["post"])),
			"invented":      w.post("/oauth2/"+path, form("spa"), "Authorization", basic("spa", "x")),
			"bearer":        w.post("/oauth2/"+path, form("web"), "Authorization", "Bearer x"),
		} {
			if a.status != 401 || a.json["error"] != "invalid_client" || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s, %s: %d %s", path, name, a.status, a.body)
			}
		}
		a := w.post("/oauth2/"+path, form("web", "client_secret", w.secrets["web"]), "Authorization", basic("web", w.secrets["web"]))
		w.wantError(a, 400, "invalid_request")
		for _, name := range []string{"client_secret", "token", "device_code"} {
			w.wantError(w.post("/oauth2/"+path+"?"+name+"=x", form("post")), 400, "invalid_request")
		}
		for client, headers := range map[string][]string{"web": {"Authorization", basic("web", w.secrets["web"])}, "post": nil} {
			v := form(client)
			if client == "post" {
				v.Set("client_secret", w.secrets["post"])
			}
			if a := w.post("/oauth2/"+path, v, headers...); a.status > 201 {
				t.Errorf("%s, %s: %d %s", path, client, a.status, a.body)
			}
		}
	}
}
