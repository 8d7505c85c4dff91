package admin_test

import (
	"errors"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/idptest"
)

// A role that was lowered counts for whom one may touch, too.
func TestSec_AD04_ALoweredRoleTouchesNoStaff(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	desk, former := staff(p, "former", account.Administrator)
	_, other := staff(p, "other", account.Administrator)
	who := p.AddUser("alice")
	if err := p.Accounts.SetRole(ctx, former.Subject, account.HelpDesk); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.ResetPassword(ctx, other.Subject); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("an administrator's password: %v", err)
	}
	now, err := p.Accounts.BySubject(ctx, who.Subject)
	if err != nil {
		t.Fatal(err)
	}
	edit := admin.Edit{Version: now.Version, Username: now.Username, Name: now.Name, Email: "cto@example.com", EmailVerified: true}
	desk, _ = staff(p, "second", account.Administrator)
	if err := p.Accounts.SetRole(ctx, desk.Actor().Subject, account.HelpDesk); err != nil {
		t.Fatal(err)
	}
	if err := desk.EditPerson(ctx, who.Subject, edit); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("a verified address: %v", err)
	}
	if err := desk.Disable(ctx, who.Subject); err != nil {
		t.Errorf("what the help desk may do: %v", err)
	}
}

// Each thing that is asked for a new person is a permission of its own.
func TestSec_AD04_WhatNewPeopleMayHave(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	if err := p.Accounts.CreateGroup(ctx, account.Group{Name: "vault"}); err != nil {
		t.Fatal(err)
	}
	help, _ := staff(p, "help", account.HelpDesk)
	roles := p.Actions().Desk(admin.Actor{Client: "robot", Scopes: []admin.Permission{admin.HelpPeople, admin.WriteStaff}})
	for name, try := range map[string]struct {
		desk *admin.Desk
		n    account.NewAccount
		may  bool
	}{
		"plain":                   {help, account.NewAccount{Username: "one", Email: "one@example.com"}, true},
		"a verified address":      {help, account.NewAccount{Username: "two", Email: "cto@example.com", EmailVerified: true}, false},
		"a group":                 {help, account.NewAccount{Username: "three", Groups: []string{"vault"}}, false},
		"a role":                  {help, account.NewAccount{Username: "four", Role: account.Auditor}, false},
		"a role by scope":         {roles, account.NewAccount{Username: "five", Role: account.Auditor}, true},
		"a role and a group":      {roles, account.NewAccount{Username: "six", Role: account.Auditor, Groups: []string{"vault"}}, false},
		"a role and verification": {roles, account.NewAccount{Username: "seven", Role: account.Auditor, Email: "s@example.com", EmailVerified: true}, false},
	} {
		if _, err := try.desk.CreatePerson(ctx, try.n); try.may && err != nil || !try.may && !errors.Is(err, admin.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The help desk learns what staff are called, and nothing else.
func TestSec_AD04_TheHelpDeskLearnsNamesOfStaff(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	help, _ := staff(p, "help", account.HelpDesk)
	staff(p, "root", account.Administrator)
	p.AddUser("alice")
	for _, q := range []account.Query{{AnyRole: true}, {Role: account.Administrator}, {WithoutMFA: true, Text: "root"}, {NoPassword: true, Text: "root"}} {
		page, err := help.People(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, who := range page.People {
			if who.Role() != "" {
				t.Errorf("%+v lists %s", q, who.Username)
			}
		}
	}
	page, err := help.People(ctx, account.Query{Text: "root"})
	if err != nil || len(page.People) != 1 || page.People[0].Username != "root" || page.People[0].Email != "" || page.People[0].Role() != account.Administrator {
		t.Errorf("%+v %v", page.People, err)
	}
	page, err = help.People(ctx, account.Query{Text: "alice"})
	if err != nil || len(page.People) != 1 || page.People[0].Email == "" {
		t.Errorf("%+v %v", page.People, err)
	}
}

// A group takes nobody out who has a role, unless that may be done.
func TestSec_AD04_AGroupWithStaff(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	root, boss := staff(p, "root", account.Administrator)
	if err := root.CreateGroup(ctx, account.Group{Name: "vault"}); err != nil {
		t.Fatal(err)
	}
	if err := root.SetMember(ctx, boss.Subject, "vault", true); err != nil {
		t.Fatal(err)
	}
	program := p.Actions().Desk(admin.Actor{Client: "robot", Scopes: []admin.Permission{admin.WritePeople}})
	if err := program.DeleteGroup(ctx, "vault", true); !errors.Is(err, admin.ErrForbidden) {
		t.Error(err)
	}
	if err := root.DeleteGroup(ctx, "vault", true); err != nil {
		t.Error(err)
	}
}
