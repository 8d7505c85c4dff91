package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/console"
	"github.com/focushq/idp/oauth"
)

type clientCmd struct {
	Add          clientAddCmd    `cmd:"" help:"Register a client; its secret is printed once."`
	List         clientListCmd   `cmd:"" help:"List clients."`
	Show         clientShowCmd   `cmd:"" help:"Show a client."`
	RotateSecret clientRotateCmd `cmd:"" name:"rotate-secret" help:"Make a new secret; the one before stays good for a while."`
	Delete       clientDeleteCmd `cmd:"" help:"Delete a client with all that was granted to it."`
}

type clientAddCmd struct {
	ID                    string   `arg:"" help:"The client_id."`
	Name                  string   `help:"Name that people see."`
	RedirectURI           []string `name:"redirect-uri" required:"" help:"Redirect URI; may be repeated."`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" help:"Where to go after signing out; may be repeated."`
	AuthMethod            string   `enum:"client_secret_basic,client_secret_post,none" default:"client_secret_basic" help:"How it authenticates; none: a public client."`
	Scope                 []string `default:"openid,profile,email,mfa,offline_access" help:"Scopes that it may ask for."`
	Consent               string   `enum:"ask,skip" default:"ask" help:"Ask people, or skip for a first-party app."`
	MFA                   string   `name:"mfa" enum:"optional,required,always" default:"optional" help:"Demand for a second factor."`
	IDTokenAlg            string   `enum:"RS256,ES256,EdDSA" default:"RS256" help:"Algorithm of its ID tokens."`
	AccessToken           string   `enum:"jwt,opaque" default:"jwt" help:"Kind of its access tokens."`
}

// Run registers the client.
func (c *clientAddCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *console.Actions) error {
		secret, err := p.OAuth.Clients().Create(a, &oauth.Client{
			ID: c.ID, Name: c.Name, AuthMethod: c.AuthMethod, RedirectURIs: c.RedirectURI,
			PostLogoutRedirectURIs: c.PostLogoutRedirectURI, Scopes: c.Scope, Consent: c.Consent, MFA: c.MFA,
			IDTokenAlg: c.IDTokenAlg, AccessToken: c.AccessToken,
		}, a.getenv("IDP_CLIENT_SECRET"))
		if errors.Is(err, oauth.ErrTaken) {
			return fmt.Errorf("there is a client called %s already", c.ID)
		}
		if err != nil {
			return explain(err)
		}
		fmt.Fprintf(a.out, "added: %s\n", c.ID)
		return printSecret(a, secret)
	})
}

func printSecret(a *app, secret string) error {
	if secret == "" || secret == a.getenv("IDP_CLIENT_SECRET") {
		return nil
	}
	_, err := fmt.Fprintf(a.out, "secret: %s   (shown once)\n", secret)
	return err
}

type clientListCmd struct{ output }

// Run lists the clients.
func (c *clientListCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *console.Actions) error {
		clients, err := p.OAuth.Clients().List(a)
		if err != nil {
			return err
		}
		rows := [][]string{}
		for _, client := range clients {
			rows = append(rows, []string{client.ID, client.Name, client.AuthMethod, client.MFA, client.Consent})
		}
		return c.print(a, append([]*oauth.Client{}, clients...), "ID\tNAME\tAUTHENTICATES BY\tMFA\tCONSENT", rows)
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
	return explain(err)
}

type clientShowCmd struct {
	clientID
	output
}

// Run shows one client.
func (c *clientShowCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *console.Actions) error {
		client, err := p.OAuth.Clients().Get(a, c.ID)
		if err != nil {
			return c.known(err)
		}
		return c.print(a, client, "WHAT\tVALUE", [][]string{
			{"id", client.ID}, {"name", client.Name}, {"authenticates by", client.AuthMethod},
			{"redirect URIs", strings.Join(client.RedirectURIs, " ")}, {"scopes", strings.Join(client.Scopes, " ")},
			{"consent", client.Consent}, {"mfa", client.MFA}, {"groups", strings.Join(client.Groups, ",")},
			{"access token", client.AccessToken}, {"ID token", client.IDTokenAlg},
		})
	})
}

type clientRotateCmd struct {
	clientID
	Overlap time.Duration `default:"24h" help:"How long the secret before stays good."`
}

// Run makes and prints the new secret.
func (c *clientRotateCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *console.Actions) error {
		secret, err := p.OAuth.Clients().RotateSecret(a, c.ID, a.getenv("IDP_CLIENT_SECRET"), c.Overlap)
		if err != nil {
			return c.known(err)
		}
		fmt.Fprintf(a.out, "rotated: %s\n", c.ID)
		return printSecret(a, secret)
	})
}

type clientDeleteCmd struct{ clientID }

// Run deletes the client.
func (c *clientDeleteCmd) Run(a *app) error {
	return a.with(func(_ *idp.IdP, actions *console.Actions) error {
		if err := actions.DeleteClient(a, c.ID); err != nil {
			return c.known(err)
		}
		fmt.Fprintf(a.out, "deleted: %s\n", c.ID)
		return nil
	})
}
