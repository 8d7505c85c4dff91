package admin_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
)

// staff makes somebody of a role and returns their desk.
func staff(p *idptest.Server, name string, role account.Role) (*admin.Desk, *account.Account) {
	who := p.AddUser(name, func(n *account.NewAccount) { n.Role, n.Password = role, "" })
	return p.Actions().Desk(admin.Actor{Subject: who.Subject, Role: role}), who
}

// deeds are what can be done to one person.
func deeds() map[string]func(context.Context, *admin.Desk, *account.Account) error {
	return map[string]func(context.Context, *admin.Desk, *account.Account) error{
		"read": func(ctx context.Context, d *admin.Desk, a *account.Account) error {
			_, err := d.Person(ctx, a.Subject)
			return err
		},
		"disable": func(ctx context.Context, d *admin.Desk, a *account.Account) error { return d.Disable(ctx, a.Subject) },
		"enable":  func(ctx context.Context, d *admin.Desk, a *account.Account) error { return d.Enable(ctx, a.Subject) },
		"reset link": func(ctx context.Context, d *admin.Desk, a *account.Account) error {
			_, err := d.ResetPassword(ctx, a.Subject)
			return err
		},
		"compromised": compromised,
		"reset mfa": func(ctx context.Context, d *admin.Desk, a *account.Account) error {
			return d.ResetMFA(ctx, a.Subject, "why")
		},
		"end sessions": func(ctx context.Context, d *admin.Desk, a *account.Account) error {
			return d.EndSessions(ctx, a.Subject)
		},
		"devices": func(ctx context.Context, d *admin.Desk, a *account.Account) error {
			return d.ForgetDevices(ctx, a.Subject)
		},
		"disconnect": func(ctx context.Context, d *admin.Desk, a *account.Account) error {
			return d.Disconnect(ctx, a.Subject, "app")
		},
		"membership": func(ctx context.Context, d *admin.Desk, a *account.Account) error {
			return d.SetMember(ctx, a.Subject, "staff", true)
		},
		"role": func(ctx context.Context, d *admin.Desk, a *account.Account) error {
			return d.SetRole(ctx, a.Subject, a.Role())
		},
		"edit":   edit,
		"delete": func(ctx context.Context, d *admin.Desk, a *account.Account) error { return d.Delete(ctx, a.Subject) },
	}
}

// compromised gets as far as the account, which has no password here.
func compromised(ctx context.Context, d *admin.Desk, a *account.Account) error {
	if err := d.Compromised(ctx, a.Subject, "why"); !errors.Is(err, account.ErrNotFound) {
		return err
	}
	return nil
}

func edit(ctx context.Context, d *admin.Desk, a *account.Account) error {
	now, err := d.Accounts.BySubject(ctx, a.Subject)
	if err != nil {
		return err
	}
	return d.EditPerson(ctx, a.Subject, admin.Edit{Version: now.Version, Username: now.Username, Name: now.Name + "x", Groups: now.Groups})
}

// Roles, deeds and targets: nobody below an administrator touches somebody who has a role, auditors change nothing.
func TestSec_AD04_RolesDeedsAndTargets(t *testing.T) {
	help := map[string]bool{"read": true, "disable": true, "enable": true, "reset link": true, "compromised": true, "reset mfa": true,
		"end sessions": true, "devices": true, "disconnect": true, "edit": true}
	for _, role := range []account.Role{"", account.Auditor, account.HelpDesk, account.Administrator} {
		t.Run("by "+string(role), func(t *testing.T) {
			t.Parallel()
			p := idptest.Start(t)
			ctx := t.Context()
			if err := p.Accounts.CreateGroup(ctx, account.Group{Name: "staff"}); err != nil {
				t.Fatal(err)
			}
			desk, _ := staff(p, "actor", role)
			staff(p, "spare", account.Administrator)
			refusals := 0
			for _, target := range []account.Role{"", account.Auditor, account.HelpDesk, account.Administrator} {
				for name, deed := range deeds() {
					_, who := staff(p, strings.ReplaceAll("target-"+string(target)+"-"+name, " ", "-"), target)
					may := role == account.Administrator || role == account.HelpDesk && help[name] && target == "" ||
						role == account.Auditor && name == "read"
					err := deed(ctx, desk, who)
					if may && err != nil || !may && !errors.Is(err, admin.ErrForbidden) {
						t.Errorf("%s to %q, allowed %v: %v", name, target, may, err)
					}
					if !may {
						refusals++
					}
				}
			}
			refused, err := p.Audit.List(ctx, audit.Filter{Action: admin.EventRefused, Limit: 500})
			if err != nil || len(refused) != refusals {
				t.Errorf("%d of %d refusals on record (%v)", len(refused), refusals, err)
			}
		})
	}
}

