package oauth_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
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

// Whoever holds a link with a request_uri may write more behind it: it counts for nothing.
func TestTrap05_TheBrowserAddsNothing(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "more", Resources: []string{"https://api.example"}})
		hint := w.tokens("more")["id_token"].(string)
		w.host.auth.Subject = "bob-2" // whom the hint does not name
		additions := []string{
			"nonce", "evil", "prompt", "login", "acr_values", "aal1", "code_challenge", "evil", "code_challenge_method", "plain",
			"state", "evil", "redirect_uri", "https://evil.example/", "response_mode", "fragment", "response_type", "token",
			"scope", "openid email", "max_age", "0", "login_hint", "evil", "claims", `{"id_token":{"acr":{"essential":true,"value":"x"}}}`,
			"resource", "https://api.example", "dpop_jkt", "evil", "id_token_hint", hint, "request", "x.y.z", "registration", "{}",
			"hint_subject", "carol", "ui_locales", "xx",
		}
		check := func(a answer) {
			w.Helper()
			u := a.location()
			q := u.Query()
			if len(q) != 3 || q.Get("state") != "st-123" || u.Fragment != "" || !strings.HasPrefix(u.String(), callback+"?") {
				w.Fatalf("%d %s %s", a.status, u, a.body)
			}
			r := w.host.last
			if len(r.Prompt()) != 0 || r.MaxAge() != -1 || strings.Join(r.ACRValues(), " ") != "aal2" || r.EssentialACR() || r.LoginHint() != "" ||
				r.HintSubject() != "" || r.Resources() != nil || strings.Join(r.Scopes(), " ") != "openid offline_access" {
				w.Errorf("%v", r.GetRequestForm())
			}
			got := w.token(w.exchange("more", q.Get("code")))
			if got.status != 200 || payload(w, got.json["id_token"])["nonce"] != "n-456" || payload(w, got.json["access_token"])["aud"] != issuer {
				w.Errorf("%s", got.body)
			}
		}
		fresh := func() url.Values {
			return bring("more", w.pushed(request("more", "acr_values", "aal2", "hint_subject", "carol")), additions...)
		}
		check(w.authorize(fresh()))
		check(w.get(w.post("/oauth2/authorize", fresh()).header.Get("Location")))
		w.signIn(nil)
		_, id, _ := strings.Cut(w.authorize(fresh()).header.Get("Location"), "/login?request=")
		w.signIn(&oauth.Authentication{Subject: "bob-2", AuthTime: w.clock.Now().Add(-time.Minute), ACR: "aal2"})
		check(w.get("/oauth2/authorize?resume=" + id))
		// What was not pushed is not there, wherever else it stands.
		uri := w.pushed(request("more", "state", "-", "nonce", "-"))
		if q := w.authorize(bring("more", uri, "state", "evil")).location().Query(); q.Has("state") || q.Get("code") == "" {
			w.Errorf("%v", q)
		}
	})
}

// The page may be loaded again, and a sign-in may take longer than the request_uri lives; the code ends it.
func TestTrap14_ARequestURIWorksUntilTheCode(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "fapi", RequirePAR: true})
		v := bring("fapi", w.pushed(request("fapi", "prompt", "login")))
		w.signIn(nil)
		var ids []string
		for range 3 {
			_, id, ok := strings.Cut(w.authorize(v).header.Get("Location"), "/login?request=")
			if !ok {
				w.Fatal("no sign-in")
			}
			ids = append(ids, id)
		}
		w.clock.Add(59 * time.Minute)
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		w.wantPage(w.authorize(v), "invalid_request_uri", "request_uri") // expired for a browser that brings it now
		w.signIn(signedIn(w.clock.Now()))
		if a := w.get("/oauth2/authorize?resume=" + ids[1]); a.location().Query().Get("code") == "" {
			w.Fatalf("%d %s %s", a.status, a.header.Get("Location"), a.body)
		}
		for _, path := range []string{"resume=" + ids[0], "resume=" + ids[2]} {
			w.wantPage(w.get("/oauth2/authorize?"+path), "invalid_request_uri", "request_uri")
		}
		v = bring("fapi", w.pushed(request("fapi")))
		if q := w.authorize(v).location().Query(); q.Get("code") == "" {
			w.Fatal(q)
		}
		w.wantPage(w.authorize(v), "invalid_request_uri", "request_uri")
		w.wantPage(w.post("/oauth2/authorize", v), "invalid_request_uri", "request_uri")
		if n := w.count("oauth_grants"); n != 2 {
			w.Errorf("%d grants", n)
		}
	})
}

