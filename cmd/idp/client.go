package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

type clientCmd struct {
	Add               clientAddCmd         `cmd:"" help:"Register a client; its secret is printed once."`
	List              clientListCmd        `cmd:"" help:"List clients."`
	Show              clientShowCmd        `cmd:"" help:"Show a client."`
	RotateSecret      clientRotateCmd      `cmd:"" name:"rotate-secret" help:"Make a new secret; the one before stays good for a while."`
	EndFormerSecret   clientEndSecretCmd   `cmd:"" name:"end-former-secret" help:"End the secret before the last rotation at once."`
	UnknownIDs        clientUnknownCmd     `cmd:"" name:"unknown-ids" help:"List the ids that came lately and that no client has."`
	RegistrationToken registrationTokenCmd `cmd:"" name:"registration-token" help:"Print a token with which apps may register themselves."`
	Delete            clientDeleteCmd      `cmd:"" help:"Delete a client with all that was granted to it."`
}

type clientListCmd struct{ output }

// Run lists the clients.
func (c *clientListCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		clients, err := p.OAuth.Clients().List(a)
		if err != nil {
			return err
		}
		rows := [][]string{}
		for _, client := range clients {
			how := "by us"
			if client.Dynamic {
				how = "by itself"
			}
			rows = append(rows, []string{client.ID, client.Name, client.AuthMethod, client.MFA, client.Consent, how})
		}
		return c.print(a, append([]*oauth.Client{}, clients...), "ID\tNAME\tAUTHENTICATES BY\tMFA\tCONSENT\tREGISTERED", rows)
	})
}

// clientID is the argument of commands about one client.
type clientID struct {
	ID string `arg:"" help:"The client_id."`
}

func (c clientID) known(err error) error {
	if errors.Is(err, oauth.ErrNotFound) {
		return fmt.Errorf("there is no client called %s", c.ID)
	}
	return err
}

type clientShowCmd struct {
	clientID
	output
}

// Run shows one client.
func (c *clientShowCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		client, err := p.OAuth.Clients().Get(a, c.ID)
		if err != nil {
			return c.known(err)
		}
		shown := clientView{Client: client, Version: client.Version, Reserved: p.OAuth.Clients().Reserved(c.ID)}
		shown.Secrets = append([]oauth.LiveSecret{}, p.OAuth.Clients().Secrets(client)...)
		if until := client.SecretOverlap().UTC(); until.After(time.Now()) {
			shown.OldSecretUntil = &until
		}
		if shown.LogoProblem, err = p.OAuth.Clients().LogoProblem(a, client); err != nil {
			return err
		}
		problems, err := p.OAuth.Clients().Problems(a, c.ID)
		if err != nil {
			return c.known(err)
		}
		shown.Problems = worded(problems)
		if err := c.print(a, shown, "WHAT\tVALUE", shown.described()); err != nil || c.Output == "json" || len(problems) == 0 {
			return err
		}
		fmt.Fprintln(a.out)
		return c.print(a, nil, problemHeader, shown.Problems.rows())
	})
}

// clientView is a client as the command line shows it.
type clientView struct {
	*oauth.Client
	Version        int64              `json:"version"`
	Reserved       bool               `json:"reserved,omitempty"`         // the provider's own
	Secrets        []oauth.LiveSecret `json:"secrets"`                    // that are good now
	OldSecretUntil *time.Time         `json:"old_secret_until,omitempty"` // until then the secret before is good too
	LogoProblem    string             `json:"logo_problem,omitempty"`     // why there is no copy of the logo
	Problems       wordedProblems     `json:"problems"`                   // that were lately
}

// described lists what is set of the client.
func (c clientView) described() [][]string {
	if c.AuthMethod == "private_key_jwt" {
		c.AuthAlg = cmp.Or(c.AuthAlg, "what suits its keys")
	}
	all := [][]string{
		{"id", c.ID}, {"name", c.Name}, {"authenticates by", c.AuthMethod}, {"signs assertions by", c.AuthAlg}, {"keys at", c.JWKSURI},
		{"redirect URIs", strings.Join(c.RedirectURIs, " ")}, {"after signing out", strings.Join(c.PostLogoutRedirectURIs, " ")},
		{"back-channel logout", c.BackchannelLogoutURI}, {"front-channel logout", c.FrontchannelLogoutURI},
		{"grant types", strings.Join(c.GrantTypes, " ")}, {"scopes", strings.Join(c.Scopes, " ")}, {"resources", strings.Join(c.Resources, " ")},
		{"consent", c.Consent}, {"mfa", c.MFA}, {"groups", strings.Join(c.Groups, ",")}, {"access token", c.AccessToken},
		{"ID token", c.IDTokenAlg}, {"signed userinfo", c.UserinfoAlg}, {"homepage", c.ClientURI}, {"logo", c.LogoURI},
		{"privacy policy", c.PolicyURI}, {"terms", c.TermsURI}, {"contacts", strings.Join(c.Contacts, " ")},
		{"begins sign-ins at", c.InitiateLoginURI}, {"software", strings.TrimSpace(c.SoftwareID + " " + c.SoftwareVersion)},
	}
	if c.LogoProblem != "" {
		all = append(all, []string{"logo is not shown", c.LogoProblem})
	}
	for _, secret := range c.Secrets {
		if !secret.Former && !secret.Since.IsZero() {
			all = append(all, []string{"secret", "is good since " + secret.Since.UTC().Format(time.RFC3339)})
		}
	}
	if c.OldSecretUntil != nil {
		all = append(all, []string{"secret before the last", "is good until " + c.OldSecretUntil.Format(time.RFC3339)})
	}
	if c.JWKS != nil {
		all = append(all, []string{"keys", strconv.Itoa(len(c.JWKS.Keys))})
	}
	for _, life := range []struct {
		what string
		life oauth.Seconds
	}{
		{"access token lives", c.AccessTokenLife}, {"ID token lives", c.IDTokenLife}, {"refresh token rests", c.RefreshTokenIdle},
		{"refresh token lives", c.RefreshTokenLife},
	} {
		if life.life > 0 {
			all = append(all, []string{life.what, (time.Duration(life.life) * time.Second).String()})
		}
	}
	for _, flag := range []struct {
		what string
		set  bool
	}{
		{"must use PKCE", c.RequirePKCE}, {"must push requests", c.RequirePAR}, {"tokens bound by DPoP", c.DPoPBound},
		{"may introspect", c.Introspect}, {"registered itself", c.Dynamic}, {"disabled", c.Disabled},
		{"the provider's own", c.Reserved},
	} {
		if flag.set {
			all = append(all, []string{flag.what, "yes"})
		}
	}
	return slices.DeleteFunc(all, func(row []string) bool { return row[1] == "" })
}

type clientDeleteCmd struct {
	clientID
	output
}

// Run deletes the client.
func (c *clientDeleteCmd) Run(a *app) error {
	return a.with(func(_ *idp.IdP, actions *admin.Actions) error {
		if err := actions.DeleteClient(a, c.ID); err != nil {
			return c.known(err)
		}
		return c.done(a, "deleted", c.ID)
	})
}
