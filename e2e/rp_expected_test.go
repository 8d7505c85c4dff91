package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/htmlcheck"
)

// Who is expected is said where a token of ours tells it, and nobody can ask for the name of a subject.
func TestRPTheLoginPageSaysWhoIsExpected(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice, bob := s.person("alice"), s.person("bob")
	token := s.exchange(s.app, alice.signIn(s.Browser(), s.app))
	hint, _ := token.Extra("id_token").(string)
	with := s.Browser()
	secGranted(t, bob.signIn(with, s.app))

	for _, b := range []func() string{
		func() string { // nobody is signed in
			page := secAt(t, s.begin(s.Browser(), s.app, secParam("id_token_hint", hint), secParam("login_hint", "carol")), "/login")
			return page.Attr("#username", "value") + " " + page.Text("main")
		},
		func() string { // somebody else is
			page := secAt(t, s.begin(with, s.app, secParam("id_token_hint", hint)), "/login")
			if problems := htmlcheck.Must(t, page.Body).Lint(); len(problems) > 0 {
				t.Error(problems)
			}
			return page.Attr("#username", "value") + " " + page.Text("main")
		},
	} {
		if text := b(); !strings.HasPrefix(text, "alice ") || !strings.Contains(text, "asks for the account alice") {
			t.Errorf("the page says %s", text)
		}
	}
	// The client's own word is no reason to name anybody, beside a hint neither.
	claims := `{"id_token":{"sub":{"value":"` + alice.Subject + `"}}}`
	for _, page := range []func() string{
		func() string { return secAt(t, s.begin(s.Browser(), s.app, secParam("claims", claims)), "/login").Body },
		func() string { return secAt(t, s.begin(with, s.app, secParam("claims", claims)), "/login").Body },
	} {
		if strings.Contains(page(), "alice") {
			t.Error("a stranger is told whose the subject is")
		}
	}
	if err := s.Accounts.Disable(t.Context(), alice.Subject); err != nil {
		t.Fatal(err)
	}
	if page := secAt(t, s.begin(s.Browser(), s.app, secParam("id_token_hint", hint)), "/login"); strings.Contains(page.Body, "alice") {
		t.Error("whoever is disabled is expected")
	}
}

// A made-up or answered sign-in is nobody's mistake but an old page: it leads on.
func TestRPNothingToResume(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	b := s.Browser()
	for _, path := range []string{"/oauth2/authorize?resume=bogus", "/login?request=bogus", "/oauth2/authorize?resume="} {
		page := b.Get(path)
		if page.Status != http.StatusBadRequest || page.Text("h1") != "This sign-in is over" || !page.Has(`a[href="/account"]`) {
			t.Errorf("%s: %d %s", path, page.Status, page.Text("main"))
		}
	}
}

// A network that has begun too many sign-ins is told to wait, on a page that blames nobody.
func TestSec_DS04_TooManySignInsAreBegun(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.person("alice")
	b := s.Browser()
	page := secAt(t, s.begin(b, s.app), "/login")
	if _, err := s.database().Exec(t.Context(), `UPDATE oauth_device_attempts SET n = 600 WHERE key LIKE 'request/%'`); err != nil {
		t.Fatal(err)
	}
	refused := s.begin(s.Browser(), s.app)
	wait, err := strconv.Atoi(refused.Header.Get("Retry-After"))
	if refused.Status != http.StatusTooManyRequests || err != nil || wait < 1 || wait > 600 ||
		!strings.Contains(refused.Text("[role=alert]"), "You have done nothing wrong") {
		t.Errorf("%d, Retry-After %q: %s", refused.Status, refused.Header.Get("Retry-After"), refused.Text("main"))
	}
	if problems := htmlcheck.Must(t, refused.Body).Lint(); len(problems) > 0 {
		t.Error(problems)
	}
	secGranted(t, secPassword(page, "alice")) // whoever has begun goes on
}

// What became of a device is told to the browser that answered it, with a way on; nobody else is told by a link.
func TestDevicePagesAreForTheirBrowser(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.person("alice")
	d := s.device("tv")
	b := s.Browser()
	for _, answer := range []string{"connected", "refused", "over"} {
		secAt(t, b.Get("/device/"+answer), "/device")
	}
	if text := b.Get("/device").Submit("device-submit", "user_code", " ").Text("#problem"); !strings.Contains(text, "Enter the code that your device shows") {
		t.Errorf("an empty code: %s", text)
	}
	page := secAt(t, b.Get(d.link).Submit("device-submit"), "/login")
	if text := page.Text("button[name=cancel]"); text != "Cancel" {
		t.Errorf("where this browser cannot go: %s", text)
	}
	page = secAt(t, secAt(t, secPassword(page, "alice"), "/consent").Submit("consent-allow"), "/device/connected")
	if !page.Has(`a[href="/account"]`) {
		t.Errorf("no way on: %s", page.Text("main"))
	}
	secAt(t, b.Get("/device/connected"), "/device/connected") // reloaded
	secAt(t, b.Get("/device/refused"), "/device")
	secAt(t, s.Browser().Get("/device/connected"), "/device")
}