// A failure between the request_uri's end and the code gives both back.
func TestTrap14_AFailureSpendsNothing(t *testing.T) {
	both(t, func(w *world) {
		v := bring("web", w.pushed(request("web")))
		w.host.set(func(h *host) { h.auditErr = fmt.Errorf("disk full") })
		w.wantRedirected(w.authorize(v), "server_error")
		w.host.set(func(h *host) { h.auditErr = nil })
		if q := w.authorize(v).location().Query(); q.Get("code") == "" {
			w.Error(q)
		}
	})
}

func TestSec_OA10_SixtySeconds(t *testing.T) {
	both(t, func(w *world) {
		v := bring("web", w.pushed(request("web")))
		w.clock.Add(59 * time.Second)
		w.signIn(nil)
		if a := w.authorize(v); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/login") {
			w.Errorf("%d %s", a.status, a.body)
		}
		w.clock.Add(time.Second)
		w.wantPage(w.authorize(v), "invalid_request_uri", "request_uri")
		for _, step := range []struct {
			wait time.Duration
			kept int
		}{{time.Hour, 1}, {2 * time.Second, 0}} {
			w.clock.Add(step.wait)
			if err := w.server.Prune(w.Context()); err != nil {
				w.Fatal(err)
			}
			if n := w.count("oauth_pushed"); n != step.kept {
				w.Errorf("%d rows after %v", n, step.wait)
			}
		}
	})
}

func TestSec_OA10_OneClient(t *testing.T) {
	both(t, func(w *world) {
		uri := w.pushed(request("web"))
		for _, v := range []url.Values{
			bring("spa", uri), bring("nobody", uri), bring("-", uri, "client_id", "-"), bring("web", uri+"A"), bring("web", uri[:len(uri)-1]),
			bring("web", uri[:len(uri)-1]+"="), bring("web", "urn:ietf:params:oauth:request_uri:"),
			bring("web", "urn:ietf:params:oauth:request_uri:"+strings.Repeat("A", 43)),
			bring("spa", uri, "redirect_uri", callback, "response_type", "code"),
		} {
			a := w.authorize(v)
			if a.header.Get("Location") != "" || a.status != http.StatusBadRequest {
				w.Errorf("%v: %d %s", v, a.status, a.header.Get("Location"))
			}
		}
		w.wantPage(w.authorize(bring("spa", uri)), "invalid_request_uri", "request_uri")
		v := bring("web", uri)
		v["client_id"] = []string{"web", "web"}
		w.wantPage(w.authorize(v), "invalid_request", "client_id")
		if w.host.last != nil {
			w.Error("the host was asked")
		}
		if q := w.authorize(bring("web", uri)).location().Query(); q.Get("code") == "" {
			w.Error("the owner's attempt failed after the others'")
		}
	})
}

// Of many tabs, on two replicas, some just opened and some coming back from the sign-in, exactly one gets the code.
func TestSec_OA10_OneUse(t *testing.T) {
	both(t, func(w *world) {
		_, replica := w.start(w.config())
		v := bring("web", w.pushed(request("web")))
		w.signIn(nil)
		var paths []string
		for range 10 {
			_, id, _ := strings.Cut(w.authorize(v).header.Get("Location"), "/login?request=")
			paths = append(paths, "resume="+id)
		}
		cookies := w.visit().Cookies()
		w.signIn(signedIn(w.clock.Now()))
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := 0
		for i := range 40 {
			query, mux := v.Encode(), []*http.ServeMux{w.mux, replica}[i%2]
			if i < 20 {
				query = paths[i/2]
			}
			wg.Go(func() {
				r, _ := http.NewRequestWithContext(w.Context(), http.MethodGet, issuer+"/oauth2/authorize?"+query, nil)
				for _, c := range cookies {
					r.AddCookie(c)
				}
				browser := w.newBrowser()
				browser.Transport = transport{mux}
				a := w.do(browser, r)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case a.location().Query().Get("code") != "":
					codes++
				case a.status != http.StatusBadRequest || a.header.Get("Location") != "":
					w.Errorf("%d %s %s", a.status, a.header.Get("Location"), a.body)
				}
			})
		}
		wg.Wait()
		if n := w.count("oauth_grants"); codes != 1 || n != 1 {
			w.Errorf("%d codes, %d grants", codes, n)
		}
	})
}

