package admin_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// The ways to sign in are those of the contract, word by word.
func TestSituationsAreTheContracts(t *testing.T) {
	p := idptest.Start(t)
	desk, _ := staff(p, "root", account.Administrator)
	alice := p.AddUser("alice")
	p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{callback}})
	want := map[string][]string{
		"password": {"aal1", "pwd"}, "remembered_device": {"aal1", "pwd"}, "code": {"aal2", "pwd", "otp", "mfa"}, "recovery_code": {"aal2", "pwd", "mfa"},
		"password_passkey": {"aal2", "pwd", "hwk", "mfa"}, "passkey": {"aal2", "hwk", "user", "mfa"},
	}
	for _, in := range admin.Situations() {
		got, err := desk.PreviewTokens(t.Context(), admin.PreviewQuery{Client: "app", Subject: alice.Subject, Situation: in.ID})
		if err != nil {
			t.Fatal(err)
		}
		if all := append([]string{got.ACR}, got.AMR...); !slices.Equal(all, want[in.ID]) {
			t.Errorf("%s: %q", in.ID, all)
		}
		if got.Tokens.IDToken["acr"] != got.ACR || got.Tokens.Userinfo["email"] != "alice@example.com" || got.Lives.AccessToken != 600 ||
			got.Lives.RefreshTokenIdle != 14*24*3600 || !got.Tokens.RefreshToken {
			t.Errorf("%s: %+v", in.ID, got.Tokens)
		}
		delete(want, in.ID)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// What is foreseen is what happens: the steps of each kind of person at each kind of client are compared with the pages that
// they meet.
func TestStepsAreThoseOfASignIn(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	desk, _ := staff(p, "root", account.Administrator)
	for _, name := range []string{"staff", "others"} {
		if err := p.Accounts.CreateGroup(ctx, account.Group{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	enrolled := p.Person("enrolled")
	plain, grouped := p.AddUser("plain"), p.AddUser("grouped", func(n *account.NewAccount) { n.Groups = []string{"staff"} })
	if err := p.Accounts.SetPolicy(ctx, account.Policy{MFARequired: account.MFAGroups, MFARequiredGroups: []string{"staff"}, MFAGrace: 3600e9}); err != nil {
		t.Fatal(err)
	}
	for id, client := range map[string]oauth.Client{
		"own": {}, "asks": {Consent: "ask"}, "needs": {MFA: "required"}, "always": {MFA: "always"}, "others": {Groups: []string{"others"}},
	} {
		client.ID, client.RedirectURIs = id, []string{callback}
		p.AddClient(client)
	}
	for _, tt := range []struct {
		client, subject, situation string
		steps                      []string
		refused                    []string
		unreachable                bool
	}{
		{"own", plain.Subject, "password", []string{"password"}, nil, false},
		{"own", plain.Subject, "code", []string{"password"}, nil, true},
		{"asks", plain.Subject, "password", []string{"password", "consent"}, nil, false},
		{"needs", plain.Subject, "password", []string{"password", "enroll"}, nil, true},
		{"needs", plain.Subject, "code", []string{"password", "enroll"}, nil, false},
		{"own", grouped.Subject, "password", []string{"password", "enroll_later"}, nil, false},
		{"needs", grouped.Subject, "password", []string{"password", "enroll"}, nil, true},
		{"own", enrolled.Subject, "password", []string{"password", "second_factor"}, nil, true},
		{"own", enrolled.Subject, "code", []string{"password", "second_factor"}, nil, false},
		{"own", enrolled.Subject, "remembered_device", []string{"password"}, nil, false},
		{"needs", enrolled.Subject, "remembered_device", []string{"password"}, nil, false},
		{"always", enrolled.Subject, "remembered_device", []string{"password", "second_factor"}, nil, true},
		{"own", enrolled.Subject, "passkey", []string{"passkey"}, nil, false},
		{"others", plain.Subject, "password", []string{"password", "refuse"}, []string{"groups"}, false},
	} {
		got, err := desk.PreviewTokens(ctx, admin.PreviewQuery{Client: tt.client, Subject: tt.subject, Situation: tt.situation})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Steps, tt.steps) || !slices.Equal(got.Refused, tt.refused) || got.Unreachable != tt.unreachable {
			t.Errorf("%s, %s: %q %q %v", tt.client, tt.situation, got.Steps, got.Refused, got.Unreachable)
		}
	}
	// It began nobody's grace: that is for sign-ins.
	if a, err := p.Accounts.BySubject(ctx, grouped.Subject); err != nil || !a.MFADueAt.IsZero() {
		t.Errorf("%v %v", a.MFADueAt, err)
	}
	for client, want := range map[string]string{"asks": "#consent-allow", "needs": "#enrol-start"} {
		app, err := p.OAuth.Clients().Get(ctx, client)
		if err != nil {
			t.Fatal(err)
		}
		page := p.Browser().Get("/oauth2/authorize?response_type=code&client_id="+app.ID+"&redirect_uri="+callback+"&scope=openid&state=s&nonce=n").
			Submit("login-submit", "username", "plain", "password", idptest.Password)
		if !page.Has(want) {
			t.Errorf("%s: %s", client, page.URL)
		}
	}
}

func TestWhoIsRefused(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	desk, _ := staff(p, "root", account.Administrator)
	alice, bob := p.AddUser("alice"), p.AddUser("bob")
	p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{callback}, Disabled: true})
	p.AddClient(oauth.Client{ID: "job", RedirectURIs: []string{callback}, GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}})
	if err := p.Accounts.Disable(ctx, alice.Subject); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		q       admin.PreviewQuery
		refused []string
	}{
		{admin.PreviewQuery{Client: "app", Subject: alice.Subject}, []string{"client_disabled", "person_disabled"}},
		{admin.PreviewQuery{Client: "app", Subject: bob.Subject, Scopes: []string{"admin"}}, []string{"client_disabled", "scopes"}},
		{admin.PreviewQuery{Client: "job", Subject: bob.Subject, Scopes: []string{"read"}}, []string{"grant_types"}},
		{admin.PreviewQuery{Client: "job"}, nil}, {admin.PreviewQuery{Client: "app"}, []string{"client_disabled", "grant_types"}},
	} {
		got, err := desk.PreviewTokens(ctx, tt.q)
		if err != nil || !slices.Equal(got.Refused, tt.refused) {
			t.Errorf("%+v: %+v %v", tt.q, got, err)
		}
	}
	job, err := desk.PreviewTokens(ctx, admin.PreviewQuery{Client: "job"})
	if err != nil || job.Tokens.AccessToken["sub"] != "job" || job.Tokens.AccessToken["scope"] != "read" || job.Steps != nil || job.Lives.IDToken != 0 {
		t.Errorf("%+v %v", job, err)
	}
	var invalid *oauth.InvalidError
	if _, err := desk.PreviewTokens(ctx, admin.PreviewQuery{Client: "app", Subject: alice.Subject, Situation: "magic"}); !errors.As(err, &invalid) || invalid.Field != "situation" {
		t.Error(err)
	}
	if _, err := desk.PreviewTokens(ctx, admin.PreviewQuery{Client: "app", Subject: "nobody"}); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
	if _, err := desk.PreviewTokens(ctx, admin.PreviewQuery{Client: "gone"}); !errors.Is(err, oauth.ErrNotFound) {
		t.Error(err)
	}
	// Reading about a person is another permission than reading clients.
	tool := p.Actions().Desk(admin.Actor{Client: "tool", Scopes: []admin.Permission{admin.ReadClients}})
	if _, err := tool.PreviewTokens(ctx, admin.PreviewQuery{Client: "app", Subject: alice.Subject}); !errors.Is(err, admin.ErrForbidden) {
		t.Error(err)
	}
	if _, err := tool.PreviewTokens(ctx, admin.PreviewQuery{Client: "job"}); err != nil {
		t.Error(err)
	}
}
