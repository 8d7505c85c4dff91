package idp

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/api"
	"github.com/focushq/idp/audit"
)

// SetupLink returns the one-time link that makes the first administrator, "" when there is one already.
func (p *IdP) SetupLink(ctx context.Context) (string, error) {
	admins, err := p.Accounts.CountAdmins(ctx)
	if err != nil || admins > 0 {
		return "", err
	}
	token, err := p.Accounts.NewLink(audit.WithActor(ctx, audit.Server), account.PurposeSetup, "", 24*time.Hour)
	if err != nil {
		return "", err
	}
	return p.cfg.PublicURL + "/setup?token=" + token, nil
}

// mountAPI wires the API, which is a resource of this provider.
func (p *IdP) mountAPI(mux *http.ServeMux) error {
	key, err := p.keys.Derive("api")
	if err != nil {
		return err
	}
	p.api = api.New(api.Config{
		Actions: p.Actions(), DB: p.db, Key: key, PublicURL: p.cfg.PublicURL, Now: p.now, Log: p.log,
		SignedIn: p.administrator,
	})
	p.api.Mount(mux)
	return nil
}

// administrator returns who with a role is signed in at this browser. It writes nothing and opens nothing but the description
// of the API.
func (p *IdP) administrator(r *http.Request) (admin.Actor, bool) {
	s, err := p.Sessions.Of(r)
	if err != nil || s == nil {
		return admin.Actor{}, false
	}
	who, err := p.Accounts.Active(r.Context(), s.Subject)
	if err != nil {
		return admin.Actor{}, false
	}
	return admin.Actor{Subject: who.Subject, Role: who.Role()}, who.Role() != ""
}

// scopes are those of the API.
func scopes() []string {
	var out []string
	for _, p := range admin.Permissions() {
		out = append(out, string(p))
	}
	return out
}

// withheld reports whether a person cannot give a scope to an app: one of the API that their role does not allow them.
func withheld(who *account.Account, scope string) bool {
	return admin.OfAPI(scope) && !admin.Actor{Subject: who.Subject, Role: who.Role()}.May(admin.Permission(scope))
}

// ofAPI reports whether it is programs that call a path of the API, which reads the body itself and knows no forms.
func ofAPI(path string) bool { return path == api.Prefix || strings.HasPrefix(path, api.Prefix+"/") }

// Actions returns what an administrator does to people across the domains.
func (p *IdP) Actions() *admin.Actions {
	actions := &admin.Actions{
		Accounts: p.Accounts, Sessions: p.Sessions, Consents: p.Consents, MFA: p.MFA, OAuth: p.OAuth, Audit: p.Audit,
		Brands: p.Brand, PublicURL: p.cfg.PublicURL, Mailing: p.mailing, Mail: p.tell, TryMail: p.tryMail,
		Sealed: p.sealed,
	}
	if p.Passkeys != nil {
		actions.Passkeys = p.Passkeys.Passkeys
	}
	if p.flow != nil {
		actions.Steps, actions.Withheld = p.flow.Steps, p.flow.Withheld
	}
	return actions
}
