package account

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestSec_PW15_LinksAreGoodOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		a := f.add("ada")
		token, err := f.NewLink(ctx, PurposeReset, a.Subject, time.Hour)
		check(t, err)
		for range 3 { // looking does not use it up
			if subject, err := f.Link(ctx, PurposeReset, token); subject != a.Subject || err != nil {
				t.Errorf("%q, %v", subject, err)
			}
		}
		var won atomic.Int32
		var wait sync.WaitGroup
		for range 40 {
			wait.Go(func() {
				switch subject, err := f.UseLink(ctx, PurposeReset, token); {
				case err == nil && subject == a.Subject:
					won.Add(1)
				case !errors.Is(err, ErrNotFound):
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 {
			t.Errorf("used %d times", won.Load())
		}
		_, err = f.Link(ctx, PurposeReset, token)
		want(t, err, ErrNotFound)
	})
}

func TestSec_PW15_WhatVoidsALink(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		f.add("root", admin)
		other := f.add("other")
		tests := []struct {
			name string
			do   func(subject string) error
			good bool
		}{
			{"nothing", func(string) error { return nil }, true},
			{"time", func(string) error { f.now = f.now.Add(time.Hour); return nil }, false},
			{"just not time", func(string) error { f.now = f.now.Add(time.Hour - time.Second); return nil }, true},
			{"a newer one", func(s string) error { _, err := f.NewLink(ctx, PurposeReset, s, time.Hour); return err }, false},
			{"another purpose's", func(s string) error { _, err := f.NewLink(ctx, PurposeInvite, s, time.Hour); return err }, true},
			{"another person's", func(string) error { _, err := f.NewLink(ctx, PurposeReset, other.Subject, time.Hour); return err }, true},
			{"a new password", func(s string) error { return f.SetPassword(ctx, s, good+" 2") }, false},
			{"a role", func(s string) error { return f.SetRole(ctx, s, Auditor) }, false},
			{"the role that there is", func(s string) error { return f.SetRole(ctx, s, "") }, true},
			{"a role taken away", func(s string) error {
				check(t, f.SetRole(ctx, s, HelpDesk))
				_, err := f.NewLink(ctx, PurposeInvite, s, time.Hour)
				check(t, err)
				check(t, f.SetRole(ctx, s, ""))
				var left int
				check(t, f.cfg.DB.Get(ctx, &left, `SELECT COUNT(*) FROM account_links WHERE subject = $1`, s))
				if left != 0 {
					t.Errorf("%d links are left", left)
				}
				return nil
			}, false},
			{"being made an administrator", func(s string) error {
				a := f.read(s)
				a.Admin = true
				return f.Update(ctx, a)
			}, false},
			{"another name", func(s string) error {
				a := f.read(s)
				a.Name = "Ada"
				return f.Update(ctx, a)
			}, true},
			{"being disabled", func(s string) error { return f.Disable(ctx, s) }, false},
			{"being deleted", func(s string) error { return f.Delete(ctx, s) }, false},
			{"a sign-in", func(string) error { return f.signIn("ada", good) }, true},
		}
		for _, tt := range tests {
			a := f.add("ada")
			token, err := f.NewLink(ctx, PurposeReset, a.Subject, time.Hour)
			check(t, err)
			check(t, tt.do(a.Subject))
			subject, err := f.Link(ctx, PurposeReset, token)
			if good := err == nil && subject == a.Subject; good != tt.good {
				t.Errorf("after %s: %q, %v", tt.name, subject, err)
			}
			if err := f.Delete(ctx, a.Subject); err != nil && !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
		}
	})
}

func TestSec_TK10_OnlyTheWholeToken(t *testing.T) {
	f := onSQLite(t)
	token, err := f.NewLink(t.Context(), PurposeSetup, "", time.Hour)
	check(t, err)
	if len(token) < 40 {
		t.Errorf("%d characters", len(token))
	}
	for _, odd := range []string{"", token[:len(token)-1], token + "A", token[1:], " " + token, "\x00", "\xff"} {
		_, err := f.UseLink(t.Context(), PurposeSetup, odd)
		want(t, err, ErrNotFound)
	}
	for _, purpose := range []string{PurposeReset, PurposeInvite, ""} {
		_, err := f.UseLink(t.Context(), purpose, token)
		want(t, err, ErrNotFound)
	}
	var stored []byte
	check(t, f.cfg.DB.Get(t.Context(), &stored, `SELECT hash FROM account_links`))
	if len(stored) != 32 {
		t.Errorf("stored: %d bytes", len(stored))
	}
	_, err = f.UseLink(t.Context(), PurposeSetup, token)
	check(t, err)
}

