package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/console"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

const callback = "https://app.example/callback"

// onBoth runs fn with a provider on either engine.
func onBoth(t *testing.T, fn func(t *testing.T, p *idptest.Server)) {
	for name, database := range map[string]func(testing.TB, ...string) string{"sqlite": dbxtest.SQLiteURL, "postgres": dbxtest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, idptest.Start(t, func(c *idp.Config) { c.DatabaseURL = database(t) }))
		})
	}
}

// clientDeeds are all that a desk does with clients, each with whether it changes something.
func clientDeeds() map[string]struct {
	changes bool
	do      func(context.Context, *admin.Desk) error
} {
	type deed = struct {
		changes bool
		do      func(context.Context, *admin.Desk) error
	}
	version := func(ctx context.Context, d *admin.Desk) int64 {
		client, err := d.OAuth.Clients().Get(ctx, "app")
		if err != nil {
			return 0
		}
		return client.Version
	}
	return map[string]deed{
		"list": {false, func(ctx context.Context, d *admin.Desk) error {
			_, err := d.Clients(ctx, oauth.ClientQuery{})
			return err
		}},
		"read":     {false, func(ctx context.Context, d *admin.Desk) error { _, err := d.Client(ctx, "app"); return err }},
		"problems": {false, func(ctx context.Context, d *admin.Desk) error { _, err := d.ClientProblems(ctx, "app"); return err }},
		"unknown":  {false, func(ctx context.Context, d *admin.Desk) error { _, err := d.UnknownClients(ctx); return err }},
		"samples":  {false, func(ctx context.Context, d *admin.Desk) error { _, err := d.ClientSamples(ctx, "app"); return err }},
		"preview": {false, func(ctx context.Context, d *admin.Desk) error {
			_, err := d.PreviewTokens(ctx, admin.PreviewQuery{Client: "app"})
			return err
		}},
		"create": {true, func(ctx context.Context, d *admin.Desk) error {
			_, _, err := d.CreateClient(ctx, admin.TemplateWeb, &oauth.Client{RedirectURIs: []string{callback}})
			return err
		}},
		"update": {true, func(ctx context.Context, d *admin.Desk) error {
			client, err := d.OAuth.Clients().Get(ctx, "app")
			if err != nil {
				return err
			}
			_, _, err = d.UpdateClient(ctx, client)
			return err
		}},
		"disable": {true, func(ctx context.Context, d *admin.Desk) error {
			return d.SetClientDisabled(ctx, "app", version(ctx, d), true)
		}},
		"rotate": {true, func(ctx context.Context, d *admin.Desk) error {
			_, err := d.RotateClientSecret(ctx, "app", version(ctx, d), 0)
			return err
		}},
		"registration": {true, func(ctx context.Context, d *admin.Desk) error {
			_, err := d.NewRegistrationToken(ctx, time.Hour, 1)
			return err
		}},
		"delete": {true, func(ctx context.Context, d *admin.Desk) error {
			return d.DeleteClient(ctx, "app", version(ctx, d))
		}},
	}
}

// Administrators write, auditors read, and the help desk has nothing to do with clients.
func TestSec_AD04_RolesAndClients(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	staff(p, "spare", account.Administrator)
	for _, role := range []account.Role{"", account.HelpDesk, account.Auditor, account.Administrator} {
		desk, who := staff(p, "actor-"+string(role), role)
		for name, deed := range clientDeeds() {
			if _, err := p.OAuth.Clients().Get(ctx, "app"); errors.Is(err, oauth.ErrNotFound) {
				p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{callback}, GrantTypes: []string{"authorization_code", "client_credentials"}})
			}
			may := role == account.Administrator || role == account.Auditor && !deed.changes
			if err := deed.do(ctx, desk); may && err != nil || !may && !errors.Is(err, admin.ErrForbidden) {
				t.Errorf("%q does %s: %v", role, name, err)
			}
		}
		refused, err := p.Audit.List(ctx, audit.Filter{Action: admin.EventRefused, Actor: who.Subject, Limit: 500})
		if want := map[account.Role]int{"": 12, account.HelpDesk: 12, account.Auditor: 6}[role]; err != nil || len(refused) != want {
			t.Errorf("%q: %d refusals on record, want %d (%v)", role, len(refused), want, err)
		}
	}
}

