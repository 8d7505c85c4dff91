package admin_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
)

// endings are the ended sessions in the audit log, with who has ended them.
func endings(t *testing.T, p *idptest.Server, subject string) map[string]string {
	t.Helper()
	entries, err := p.Audit.List(t.Context(), audit.Filter{Action: admin.EventSessionEnded, Subject: subject})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		out[e.Detail["session"]] = e.Actor
	}
	return out
}

// An administrator ends one session of one person: it, its tokens, and nothing else. An id that nobody has and one of
// somebody else's are told alike.
func TestSec_SS07_AdministratorsEndOneSession(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	// Tokens that belong to a session go with it; offline_access outlives it.
	online := p.AddClient(oauth.Client{ID: "online", RedirectURIs: []string{"https://app.example/callback"}, Scopes: []string{"openid"}})
	page := a.Browser.Get(online.AuthCodeURL("s"))
	token, err := online.Exchange(t.Context(), page.URL.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	bob, his := p.AddUser("bob"), p.Browser()
	his.Get("/account").Submit("login-submit", "username", "bob", "password", idptest.Password)
	other := p.Browser()
	other.Get("/account").Submit("login-submit", "username", "alice", "password", idptest.Password)
	hers, err := p.Sessions.Of(a.Request())
	if err != nil || hers == nil {
		t.Fatal(hers, err)
	}
	ctx := audit.WithRequest(t.Context(), audit.Request{Actor: "root"})
	var said []string
	for _, subject := range []string{bob.Subject, "nobody"} {
		for _, id := range []string{hers.ID, "unknown", ""} {
			err := p.Actions().EndSession(ctx, subject, id)
			if !errors.Is(err, session.ErrNotFound) {
				t.Errorf("%s ends %q: %v", subject, id, err)
				continue
			}
			said = append(said, err.Error())
		}
	}
	for _, each := range said {
		if each != said[0] {
			t.Errorf("%q and %q", each, said[0])
		}
	}
	if !a.SignedIn() {
		t.Fatal("a refused action has ended the session")
	}
	if err := p.Actions().EndSession(ctx, a.Subject, hers.ID); err != nil {
		t.Fatal(err)
	}
	if a.SignedIn() {
		t.Error("the session goes on")
	}
	if status := a.UserInfo(token.AccessToken); status != 401 {
		t.Errorf("its token: %d", status)
	}
	if his.Get("/account").URL.Path != "/account" {
		t.Error("bob has been signed out")
	}
	if other.Get("/account").URL.Path != "/mfa" { // where it was
		t.Error("another session of hers has ended")
	}
	if access, refresh := a.Granted(); !access || !refresh {
		t.Errorf("what offline_access gave: access %v, refresh %v", access, refresh)
	}
	if err := p.Actions().EndSession(ctx, a.Subject, hers.ID); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if got := endings(t, p, a.Subject); !maps.Equal(got, map[string]string{hers.ID: "root"}) {
		t.Errorf("audited %v", got)
	}
}

// People end their own sessions on the record as well, one or all others.
func TestSec_SS07_WhatPeopleEndIsOnRecord(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	for range 2 {
		p.Browser().Get("/account").Submit("login-submit", "username", "alice", "password", idptest.Password)
	}
	this, err := p.Sessions.Of(a.Request())
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.Sessions.List(t.Context(), a.Subject)
	if err != nil || len(all) != 4 { // one of the enrolment
		t.Fatal(len(all), err)
	}
	want := map[string]string{}
	for _, s := range all {
		if s.ID != this.ID {
			want[s.ID] = a.Subject
		}
	}
	form := a.Browser.Get("/account/sessions").Fields("sessions-end")
	for id := range want {
		form.Set("id", id)
		if page := a.Browser.Post("/account/sessions/end", form); page.Status != 200 || page.URL.Path != "/account/sessions" {
			t.Errorf("%d at %s", page.Status, page.URL)
		}
		if page := a.Browser.Post("/account/sessions/end", form); page.Status != 404 {
			t.Errorf("again: %d", page.Status)
		}
		break
	}
	a.Browser.Get("/account/sessions").Submit("sessions-end")
	if got := endings(t, p, a.Subject); !maps.Equal(got, want) {
		t.Errorf("audited %v, want %v", got, want)
	}
	if !a.SignedIn() {
		t.Error("this one has ended too")
	}
}

// What cannot be recorded does not happen.
func TestSec_AU02_ASessionThatCannotBeRecordedGoesOn(t *testing.T) {
	p := idptest.Start(t)
	a := p.Person("alice")
	this, err := p.Sessions.Of(a.Request())
	if err != nil {
		t.Fatal(err)
	}
	actions := p.Actions()
	if _, err := actions.Sessions.DB.Exec(t.Context(), `ALTER TABLE audit RENAME TO audit_away`); err != nil {
		t.Fatal(err)
	}
	if actions.EndSession(t.Context(), a.Subject, this.ID) == nil || actions.EndSessions(t.Context(), a.Subject) == nil {
		t.Error("without a record")
	}
	if _, err := actions.Sessions.DB.Exec(t.Context(), `ALTER TABLE audit_away RENAME TO audit`); err != nil {
		t.Fatal(err)
	}
	if !a.SignedIn() {
		t.Error("the session has ended")
	}
	if devices, err := p.MFA.Devices(t.Context(), a.Subject, ""); err != nil || len(devices) != 1 {
		t.Errorf("%d devices, %v", len(devices), err)
	}
}