func TestSetPasswordByLink(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		a := f.add("ada")
		for range 10 {
			want(t, f.signIn("ada", "wrong"), ErrCredentials)
		}
		token, err := f.NewLink(ctx, PurposeReset, a.Subject, time.Hour)
		check(t, err)
		_, err = f.SetPasswordByLink(ctx, PurposeReset, token, "short", nil)
		if got := reason(t, err); got != "password/too_short" {
			t.Error(got)
		}
		f.now = f.now.Add(time.Second)
		subject, err := f.SetPasswordByLink(ctx, PurposeReset, token, "another corner of the library", nil)
		check(t, err)
		if subject != a.Subject || !f.read(subject).PasswordAt.Equal(f.now) {
			t.Errorf("%q at %v", subject, f.read(subject).PasswordAt)
		}
		want(t, f.signIn("ada", good), ErrCredentials)
		check(t, f.signIn("ada", "another corner of the library")) // no wait is left
		_, err = f.SetPasswordByLink(ctx, PurposeReset, token, "a third corner of the library", nil)
		want(t, err, ErrNotFound)
	})
}

func TestSec_AD07_OneFirstAdministrator(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		old, err := f.NewLink(ctx, PurposeSetup, "", time.Hour)
		check(t, err)
		token, err := f.NewLink(ctx, PurposeSetup, "", time.Hour)
		check(t, err)
		_, err = f.CreateByLink(ctx, PurposeSetup, old, NewAccount{Username: "root", Admin: true})
		want(t, err, ErrNotFound)
		_, err = f.CreateByLink(ctx, PurposeSetup, token, NewAccount{Username: "a b", Admin: true})
		if got := reason(t, err); got != "username/characters" {
			t.Error(got)
		}
		f.add("taken")
		_, err = f.CreateByLink(ctx, PurposeSetup, token, NewAccount{Username: "taken", Admin: true})
		want(t, err, ErrTaken)
		var made atomic.Int32
		var wait sync.WaitGroup
		for i := range 16 {
			wait.Go(func() {
				n := NewAccount{Username: string(rune('a' + i)), Admin: true, Password: good}
				switch _, err := f.CreateByLink(ctx, PurposeSetup, token, n); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, ErrNotFound):
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if n, err := f.Count(ctx); made.Load() != 1 || n != 2 || err != nil {
			t.Errorf("%d administrators made, %d accounts, %v", made.Load(), n, err)
		}
	})
}

// Several replicas start at the same moment, each prints a link, and everybody who sees one uses it.
func TestSec_AD07_ManyLinksMakeOneFirstAdministrator(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		f := fixtureOn(t, db, func(c *Config) { c.Observe = nil })
		ctx := t.Context()
		var made atomic.Int32
		var wait sync.WaitGroup
		for i := range 16 {
			wait.Go(func() {
				token, err := f.NewLink(ctx, PurposeSetup, "", time.Hour)
				if err == nil {
					_, err = f.CreateByLink(ctx, PurposeSetup, token, NewAccount{Username: string(rune('a' + i)), Admin: true, Password: good})
				}
				switch {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, ErrNotFound):
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if n, err := f.CountAdmins(ctx); made.Load() != 1 || n != 1 || err != nil {
			t.Errorf("%d made, %d administrators, %v", made.Load(), n, err)
		}
	}, "account")
}

func TestLinksAtOnceLeaveOne(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		f := fixtureOn(t, db, func(c *Config) { c.Observe = nil })
		tokens := make([]string, 16)
		var wait sync.WaitGroup
		for i := range tokens {
			wait.Go(func() {
				var err error
				if tokens[i], err = f.NewLink(t.Context(), PurposeSetup, "", time.Hour); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		live := 0
		for _, token := range tokens {
			if _, err := f.Link(t.Context(), PurposeSetup, token); err == nil {
				live++
			}
		}
		if live != 1 {
			t.Errorf("%d links are good", live)
		}
	}, "account")
}

func TestSec_AD07_AnAdministratorEndsTheSetupLink(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		token, err := f.NewLink(ctx, PurposeSetup, "", time.Hour)
		check(t, err)
		reset, err := f.NewLink(ctx, PurposeReset, f.add("ada").Subject, time.Hour)
		check(t, err)
		_, err = f.Link(ctx, PurposeSetup, token) // people alone do not
		check(t, err)
		root := f.add("root", admin)
		_, err = f.Link(ctx, PurposeSetup, token)
		want(t, err, ErrNotFound)
		_, err = f.CreateByLink(ctx, PurposeSetup, token, NewAccount{Username: "eve", Admin: true, Password: good})
		want(t, err, ErrNotFound)
		_, err = f.UseLink(ctx, PurposeReset, reset) // other links go on
		check(t, err)
		_, err = f.cfg.DB.Exec(ctx, `UPDATE accounts SET disabled = TRUE WHERE subject = $1`, root.Subject)
		check(t, err)
		_, err = f.CreateByLink(ctx, PurposeSetup, token, NewAccount{Username: "eve", Admin: true, Password: good})
		check(t, err)
	})
}

func TestPruneLinks(t *testing.T) {
	f := onSQLite(t)
	for subject, life := range map[string]time.Duration{"ada": time.Minute, "bob": time.Hour} {
		_, err := f.NewLink(t.Context(), PurposeInvite, subject, life)
		check(t, err)
	}
	f.now = f.now.Add(30 * time.Minute)
	check(t, f.Prune(t.Context()))
	var n int
	check(t, f.cfg.DB.Get(t.Context(), &n, `SELECT count(*) FROM account_links`))
	if n != 1 {
		t.Errorf("%d links left", n)
	}
}
