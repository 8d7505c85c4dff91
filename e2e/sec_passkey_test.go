package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
	"github.com/focushq/idp/oauth"
)

func TestSec_MF16_WhatPasskeysSay(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	for name, row := range map[string]struct {
		edit  []func(*passkeytest.Device)
		alone bool
		amr   string
	}{
		"bound, after the password":  {nil, false, "pwd hwk mfa"},
		"synced, after the password": {[]func(*passkeytest.Device){secSynced}, false, "pwd swk mfa"},
		"bound, alone":               {nil, true, "hwk user mfa"},
		"synced, alone":              {[]func(*passkeytest.Device){secSynced}, true, "swk user mfa"},
	} {
		username := strings.NewReplacer(",", "", " ", "-").Replace(name)
		p := s.person(username)
		device := p.passkey(row.edit...)
		began, page := s.Clock.Now(), s.begin(s.Browser(), s.app)
		if !row.alone {
			page = secAt(t, secPassword(page, username), "/mfa")
			s.Clock.Add(3 * time.Minute) // auth_time is the password's
		}
		tokens := s.exchange(s.app, secTouch(t, page, device))
		rpSays(t, s, s.app, tokens, row.amr, "aal2", began)
		var about map[string]any
		if err := json.Unmarshal([]byte(s.asks(s.Issuer+"/oauth2/introspect", tokens.AccessToken).Body), &about); err != nil {
			t.Fatal(err)
		}
		if rpList(about["amr"]) != row.amr || about["acr"] != "aal2" {
			t.Errorf("%s: introspection says %v, %v", name, about["amr"], about["acr"])
		}
	}
}

// An app that is added later in a session without a password does not make one of it.
func TestSec_MF16_APasskeyAloneStaysWithoutAPassword(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p, b := s.enrolled("alice"), s.Browser()
	device := p.passkey()
	secGranted(t, secTouch(t, s.begin(b, s.app), device))
	token := b.Get("/account/mfa").Attr("input[name=form_token]", "value")
	b.Post("/mfa", map[string][]string{"form_token": {token}, "code": {p.code()}})
	tokens := s.exchange(s.app, s.begin(b, s.app))
	if got := rpList(tokens.id["amr"]); got != "otp hwk user mfa" {
		t.Errorf("amr = %s", got)
	}
}

func TestSec_MF17_APasskeyAloneIsTwoFactors(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p, b := s.person("alice"), s.Browser()
	device := p.passkey()
	for asked, want := range map[string]string{"aal2": "aal2", idp.REFEDS: idp.REFEDS} {
		b := s.Browser()
		page := secAt(t, s.begin(b, s.app, secParam("acr_values", asked)), "/login")
		if got := s.exchange(s.app, secTouch(t, page, device)).id["acr"]; got != want {
			t.Errorf("asked for %s: acr = %v", asked, got)
		}
		secGranted(t, s.begin(b, s.app, secParam("acr_values", asked), secParam("prompt", "none")))
	}
	always := s.client("always", secMFA("always"))
	secGranted(t, secTouch(t, secAt(t, s.begin(b, always), "/login"), device))
	// The password alone is stepped up by the same passkey.
	b = s.Browser()
	page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa")
	secGranted(t, secTouch(t, page, device, "remember", "1"))
	b = secCopy(s, b, "device_")
	secGranted(t, secPassword(s.begin(b, s.app), "alice"))
	secRefused(t, s.begin(b, s.app, secParam("acr_values", "aal2"), secParam("prompt", "none")), "interaction_required")
	page = secAt(t, s.begin(b, s.app, secParam("acr_values", "aal2")), "/mfa")
	if got := rpList(s.exchange(s.app, secTouch(t, page, device)).id["amr"]); got != "pwd hwk mfa" {
		t.Errorf("after the step-up amr = %s", got)
	}
}

func TestSec_RD08_AlwaysAsksForThePasskey(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p, b := s.person("alice"), s.Browser()
	device := p.passkey()
	always := s.client("always", secMFA("always"))
	page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa")
	secGranted(t, secTouch(t, page, device, "remember", "1"))
	b = secCopy(s, b, "device_")
	secGranted(t, secPassword(s.begin(b, s.app), "alice"))
	page = secAt(t, s.begin(b, always), "/mfa")
	if page.Has("#remember") {
		t.Error("the box promises what this app does not keep")
	}
	secGranted(t, secTouch(t, page, device))
}

func TestSec_MF17_APasskeyRenewsTheProof(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p, b := s.person("alice"), s.Browser()
	device := p.passkey()
	secGranted(t, secTouch(t, s.begin(b, s.app), device))
	for _, extra := range []string{"prompt=login", "max_age=60", "max_age=0"} {
		s.Clock.Add(10 * time.Minute)
		name, value, _ := strings.Cut(extra, "=")
		page := secAt(t, s.begin(b, s.app, secParam(name, value)), "/login")
		if page.Has("#username") {
			t.Errorf("%s: asks who it is", extra)
		}
		now := s.Clock.Now()
		tokens := s.exchange(s.app, secTouch(t, page, device))
		rpSays(t, s, s.app, tokens, "hwk user mfa", "aal2", now)
	}
	// What guards secrets takes it as well.
	s.Clock.Add(11 * time.Minute)
	secAt(t, secTouch(t, secAt(t, b.Get("/account/mfa/codes"), "/login"), device), "/account/mfa/codes")
}

