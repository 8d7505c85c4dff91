package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
)

func TestSec_SS01_ChosenValuesAreNeverAdopted(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.person("alice")
	home, _ := url.Parse(s.Issuer)
	chosen := strings.Repeat("A", 43) // as long as a real one
	b := s.Browser()
	b.Jar.SetCookies(home, []*http.Cookie{{Name: "idp_session", Value: chosen, Path: "/"}, {Name: "idp_form", Value: chosen, Path: "/"}})
	page := secAt(t, s.begin(b, s.app), "/login")
	secGranted(t, secPassword(page, "alice"))
	if got := secCookie(b, s.Issuer, "session"); got == chosen || len(got) != 43 {
		t.Errorf("the session is %q", got)
	}
	other := s.Browser()
	other.Jar.SetCookies(home, []*http.Cookie{{Name: "idp_session", Value: chosen, Path: "/"}})
	secAt(t, other.Get("/account"), "/login")
	seen := map[string]bool{}
	for range 20 {
		b := s.Browser()
		secGranted(t, p.signIn(b, s.app))
		seen[secCookie(b, s.Issuer, "session")] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d different sessions of 20", len(seen))
	}
}

func TestSec_SS02_EveryStepGivesANewValue(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	var values []string
	note := func() { values = append(values, secCookie(b, s.Issuer, "session")) }
	page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa")
	note()
	secGranted(t, page.Submit("mfa-submit", "code", p.code()))
	note()
	page = s.begin(b, s.app, secParam("prompt", "login")).Submit("login-submit", "password", idptest.Password)
	note()
	secGranted(t, secAt(t, page, "/mfa").Submit("mfa-submit", "code", p.code()))
	note()
	home, _ := url.Parse(s.Issuer)
	for i, value := range values {
		old := s.Browser()
		old.Jar.SetCookies(home, []*http.Cookie{{Name: "idp_session", Value: value, Path: "/"}})
		want := "/login"
		if i == len(values)-1 {
			want = "/account"
		}
		secAt(t, old.Get("/account"), want)
		for _, other := range values[:i] {
			if other == value {
				t.Errorf("step %d has an old value", i)
			}
		}
	}
}

func TestSec_SS03_CookiesOverHTTPS(t *testing.T) {
	t.Parallel()
	// The provider stands behind a proxy that ends TLS: what it sets is what a browser at https gets.
	const public = "https://login.example"
	s := idptest.Start(t, func(c *idp.Config) { c.PublicURL = public })
	s.AddUser("alice")
	ask := func(method, path string, form url.Values, cookies []*http.Cookie) *http.Response {
		r := httptest.NewRequest(method, public+path, strings.NewReader(form.Encode()))
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Result()
	}
	check := func(response *http.Response) []*http.Cookie {
		total := 0
		for _, c := range response.Cookies() {
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie %s", c.Raw)
			}
			if total += len(c.Name) + len(c.Value); total > 4096 {
				t.Error("the cookies are larger than 4 kB")
			}
		}
		if response.Header.Get("Strict-Transport-Security") == "" {
			t.Error("no Strict-Transport-Security")
		}
		return response.Cookies()
	}
	first := ask(http.MethodGet, "/login?to=/account", nil, nil)
	jar := check(first)
	if len(jar) != 1 {
		t.Fatalf("%d cookies at the login page", len(jar))
	}
	var body strings.Builder
	_ = first.Write(&body)
	_, rest, _ := strings.Cut(body.String(), `name="form_token" value="`)
	token, _, _ := strings.Cut(rest, `"`)
	form := url.Values{"form_token": {token}, "username": {"alice"}, "password": {idptest.Password}}
	// A neighbour's cookie of the same meaning, without the prefix, is nobody's.
	if got := ask(http.MethodPost, "/login?to=/account", form, []*http.Cookie{{Name: "idp_form", Value: jar[0].Value}}); got.StatusCode != http.StatusForbidden {
		t.Errorf("a cookie without the prefix binds a form: %d", got.StatusCode)
	}
	done := ask(http.MethodPost, "/login?to=/account", form, jar)
	if jar = check(done); done.StatusCode != http.StatusSeeOther || len(jar) == 0 {
		t.Fatalf("signing in: %d, %d cookies", done.StatusCode, len(jar))
	}
	for _, c := range jar {
		if c.Name == "__Host-idp_session" {
			if got := ask(http.MethodGet, "/account", nil, []*http.Cookie{{Name: "idp_session", Value: c.Value}}); got.StatusCode != http.StatusSeeOther {
				t.Errorf("a session cookie without the prefix: %d", got.StatusCode)
			}
			if got := ask(http.MethodGet, "/account", nil, []*http.Cookie{{Name: c.Name, Value: c.Value}}); got.StatusCode != http.StatusOK {
				t.Errorf("the session: %d", got.StatusCode)
			}
		}
	}
}

