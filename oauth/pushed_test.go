package oauth_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

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
		w.wantRedirected(w.authorize(v), "temporarily_unavailable")
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
		}{{time.Hour, 1}, {5 * time.Minute, 0}} {
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