func TestSec_MF17_AnotherPersonsPasskey(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	alice, bob, b := s.person("alice"), s.person("bob"), s.Browser()
	mine, other := alice.passkey(), bob.passkey()
	secGranted(t, secTouch(t, s.begin(b, s.app), mine))
	page := secAt(t, s.begin(b, s.app, secParam("prompt", "login")), "/login")
	refused := secTouch(t, page, other)
	secSaid(t, "bob's passkey when alice is asked again", refused, http.StatusUnprocessableEntity)
	if n := s.count(`SELECT COUNT(*) FROM sessions WHERE subject = $1`, bob.Subject); n != 0 {
		t.Error("bob has a session")
	}
	secGranted(t, secTouch(t, refused, mine)) // the page that says so goes on
	// As second factor neither.
	page = secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa")
	secSaid(t, "bob's passkey after alice's password", secTouch(t, page, other), http.StatusUnprocessableEntity)
	// And an app that expects alice doesn't get bob.
	hint := s.exchange(s.app, s.begin(b, s.app)).Extra("id_token").(string)
	page = secTouch(t, s.begin(s.Browser(), s.app, secParam("id_token_hint", hint)), other)
	secRefused(t, page, "login_required")
}

func TestSec_PW13_PasskeysPassTheSameGate(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	rpGroups(t, s, 0, "staff")
	intranet := s.client("intranet", func(c *oauth.Client) { c.Groups = []string{"staff"} })
	for name, gone := range map[string]func(*secPerson) error{
		"disabled": func(p *secPerson) error { return s.Accounts.Disable(t.Context(), p.Subject) },
		"deleted":  func(p *secPerson) error { return s.Accounts.Delete(t.Context(), p.Subject) }, // the account alone
	} {
		p := s.person(name)
		device := p.passkey()
		before := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login")) // while all was well
		if err := gone(p); err != nil {
			t.Fatal(err)
		}
		secSaid(t, name, before.send(device.Get(before.options)), http.StatusUnprocessableEntity)
		after := secTouch(t, s.begin(s.Browser(), s.app), device)
		secSaid(t, name, after, http.StatusUnprocessableEntity)
		if n := s.count(`SELECT COUNT(*) FROM sessions WHERE subject = $1`, p.Subject); n != 0 {
			t.Errorf("%s: %d sessions", name, n)
		}
		if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'sign_in' AND result = 'refused' AND subject = $1`, p.Subject); n != 2 && name == "disabled" {
			t.Errorf("%s: %d refusals on record", name, n)
		}
	}
	p := s.person("guest")
	secRefused(t, secTouch(t, s.begin(s.Browser(), intranet), p.passkey()), "access_denied")
}

func TestSec_PW05_ACompromisedPasswordIsChangedAfterAPasskeyToo(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.person("alice")
	device := p.passkey()
	if err := s.Actions().Compromised(t.Context(), p.Subject, "a leak"); err != nil {
		t.Fatal(err)
	}
	b := s.Browser()
	secAt(t, secTouch(t, s.begin(b, s.app), device), "/account/password")
	page := secAt(t, s.begin(b, s.app), "/account/password")
	secAt(t, b.Get("/account/mfa"), "/account/password")

	// The form asks for the present password, as it does of everybody.
	for _, wrong := range []string{"", "not the password"} {
		if got := page.Submit("password-submit", "current", wrong, "password", secOtherPassword); !got.Has("#current-error") {
			t.Errorf("%q: at %s (%d)", wrong, got.URL, got.Status)
		}
	}
	secGranted(t, page.Submit("password-submit", "current", idptest.Password, "password", secOtherPassword))
}

func TestSec_MF12_APasskeyThatVerifiesNobodyIsNoSignIn(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.person("alice")
	device := p.passkey()
	device.Flags &^= passkeytest.Verified
	secSaid(t, "touched only", secTouch(t, s.begin(s.Browser(), s.app), device), http.StatusUnprocessableEntity)
	// After the password it is the second factor.
	page := secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa")
	tokens := s.exchange(s.app, secTouch(t, page, device))
	if got := rpList(tokens.id["amr"]); got != "pwd hwk mfa" {
		t.Errorf("amr = %s", got)
	}
}

func TestSec_MF14_ARemovedPasskeyIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.enrolled("alice")
	device := p.passkey()
	alone := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	second := secAsk(t, secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa").Follow("#use-passkey"))
	kept, err := s.Passkeys.Passkeys(t.Context(), p.Subject)
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	if err := s.Passkeys.Remove(t.Context(), p.Subject, kept[0].ID); err != nil {
		t.Fatal(err)
	}
	for what, page := range map[string]*idptest.Page{
		"alone, asked before": alone.send(device.Get(alone.options)), "second, asked before": second.send(device.Get(second.options)),
		"alone, asked after": secTouch(t, s.begin(s.Browser(), s.app), device),
	} {
		secSaid(t, what, page, http.StatusUnprocessableEntity)
	}
	if page := secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa"); page.Has("#use-passkey") {
		t.Error("a passkey is offered to somebody who has none")
	}
}

func TestSec_AD06_AResetTakesPasskeys(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p, b := s.person("alice"), s.Browser()
	device := p.passkey()
	tokens := s.exchange(s.app, secTouch(t, s.begin(b, s.app), device))
	if err := s.Actions().ResetMFA(t.Context(), p.Subject, "lost"); err != nil {
		t.Fatal(err)
	}
	secAt(t, b.Get("/account"), "/login")
	_, err := s.refresh(s.app, tokens)
	secInvalidGrant(t, err)
	secSaid(t, "after a reset", secTouch(t, s.begin(s.Browser(), s.app), device), http.StatusUnprocessableEntity)
	if n := s.count(`SELECT COUNT(*) FROM mfa_passkeys`); n != 0 {
		t.Errorf("%d passkeys are left", n)
	}
	secGranted(t, secPassword(s.begin(s.Browser(), s.app), "alice"))
}