func TestSec_SS04_SessionsRunOut(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	for range 29 { // seen every day: the overall end comes all the same
		s.Clock.Add(24*time.Hour - time.Minute)
		secGranted(t, s.begin(b, s.app))
	}
	s.Clock.Add(23 * time.Hour)
	secGranted(t, s.begin(b, s.app))
	s.Clock.Add(2 * time.Hour)
	secAt(t, s.begin(b, s.app), "/login")
	idle := s.Browser()
	secGranted(t, p.signIn(idle, s.app))
	s.Clock.Add(24*time.Hour + time.Second)
	secAt(t, s.begin(idle, s.app), "/login")
}

func TestSec_SS05_SignedOutIsOut(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	page := p.signIn(b, s.app, rpScope("openid profile")) // nothing that outlives the session
	old := secCopy(s, b)
	tokens := s.exchange(s.app, page)
	code := secGranted(t, s.begin(b, s.app, rpScope("openid profile")))
	if s.userInfo(tokens) == nil {
		t.Fatal("no userinfo while signed in")
	}
	asked := secAt(t, b.Get("/oauth2/logout"), "/oauth2/logout")
	secAt(t, b.Get("/account"), "/account") // a GET without a hint signs nobody out
	out := secAt(t, asked.Submit("logout-confirm"), "/signed-out")
	if !strings.Contains(strings.ToLower(out.Text("main")), "signed out") {
		t.Errorf("the page says %q", out.Text("main"))
	}
	for _, browser := range []*idptest.Browser{b, old} {
		secAt(t, browser.Get("/account"), "/login")
		secAt(t, s.begin(browser, s.app), "/login")
	}
	if got := s.userInfo(tokens); got != nil {
		t.Errorf("the access token of the session still works: %v", got)
	}
	if _, err := s.app.Exchange(t.Context(), code, secVerifierOption()); err == nil {
		t.Error("a code of the session gives tokens after it has ended")
	}
}

func TestSec_SS06_DisabledOrDeletedIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	for name, end := range map[string]func(p *secPerson) error{
		"disabled": func(p *secPerson) error { return s.Actions().Disable(t.Context(), p.Subject) },
		"flagged":  func(p *secPerson) error { return s.Accounts.Disable(t.Context(), p.Subject) }, // nothing else is cleaned up
		"deleted":  func(p *secPerson) error { return s.Actions().Delete(t.Context(), p.Subject) },
	} {
		p, b := s.enrolled(name), s.Browser()
		secRemember(t, p, b)
		tokens := s.exchange(s.app, s.begin(b, s.app))
		code := secGranted(t, s.begin(b, s.app))
		if err := end(p); err != nil {
			t.Fatal(err)
		}
		secAt(t, secCopy(s, b).Get("/account"), "/login")
		secRefused(t, s.begin(secCopy(s, b), s.app, secParam("prompt", "none")), "login_required")
		if got := s.userInfo(tokens); got != nil {
			t.Errorf("%s: userinfo answers", name)
		}
		_, err := s.refresh(s.app, tokens)
		secInvalidGrant(t, err)
		if _, err := s.app.Exchange(t.Context(), code, secVerifierOption()); err == nil {
			t.Errorf("%s: a code gives tokens", name)
		}
		page := secPassword(s.begin(secCopy(s, b, "device_"), s.app), name)
		if page.Status != http.StatusUnprocessableEntity || secCookie(page.Browser(), s.Issuer, "session") != "" {
			t.Errorf("%s: signing in: %d", name, page.Status)
		}
		if name == "disabled" {
			if a, err := s.Accounts.BySubject(t.Context(), p.Subject); err != nil || !a.Disabled {
				t.Errorf("the flag is gone: %+v, %v", a, err)
			}
		}
	}
}

