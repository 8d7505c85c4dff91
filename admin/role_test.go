package admin_test

import (
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/idptest"
)

// Whoever is made an administrator begins with nothing that others may have: a link that the help desk had, a browser that is
// remembered, a token of an app.
func TestSec_AD04_ANewRoleOutlivesNothing(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	root, _ := staff(p, "root", account.Administrator)
	a := p.Person("alice")
	link, err := p.Accounts.NewLink(ctx, account.PurposeReset, a.Subject, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := root.SetRole(ctx, a.Subject, account.Administrator); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Actions().SetPasswordByLink(ctx, account.PurposeReset, link, "copper-harbour-violet-17"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the link: %v", err)
	}
	if a.SignedIn() {
		t.Error("the session goes on")
	}
	if access, refresh := a.Granted(); access || refresh {
		t.Errorf("the tokens: %v %v", access, refresh)
	}
	if devices, err := p.MFA.Devices(ctx, a.Subject, ""); err != nil || len(devices) != 0 {
		t.Errorf("remembered: %v %v", devices, err)
	}
	// By somebody who may not, nothing ends.
	b := p.AddUser("bob")
	help, _ := staff(p, "help", account.HelpDesk)
	if link, err = p.Accounts.NewLink(ctx, account.PurposeReset, b.Subject, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := help.SetRole(ctx, b.Subject, account.Administrator); !errors.Is(err, admin.ErrForbidden) {
		t.Error(err)
	}
	if _, err := p.Accounts.Link(ctx, account.PurposeReset, link); err != nil {
		t.Error(err)
	}
}
