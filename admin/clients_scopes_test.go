package admin_test

import (
	"errors"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// Whoever may change clients does not get by one what they may not do themselves.
func TestSec_AD04_NoClientHasMoreThanItsMaker(t *testing.T) {
	p := idptest.Start(t)
	clients := []admin.Permission{admin.ReadClients, admin.WriteClients}
	program := p.Actions().Desk(admin.Actor{Client: "program", Scopes: clients})
	root := p.AddUser("root", func(n *account.NewAccount) { n.Role = account.Administrator })
	person := p.Actions().Desk(admin.Actor{Subject: root.Subject, Role: account.Administrator})
	machine := func(id string, scopes ...admin.Permission) *oauth.Client {
		c := &oauth.Client{ID: id, GrantTypes: []string{"client_credentials"}}
		for _, s := range scopes {
			c.Scopes = append(c.Scopes, string(s))
		}
		return c
	}
	if _, _, err := program.CreateClient(t.Context(), "", machine("more", admin.WriteStaff)); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("made: %v", err)
	}
	same, _, err := program.CreateClient(t.Context(), "", machine("same", clients...))
	if err != nil {
		t.Fatal(err)
	}
	more := *same.Client
	more.Scopes = append(more.Scopes, string(admin.WritePeople))
	if _, _, err := program.UpdateClient(t.Context(), &more); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("changed: %v", err)
	}
	made, _, err := person.CreateClient(t.Context(), "", machine("boss", admin.Permissions()...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := program.RotateClientSecret(t.Context(), "boss", made.Version, 0); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("its secret: %v", err)
	}
	less := *made.Client
	less.Scopes, less.RedirectURIs = []string{"openid"}, []string{"https://elsewhere.example/"}
	if _, _, err := program.UpdateClient(t.Context(), &less); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("taken over: %v", err)
	}
	if _, err := person.RotateClientSecret(t.Context(), "boss", made.Version, 0); err != nil {
		t.Error(err)
	}
	var invalid *oauth.InvalidError
	if _, _, err := person.CreateClient(t.Context(), "", machine("next", "idp.of.tomorrow")); !errors.As(err, &invalid) || invalid.Field != "scopes" {
		t.Errorf("a scope that there is not: %v", err)
	}
}