func TestAClientsLifeAtTheDesk(t *testing.T) {
	onBoth(t, func(t *testing.T, p *idptest.Server) {
		ctx := t.Context()
		desk, root := staff(p, "root", account.Administrator)
		made, secret, err := desk.CreateClient(ctx, admin.TemplateWeb, &oauth.Client{ID: "focus", Name: "Focus", RedirectURIs: []string{callback}})
		if err != nil || len(secret) != 43 || made.Version != 1 || len(made.Secrets) != 1 || made.Secrets[0].Former || made.Reserved ||
			made.AuthMethod != "client_secret_basic" || !slices.Contains(made.Scopes, "mfa") {
			t.Fatalf("%+v %q %v", made, secret, err)
		}
		if text, err := json.Marshal(made); err != nil || strings.Contains(string(text), secret) || strings.Contains(string(text), "hmac") ||
			!strings.Contains(string(text), `"version":1`) || !strings.Contains(string(text), `"redirect_uris"`) {
			t.Errorf("%s %v", text, err)
		}
		edited := *made.Client
		edited.Name, edited.MFA = "Focus HQ", "always"
		updated, more, err := desk.UpdateClient(ctx, &edited)
		if err != nil || more != "" || updated.Version != 2 || updated.Name != "Focus HQ" {
			t.Fatalf("%+v %q %v", updated, more, err)
		}
		if _, _, err := desk.UpdateClient(ctx, &edited); !errors.Is(err, oauth.ErrStale) {
			t.Errorf("the same once more: %v", err)
		}
		edited.Version = 0
		if _, _, err := desk.UpdateClient(ctx, &edited); !errors.Is(err, oauth.ErrStale) {
			t.Errorf("without a version: %v", err)
		}
		second, err := desk.RotateClientSecret(ctx, "focus", 2, time.Hour)
		if err != nil || second == secret {
			t.Fatal(err)
		}
		if _, err := desk.RotateClientSecret(ctx, "focus", 2, time.Hour); !errors.Is(err, oauth.ErrStale) {
			t.Errorf("the button twice: %v", err)
		}
		if _, err := desk.RotateClientSecret(ctx, "focus", 3, time.Hour); !errors.Is(err, oauth.ErrTwoSecrets) {
			t.Errorf("a third one: %v", err)
		}
		view, err := desk.Client(ctx, "focus")
		if err != nil || len(view.Secrets) != 2 || !p.OAuth.Clients().SecretIs(view.Client, secret) || !p.OAuth.Clients().SecretIs(view.Client, second) {
			t.Errorf("%+v %v", view, err)
		}
		if err := desk.EndFormerSecret(ctx, "focus", 3); err != nil {
			t.Error(err)
		}
		if view, err = desk.Client(ctx, "focus"); err != nil || len(view.Secrets) != 1 || p.OAuth.Clients().SecretIs(view.Client, secret) {
			t.Errorf("%+v %v", view, err)
		}
		for _, disabled := range []bool{true, true, false} {
			if view, err = desk.Client(ctx, "focus"); err != nil {
				t.Fatal(err)
			}
			if err := desk.SetClientDisabled(ctx, "focus", view.Version, disabled); err != nil {
				t.Error(err)
			}
		}
		if view, err = desk.Client(ctx, "focus"); err != nil || view.Disabled || view.Version != 6 {
			t.Errorf("%+v %v", view, err)
		}
		if err := desk.DeleteClient(ctx, "focus", 1); !errors.Is(err, oauth.ErrStale) {
			t.Errorf("of another state: %v", err)
		}
		if err := desk.DeleteClient(ctx, "focus", 6); err != nil {
			t.Error(err)
		}
		if err := desk.DeleteClient(ctx, "focus", 6); !errors.Is(err, oauth.ErrNotFound) {
			t.Error(err)
		}
		// All of it is the actor's, in order, and without a secret.
		entries, err := p.Audit.List(ctx, audit.Filter{Actor: root.Subject, Client: "focus", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, e := range slices.Backward(entries) {
			told = append(told, strings.TrimSpace(e.Action+" "+e.Detail["fields"]))
			if text := fmt.Sprint(e); strings.Contains(text, secret) || strings.Contains(text, second) {
				t.Errorf("%+v", e)
			}
		}
		want := []string{"oauth.client_created", "oauth.client_updated mfa name", "oauth.client_secret_rotated", "oauth.client_secret_ended",
			"oauth.client_updated disabled", "oauth.client_updated disabled", "oauth.client_deleted"}
		if !slices.Equal(told, want) {
			t.Errorf("%q, want %q", told, want)
		}
	})
}

// Forty hands at one client: one edit and one rotation of what all of them saw, and each has its row.
func TestFortyHandsAtOneClient(t *testing.T) {
	onBoth(t, func(t *testing.T, p *idptest.Server) {
		ctx := t.Context()
		desk, _ := staff(p, "root", account.Administrator)
		made, first, err := desk.CreateClient(ctx, "", &oauth.Client{ID: "focus", RedirectURIs: []string{callback}})
		if err != nil {
			t.Fatal(err)
		}
		errs, secrets := make([]error, 40), make([]string, 40)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				if i%2 == 0 {
					edited := *made.Client
					edited.Name = fmt.Sprint("Name ", i)
					_, _, errs[i] = desk.UpdateClient(ctx, &edited)
				} else {
					secrets[i], errs[i] = desk.RotateClientSecret(ctx, "focus", made.Version, time.Hour)
				}
			})
		}
		wg.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if !errors.Is(err, oauth.ErrStale) {
				t.Error(err)
			}
		}
		view, err := desk.Client(ctx, "focus")
		if err != nil || done != 1 || view.Version != 2 || !p.OAuth.Clients().SecretIs(view.Client, first) {
			t.Errorf("%d done, version %d (%v)", done, view.Version, err)
		}
		entries, err := p.Audit.List(ctx, audit.Filter{Client: "focus", Limit: 100})
		if err != nil || len(entries) != 2 {
			t.Errorf("%d rows (%v)", len(entries), err)
		}
	})
}

