package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
)

type auditExplainCmd struct {
	output
	Event string `arg:"" name:"id" help:"The id of an event, as idp audit list --output json shows it; or a user name: the person's last sign-in."`
}

// Run says why a sign-in went the way it did.
func (c *auditExplainCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, actions *admin.Actions) error {
		entries, err := actions.SignIn(a, c.Event)
		if errors.Is(err, audit.ErrNotFound) {
			entries, err = lastSignIn(a, p, actions, c.Event)
		}
		if err != nil {
			return err
		}
		if !anyExplained(entries) {
			return errors.New("this event is no part of a sign-in: idp audit list --output json says all that is on record")
		}
		x := admin.Explain(entries)
		if c.Output == "json" {
			encoder := json.NewEncoder(a.out)
			encoder.SetIndent("", "  ")
			return encoder.Encode(x)
		}
		for line := range strings.Lines(x.String()) {
			fmt.Fprintln(a.out, printable(strings.TrimSuffix(line, "\n")))
		}
		return nil
	})
}

// lastSignIn returns the entries of the newest sign-in of the person who is called who.
func lastSignIn(a *app, p *idp.IdP, actions *admin.Actions, who string) ([]audit.Entry, error) {
	subject, err := subjectOf(a, p, who)
	if err != nil {
		return nil, err
	}
	newest, err := p.Audit.List(a, audit.Filter{Subject: subject, Limit: 500})
	if err != nil {
		return nil, err
	}
	for _, e := range newest {
		if admin.Explains(e) {
			return actions.SignIn(a, e.ID)
		}
	}
	return nil, fmt.Errorf("there is neither an event of the id %q nor a sign-in of somebody who is called so", who)
}

func anyExplained(entries []audit.Entry) bool {
	for _, e := range entries {
		if admin.Explains(e) {
			return true
		}
	}
	return false
}
