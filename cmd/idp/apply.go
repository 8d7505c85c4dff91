package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
)

type applyCmd struct {
	File   string `short:"f" required:"" placeholder:"FILE" help:"The file; - for standard input."`
	DryRun bool   `help:"Print the plan and change nothing."`
	Prune  bool   `help:"Also delete people and clients that the file doesn't name."`
	output
}

// Run applies the file, all of it or nothing, and prints what that changed.
func (c *applyCmd) Run(a *app) error {
	var in io.Reader = a.in
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	desired, err := idp.ReadDesired(in)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		changes, err := p.Apply(a, desired, a.getenv, c.Prune, c.DryRun)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", c.File, err), errors.New("nothing was changed"))
		}
		if c.Output == "json" {
			return c.print(a, append([]idp.Change{}, changes...), "", nil)
		}
		if len(changes) == 0 {
			fmt.Fprintln(a.out, "no changes")
			return nil
		}
		for _, change := range changes {
			line := change.Action + " " + change.What
			if len(change.Fields) > 0 {
				line += ": " + strings.Join(change.Fields, ", ")
			}
			fmt.Fprintln(a.out, line)
			if change.Reach != nil {
				fmt.Fprintf(a.out, "  the policy %s\n", change.Reach)
			}
		}
		if c.DryRun {
			fmt.Fprintln(a.out, "dry run: nothing was changed")
		}
		return nil
	})
}
