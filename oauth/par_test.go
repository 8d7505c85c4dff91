package oauth_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/go-jose/go-jose/v3"
)

// push hands over an authorization request, with the secret of its client in Basic if it has one.
func (w *world) push(v url.Values, headers ...string) answer {
	w.Helper()
	if id := v.Get("client_id"); w.secrets[id] != "" && !slices.Contains(headers, "Authorization") {
		headers = append(headers, "Authorization", basic(id, w.secrets[id]))
	}
	return w.post("/oauth2/par", v, headers...)
}

// pushed returns the request_uri of a good request.
func (w *world) pushed(v url.Values) string {
	w.Helper()
	a := w.push(v)
	uri, _ := a.json["request_uri"].(string)
	if a.status != http.StatusCreated || uri == "" {
		w.Fatalf("not pushed: %d %s", a.status, a.body)
	}
	return uri
}

// bring returns the parameters of a browser that brings a request_uri.
func bring(client, uri string, more ...string) url.Values {
	v := url.Values{"client_id": {client}, "request_uri": {uri}}
	change(v, more)
	return v
}

// signIn lets the host's person be signed in, or nobody.
func (w *world) signIn(auth *oauth.Authentication) { w.host.set(func(h *host) { h.auth = auth }) }

func (w *world) count(table string) (n int) {
	w.Helper()
	if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM `+table); err != nil {
		w.Fatal(err)
	}
	return n
}

func TestPush(t *testing.T) {
	both(t, func(w *world) {
		key, set := clientKey(w)
		w.client(&oauth.Client{ID: "posting", AuthMethod: "client_secret_post"})
		w.client(&oauth.Client{ID: "keyed", AuthMethod: "private_key_jwt", AuthAlg: "ES256", JWKS: set})
		claims := map[string]any{"iss": "keyed", "sub": "keyed", "aud": issuer, "jti": "j1", "exp": w.clock.Now().Add(time.Minute).Unix()}
		secret := w.secrets["posting"]
		delete(w.secrets, "posting")
		for client, v := range map[string]url.Values{
			"web": request("web"), "spa": request("spa"), "posting": request("posting", "client_secret", secret),
			"keyed": request("keyed", "client_id", "-", "client_assertion", assertion(w, key, jose.ES256, "k1", claims),
				"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		} {
			a := w.push(v)
			uri, _ := a.json["request_uri"].(string)
			if a.status != http.StatusCreated || a.json["expires_in"] != 60.0 || len(a.json) != 2 || a.header.Get("Cache-Control") != "no-store" ||
				!regexp.MustCompile(`^urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{43}$`).MatchString(uri) {
				w.Fatalf("%s: %d %v %s", client, a.status, a.header, a.body)
			}
			q := w.authorize(bring(client, uri)).location().Query()
			if len(q) != 3 || q.Get("code") == "" || q.Get("state") != "st-123" || q.Get("iss") != issuer {
				w.Fatalf("%s: %s", client, q)
			}
			if client == "keyed" || client == "posting" {
				continue
			}
			got := w.token(w.exchange(client, q.Get("code")))
			if got.status != 200 || payload(w, got.json["id_token"])["nonce"] != "n-456" {
				w.Errorf("%s: %s", client, got.body)
			}
		}
	})
}

func TestPushRefused(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "machine", GrantTypes: []string{"client_credentials"}, RedirectURIs: []string{callback}})
		w.client(&oauth.Client{ID: "strict", RequirePAR: true})
		hint := w.tokens("web")["id_token"].(string)
		for _, c := range []struct {
			v      url.Values
			status int
			code   string
		}{
			{request("web", "request_uri", "urn:ietf:params:oauth:request_uri:x"), 400, "invalid_request"},
			{request("web", "request_uri", "https://app.example/object"), 400, "invalid_request"},
			{request("web", "request", "x.y.z"), 400, "request_not_supported"},
			{request("web", "redirect_uri", "-"), 400, "invalid_request"},
			{request("web", "redirect_uri", callback+"/random"), 400, "invalid_request"},
			{request("strict", "redirect_uri", "-", "scope", "email"), 400, "invalid_request"},
			{request("strict", "code_challenge", "-", "code_challenge_method", "-"), 400, "invalid_request"},
			{request("strict", "code_challenge_method", "plain"), 400, "invalid_request"},
			{request("strict", "response_type", "code id_token"), 400, "unsupported_response_type"},
			{request("web", "response_type", "token"), 400, "unsupported_response_type"},
			{request("web", "response_type", "-"), 400, "unsupported_response_type"},
			{request("web", "response_mode", "web_message"), 400, "unsupported_response_mode"},
			{request("web", "scope", "unknown"), 400, "invalid_scope"}, {request("web", "scope", "-"), 400, "invalid_scope"},
			{request("web", "prompt", "create"), 400, "invalid_request"}, {request("web", "max_age", "-1"), 400, "invalid_request"},
			{request("web", "claims", "{"), 400, "invalid_request"}, {request("web", "resource", "https://api.example"), 400, "invalid_target"},
			{request("web", "dpop_jkt", "short"), 400, "invalid_request"}, {request("web", "id_token_hint", "x.y.z"), 400, "invalid_request"},
			{request("spa", "id_token_hint", hint), 400, "invalid_request"}, {request("machine"), 400, "unauthorized_client"},
			{request("spa", "code_challenge", "-"), 400, "invalid_request"}, {request("nobody"), 401, "invalid_client"},
			{request("", "client_id", "-"), 401, "invalid_client"}, {url.Values{}, 401, "invalid_client"},
		} {
			a := w.push(c.v)
			w.wantError(a, c.status, c.code)
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Location") != "" {
				w.Errorf("%v", a.header)
			}
		}
		w.wantError(w.push(request("web"), "Authorization", basic("web", "wrong")), 401, "invalid_client")
		w.wantError(w.push(request("web"), "Authorization", basic("strict", w.secrets["strict"])), 401, "invalid_client")
		w.wantError(w.post("/oauth2/par", request("web")), 401, "invalid_client")
		w.wantError(w.post("/oauth2/par?client_secret="+w.secrets["web"], request("web")), 400, "invalid_request")
		v := request("web")
		v["state"] = []string{"a", "b"}
		w.wantError(w.push(v), 400, "invalid_request")
		v.Del("scope")
		w.wantError(w.post("/oauth2/par?scope=openid", url.Values{"scope": {"openid"}, "client_id": {"spa"}}), 400, "invalid_request")
		w.wantError(w.post("/oauth2/par?"+request("spa").Encode(), url.Values{}), 401, "invalid_client") // the body alone counts
		if n := w.count("oauth_pushed"); n != 0 {
			w.Errorf("%d were kept", n)
		}
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			r, _ := http.NewRequest(method, issuer+"/oauth2/par?"+request("spa").Encode(), nil)
			if a := w.do(w.browser, r); a.status != http.StatusMethodNotAllowed {
				w.Errorf("%s: %d", method, a.status)
			}
		}
	})
}

func TestClientsThatMustPush(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "fapi", RequirePAR: true, RedirectURIs: []string{callback + "?dummy1=lorem&dummy2=ipsum"}})
		registered := callback + "?dummy1=lorem&dummy2=ipsum"
		v := request("fapi", "redirect_uri", registered)
		w.wantRedirected(w.authorize(v), "invalid_request")
		w.wantRedirected(w.post("/oauth2/authorize", v), "invalid_request")
		w.wantRedirected(w.authorize(request("fapi", "redirect_uri", registered, "request_uri", "https://app.example/object")), "request_uri_not_supported")
		w.wantRedirected(w.authorize(request("web", "request_uri", "https://app.example/object")), "request_uri_not_supported")
		w.wantPage(w.authorize(request("fapi", "redirect_uri", "-", "scope", "email")), "invalid_request", "redirect_uri")
		for _, changes := range [][]string{{}, {"state", "-"}, {"nonce", "-"}, {"nonce", strings.Repeat("n", 64)}, {"scope", "offline_access openid"},
			{"state", strings.Repeat("s", 384), "nonce", strings.Repeat("n", 384)}} {
			push := request("fapi", append([]string{"redirect_uri", registered}, changes...)...)
			a := w.authorize(bring("fapi", w.pushed(push)))
			q := a.location().Query()
			if !strings.HasPrefix(a.header.Get("Location"), registered+"&") || q.Get("code") == "" || q.Get("state") != push.Get("state") ||
				q.Has("state") != push.Has("state") {
				w.Errorf("%v: %s %s", changes, a.header.Get("Location"), a.body)
			}
		}
	})
}

// A client that has to push from now on gets no code for what waits since before.
func TestClientsThatMustPushFromNowOn(t *testing.T) {
	w := newWorld(t)
	open := w.suspend(request("web"))
	_, pushed, _ := strings.Cut(w.authorize(bring("web", w.pushed(request("web")))).header.Get("Location"), "/login?request=")
	client, _ := w.server.Clients().Get(t.Context(), "web")
	edited := *client
	edited.RequirePAR = true
	if err := w.server.Clients().Update(t.Context(), &edited); err != nil {
		t.Fatal(err)
	}
	w.signIn(signedIn(w.clock.Now()))
	w.wantRedirected(w.get("/oauth2/authorize?resume="+open), "invalid_request")
	if q := w.get("/oauth2/authorize?resume=" + pushed).location().Query(); q.Get("code") == "" {
		t.Error(q)
	}
	// What was pushed is validated anew, too.
	v := bring("web", w.pushed(request("web")))
	edited.RedirectURIs = []string{"https://app.example/elsewhere"}
	if err := w.server.Clients().Update(t.Context(), &edited); err != nil {
		t.Fatal(err)
	}
	w.wantPage(w.authorize(v), "invalid_request", "redirect_uri")
}

func TestPushedHintAndModeAreKept(t *testing.T) {
	both(t, func(w *world) {
		hint := w.tokens("web")["id_token"].(string)
		v := bring("web", w.pushed(request("web", "id_token_hint", hint, "response_mode", "form_post")))
		w.host.auth.Subject = "bob-2"
		if a := w.authorize(v); a.status != 200 || !strings.Contains(a.body, `value="login_required"`) {
			w.Errorf("%d %s", a.status, a.body)
		}
		if w.host.last.HintSubject() != "alice-1" {
			w.Error("the hint is forgotten")
		}
		w.host.auth.Subject = "alice-1"
		if a := w.authorize(v); a.status != 200 || !strings.Contains(a.body, `name="code"`) {
			w.Errorf("%d %s", a.status, a.body)
		}
	})
}

func TestPushWithoutDatabase(t *testing.T) {
	both(t, func(w *world) {
		v := bring("web", w.pushed(request("web")))
		rename := func(from, to string) {
			if _, err := w.db.SQLX().Exec("ALTER TABLE " + from + " RENAME TO " + to); err != nil {
				w.Fatal(err)
			}
		}
		rename("oauth_pushed", "hidden")
		w.wantError(w.push(request("web")), 503, "temporarily_unavailable")
		w.wantPage(w.authorize(v), "temporarily_unavailable", "")
		rename("hidden", "oauth_pushed")
		if q := w.authorize(v).location().Query(); q.Get("code") == "" {
			w.Error(q)
		}
	})
}