func TestSec_AD05_WhatAClientMayBe(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	desk, _ := staff(p, "root", account.Administrator)
	p.AddClient(oauth.Client{ID: "taken", RedirectURIs: []string{callback}})
	for _, tt := range []struct {
		template, field string
		client          oauth.Client
	}{
		{"other", "template", oauth.Client{}}, {"web", "redirect_uris", oauth.Client{}},
		{"web", "redirect_uris", oauth.Client{RedirectURIs: []string{"http://app.example/"}}},
		{"web", "groups", oauth.Client{RedirectURIs: []string{callback}, Groups: []string{"nobody"}}},
		{"web", "name", oauth.Client{RedirectURIs: []string{callback}, Name: "a\u202eb"}},
		{"spa", "grant_types", oauth.Client{RedirectURIs: []string{callback}, GrantTypes: []string{"client_credentials"}}},
		{"machine", "id", oauth.Client{ID: "<script>"}}, {"", "auth_method", oauth.Client{AuthMethod: "magic", RedirectURIs: []string{callback}}},
	} {
		var invalid *oauth.InvalidError
		if _, secret, err := desk.CreateClient(ctx, tt.template, &tt.client); !errors.As(err, &invalid) || invalid.Field != tt.field || secret != "" {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if _, _, err := desk.CreateClient(ctx, "web", &oauth.Client{ID: "taken", RedirectURIs: []string{callback}}); !errors.Is(err, oauth.ErrTaken) {
		t.Error(err)
	}
	// What a client says of itself is not for an administrator's form, and stays.
	made, _, err := desk.CreateClient(ctx, "web", &oauth.Client{RedirectURIs: []string{callback}, Dynamic: true})
	if err != nil || made.Dynamic || len(made.ID) != 22 {
		t.Errorf("%+v %v", made, err)
	}
	// One that needs a secret from now on has one.
	public, secret, err := desk.CreateClient(ctx, "spa", &oauth.Client{ID: "spa", RedirectURIs: []string{callback}})
	if err != nil || secret != "" || !public.IsPublic() || !public.RequirePKCE {
		t.Fatalf("%+v %q %v", public, secret, err)
	}
	public.Client.AuthMethod = "client_secret_post"
	view, secret, err := desk.UpdateClient(ctx, public.Client)
	if err != nil || len(secret) != 43 || len(view.Secrets) != 1 || !p.OAuth.Clients().SecretIs(view.Client, secret) {
		t.Errorf("%+v %q %v", view, secret, err)
	}
}

// The console's own client can be looked at and not changed, by nobody and no way.
func TestSec_AD04_TheConsoleIsNobodysToChange(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	desk, _ := staff(p, "root", account.Administrator)
	if err := p.OAuth.Clients().Establish(ctx, console.Client(p.OAuth.Issuer()), "a secret that only the console knows"); err != nil {
		t.Fatal(err)
	}
	view, err := desk.Client(ctx, console.ClientID)
	if err != nil || !view.Reserved {
		t.Fatalf("%+v %v", view, err)
	}
	_, _, created := desk.CreateClient(ctx, "web", &oauth.Client{ID: console.ClientID, RedirectURIs: []string{callback}})
	_, _, updated := desk.UpdateClient(ctx, view.Client)
	_, rotated := desk.RotateClientSecret(ctx, view.ID, view.Version, 0)
	_, err = p.Apply(ctx, &idp.Desired{Clients: []idp.DesiredClient{{ID: console.ClientID, RedirectURIs: []string{callback}}}}, nil, false, false)
	for name, err := range map[string]error{
		"create": created, "update": updated, "rotate": rotated, "apply": err,
		"end secret": desk.EndFormerSecret(ctx, view.ID, view.Version), "disable": desk.SetClientDisabled(ctx, view.ID, view.Version, true),
		"delete": desk.DeleteClient(ctx, view.ID, view.Version), "delete by command": p.Actions().DeleteClient(ctx, view.ID),
	} {
		if !errors.Is(err, oauth.ErrReserved) {
			t.Errorf("%s: %v", name, err)
		}
	}
	changes, err := p.Apply(ctx, &idp.Desired{Users: []idp.DesiredUser{{Username: "root", Admin: true, Name: "root", Email: "root@example.com"}}}, nil, true, false)
	for _, change := range changes {
		if strings.Contains(change.What, console.ClientID) {
			t.Errorf("pruned: %+v", change)
		}
	}
	if again, e := desk.Client(ctx, console.ClientID); e != nil || again.Version != view.Version {
		t.Errorf("%+v %v %v", again, e, err)
	}
}
