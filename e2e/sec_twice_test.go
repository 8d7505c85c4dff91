package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// secNotOurFault fails for a server error and for a page that shows its inside.
func secNotOurFault(t *testing.T, what string, page *idptest.Page) {
	t.Helper()
	if page.Status >= 500 {
		t.Errorf("%s: %d at %s\n%s", what, page.Status, page.URL, page.Text("main"))
	}
	secNoInside(t, what, page.Body)
}

// secNoInside fails when a body tells how the server works.
func secNoInside(t *testing.T, what, body string) {
	t.Helper()
	for _, inside := range []string{
		"goroutine ", ".go:", "panic", "runtime error", "sql:", "SQL", "sqlite", "pq:", "postgres", "oauth: ", "account: ", "session: ", "mfa: ", "dbx: ",
		"login: ", "consent: ", "idp: ", "connection refused", "no such table", "fosite", "127.0.0.1:5",
	} {
		if strings.Contains(body, inside) {
			t.Errorf("%s: the page holds %q", what, inside)
		}
	}
}

func TestFormsSentTwice(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	asks := rpAsking(s, "asks")

	login := secAt(t, s.begin(b, asks), "/login")
	form := login.Fields("login-submit")
	form.Set("username", "alice")
	form.Set("password", idptest.Password)
	address := login.URL.String()
	secAt(t, b.Post(address, form), "/mfa")
	// Sent again, with the token of before the sign-in: refused with a way on, and nothing is lost.
	again := b.Post(address, form)
	secNotOurFault(t, "login twice", again)
	if again.Status != http.StatusForbidden || !again.Has("a[href]") {
		t.Errorf("login twice: %d", again.Status)
	}
	// Back at the login page: it asks for the same person's password, and goes on.
	back := secAt(t, b.Get(address), "/login")
	mfa := secAt(t, back.Submit("login-submit", "password", idptest.Password), "/mfa")

	form, address = mfa.Fields("mfa-submit"), mfa.URL.String()
	form.Set("code", p.code())
	consent := secAt(t, b.Post(address, form), "/consent")
	secNotOurFault(t, "code twice", b.Post(address, form))
	page := secAt(t, b.Get(address), "/mfa") // Back: the page is there, the code is used up
	page = page.Submit("mfa-submit", "code", form.Get("code"))
	secNotOurFault(t, "code used up", page)
	if page.Status != http.StatusUnprocessableEntity || page.Text("[role=alert]") == "" {
		t.Errorf("a used code: %d", page.Status)
	}
	consent = secAt(t, b.Get(consent.URL.String()), "/consent")
	form, address = consent.Fields("consent-allow"), consent.URL.String()
	secGranted(t, b.Post(address, form))
	for what, page := range map[string]*idptest.Page{
		"consent twice": b.Post(address, form), "Back to consent": b.Get(address), "Back to the code": b.Get(mfa.URL.String()),
		"Back to the password": b.Get(login.URL.String()), "Back to the start": b.Get("/oauth2/authorize?resume=" + mfa.URL.Query().Get("request")),
	} {
		secNotOurFault(t, what, page)
		if page.URL.Host == "app.example" {
			t.Errorf("%s: a second answer, %s", what, page.URL)
		}
	}
	secGranted(t, s.begin(b, asks)) // and the session is whole
}

func TestCancelTwiceAndElsewhere(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.enrolled("alice")
	b := s.Browser()
	page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa")
	form := url.Values{"form_token": {page.Fields("mfa-submit").Get("form_token")}, "cancel": {"1"}}
	foreign := s.Browser()
	mine := secAt(t, secPassword(s.begin(foreign, s.app), "alice"), "/mfa")
	theirs := url.Values{"form_token": {mine.Fields("mfa-submit").Get("form_token")}, "cancel": {"1"}}
	got := foreign.Post(page.URL.String(), theirs)
	secNotOurFault(t, "cancelled elsewhere", got)
	if got.Status != http.StatusBadRequest || got.Header.Get("Location") != "" {
		t.Errorf("cancelled elsewhere: %d %s", got.Status, got.URL)
	}
	secRefused(t, b.Post(page.URL.String(), form), "access_denied")
	got = b.Post(page.URL.String(), form)
	secNotOurFault(t, "cancelled twice", got)
	if got.URL.Host == "app.example" || got.Status != http.StatusBadRequest {
		t.Errorf("cancelled twice: %d %s", got.Status, got.URL)
	}
	secRefused(t, foreign.Post(mine.URL.String(), theirs), "access_denied") // the other request was unharmed
}