func TestSec_OA10_NoCredentialIsStored(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "posting", AuthMethod: "client_secret_post"})
		hint := w.tokens("web")["id_token"].(string)
		secret := w.secrets["posting"]
		delete(w.secrets, "posting")
		uris := []string{
			w.pushed(request("posting", "client_secret", secret, "code_verifier", verifier, "password", "passw0rd")),
			w.pushed(request("web", "id_token_hint", hint, "code", "c0de", "refresh_token", "r3fresh", "unknown", "unkn0wn")),
		}
		w.signIn(nil)
		w.authorize(bring("web", uris[1]))
		var dump []string
		for _, query := range []string{
			`SELECT form FROM oauth_pushed`, `SELECT client_id FROM oauth_pushed`, `SELECT form FROM oauth_requests`,
		} {
			var rows []string
			if err := w.db.Select(w.Context(), &rows, query); err != nil || len(rows) == 0 {
				w.Fatal(err)
			}
			dump = append(dump, rows...)
		}
		for _, text := range []string{secret, basic("web", w.secrets["web"]), w.secrets["web"], verifier, "passw0rd", "c0de", "r3fresh", "unkn0wn",
			hint[len(hint)-40:], uris[0][40:], uris[1][40:]} {
			if strings.Contains(strings.Join(dump, "\n"), url.QueryEscape(text)) {
				w.Errorf("%s is kept in the clear: %q", text, dump)
			}
		}
		var hashes [][]byte
		sum := sha256.Sum256([]byte(uris[0]))
		if err := w.db.Select(w.Context(), &hashes, `SELECT uri_hash FROM oauth_pushed`); err != nil ||
			!slices.ContainsFunc(hashes, func(h []byte) bool { return string(h) == string(sum[:]) }) {
			w.Errorf("%x, %v", hashes, err)
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

// proofOfPush is a good proof of p for the PAR endpoint.
func proofOfPush(p *prover, changes ...any) string {
	return p.proof(append([]any{"htu", issuer + "/oauth2/par"}, changes...)...)
}

// The code is bound to the key whose possession the push proves, or that it names (RFC 9449 section 10).
func TestPushBindsTheCodeToAKey(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "bound", DPoPBound: true, RequirePAR: true})
		p, other := w.prover(), w.prover()
		for name, push := range map[string]func() answer{
			"by proof":    func() answer { return w.push(request("bound"), "DPoP", proofOfPush(p)) },
			"by dpop_jkt": func() answer { return w.push(request("bound", "dpop_jkt", p.jkt)) },
			"by both":     func() answer { return w.push(request("bound", "dpop_jkt", p.jkt), "DPoP", proofOfPush(p)) },
		} {
			a := push()
			uri, _ := a.json["request_uri"].(string)
			if nonce := a.header.Get("DPoP-Nonce"); a.status != http.StatusCreated || (nonce != "") != (name != "by dpop_jkt") {
				w.Fatalf("%s: %d %s %q", name, a.status, a.body, nonce)
			}
			w.signIn(nil) // a page comes between
			_, id, _ := strings.Cut(w.authorize(bring("bound", uri, "dpop_jkt", other.jkt)).header.Get("Location"), "/login?request=")
			w.signIn(signedIn(w.clock.Now()))
			code := w.get("/oauth2/authorize?resume=" + id).location().Query().Get("code")
			if got := w.proving(w.exchange("bound", code), p.proof()); got.status != 200 || got.json["token_type"] != "DPoP" {
				w.Errorf("%s: %s", name, got.body)
			}
			code = w.authorize(bring("bound", push().json["request_uri"].(string))).location().Query().Get("code")
			w.wantError(w.proving(w.exchange("bound", code), other.proof()), 400, "invalid_grant")
		}
		w.wantError(w.push(request("bound", "dpop_jkt", other.jkt), "DPoP", proofOfPush(p)), 400, "invalid_dpop_proof")
		w.wantError(w.push(request("bound"), "DPoP", p.proof()), 400, "invalid_dpop_proof") // for the token endpoint
		w.wantError(w.push(request("bound"), "DPoP", "x"), 400, "invalid_dpop_proof")
		spent := proofOfPush(p)
		w.push(request("bound"), "DPoP", spent)
		w.wantError(w.push(request("bound"), "DPoP", spent), 400, "invalid_dpop_proof")
		// Whoever names no key when pushing is bound when the token is asked for.
		code := w.authorize(bring("bound", w.pushed(request("bound")))).location().Query().Get("code")
		if got := w.proving(w.exchange("bound", code), other.proof()); got.status != 200 {
			w.Errorf("%s", got.body)
		}
	})
}

