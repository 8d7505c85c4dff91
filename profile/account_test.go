package profile_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa"
)

// Whoever signs in without an app is told as well that few recovery codes are left.
func TestAccountTellsOfFewCodes(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	if page := a.Browser.Get("/account"); page.Has("#new-codes") {
		t.Fatal("ten codes are not few")
	}
	owner := mfa.Owner{Subject: a.Subject, Session: "of this test"}
	codes, set, err := p.MFA.NewRecoveryCodes(t.Context(), owner, "")
	if err == nil {
		err = p.MFA.ConfirmRecoveryCodes(t.Context(), owner, set)
	}
	for _, code := range codes[:mfa.RecoveryCodeCount-mfa.FewCodes] {
		if err == nil {
			_, err = p.MFA.VerifyRecoveryCode(t.Context(), a.Subject, code)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if page := a.Browser.Get("/account"); !strings.Contains(page.Text("[role=status]"), "3 recovery codes are left") || !page.Has("#new-codes") {
		t.Error(page.Text("main"))
	}
}

func TestConnectedAppsTellScopesInOneOrder(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	scopes := []string{"email", "zeta", "alpha", "offline_access", "openid", "profile"}
	if err := p.Consents.Decide(t.Context(), a.Subject, "app", scopes, nil); err != nil {
		t.Fatal(err)
	}
	told := strings.Join(strings.Fields(a.Browser.Get("/account/apps").Text(".notes")), " ")
	if want := "Know who you are See your name and profile See your e-mail address Stay connected while you are away alpha zeta"; told != want {
		t.Errorf("%q", told)
	}
}

// An app that asks nobody is listed as well while it holds tokens, and can be removed.
func TestConnectedAppsThatNobodyAllowed(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice") // whose app asks nobody
	page := a.Browser.Get("/account/apps")
	if rows := page.All("ul.rows > li"); len(rows) != 1 || !strings.Contains(rows[0], "organisation's app") || !strings.Contains(rows[0], "Since") {
		t.Fatal(rows)
	}
	form := url.Values{"form_token": {page.Attr("input[name=form_token]", "value")}, "id": {"another"}}
	if got := a.Browser.Post("/account/apps/revoke", form); got.Status != http.StatusNotFound {
		t.Errorf("an app that is not connected: %d", got.Status)
	}
	form.Set("id", "app")
	if got := a.Browser.Post("/account/apps/revoke", form); got.URL.Path != "/account/apps" || !strings.Contains(got.Text(".lead"), "No app") {
		t.Errorf("at %s: %s", got.URL, got.Text("main"))
	}
	if access, refresh := a.Granted(); access || refresh {
		t.Errorf("tokens still work: access %v, refresh %v", access, refresh)
	}
}

func TestChangePassword(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	const next = "seven geese cross the frozen lake"
	page := a.Browser.Get("/account/password")
	if !page.Has("#current[autocomplete=current-password]") {
		t.Errorf("the present password is not asked for: %s", page.Text("main"))
	}
	for _, wrong := range []struct{ current, password, id string }{
		{"not my password at all", next, "current-error"},
		{"", next, "current-error"},
		{idptest.Password, idptest.Password, "password-error"},
		{idptest.Password, "short", "password-error"},
		{idptest.Password, "", "password-error"},
	} {
		got := page.Submit("password-submit", "current", wrong.current, "password", wrong.password)
		if got.Status != http.StatusUnprocessableEntity || !got.Has("#"+wrong.id) {
			t.Errorf("%q, %q: %d %s", wrong.current, wrong.password, got.Status, got.Text("main"))
		}
	}
	refused, err := p.Audit.List(t.Context(), audit.Filter{Action: account.EventPasswordSet, Subject: a.Subject, Result: "refused"})
	if err != nil || len(refused) != 2 || refused[0].Actor != a.Subject {
		t.Errorf("a wrong present password leaves %+v, %v", refused, err)
	}
	elsewhere := p.Browser()
	elsewhere.Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	got := page.Submit("password-submit", "current", idptest.Password, "password", next)
	if got.URL.Path != "/account" || !got.Has("[role=status]") {
		t.Fatalf("at %s: %s", got.URL, got.Text("main"))
	}
	if page := elsewhere.Get("/account"); page.URL.Path != "/login" {
		t.Errorf("another browser is still signed in, at %s", page.URL)
	}
	if access, refresh := a.Granted(); access || refresh {
		t.Errorf("tokens outlive the password: access %v, refresh %v", access, refresh)
	}
	if devices, err := p.MFA.Devices(t.Context(), a.Subject, ""); err != nil || len(devices) != 0 {
		t.Errorf("%d devices are still remembered, %v", len(devices), err)
	}
}

func TestSessionsAndApps(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	other := p.Browser()
	other.Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	page := a.Browser.Get("/account/sessions")
	if !strings.Contains(page.Text("main"), "Firefox") || !page.Has("#sessions-end") {
		t.Fatal(page.Text("main"))
	}
	if page = page.Submit("sessions-end"); page.URL.Path != "/account/sessions" || page.Has("#sessions-end") {
		t.Errorf("at %s: %s", page.URL, page.Text("main"))
	}
	if !a.SignedIn() || other.Get("/account").URL.Path != "/login" {
		t.Error("all but this session should have ended")
	}
	p.Clock.Add(11 * time.Minute)
	if page := a.Browser.Get("/account/password"); page.URL.Path != "/mfa" {
		t.Errorf("a code of eleven minutes ago is good for the password page: %s", page.URL)
	}
	if page := a.Browser.Get("/account/mfa/codes"); page.URL.Path != "/login" || page.Has("#username") {
		t.Errorf("a proof of eleven minutes ago is good for new codes: %s", page.URL)
	}
	if page := a.Browser.Get("/account/apps"); page.Status != http.StatusOK {
		t.Errorf("apps: %d", page.Status)
	}
}

// Whoever has a role finds the console from their own page, and nobody else does.
func TestAccountLeadsStaffToTheConsole(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	if page := p.Person("alice").Browser.Get("/account"); page.Has("a[href='/admin']") {
		t.Error("somebody without a role is led to the console")
	}
	for _, role := range account.Roles() {
		if page := p.Staff("the-"+string(role), role).Browser.Get("/account"); page.Text("nav.links a[href='/admin']") != "Console" {
			t.Errorf("%s: no way to the console in %s", role, page.Text("main"))
		}
	}
}
