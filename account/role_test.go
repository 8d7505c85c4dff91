package account

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestRoles(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		var told []Event
		f := fixtureOn(t, db, func(c *Config) {
			c.Observe = func(_ context.Context, e Event) error { told = append(told, e); return nil }
		})
		ctx := t.Context()
		f.add("root", admin)
		if told[0].Detail["role"] != "administrator" {
			t.Errorf("an administrator was made: %+v", told[0])
		}
		a := f.add("ada")
		if a.Role() != "" || a.Admin || told[1].Detail != nil {
			t.Errorf("at first: %q, %+v", a.Role(), told[1])
		}
		was := Role("")
		for _, role := range []Role{Auditor, Administrator, HelpDesk, "", Administrator, ""} {
			told = nil
			version := f.read(a.Subject).Version
			check(t, f.SetRole(ctx, a.Subject, role))
			now := f.read(a.Subject)
			if now.Role() != role || now.Admin != (role == Administrator) || now.Version != version+1 {
				t.Errorf("%q after %q: %q, admin %v", role, was, now.Role(), now.Admin)
			}
			want := []Event{{Kind: EventRoleSet, Subject: a.Subject, Detail: map[string]string{"role": string(role), "role_before": string(was)}}}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("%q: -want +got\n%s", role, diff)
			}
			check(t, f.SetRole(ctx, a.Subject, role)) // again: nothing happens
			if len(told) != 1 || f.read(a.Subject).Version != version+1 {
				t.Errorf("%q again: %+v", role, told)
			}
			was = role
		}
		for _, role := range []Role{"root", "Administrator", " ", "auditor'"} {
			if got := reason(t, f.SetRole(ctx, a.Subject, role)); got != "role/unknown" {
				t.Errorf("%q: %q", role, got)
			}
			if _, err := f.Create(ctx, NewAccount{Username: "eve", Role: role}); reason(t, err) != "role/unknown" {
				t.Errorf("%q: %v", role, err)
			}
		}
		if _, err := f.Create(ctx, NewAccount{Username: "eve", Role: Auditor, Admin: true}); reason(t, err) != "role/unknown" {
			t.Errorf("two roles: %v", err)
		}
		want(t, f.SetRole(ctx, "nobody", Auditor), ErrNotFound)
		help := f.add("help", func(n *NewAccount) { n.Role = HelpDesk })
		stale := f.read(help.Subject)
		check(t, f.SetRole(ctx, help.Subject, Auditor))
		want(t, f.Update(ctx, stale), ErrStale)
	}, "account")
}

// Whatever a replica of a former release does, which knows only administrators, nobody comes to be one by it afterwards.
func TestSec_AD04_ADemotionIsNeverUndone(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		f.add("root", admin)
		former := func(subject string, admin bool) {
			_, err := f.cfg.DB.Exec(ctx, `UPDATE accounts SET admin = $2, version = version + 1 WHERE subject = $1`, subject, admin)
			check(t, err)
		}
		for _, role := range append(Roles(), "") {
			a := f.add("ada", func(n *NewAccount) { n.Role = role })
			former(a.Subject, false)
			if got := f.read(a.Subject).Role(); got == Administrator || role != Administrator && got != role {
				t.Errorf("%q, demoted: %q", role, got)
			}
			former(a.Subject, true)
			if got := f.read(a.Subject); got.Role() != Administrator {
				t.Errorf("%q, made an administrator: %q", role, got.Role())
			}
			a = f.read(a.Subject)
			a.Name = "Ada"
			check(t, f.Update(ctx, a)) // which takes a lesser role away
			former(a.Subject, false)
			if got := f.read(a.Subject).Role(); got != "" || a.Role() != Administrator {
				t.Errorf("%q, demoted again: %q", role, got)
			}
			check(t, f.Delete(ctx, a.Subject))
		}
	})
}

func TestSec_AD04_TheLastAdministratorKeepsTheRole(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		last := f.add("last", admin)
		off := f.add("off", admin)
		check(t, f.Disable(ctx, off.Subject)) // who does not count
		for _, role := range []Role{"", Auditor, HelpDesk} {
			want(t, f.SetRole(ctx, last.Subject, role), ErrLastAdmin)
		}
		f.add("help", func(n *NewAccount) { n.Role = HelpDesk }) // nor does one of these
		want(t, f.SetRole(ctx, last.Subject, ""), ErrLastAdmin)
		for range 10 {
			second := f.add("second", func(n *NewAccount) { n.Role = Administrator })
			var wait sync.WaitGroup
			for _, subject := range []string{last.Subject, second.Subject} {
				wait.Go(func() {
					if err := f.SetRole(ctx, subject, HelpDesk); err != nil && !errors.Is(err, ErrLastAdmin) {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			if n, err := f.CountAdmins(ctx); n != 1 || err != nil {
				t.Fatalf("%d administrators are left, %v", n, err)
			}
			check(t, f.SetRole(ctx, last.Subject, Administrator))
			check(t, f.SetRole(ctx, second.Subject, ""))
			check(t, f.Delete(ctx, second.Subject))
		}
	})
}

// Whoever has a role needs a second factor under every policy, at once.
func TestSec_AD04_WhoeverHasARoleMustEnrol(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for _, role := range append(Roles(), "") {
			a := f.add("p-"+string(role), func(n *NewAccount) { n.Role = role })
			p, err := f.Policy(t.Context())
			check(t, err)
			required, ends, err := f.MFADue(t.Context(), a, p)
			check(t, err)
			if special := role != ""; required != special || a.MayBeAsked() != special || !ends.IsZero() {
				t.Errorf("%q: required %v until %v, may be asked %v", role, required, ends, a.MayBeAsked())
			}
		}
		reach, err := f.PolicyReach(t.Context(), Policy{})
		check(t, err)
		if reach.Asked != 3 {
			t.Errorf("%d people are asked", reach.Asked)
		}
	})
}
