package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/focushq/idp"
)

type doctorCmd struct{ output }

// Run examines the installation; it fails when something must be mended.
func (c *doctorCmd) Run(a *app) error {
	x := idp.Examination{Files: idp.SecretFiles(a.getenv)}
	x.Config, x.Invalid = a.config()
	if a.file != "" {
		x.Files["--config"] = a.file
	}
	found := idp.Examine(a, x)
	wrong := 0
	for _, f := range found {
		if f.Verdict == idp.Wrong {
			wrong++
		}
	}
	if err := c.show(a, found, wrong == 0); err != nil {
		return err
	}
	switch wrong {
	case 0:
		return nil
	case 1:
		return errors.New("one thing must be mended")
	}
	return fmt.Errorf("%d things must be mended", wrong)
}

// show prints a line for each check, and below one that is not ok what to do.
func (c *doctorCmd) show(a *app, found []idp.Finding, ok bool) error {
	if c.Output == "json" {
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			OK     bool          `json:"ok"`
			Checks []idp.Finding `json:"checks"`
		}{ok, found})
	}
	table := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	for _, f := range found {
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Verdict, f.Check, printable(f.Text))
		if f.Do != "" {
			fmt.Fprintf(table, "\t\t→ %s\n", printable(f.Do))
		}
	}
	return table.Flush()
}
