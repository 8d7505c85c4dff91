package oauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// suspend begins a sign-in and returns its id.
func (w *world) suspend(v url.Values) string {
	w.Helper()
	w.host.set(func(h *host) { h.auth = nil })
	_, id, ok := strings.Cut(w.authorize(v).header.Get("Location"), "/login?request=")
	if !ok {
		w.Fatal("not suspended")
	}
	return id
}

// visit is a page's request of this world's browser.
func (w *world) visit() *http.Request {
	r := httptest.NewRequest(http.MethodGet, issuer+"/login", nil)
	for _, c := range w.browser.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r
}

func TestSuspended(t *testing.T) {
	both(t, func(w *world) {
		id := w.suspend(request("web", "prompt", "login", "max_age", "5"))
		asked := w.clock.Now()
		w.clock.Add(10 * time.Minute)
		req, err := w.server.Suspended(w.visit(), id)
		if err != nil {
			w.Fatal(err)
		}
		if req.ID != id || req.Client().ID != "web" || req.MaxAge() != 5*time.Second || !req.Asked.Equal(asked) || req.Prompt()[0] != "login" {
			w.Errorf("%+v", req)
		}
		if again, err := req.Suspend(w.Context(), nil); again != id || err != nil {
			w.Errorf("%s, %v", again, err)
		}
		for _, bad := range []string{"", "x", id[1:] + "A", strings.ToUpper(id)} {
			if _, err := w.server.Suspended(w.visit(), bad); !errors.Is(err, oauth.ErrNoRequest) {
				w.Errorf("%q: %v", bad, err)
			}
			w.wantPage(w.get("/oauth2/authorize?resume="+url.QueryEscape(bad)), "invalid_request", "resume")
		}
	})
}

func TestSuspendedIsThisBrowsers(t *testing.T) {
	both(t, func(w *world) {
		id := w.suspend(request("web"))
		w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		mine := w.browser
		w.browser = w.newBrowser()
		w.wantPage(w.get("/oauth2/authorize?resume="+id), "invalid_request", "resume")
		if _, err := w.server.Suspended(w.visit(), id); !errors.Is(err, oauth.ErrNoRequest) {
			w.Error(err)
		}
		w.browser = mine
		if a := w.get("/oauth2/authorize?resume=" + id); a.location().Query().Get("code") == "" {
			w.Errorf("%d %s", a.status, a.body)
		}
	})
}

func TestSuspendedIsAnsweredOnce(t *testing.T) {
	both(t, func(w *world) {
		id := w.suspend(request("web"))
		w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := 0
		cookies := w.visit().Cookies()
		for range 8 {
			wg.Go(func() {
				r, _ := http.NewRequest(http.MethodGet, issuer+"/oauth2/authorize?resume="+id, nil)
				for _, c := range cookies {
					r.AddCookie(c)
				}
				a := w.do(w.newBrowser(), r)
				mu.Lock()
				defer mu.Unlock()
				if a.location().Query().Get("code") != "" {
					codes++
				}
			})
		}
		wg.Wait()
		if codes != 1 {
			w.Errorf("%d codes", codes)
		}
		w.wantPage(w.get("/oauth2/authorize?resume="+id), "invalid_request", "resume")
		var grants int
		if err := w.db.Get(w.Context(), &grants, `SELECT COUNT(*) FROM oauth_grants`); err != nil || grants != 1 {
			w.Errorf("%d grants, %v", grants, err)
		}
	})
}

func TestSuspendedForAnHour(t *testing.T) {
	w := newWorld(t)
	id := w.suspend(request("web"))
	w.clock.Add(time.Hour + time.Second)
	w.host.auth = signedIn(w.clock.Now())
	w.wantPage(w.get("/oauth2/authorize?resume="+id), "invalid_request", "resume")
}