func TestSec_SS09_TwoPeopleInOneBrowser(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	asks := rpAsking(s, "asks")
	people := map[string]*secPerson{"alice": s.person("alice"), "bob": s.person("bob")}
	b := s.Browser()
	shown := func() string {
		page := b.Get("/account")
		for name := range people {
			if strings.Contains(page.Body, name+"@example.com") {
				return name
			}
		}
		return ""
	}
	token := func(page *idptest.Page) string {
		sub := s.exchange(s.app, page).id["sub"]
		for name, p := range people {
			if p.Subject == sub {
				return name
			}
		}
		return ""
	}
	for i, who := range []string{"alice", "bob", "bob", "alice"} {
		other := map[string]string{"alice": "bob", "bob": "alice"}[who]
		// Two tabs are open at the login page; one signs somebody in, then the other somebody else.
		one := secAt(t, s.begin(b, s.app, secParam("prompt", "select_account")), "/login")
		two := secAt(t, s.begin(b, asks, secParam("prompt", "select_account")), "/login")
		first := secPassword(one, who)
		if got := token(first); got != who || shown() != who {
			t.Errorf("round %d: %s has signed in, the token is %s's, the page %s's", i, who, got, shown())
		}
		// The second tab's form is out of date now; opened anew it belongs to whoever signs in there.
		if stale := secPassword(two, other); stale.Status != http.StatusForbidden || shown() != who {
			t.Errorf("round %d: a form of before: %d, the page is %s's", i, stale.Status, shown())
		}
		consent := secAt(t, secPassword(secAt(t, b.Get(two.URL.String()), "/login"), other), "/consent")
		if text := consent.Text("main"); !strings.Contains(text, other) || strings.Contains(text, who) || shown() != other {
			t.Errorf("round %d: %s consents on a page that says %s", i, other, text)
		}
		// Back to the first person while that page is open: their consent is not given by the other's click.
		three := secAt(t, s.begin(b, s.app, secParam("prompt", "select_account")), "/login")
		if got := token(secPassword(three, who)); got != who {
			t.Errorf("round %d: %s", i, got)
		}
		decided := consent.Submit("consent-allow")
		if decided.Status != http.StatusForbidden || decided.URL.Host == "app.example" {
			t.Errorf("round %d: %s's consent in %s's session: %d at %s", i, other, who, decided.Status, decided.URL)
		}
		secAt(t, b.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
		if page := b.Get("/account"); strings.Contains(page.Body, "@example.com") {
			t.Errorf("round %d: after signing out: %s", i, page.Text("main"))
		}
	}
	if n := s.count(`SELECT COUNT(*) FROM consents`); n != 0 {
		t.Errorf("%d decisions by nobody", n)
	}
}

func TestSec_SS10_EveryPostNeedsItsToken(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	db := s.database()
	p, b, other := s.enrolled("alice"), s.Browser(), s.Browser()
	before := secAt(t, s.begin(b, s.app), "/login").Fields("login-submit").Get("form_token")
	secGranted(t, p.signIn(b, s.app))
	secGranted(t, s.person("bob").signIn(other, s.app))
	foreign := other.Get("/account/mfa").Fields("enrol-start").Get("form_token")
	own := b.Get("/account/mfa").Fields("mfa-off").Get("form_token")
	if own == "" || own == foreign || own == before {
		t.Fatal("tokens are not bound to a session")
	}
	tried, watch := 0, secWatching(t, db)
	for _, route := range secMustRoutes(t) {
		if route.method != http.MethodPost || strings.HasPrefix(route.path, "/oauth2/") {
			continue
		}
		tried++
		for name, row := range map[string]struct{ token, origin, site string }{
			"no token": {}, "another's": {token: foreign}, "one of before the sign-in": {token: before}, "nonsense": {token: "x"},
			"a foreign origin": {own, "https://evil.example", "cross-site"}, "origin null": {own, "null", ""}, "a neighbour": {own, "", "same-site"},
			"another port": {own, "http://127.0.0.1:1", ""},
		} {
			form := url.Values{"form_token": {row.token}, "id": {"app"}, "current": {idptest.Password}, "password": {secOtherPassword}, "username": {"alice"}}
			r, _ := http.NewRequest(http.MethodPost, s.Issuer+route.path, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for header, value := range map[string]string{"Origin": row.origin, "Sec-Fetch-Site": row.site} {
				if value != "" {
					r.Header.Set(header, value)
				}
			}
			page := secCopy(s, b).Do(r)
			if page.Status != http.StatusForbidden {
				t.Errorf("%s with %s: %d at %s", route.path, name, page.Status, page.URL)
			}
			for _, table := range watch.changed() {
				t.Errorf("%s with %s has changed %s", route.path, name, table)
			}
		}
	}
	if tried < 15 {
		t.Errorf("only %d routes", tried)
	}
	// The sign-out form too, whose path strangers may post to.
	r, _ := http.NewRequest(http.MethodPost, s.Issuer+"/oauth2/logout", strings.NewReader(url.Values{"confirm": {"everywhere"}, "form_token": {foreign}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if page := secCopy(s, b).Do(r); page.Status != http.StatusForbidden {
		t.Errorf("sign-out with another's token: %d", page.Status)
	}
	secCopy(s, b).Post("/oauth2/logout", url.Values{"confirm": {"everywhere"}})
	secAt(t, b.Get("/account"), "/account")
}

func TestSec_HT04_ForwardedHeadersOfStrangers(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.person("alice")
	for _, row := range []struct {
		header, value string
	}{{"X-Forwarded-For", "203.0.113.9"}, {"X-Real-Ip", "203.0.113.9"}, {"Forwarded", "for=203.0.113.9"}, {"X-Forwarded-Host", "evil.example"}} {
		b := s.Browser()
		b.Header.Set(row.header, row.value)
		page := secPassword(s.begin(b, s.app), "alice")
		secGranted(t, page)
		if strings.Contains(page.Body+page.URL.String(), "evil.example") {
			t.Errorf("%s is believed", row.header)
		}
	}
	if n := s.count(`SELECT COUNT(*) FROM sessions WHERE address <> '127.0.0.1'`) + s.count(`SELECT COUNT(*) FROM audit WHERE address LIKE '203.%'`); n != 0 {
		t.Errorf("%d rows have a forged address", n)
	}
	r, _ := http.NewRequest(http.MethodGet, s.Issuer+"/login", nil)
	r.Host = "evil.example"
	if page := s.Browser().Do(r); page.Status != http.StatusMisdirectedRequest || strings.Contains(page.Body, `href="http://evil`) {
		t.Errorf("another host: %d", page.Status)
	}
}

// secAtOnce runs fn n times at once.
func secAtOnce(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}
