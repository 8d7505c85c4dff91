package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

// secRow returns the newest row of that action and result.
func secRow(t *testing.T, s *secSite, action, result string) audit.Entry {
	t.Helper()
	rows, err := s.Audit.List(t.Context(), audit.Filter{Action: action, Result: result, Limit: 1})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%s %s: %d rows, %v", action, result, len(rows), err)
	}
	return rows[0]
}

// What somebody does who has not proved who they are is on record as nobody's deed, about the person whose name they used.
func TestSec_AU01_StrangersAreNobody(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.enrolled("alice")
	device := p.passkey()
	stranger := func(what string, row audit.Entry) {
		t.Helper()
		if row.Actor != audit.Anonymous || row.Subject != p.Subject {
			t.Errorf("%s: by %q about %q", what, row.Actor, row.Subject)
		}
	}
	b := s.Browser()
	s.begin(b, s.app).Submit("login-submit", "username", "alice", "password", "not hers at all")
	stranger("a wrong password", secRow(t, s, "sign_in", "refused"))
	s.Clock.Add(time.Second)
	device.Flags &^= passkeytest.Verified
	secTouch(t, s.begin(b, s.app), device)
	device.Flags |= passkeytest.Verified
	if row := secRow(t, s, "sign_in", "refused"); row.Actor != audit.Anonymous || row.Detail["with"] != "passkey" {
		t.Errorf("a passkey that proves too little: %+v", row)
	}
	b.Get("/reset").Submit("reset-submit", "username", "alice")
	stranger("a link that was asked for", secRow(t, s, account.EventResetAsked, ""))
	s.Deliver(t.Context())
	stranger("the link", secRow(t, s, account.EventLinkMade, ""))

	// From the proof on it is the person, and the app that waits stands beside it.
	mine := s.Browser()
	page := secAt(t, secPassword(s.begin(mine, s.app), "alice"), "/mfa")
	tokens := s.exchange(s.app, page.Submit("mfa-submit", "code", p.code()))
	for action, result := range map[string]string{"sign_in": "factor", "mfa.code_accepted": ""} {
		if row := secRow(t, s, action, result); row.Actor != p.Subject || row.Client != s.app.Client.ID {
			t.Errorf("%s: by %q for %q", action, row.Actor, row.Client)
		}
	}
	secGranted(t, secTouch(t, s.begin(s.Browser(), s.app), device))
	if row := secRow(t, s, "mfa.passkey_accepted", ""); row.Actor != p.Subject || row.Client != s.app.Client.ID {
		t.Errorf("a passkey alone: by %q for %q", row.Actor, row.Client)
	}
	if row := secRow(t, s, "oauth.token_issued", ""); row.Actor != s.app.Client.ID || row.Subject != p.Subject {
		t.Errorf("tokens: by %q about %q", row.Actor, row.Subject)
	}
	if _, err := s.refresh(s.app, tokens); err != nil {
		t.Fatal(err)
	}
}

func TestSec_AU01_WhatIsPutOffAndWhereALinkLed(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	rpGroups(t, s, 24*time.Hour, "staff")
	p, b := s.person("alice", rpIn("staff")), s.Browser()
	secGranted(t, p.signIn(b, s.app).Submit("enrol-postpone"))
	row := secRow(t, s, "account.mfa_postponed", "")
	due, err := time.Parse(time.RFC3339, row.Detail["due"])
	if wait := due.Sub(s.Clock.Now()); err != nil || row.Actor != p.Subject || row.Client != s.app.Client.ID || wait > 24*time.Hour || wait < 23*time.Hour {
		t.Errorf("%+v", row)
	}
	for to, want := range map[string]string{
		"https://app.example%2540evil.example/x?code=verysecret": "evil.example", "javascript:alert(1)": "none", "https://app.example%25": "unreadable",
	} {
		s.Clock.Add(time.Second)
		b.Get("/account/mfa?client_id=app&return_to=" + strings.ReplaceAll(to, "%2540", "%40"))
		if row := secRow(t, s, "return_refused", "refused"); row.Detail["host"] != want {
			t.Errorf("%s: %v", to, row.Detail)
		}
	}
}