func TestSuspendedIsValidatedAgain(t *testing.T) {
	w := newWorld(t)
	id := w.suspend(request("web"))
	client, _ := w.server.Clients().Get(t.Context(), "web")
	client.RedirectURIs = []string{"https://app.example/elsewhere"}
	if err := w.server.Clients().Update(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	w.host.auth = signedIn(w.clock.Now())
	w.wantPage(w.get("/oauth2/authorize?resume="+id), "invalid_request", "redirect_uri")
	if _, err := w.server.Suspended(w.visit(), id); !errors.Is(err, oauth.ErrNoRequest) {
		t.Error(err)
	}
}

func TestPostedRequestsComeBackAsGet(t *testing.T) {
	w := newWorld(t)
	a := w.post("/oauth2/authorize", request("web"))
	if a.status != 303 || !strings.HasPrefix(a.header.Get("Location"), "/oauth2/authorize?resume=") {
		t.Fatalf("%d %s", a.status, a.header.Get("Location"))
	}
	if w.host.last != nil {
		t.Error("the host was asked without cookies")
	}
	if a = w.get(a.header.Get("Location")); a.location().Query().Get("code") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.wantRedirected(w.post("/oauth2/authorize", request("web", "scope", "bogus")), "invalid_scope")
}

func TestParallelTabs(t *testing.T) {
	w := newWorld(t)
	one, two := w.suspend(request("web", "state", "one")), w.suspend(request("spa", "state", "two"))
	w.host.auth = signedIn(w.clock.Now())
	for id, state := range map[string]string{two: "two", one: "one"} {
		if q := w.get("/oauth2/authorize?resume=" + id).location().Query(); q.Get("state") != state || q.Get("code") == "" {
			t.Error(q)
		}
	}
	if cookies := w.browser.Jar.Cookies(&url.URL{Scheme: "https", Host: "id.example.com", Path: "/"}); len(cookies) != 0 {
		t.Errorf("cookies left: %v", cookies)
	}
}

func TestAbandonedSignInsDoNotPileUp(t *testing.T) {
	w := newWorld(t)
	var last string
	for range 30 {
		last = w.suspend(request("web"))
	}
	if n := len(w.visit().Cookies()); n > 12 {
		t.Errorf("%d cookies", n)
	}
	if _, err := w.server.Suspended(w.visit(), last); err != nil {
		t.Error(err)
	}
}

func TestDeny(t *testing.T) {
	both(t, func(w *world) {
		id := w.suspend(request("web"))
		rec := httptest.NewRecorder()
		if err := w.server.Deny(rec, w.visit(), id, ""); err != nil {
			w.Fatal(err)
		}
		w.wantRedirected(answer{status: rec.Code, header: rec.Header()}, "access_denied")
		if err := w.server.Deny(httptest.NewRecorder(), w.visit(), id, ""); !errors.Is(err, oauth.ErrNoRequest) {
			w.Error(err)
		}
		w.wantPage(w.get("/oauth2/authorize?resume="+id), "invalid_request", "resume")
	})
}

func TestSuspendedKeepsNoSecrets(t *testing.T) {
	w := newWorld(t)
	w.suspend(request("web", "client_secret", "s3cret", "code", "c0de", "password", "passw0rd"))
	var form string
	if err := w.db.Get(t.Context(), &form, `SELECT form FROM oauth_requests`); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"s3cret", "c0de", "passw0rd"} {
		if strings.Contains(form, secret) {
			t.Errorf("kept: %s", form)
		}
	}
}

func TestPrune(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		w.tokens("opaque", "scope", "openid")
		keep := w.tokens("opaque")
		w.code("web")
		w.suspend(request("web"))
		w.clock.Add(3 * time.Hour)
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		for table, want := range map[string]int{"oauth_grants": 1, "oauth_requests": 0, "oauth_access": 0, "oauth_keys": 3} {
			var n int
			if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM `+table); err != nil || n != want {
				w.Errorf("%s: %d, %v", table, n, err)
			}
		}
		if a := w.token(w.refreshing("opaque", keep["refresh_token"].(string))); a.status != 200 {
			w.Error(a.body)
		}
	})
}

// What fosite is not shown must not be forgotten either while a page is open.
func TestSuspendedKeepsWhoIsExpectedAndHowToAnswer(t *testing.T) {
	both(t, func(w *world) {
		hint := w.tokens("web")["id_token"].(string)
		id := w.suspend(request("web", "prompt", "login", "response_mode", "form_post", "id_token_hint", hint))
		req, err := w.server.Suspended(w.visit(), id)
		if err != nil {
			w.Fatal(err)
		}
		if req.HintSubject() == "" {
			w.Error("the hint is forgotten")
		}
		w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		if a := w.get("/oauth2/authorize?resume=" + id); a.status != http.StatusOK || !strings.Contains(a.body, `name="code"`) {
			w.Errorf("answered by %d %s, not by form_post", a.status, a.header.Get("Location"))
		}
	})
}

func TestDecisionsAreOfWhoMadeThem(t *testing.T) {
	both(t, func(w *world) {
		id := w.suspend(request("web"))
		read := func() *oauth.Request {
			req, err := w.server.Suspended(w.visit(), id)
			if err != nil {
				w.Fatal(err)
			}
			return req
		}
		at := func(subject string) time.Time { return read().DecidedAt(subject) }
		if !at("alice").IsZero() || !at("").IsZero() {
			w.Error("decided before anybody did")
		}
		decide := func(subject string) time.Time {
			w.clock.Add(time.Second)
			if err := read().Decide(w.Context(), subject); err != nil {
				w.Fatal(err)
			}
			return w.clock.Now()
		}
		if now := decide("alice"); !at("alice").Equal(now) || !at("bob").IsZero() || !at("").IsZero() {
			w.Errorf("alice decided %v, bob %v", at("alice"), at("bob"))
		}
		if now := decide("bob"); !at("bob").Equal(now) || !at("alice").IsZero() {
			w.Errorf("bob decided %v, alice %v", at("bob"), at("alice"))
		}
		req := read()
		w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		w.get("/oauth2/authorize?resume=" + id)
		if err := req.Decide(w.Context(), "alice"); !errors.Is(err, oauth.ErrNoRequest) {
			w.Errorf("after the answer: %v", err)
		}
	})
}