// What a page showed is not what counts: the role is looked up when something is done.
func TestSec_AD04_ARoleTakenAwayCountsAtOnce(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	desk, former := staff(p, "former", account.Administrator)
	staff(p, "other", account.Administrator)
	who := p.AddUser("alice")
	if err := p.Accounts.SetRole(ctx, former.Subject, account.Auditor); err != nil {
		t.Fatal(err)
	}
	if err := desk.Disable(ctx, who.Subject); !errors.Is(err, admin.ErrForbidden) {
		t.Error(err)
	}
	if err := p.Accounts.Disable(ctx, former.Subject); err != nil {
		t.Fatal(err)
	}
	if err := desk.EndSessions(ctx, who.Subject); !errors.Is(err, admin.ErrForbidden) {
		t.Error(err)
	}
}

// Two administrators who take each other's role away at the same moment: one is left.
func TestSec_AD04_TwoDemoteEachOther(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	a, first := staff(p, "first", account.Administrator)
	b, second := staff(p, "second", account.Administrator)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	wg.Go(func() { errs[0] = a.SetRole(ctx, second.Subject, "") })
	wg.Go(func() { errs[1] = b.SetRole(ctx, first.Subject, "") })
	wg.Wait()
	if n, err := p.Accounts.CountAdmins(ctx); err != nil || n != 1 {
		t.Errorf("%d administrators are left (%v): %v", n, err, errs)
	}
}

// Nobody locks themselves out by a click.
func TestNobodyDoesItToThemselves(t *testing.T) {
	p := idptest.Start(t)
	desk, self := staff(p, "root", account.Administrator)
	staff(p, "spare", account.Administrator)
	for _, name := range []string{"disable", "reset link", "compromised", "reset mfa", "role", "delete"} {
		if err := deeds()[name](t.Context(), desk, self); !errors.Is(err, admin.ErrSelf) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program does what its scopes say, whatever else; a person's token narrows what the role allows.
func TestScopesNarrow(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	root, rootAccount := staff(p, "root", account.Administrator)
	who, boss := p.AddUser("alice"), rootAccount
	_ = root
	program := p.Actions().Desk(admin.Actor{Client: "robot", Scopes: []admin.Permission{admin.ReadPeople, admin.HelpPeople}})
	if err := program.Disable(ctx, who.Subject); err != nil {
		t.Error(err)
	}
	if err := program.Disable(ctx, boss.Subject); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("an administrator, without %s: %v", admin.WriteStaff, err)
	}
	narrowed := p.Actions().Desk(admin.Actor{Subject: boss.Subject, Client: "tool", Role: account.Administrator, Scopes: []admin.Permission{admin.ReadPeople}})
	if err := narrowed.Enable(ctx, who.Subject); !errors.Is(err, admin.ErrForbidden) {
		t.Error(err)
	}
	if _, err := narrowed.People(ctx, account.Query{}); err != nil {
		t.Error(err)
	}
	entries, err := p.Audit.List(ctx, audit.Filter{Action: account.EventDisabled})
	if err != nil || len(entries) != 1 || entries[0].Actor != "robot" || entries[0].Client != "robot" {
		t.Errorf("%+v %v", entries, err)
	}
}
