package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCreateReadUpdate(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}, {Name: "ops"}}))
		made, err := f.Create(ctx, NewAccount{
			Username: " Ada ", Email: "Ada@Example.com", Name: "Ada Lovelace", EmailVerified: true, Admin: true,
			Groups: []string{"staff", "ops", "staff"}, Profile: map[string]any{"locale": "en-GB"}, Password: good,
		})
		check(t, err)
		want := &Account{Subject: made.Subject, Username: "Ada", Email: "Ada@Example.com", Name: "Ada Lovelace",
			EmailVerified: true, Admin: true, Groups: []string{"ops", "staff"}, Profile: map[string]any{"locale": "en-GB"},
			CreatedAt: f.now, UpdatedAt: f.now, PasswordAt: f.now, Version: 1}
		same := func(got, want *Account) {
			t.Helper()
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Account{})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		}
		same(made, want)

		f.now = f.now.Add(time.Hour)
		a := f.read(made.Subject)
		a.Username, a.Name, a.Groups, a.Profile = "Countess", "Augusta Ada King", []string{"staff"}, nil
		a.Disabled, a.CreatedAt = true, f.now // not Update's to change
		check(t, f.Update(ctx, a))
		want.Username, want.Name, want.Groups, want.Profile, want.UpdatedAt, want.Version =
			"Countess", "Augusta Ada King", []string{"staff"}, map[string]any{}, f.now, 2
		same(f.read(made.Subject), want)
		a.Disabled, a.CreatedAt, a.Profile = false, want.CreatedAt, want.Profile
		same(a, want)
		check(t, f.Update(ctx, a)) // what Update left in a is current

		if _, err := f.ByUsername(ctx, "ada"); !errors.Is(err, ErrNotFound) {
			t.Errorf("by the old name: %v", err)
		}
		byName, err := f.ByUsername(ctx, "COUNTESS")
		check(t, err)
		if byName.Subject != made.Subject {
			t.Error("another account by the new name")
		}
	})
}

func TestTakenNames(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada", func(n *NewAccount) { n.Email = "ada@example.com" })
		other := f.add("bob")
		for _, tt := range []struct {
			n    NewAccount
			want string
		}{
			{NewAccount{Username: "ＡDA"}, "username/taken"},
			{NewAccount{Username: "eve", Email: "ADA@example.com"}, "email/taken"},
			{NewAccount{Username: "ada@example.com", Email: "ada@example.com"}, "email/taken"},
		} {
			_, err := f.Create(t.Context(), tt.n)
			want(t, err, ErrTaken)
			if got := reason(t, err); got != tt.want {
				t.Errorf("%+v: %s, want %s", tt.n, got, tt.want)
			}
			a := f.read(other.Subject)
			a.Username, a.Email = tt.n.Username, tt.n.Email
			if got := reason(t, f.Update(t.Context(), a)); got != tt.want {
				t.Errorf("update to %+v: %s, want %s", tt.n, got, tt.want)
			}
		}
		var made atomic.Int32
		var wait sync.WaitGroup
		for range 40 {
			wait.Go(func() {
				switch _, err := f.Create(t.Context(), NewAccount{Username: "eve"}); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, ErrTaken):
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if made.Load() != 1 {
			t.Errorf("%d accounts of one name", made.Load())
		}
	})
}

func TestUpdateOfAStaleAccount(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("root", admin)
		mine := f.add("ada", admin)
		theirs := f.read(mine.Subject)
		theirs.Admin = false
		check(t, f.Update(t.Context(), theirs))
		mine.Name = "Ada" // and Admin as it was read: must not make her one again
		want(t, f.Update(t.Context(), mine), ErrStale)
		if f.read(mine.Subject).Admin {
			t.Error("administrator again")
		}
		want(t, f.Update(t.Context(), &Account{Subject: "nobody", Username: "x"}), ErrNotFound)
	})
}

