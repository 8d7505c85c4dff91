package main

import (
	"fmt"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
)

type clientRotateCmd struct {
	clientID
	Overlap time.Duration `default:"24h" help:"How long the secret before stays good: 0 to 720h."`
	output
}

// Run makes and prints the new secret.
func (c *clientRotateCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		secret, err := p.OAuth.Clients().RotateSecret(a, c.ID, a.getenv("IDP_CLIENT_SECRET"), c.Overlap)
		if err != nil {
			return c.known(err)
		}
		client, err := p.OAuth.Clients().Get(a, c.ID)
		if err != nil {
			return err
		}
		until := client.SecretOverlap().UTC()
		if err := c.output.secret(a, "rotated", struct {
			ID    string    `json:"id"`
			Until time.Time `json:"old_secret_until"`
		}{c.ID, until}, c.ID, secret); err != nil || c.Output == "json" {
			return err
		}
		good := "no more"
		if until.After(time.Now()) {
			good = "until " + until.Format(time.RFC3339)
		}
		_, err = fmt.Fprintln(a.out, "the secret before is good "+good)
		return err
	})
}

type clientEndSecretCmd struct {
	clientID
	output
}

// Run ends the former secret.
func (c *clientEndSecretCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		if err := p.OAuth.Clients().EndFormerSecret(a, c.ID, 0); err != nil {
			return c.known(err)
		}
		return c.done(a, "ended the former secret of", c.ID)
	})
}

// done tells of something that was done to the client id.
func (o output) done(a *app, what, id string) error {
	if o.Output == "json" {
		return o.print(a, map[string]string{"id": id, "done": what}, "", nil)
	}
	_, err := fmt.Fprintf(a.out, "%s: %s\n", what, id)
	return err
}