func TestPushAsksForANonce(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.RequireNonce = true
	_, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	p := w.prover()
	a := w.push(request("web"), "DPoP", proofOfPush(p))
	w.wantError(a, 400, "use_dpop_nonce")
	if a = w.push(request("web"), "DPoP", proofOfPush(p, "nonce", a.header.Get("DPoP-Nonce"))); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// The key may be named in the open, too.
func TestTheOpenRequestBindsTheCodeToAKey(t *testing.T) {
	both(t, func(w *world) {
		p, other := w.prover(), w.prover()
		w.wantRedirected(w.authorize(request("web", "dpop_jkt", "x")), "invalid_request")
		code := w.code("web", "dpop_jkt", p.jkt)
		w.wantError(w.proving(w.exchange("web", code), other.proof()), 400, "invalid_grant")
		if got := w.proving(w.exchange("web", w.code("web", "dpop_jkt", p.jkt)), p.proof()); got.status != 200 || got.json["token_type"] != "DPoP" {
			w.Errorf("%s", got.body)
		}
	})
}

func TestResources(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "api", Resources: []string{"https://one.example/api", "https://two.example/api"}})
		with := func(resources ...string) url.Values {
			v := request("api")
			v["resource"] = resources
			return v
		}
		for _, bad := range []string{
			"https://three.example", "https://one.example/api#x", "https://one.example/api/", "/api", "HTTPS://one.example/api", "x", issuer + "/",
		} {
			w.wantRedirected(w.authorize(with(bad)), "invalid_target")
			w.wantRedirected(w.authorize(with("https://one.example/api", bad)), "invalid_target")
			w.wantError(w.push(with("https://one.example/api", bad)), 400, "invalid_target")
		}
		w.wantRedirected(w.authorize(request("web", "resource", "https://one.example/api")), "invalid_target")
		for _, c := range []struct {
			ask  []string
			want any
		}{
			{nil, issuer}, {[]string{issuer}, issuer}, {[]string{""}, issuer}, {[]string{"https://two.example/api"}, "https://two.example/api"},
			{[]string{"https://two.example/api", issuer, "https://two.example/api"}, []any{"https://two.example/api", issuer}},
			{[]string{"https://one.example/api", "https://two.example/api"}, []any{"https://one.example/api", "https://two.example/api"}},
		} {
			w.signIn(nil)
			_, open, _ := strings.Cut(w.authorize(with(c.ask...)).header.Get("Location"), "/login?request=")
			_, pushed, _ := strings.Cut(w.authorize(bring("api", w.pushed(with(c.ask...)))).header.Get("Location"), "/login?request=")
			w.signIn(signedIn(w.clock.Now()))
			for _, id := range []string{open, pushed} {
				got := w.token(w.exchange("api", w.get("/oauth2/authorize?resume="+id).location().Query().Get("code")))
				if aud := payload(w, got.json["access_token"])["aud"]; !reflect.DeepEqual(aud, c.want) {
					w.Errorf("%q: aud %v, want %v", c.ask, aud, c.want)
				}
			}
		}
	})
}