func TestSec_TK13_EmailVerifiedIsOurs(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		a := f.add("ada", func(n *NewAccount) { n.Email, n.EmailVerified = "ada@example.com", true })
		a.Email = "ADA@example.com"
		check(t, f.Update(ctx, a))
		if !a.EmailVerified {
			t.Error("another spelling is unverified")
		}
		a.Email, a.EmailVerified = "other@example.com", true
		check(t, f.Update(ctx, a))
		if a.EmailVerified || f.read(a.Subject).EmailVerified {
			t.Error("a new address is verified")
		}
		want(t, f.VerifyEmail(ctx, a.Subject, "ada@example.com"), ErrNotFound)
		check(t, f.VerifyEmail(ctx, a.Subject, "Other@example.com"))
		if !f.read(a.Subject).EmailVerified {
			t.Error("unverified")
		}
	})
}

func TestSec_TK13_SubjectsAreNotReused(t *testing.T) {
	f := onSQLite(t)
	seen := map[string]bool{}
	for range 20 {
		a := f.add("ada")
		if seen[a.Subject] || len(a.Subject) < 26 || strings.Contains(a.Subject, "ada") {
			t.Errorf("subject %q", a.Subject)
		}
		seen[a.Subject] = true
		check(t, f.Delete(t.Context(), a.Subject))
	}
}

func TestSec_SS06_OnlyEnableEnables(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		a := f.add("ada", func(n *NewAccount) { n.Email = "ada@example.com" })
		token, err := f.NewLink(ctx, PurposeReset, a.Subject, time.Hour)
		check(t, err)
		check(t, f.Disable(ctx, a.Subject))
		want(t, f.signIn("ada", good), ErrCredentials)
		if _, err := f.Active(ctx, a.Subject); !errors.Is(err, ErrDisabled) {
			t.Errorf("active: %v", err)
		}
		if _, err := f.Claims(ctx, a.Subject, []string{"email"}); !errors.Is(err, ErrDisabled) {
			t.Errorf("claims: %v", err)
		}
		_, err = f.SetPasswordByLink(ctx, PurposeReset, token, good+" 2", nil)
		want(t, err, ErrNotFound)
		check(t, f.SetPassword(ctx, a.Subject, good+" 3"))
		check(t, f.VerifyEmail(ctx, a.Subject, "ada@example.com"))
		current := f.read(a.Subject)
		current.Disabled = false
		check(t, f.Update(ctx, current))
		if !f.read(a.Subject).Disabled {
			t.Error("enabled by something else")
		}
		check(t, f.Enable(ctx, a.Subject))
		check(t, f.signIn("ada", good+" 3"))
		for _, err := range []error{f.Disable(ctx, "x"), f.Enable(ctx, "x"), f.Delete(ctx, "x"), f.SetPassword(ctx, "x", good)} {
			want(t, err, ErrNotFound)
		}
	})
}

func TestSec_AD04_TheLastAdministratorStays(t *testing.T) {
	ways := map[string]func(*fixture, context.Context, string) error{
		"disable": func(f *fixture, ctx context.Context, subject string) error { return f.Disable(ctx, subject) },
		"delete":  func(f *fixture, ctx context.Context, subject string) error { return f.Delete(ctx, subject) },
		"demote": func(f *fixture, ctx context.Context, subject string) error {
			a, err := f.BySubject(ctx, subject)
			if err != nil {
				return err
			}
			a.Admin = false
			return f.Update(ctx, a)
		},
	}
	for name, take := range ways {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, f *fixture) {
				ctx := t.Context()
				last := f.add("last", admin)
				off := f.add("off", admin)
				check(t, f.Disable(ctx, off.Subject)) // a disabled one does not count
				want(t, take(f, ctx, last.Subject), ErrLastAdmin)
				for range 10 {
					subjects := []string{last.Subject, f.add("second", admin).Subject}
					var wait sync.WaitGroup
					for _, subject := range subjects {
						wait.Go(func() {
							if err := take(f, ctx, subject); err != nil && !errors.Is(err, ErrLastAdmin) {
								t.Error(err)
							}
						})
					}
					wait.Wait()
					if n, err := f.CountAdmins(ctx); n != 1 || err != nil {
						t.Fatalf("%d administrators are left, %v", n, err)
					}
					left, err := f.List(ctx, "", 0)
					check(t, err)
					for _, a := range left {
						if a.Admin && !a.Disabled {
							last = a
							continue
						}
						check(t, f.Delete(ctx, a.Subject))
					}
					last.Username = "last"
					check(t, f.Update(ctx, last))
				}
			})
		})
	}
}

