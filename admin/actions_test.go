package admin_test

import (
	"errors"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

func TestBeforeAnyAction(t *testing.T) {
	a := idptest.Start(t).Person("alice")
	if access, refresh := a.Granted(); !a.SignedIn() || !access || !refresh {
		t.Fatalf("session %v, access %v, refresh %v", a.SignedIn(), access, refresh)
	}
}

func TestSec_SS06_DisableEndsEverything(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	if err := p.Actions().Disable(t.Context(), a.Subject); err != nil {
		t.Fatal(err)
	}
	a.Ended()
	if page := a.Asked(idptest.Password); page.URL.Path != "/login" || page.Text(`[role=alert]`) == "" {
		t.Errorf("signed in while disabled: %s", page.URL)
	}
	if err := p.Accounts.Enable(t.Context(), a.Subject); err != nil {
		t.Fatal(err)
	}
	if access, refresh := a.Granted(); access || refresh {
		t.Error("enabling brings tokens back")
	}
	if page := a.Asked(idptest.Password); page.URL.Query().Get("code") == "" {
		t.Errorf("the device is forgotten, or the way in closed: %s", page.URL)
	}
}

func TestSec_RD06_SetPasswordEndsSessionsTokensAndDevices(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	if err := p.Actions().SetPassword(t.Context(), a.Subject, "tulip gravel monday 88"); err != nil {
		t.Fatal(err)
	}
	a.Ended()
	if page := a.Asked("tulip gravel monday 88"); !page.Has("#mfa-submit") {
		t.Errorf("no code is asked: %s", page.URL)
	}
	if err := p.Actions().SetPassword(t.Context(), a.Subject, "short"); err == nil {
		t.Error("a short one is accepted")
	}
}

func TestResetMFALeavesThePassword(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	if err := p.Actions().ResetMFA(t.Context(), a.Subject, "lost the phone"); err != nil {
		t.Fatal(err)
	}
	a.Ended()
	status, err := p.MFA.Status(t.Context(), a.Subject)
	if err != nil || status.Enrolled || status.CodesLeft != 0 || status.Devices != 0 {
		t.Errorf("%+v %v", status, err)
	}
	if page := a.Asked(idptest.Password); page.URL.Query().Get("code") == "" {
		t.Errorf("%s", page.URL)
	}
	entries, err := p.Audit.List(t.Context(), audit.Filter{Action: "mfa.reset"})
	if err != nil || len(entries) != 1 || entries[0].Detail["reason"] != "lost the phone" {
		t.Errorf("%+v %v", entries, err)
	}
}

func TestSec_DR07_DeleteLeavesTheTrailOnly(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	if err := p.Actions().Delete(t.Context(), a.Subject); err != nil {
		t.Fatal(err)
	}
	a.Ended()
	if _, err := p.Accounts.BySubject(t.Context(), a.Subject); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
	if sessions, err := p.Sessions.List(t.Context(), a.Subject); err != nil || len(sessions) != 0 {
		t.Errorf("%v %v", sessions, err)
	}
	entries, err := p.Audit.List(t.Context(), audit.Filter{Subject: a.Subject, Action: account.EventDeleted})
	if err != nil || len(entries) != 1 {
		t.Errorf("%+v %v", entries, err)
	}
	again := p.AddUser("alice")
	if again.Subject == a.Subject {
		t.Error("a subject is used twice")
	}
	if status, err := p.MFA.Status(t.Context(), again.Subject); err != nil || status.Enrolled {
		t.Errorf("%+v %v", status, err)
	}
	if err := p.Actions().Delete(t.Context(), a.Subject); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
}

func TestADeletedClientTakesConsentsAlong(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	b := p.Browser()
	// begin returns where alice is sent after signing in for a client called app, made just now.
	begin := func() *idptest.Page {
		app := p.AddClient(oauth.Client{ID: "app", Consent: "ask", RedirectURIs: []string{"https://app.example/callback"}})
		page := b.Get(app.AuthCodeURL("s"))
		if page.Has("#login-submit") {
			page = page.Submit("login-submit", "username", "alice", "password", idptest.Password)
		}
		return page
	}
	if page := begin().Submit("consent-allow"); page.URL.Query().Get("code") == "" {
		t.Fatalf("%s", page.URL)
	}
	if err := p.Actions().DeleteClient(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	if page := begin(); !page.Has("#consent-allow") {
		t.Errorf("another client of that id gets %s unasked", page.URL)
	}
	if err := p.Actions().DeleteClient(t.Context(), "gone"); !errors.Is(err, oauth.ErrNotFound) {
		t.Error(err)
	}
}

func TestSec_AD04_TheLastAdministratorStays(t *testing.T) {
	p := idptest.Start(t)
	a := p.AddUser("root", func(n *account.NewAccount) { n.Admin = true })
	b := p.Browser()
	b.Get("/account").Submit("login-submit", "username", "root", "password", idptest.Password)
	for name, err := range map[string]error{
		"disable": p.Actions().Disable(t.Context(), a.Subject), "delete": p.Actions().Delete(t.Context(), a.Subject),
	} {
		if !errors.Is(err, account.ErrLastAdmin) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if page := b.Get("/account/mfa"); page.URL.Path != "/account/mfa" {
		t.Error("a refused action ends the session")
	}
	p.AddUser("second", func(n *account.NewAccount) { n.Admin = true })
	if err := p.Actions().Delete(t.Context(), a.Subject); err != nil {
		t.Error(err)
	}
}
