package main

import (
	"fmt"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
)

type adminCmd struct {
	Recover adminRecoverCmd `cmd:"" help:"Print a one-time link that makes an administrator, also when there is one: for when none can sign in."`
}

type adminRecoverCmd struct{ output }

// Run makes the link. The server need not run; where it does, the link works at once.
func (c *adminRecoverCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		link, err := p.RecoverLink(a)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return c.print(a, struct {
				Link  string `json:"link"`
				Hours int    `json:"valid_hours"`
			}{link, int(idp.RecoverLife.Hours())}, "", nil)
		}
		fmt.Fprintf(a.out, "make an administrator within an hour at\n\n    %s\n\n", link)
		fmt.Fprint(a.out, "It works once; a link printed before is void. To help an administrator that there is, instead:\n"+
			"    idp user reset-mfa NAME --reason WHY    when the phone and the recovery codes are lost\n"+
			"    idp user set-password NAME              when the password is\n")
		return nil
	})
}