func TestList(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{"dora", "Bob", "ada_1", "adaX1", "Carl"} {
			f.add(name)
		}
		for _, tt := range []struct {
			after string
			limit int
			want  string
		}{
			{"", 0, "ada_1 adaX1 Bob Carl dora"},
			{"", 2, "ada_1 adaX1"},
			{"ADAx1", 2, "Bob Carl"},
			{"dora", 2, ""},
		} {
			got, err := f.List(t.Context(), tt.after, tt.limit)
			check(t, err)
			var names []string
			for _, a := range got {
				names = append(names, a.Username)
			}
			if strings.Join(names, " ") != tt.want {
				t.Errorf("after %q: %v, want %s", tt.after, names, tt.want)
			}
		}
	})
}

func TestSec_AU02_ChangesFailWithTheirEvents(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		f.add("root", admin)
		a := f.add("ada", func(n *NewAccount) { n.Email = "ada@example.com" })
		token, err := f.NewLink(ctx, PurposeReset, a.Subject, time.Hour)
		check(t, err)
		hash := f.storedHash(a.Subject)
		f.events, f.broken = nil, errors.New("the trail is full")
		changes := []struct {
			kind string
			do   func() error
		}{
			{EventCreated, func() error { _, err := f.Create(ctx, NewAccount{Username: "bob"}); return err }},
			{EventUpdated, func() error { c := f.read(a.Subject); c.Name = "Changed"; return f.Update(ctx, c) }},
			{EventEmailVerified, func() error { return f.VerifyEmail(ctx, a.Subject, "ada@example.com") }},
			{EventDisabled, func() error { return f.Disable(ctx, a.Subject) }},
			{EventEnabled, func() error { return f.Enable(ctx, a.Subject) }},
			{EventPasswordSet, func() error { return f.SetPassword(ctx, a.Subject, good+" 2") }},
			{EventLinkMade, func() error { _, err := f.NewLink(ctx, PurposeReset, a.Subject, time.Hour); return err }},
			{EventLinkUsed, func() error { _, err := f.UseLink(ctx, PurposeReset, token); return err }},
			{EventGroupsSet, func() error { return f.SetGroups(ctx, []Group{{Name: "staff"}}) }},
			{EventPolicySet, func() error { return f.SetPolicy(ctx, Policy{MFAGrace: time.Hour}) }},
			{EventDeleted, func() error { return f.Delete(ctx, a.Subject) }},
		}
		var kinds []string
		for _, c := range changes {
			kinds = append(kinds, c.kind)
			want(t, c.do(), f.broken)
		}
		if !slices.Equal(f.events, kinds) {
			t.Errorf("events %v", f.events)
		}
		f.broken = nil
		if diff := cmp.Diff(a, f.read(a.Subject), cmpopts.IgnoreUnexported(Account{})); diff != "" {
			t.Errorf("changed all the same: %s", diff)
		}
		subject, err := f.Link(ctx, PurposeReset, token)
		groups, _ := f.ListGroups(ctx)
		policy, _ := f.Policy(ctx)
		n, _ := f.Count(ctx)
		if subject != a.Subject || err != nil || len(groups) != 0 || policy.MFAGrace != 0 || n != 2 || f.storedHash(a.Subject) != hash {
			t.Error("something changed all the same")
		}
	})
}