func TestSuspendedRequestsElsewhereAndLater(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b, other := s.enrolled("alice"), s.Browser(), s.Browser()
	secGranted(t, s.person("bob").signIn(other, s.app))
	page := secAt(t, s.begin(b, s.app), "/login")
	id := page.URL.Query().Get("request")
	theirs := secAt(t, s.begin(other, s.app, secParam("prompt", "login")), "/login")
	for _, path := range []string{"/login?request=", "/mfa?request=", "/consent?request=", "/oauth2/authorize?resume=", "/account/mfa/enrol/start?request="} {
		got := other.Get(path + id)
		secNotOurFault(t, path, got)
		if got.Header.Get("Location") != "" || got.URL.Host == "app.example" || got.URL.Query().Has("code") {
			t.Errorf("%s in another browser leads to %s", path, got.URL)
		}
		if strings.HasPrefix(path, "/login") || strings.HasPrefix(path, "/oauth2") || strings.HasPrefix(path, "/consent") {
			if got.Status != http.StatusBadRequest || !got.Has("[role=alert]") {
				t.Errorf("%s in another browser: %d\n%s", path, got.Status, got.Text("main"))
			}
		}
	}
	secGranted(t, theirs.Submit("login-submit", "password", idptest.Password)) // unharmed
	mfa := secAt(t, secPassword(page, "alice"), "/mfa")
	code := p.code()
	s.Clock.Add(61 * time.Minute) // the request is over, the session is not
	got := mfa.Submit("mfa-submit", "code", code)
	secNotOurFault(t, "after an hour", got)
	got = mfa.Submit("mfa-submit", "code", p.code())
	secNotOurFault(t, "after an hour", got)
	if got.URL.Host == "app.example" || got.Status != http.StatusBadRequest {
		t.Errorf("after an hour: %d at %s", got.Status, got.URL)
	}
}

func TestSec_MF08_PendingEnrolmentsAreOnesOwn(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice := s.person("alice")
	b, second, bob := s.Browser(), s.Browser(), s.Browser()
	secGranted(t, alice.signIn(b, s.app))
	secGranted(t, alice.signIn(second, s.app))
	secGranted(t, s.person("bob").signIn(bob, s.app))
	scan := secAt(t, secAt(t, b.Get("/account/mfa"), "/account/mfa").Submit("enrol-start"), "/account/mfa/enrol/scan")
	key := scan.Text("#totp-key")
	if again := b.Get(scan.URL.String()); again.Text("#totp-key") != key {
		t.Error("reload shows another key")
	}
	phone := secPhone(s, scan)
	for name, browser := range map[string]*idptest.Browser{"bob": bob, "alice's other session": second} {
		got := browser.Get(scan.URL.String())
		secNotOurFault(t, name, got)
		if got.Status != http.StatusNotFound || strings.Contains(got.Body, key) || got.Text("[role=alert]") == "" {
			t.Errorf("%s: %d\n%s", name, got.Status, got.Text("main"))
		}
		form := browser.Get("/account/mfa").Fields("enrol-start")
		form.Set("code1", phone.Code(-1))
		form.Set("code2", phone.Code(0))
		if got := browser.Post("/account/mfa/enrol/codes?"+scan.URL.RawQuery, form); got.Status != http.StatusNotFound {
			t.Errorf("%s: codes: %d", name, got.Status)
		}
	}
	secGranted(t, alice.signIn(s.Browser(), s.app)) // no factor yet: nobody is asked
	s.Clock.Add(31 * time.Minute)
	got := b.Get(scan.URL.String())
	secNotOurFault(t, "expired", got)
	if got.Status != http.StatusGone || got.Text("[role=alert]") == "" || !got.Has("#enrol-start") {
		t.Errorf("expired: %d\n%s", got.Status, got.Text("main"))
	}
	if status, _ := s.MFA.Status(t.Context(), alice.Subject); status.Enrolled {
		t.Error("enrolled")
	}
}
