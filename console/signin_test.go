package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

// at reports which page of the console it is, by its path; "" for a page of somewhere else.
func at(page *idptest.Page) string {
	if page.Has("body.console") {
		return page.URL.Path
	}
	return ""
}

func TestEnteringTheConsole(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	if page := root.Browser.Get("/admin"); at(page) != "/admin" || page.Status != http.StatusOK {
		t.Fatalf("at %s: %d %s", page.URL, page.Status, page.Text("body"))
	}
	entered, err := p.Audit.List(t.Context(), filter("console.entered"))
	if err != nil || len(entered) != 1 || entered[0].Subject != root.Subject || entered[0].Client != "idp-console" {
		t.Errorf("%+v %v", entered, err)
	}
	// Half an hour without a request ends it; so does an hour, whatever was done.
	p.Clock.Add(31 * time.Minute)
	if page := root.Browser.Get("/admin"); at(page) != "" || !page.Has("#login-submit") {
		t.Errorf("after half an hour: at %s", page.URL)
	}
	if page := root.Enter("/admin"); at(page) != "/admin" {
		t.Fatalf("again: at %s", page.URL)
	}
	for range 3 {
		p.Clock.Add(19 * time.Minute)
		if page := root.Browser.Get("/admin"); at(page) != "/admin" {
			t.Fatalf("a visit that goes on: at %s", page.URL)
		}
	}
	p.Clock.Add(4 * time.Minute)
	if page := root.Browser.Get("/admin"); at(page) != "" {
		t.Error("after more than an hour it is still open")
	}
}

// The console ends with the provider's session, with the role, and when it is left.
func TestSec_AD01_TheConsoleEnds(t *testing.T) {
	p := idptest.Start(t)
	p.Staff("other", account.Administrator)
	for name, end := range map[string]func(*idptest.Person) error{
		"session": func(a *idptest.Person) error { return p.Actions().EndSessions(t.Context(), a.Subject) },
		"role":    func(a *idptest.Person) error { return p.Accounts.SetRole(t.Context(), a.Subject, "") },
		"account": func(a *idptest.Person) error { return p.Accounts.Disable(t.Context(), a.Subject) },
		"left":    func(a *idptest.Person) error { a.Browser.Get("/admin").Submit("leave"); return nil },
	} {
		a := p.Staff("a"+name, account.Administrator)
		if err := end(a); err != nil {
			t.Fatal(err)
		}
		page := a.Browser.Get("/admin/people")
		if left := name == "left"; at(page) != "" && !left {
			t.Errorf("%s: still at %s", name, page.URL)
		}
	}
}

// A cookie of the console alone, without the provider's session in the same browser, opens nothing.
func TestSec_AD01_ACarriedOffCookieOpensNothing(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	thief := p.Browser()
	for _, c := range root.Browser.Jar.Cookies(root.Request().URL) {
		if strings.Contains(c.Name, "console") {
			thief.Jar.SetCookies(root.Request().URL, []*http.Cookie{c})
		}
	}
	if page := thief.Get("/admin"); at(page) != "" || !page.Has("#username") {
		t.Errorf("at %s", page.URL)
	}
}

// Whoever has no role is told so before anything is asked of them.
func TestConsoleWithoutARole(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	b := p.Browser()
	page := b.Get("/admin").Submit("login-submit", "username", "alice", "password", idptest.Password)
	if page.Status != http.StatusForbidden || !strings.Contains(page.Text("main"), "no role") {
		t.Errorf("%d at %s: %s", page.Status, page.URL, page.Text("main"))
	}
}

// Answers that belong to no sign-in of this browser begin none.
func TestSec_AD01_ForeignAnswers(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	for _, query := range []string{"", "?code=c&state=s", "?code=c&state=ABCDEFGHIJKLMNOP&iss=" + p.Issuer, "?error=access_denied&state=ABCDEFGHIJKLMNOP&iss=" + p.Issuer} {
		page := root.Browser.Get("/admin/callback" + query)
		if page.Status != http.StatusForbidden || at(page) != "" {
			t.Errorf("%q: %d at %s", query, page.Status, page.URL)
		}
	}
}

func TestSec_AD01_WhereASignInLeads(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	for _, to := range []string{"https://evil.example/admin", "//evil.example/admin", "/admin/../account", "/administrator", `/admin/\evil`, "/admin/login", "/admin/callback?x=1"} {
		page := root.Enter("/admin/login?to=" + strings.ReplaceAll(to, "\\", "%5C"))
		if at(page) != "/admin" || page.URL.Host != root.Request().URL.Host {
			t.Errorf("%s leads to %s", to, page.URL)
		}
	}
}
