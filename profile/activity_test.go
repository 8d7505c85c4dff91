package profile_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa"
)

// whenShown is the time of a row, up to its zone.
var whenShown = regexp.MustCompile(`\d{1,2} \w+ \d{4}, \d\d:\d\d$`)

// seen are the rows of the person's page, without their times.
func seen(t *testing.T, page *idptest.Page) (rows []string) {
	t.Helper()
	if page.URL.Path != "/account/activity" || page.Status != http.StatusOK {
		t.Fatalf("%d at %s", page.Status, page.URL)
	}
	for _, row := range page.All("#activity li") {
		what, rest, _ := strings.Cut(strings.Join(strings.Fields(row), " "), " UTC · ")
		rows = append(rows, strings.TrimSpace(whenShown.ReplaceAllString(what, ""))+" | "+rest)
	}
	return rows
}

// People read what happened to them, the newest first: by whom, through which app and from where, but for an administrator's
// name, address and browser.
func TestSec_AU07_PeopleReadTheirOwnTrail(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	a := p.Person("alice")
	root := p.AddUser("root", func(n *account.NewAccount) { n.Role = account.Administrator })
	ctx := audit.WithRequest(t.Context(), audit.Request{Address: "198.51.100.9", Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"})
	desk := p.Actions().Desk(admin.Actor{Subject: root.Subject, Role: account.Administrator, Client: "the-console"})
	if err := desk.EditPerson(ctx, a.Subject, admin.Edit{Version: version(t, p, a.Subject), Username: "alice", Name: "Alice", Email: "alice@example.com"}); err != nil {
		t.Fatal(err)
	}
	p.Browser().Get("/account").Submit("login-submit", "username", "alice", "password", "wrong")
	page := a.Browser.Get("/account").Follow("a[href='/account/activity']")
	rows := seen(t, page)
	want := []string{
		"Wrong password | by somebody who has not shown who they are · Firefox on Linux · from 127.0.0.1",
		"The account was changed | by an administrator",
		"An app was let in | by you · app: app · Firefox on Linux · from 127.0.0.1",
		"A device is remembered from now on | by you · app: app · Firefox on Linux · from 127.0.0.1",
	}
	for _, line := range want {
		if !contains(rows, line) {
			t.Errorf("no %q in\n%s", line, strings.Join(rows, "\n"))
		}
	}
	if !strings.HasPrefix(rows[0], "Wrong password") {
		t.Errorf("the newest is not the first: %s", rows[0])
	}
	for _, secret := range []string{"root", root.Subject, "198.51.100.9", "the-console"} {
		if strings.Contains(page.Body, secret) {
			t.Errorf("it tells of %q", secret)
		}
	}
	for _, step := range []string{"a[href='/account/password']", "#sessions-end", "#new-codes[href='/account/mfa/codes']", "a[href='/account/apps']"} {
		if !page.Has("#not-you " + step) {
			t.Errorf("no %s among what to do", step)
		}
	}
	if got := page.Submit("sessions-end"); got.URL.Path != "/account/sessions" && got.URL.Path != "/mfa" && got.URL.Path != "/login" {
		t.Errorf("signing out everywhere leads to %s", got.URL)
	}
}

// Nobody reads what happened to others, and nobody reads it at all who is not signed in.
func TestSec_AU07_OnlyOnesOwnTrail(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	alice := p.AddUser("alice")
	p.AddUser("bob")
	if page := p.Browser().Get("/account/activity"); page.URL.Path != "/login" {
		t.Errorf("a stranger is at %s", page.URL)
	}
	for range 70 {
		if err := p.Audit.Record(t.Context(), audit.Event{Action: "account.updated", Subject: alice.Subject, Actor: "somebody"}); err != nil {
			t.Fatal(err)
		}
	}
	hers, his := p.Browser(), p.Browser()
	page := hers.Get("/account/activity").Submit("login-submit", "username", "alice", "password", idptest.Password)
	theirs := his.Get("/account/activity").Submit("login-submit", "username", "bob", "password", idptest.Password)
	if rows := seen(t, theirs); len(rows) != 2 { // created, signed in
		t.Errorf("%q", rows)
	}
	all := len(seen(t, page))
	older := page.Follow("#older")
	if got := his.Get(older.URL.String()); got.Status != http.StatusBadRequest {
		t.Errorf("her cursor is good for him: %d", got.Status)
	}
	for _, forged := range []string{"x", "%27%20OR%201=1", strings.Repeat("A", 5000)} {
		if got := hers.Get("/account/activity?from=" + forged); got.Status != http.StatusBadRequest {
			t.Errorf("%.20s: %d", forged, got.Status)
		}
	}
	for page = older; ; page = page.Follow("#older") {
		all += len(seen(t, page))
		if !page.Has("#newest") {
			t.Error("no way back to the newest")
		}
		if !page.Has("#older") {
			break
		}
	}
	if all != 72 {
		t.Errorf("%d rows on all pages", all)
	}
}

// What happens by itself many times a day is left out: tokens, and devices that are used.
func TestActivityIsNotNoisy(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	a := p.Person("alice")
	a.Granted()
	p.Clock.Add(time.Hour)
	for _, row := range seen(t, a.Browser.Get("/account/activity")) {
		if strings.Contains(row, "Token") || strings.Contains(row, "device was used") || strings.Contains(row, "asked for") {
			t.Error(row)
		}
	}
}

// Each event that people are written about stands on their page too, in words, and each letter says what to do.
func TestSec_AU07_WhatIsMailedIsShown(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	a := p.Person("alice")
	ctx := t.Context()
	shown, sent := 0, 0
	step := func(name, words, subject string, do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p.Deliver(ctx)
		mails := p.Mail.Sent()[sent:]
		sent += len(mails)
		if len(mails) != 1 || !strings.Contains(mails[0].Subject, subject) {
			t.Errorf("%s: %d letters: %+v", name, len(mails), mails)
		} else if text := mails[0].Text; !strings.Contains(text, "f this was not you") && !strings.Contains(text, "f you ") && !strings.Contains(text, "f it was not you") {
			t.Errorf("%s: not what to do:\n%s", name, text)
		}
		found := 0
		entries, _, err := p.Audit.Page(ctx, audit.Filter{Subject: a.Subject, Notable: true, Limit: 400}, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries[:len(entries)-shown] {
			if admin.TrailWords(e).String() == words {
				found++
			}
		}
		if shown = len(entries); found != 1 {
			t.Errorf("%s: %d rows say %q", name, found, words)
		}
	}
	before, _, err := p.Audit.Page(ctx, audit.Filter{Subject: a.Subject, Notable: true, Limit: 400}, "")
	if err != nil {
		t.Fatal(err)
	}
	p.Deliver(ctx)
	shown, sent = len(before), len(p.Mail.Sent())
	step("new place", "Signed in with the password, in a new browser", "your password was used in a new browser", func() error {
		p.Browser().Get("/account").Submit("login-submit", "username", "alice", "password", idptest.Password)
		return nil
	})
	step("wrong codes after the right password", "Wrong codes, several times in a row", "wrong codes were entered", func() error {
		for range 5 {
			_ = p.MFA.VerifyTOTP(ctx, a.Subject, "000000")
		}
		return nil
	})
	p.Clock.Add(time.Hour)
	step("device", "A device is remembered from now on", "a device is remembered", func() error {
		_, _, err := p.MFA.RememberDevice(ctx, a.Subject, mfa.Label{Browser: "Firefox", System: "Linux"})
		return err
	})
	step("recovery codes", "New recovery codes were made", "new recovery codes were made", func() error {
		owner := mfa.Owner{Subject: a.Subject, Session: "s"}
		_, set, err := p.MFA.NewRecoveryCodes(ctx, owner, "")
		if err == nil {
			err = p.MFA.ConfirmRecoveryCodes(ctx, owner, set)
		}
		return err
	})
	step("reset by an administrator", "MFA was reset: factors, recovery codes and remembered devices are gone", "your MFA was reset", func() error {
		return p.Actions().ResetMFA(audit.WithActor(ctx, "root"), a.Subject, "lost")
	})
	step("password", "The password was changed", "your password was changed", func() error {
		return p.Actions().SetPassword(ctx, a.Subject, "tulip gravel monday 88")
	})
	if first := p.AddUser("bob"); first != nil { // of the first sign-in ever nobody is told
		p.Browser().Get("/account").Submit("login-submit", "username", "bob", "password", idptest.Password)
		p.Deliver(ctx)
		if n := len(p.Mail.Sent()); n != sent {
			t.Errorf("%d letters about a first sign-in", n-sent)
		}
	}
	again := a.Browser.Get("/account").Submit("login-submit", "username", "alice", "password", "tulip gravel monday 88")
	sent = func() int { p.Deliver(ctx); return len(p.Mail.Sent()) }()
	again.Browser().Get("/oauth2/logout").Submit("logout-confirm")
	again.Browser().Get("/account").Submit("login-submit", "username", "alice", "password", "tulip gravel monday 88")
	if p.Deliver(ctx); len(p.Mail.Sent()) != sent {
		t.Error("a letter about a browser that is known")
	}
}

func contains(rows []string, want string) bool {
	for _, row := range rows {
		if row == want {
			return true
		}
	}
	return false
}

func version(t *testing.T, p *idptest.Server, subject string) int64 {
	t.Helper()
	a, err := p.Accounts.BySubject(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return a.Version
}

// A wrong second factor is by somebody who gave the password, which need not be the person who reads of it.
func TestSec_AU07_WrongFactorsAreNotByYou(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	a := p.Person("alice")
	p.Browser().Get("/account").Submit("login-submit", "username", "alice", "password", idptest.Password)
	ctx := audit.WithActor(t.Context(), a.Subject)
	if err := p.MFA.VerifyTOTP(ctx, a.Subject, "000000"); err == nil {
		t.Fatal("a lucky guess")
	}
	if _, err := p.MFA.VerifyRecoveryCode(ctx, a.Subject, "AAAA-AAAA-AAAA-AAAA"); err == nil {
		t.Fatal("a lucky guess")
	}
	rows := seen(t, a.Browser.Get("/account/activity"))
	for _, line := range []string{"A code was wrong | by somebody who gave your password", "A recovery code was wrong | by somebody who gave your password"} {
		if !contains(rows, line) {
			t.Errorf("no %q in\n%s", line, strings.Join(rows, "\n"))
		}
	}
	for _, action := range []string{"code_refused", "code_replayed", "clock_wrong", "recovery_refused", "passkey_refused", "throttled"} {
		if !admin.RefusedFactor(audit.Entry{Event: audit.Event{Action: "mfa." + action}}) {
			t.Errorf("%s may be by the person", action)
		}
	}
	if admin.RefusedFactor(audit.Entry{Event: audit.Event{Action: "mfa.code_accepted"}}) {
		t.Error("a right code is refused")
	}
}
