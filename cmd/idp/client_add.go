package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v3"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

type clientAddCmd struct {
	ID                    string   `arg:"" help:"The client_id."`
	Name                  string   `help:"Name that people see."`
	RedirectURI           []string `name:"redirect-uri" sep:"none" help:"Redirect URI; may be repeated."`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" sep:"none" help:"Where to go after signing out; may be repeated."`
	BackchannelLogoutURI  string   `name:"backchannel-logout-uri" help:"Where we tell the app of a logout."`
	FrontchannelLogoutURI string   `name:"frontchannel-logout-uri" help:"What the browser loads at a logout."`
	AuthMethod            string   `enum:"client_secret_basic,client_secret_post,private_key_jwt,none" default:"client_secret_basic" help:"How it authenticates: client_secret_basic, client_secret_post, private_key_jwt, or none for a public client."`
	AuthAlg               string   `enum:",RS256,PS256,ES256,EdDSA" default:"" help:"Algorithm of its assertions, for private_key_jwt: RS256, PS256, ES256 or EdDSA; what suits its keys unless given."`
	JWKS                  string   `name:"jwks" placeholder:"FILE" help:"File of its public keys, a JSON Web Key set."`
	JWKSURI               string   `name:"jwks-uri" help:"Where it publishes its keys."`
	GrantType             []string `name:"grant-type" default:"authorization_code,refresh_token" help:"authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:device_code."`
	Scope                 []string `default:"openid,profile,email,mfa,offline_access" help:"Scopes that it may ask for."`
	Resource              []string `name:"resource" sep:"none" help:"What it may ask tokens for beside us; may be repeated."`
	Introspect            bool     `help:"It may introspect other clients' tokens."`
	Group                 []string `help:"Who may use it; everybody unless given."`
	Consent               string   `enum:"ask,skip" default:"ask" help:"ask people, or skip for a first-party app; a public client always asks."`
	MFA                   string   `name:"mfa" enum:"optional,required,always" default:"optional" help:"Demand for a second factor: optional, required (a remembered device counts) or always (it does not)."`
	IDTokenAlg            string   `enum:"RS256,ES256,EdDSA" default:"RS256" help:"Algorithm of its ID tokens: RS256, ES256 or EdDSA."`
	UserinfoAlg           string   `enum:",RS256,ES256,EdDSA" default:"" help:"RS256, ES256 or EdDSA for signed userinfo; plain JSON unless given."`
	AccessToken           string   `enum:"jwt,opaque" default:"jwt" help:"Kind of its access tokens: jwt or opaque."`
	RequirePKCE           bool     `name:"require-pkce" help:"It must use PKCE; public clients always must."`
	RequirePAR            bool     `name:"require-par" help:"It must push its authorization requests."`
	DPoP                  bool     `name:"dpop" help:"Its tokens are bound to its keys."`
	LogoURI               string   `name:"logo-uri" help:"Its logo, which is copied."`
	PolicyURI             string   `name:"policy-uri" help:"Its privacy policy."`
	TermsURI              string   `name:"tos-uri" help:"Its terms of service."`
	output
}

// Run registers the client.
func (c *clientAddCmd) Run(a *app) error {
	if c.ID == "" {
		return usageError("the client_id is missing")
	}
	if slices.Contains(c.GrantType, "authorization_code") && len(c.RedirectURI) == 0 {
		return usageError("--redirect-uri is missing, or --grant-type for an app that sends nobody here")
	}
	client := &oauth.Client{
		ID: c.ID, Name: c.Name, AuthMethod: c.AuthMethod, AuthAlg: c.AuthAlg, JWKSURI: c.JWKSURI, RedirectURIs: c.RedirectURI,
		PostLogoutRedirectURIs: c.PostLogoutRedirectURI, BackchannelLogoutURI: c.BackchannelLogoutURI,
		FrontchannelLogoutURI: c.FrontchannelLogoutURI, GrantTypes: c.GrantType, Scopes: c.Scope, Resources: c.Resource,
		Introspect: c.Introspect, Groups: c.Group, Consent: c.Consent, MFA: c.MFA, IDTokenAlg: c.IDTokenAlg, UserinfoAlg: c.UserinfoAlg,
		AccessToken: c.AccessToken, RequirePKCE: c.RequirePKCE, RequirePAR: c.RequirePAR, DPoPBound: c.DPoP,
		LogoURI: c.LogoURI, PolicyURI: c.PolicyURI, TermsURI: c.TermsURI,
	}
	if c.JWKS != "" {
		text, err := os.ReadFile(c.JWKS)
		if err != nil {
			return err
		}
		client.JWKS = new(jose.JSONWebKeySet)
		if err := json.Unmarshal(text, client.JWKS); err != nil {
			return fmt.Errorf("%s: this is no JSON Web Key set, as {\"keys\": […]} (a PEM file must be converted): %w", c.JWKS, err)
		}
	}
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		secret, err := p.OAuth.Clients().Create(a, client, a.getenv("IDP_CLIENT_SECRET"))
		if errors.Is(err, oauth.ErrTaken) {
			return fmt.Errorf("there is a client called %s already", c.ID)
		}
		if err != nil {
			return err
		}
		return c.output.secret(a, "added", client.WithDefaults(), c.ID, secret)
	})
}

// secret prints what was done to the client id and its new secret, unless whoever called knows it already. With JSON
// the secret is one more member of value.
func (o output) secret(a *app, done string, value any, id, secret string) error {
	if secret == a.getenv("IDP_CLIENT_SECRET") {
		secret = ""
	}
	if o.Output == "json" {
		members := map[string]any{}
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&members); err != nil {
			return err
		}
		if secret != "" {
			members["secret"] = secret
		}
		return o.print(a, members, "", nil)
	}
	fmt.Fprintf(a.out, "%s: %s\n", done, id)
	if secret == "" {
		return nil
	}
	_, err := fmt.Fprintf(a.out, "secret: %s   (shown once)\n", secret)
	return err
}

type registrationTokenCmd struct {
	Life time.Duration `default:"24h" help:"How long the token is good."`
	Uses int           `default:"1" help:"How many apps may register with it."`
	output
}

// Run makes the token and prints it, the only time that it is shown.
func (c *registrationTokenCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		expires := time.Now().Add(c.Life).UTC().Truncate(time.Second)
		token, err := p.OAuth.Clients().NewRegistrationToken(a, c.Life, c.Uses)
		if err != nil {
			return err
		}
		if !cfg.DynamicRegistration {
			fmt.Fprintln(a.err, "note: registration is off; set dynamic_registration to true for the server")
		}
		if c.Output == "json" {
			return c.print(a, map[string]any{"token": token, "uses": c.Uses, "expires_at": expires}, "", nil)
		}
		_, err = fmt.Fprintln(a.out, token)
		return err
	})
}
