package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"List what happened, newest first."`
	Verify auditVerifyCmd `cmd:"" help:"Look whether a row was altered, removed, inserted or put in another order; exits with 1 if so."`
	Export auditExportCmd `cmd:"" help:"Write what happened as JSON lines, oldest first."`

	Explain auditExplainCmd `cmd:"" help:"Say why a sign-in went the way it did: what was asked for, by which rule, and what the app reads."`
}

// period are the flags of commands that look at a part of the trail.
type period struct {
	Since string `help:"From this moment on: 2026-11-30, 2026-11-30T08:00:00Z, or 24h for that long ago." placeholder:"TIME"`
	Until string `help:"Before this moment." placeholder:"TIME"`
}

func (p period) filter(now time.Time) (f audit.Filter, err error) {
	if f.Since, err = instant("--since", p.Since, now); err != nil {
		return f, err
	}
	f.Until, err = instant("--until", p.Until, now)
	return f, err
}

// instant reads a day (UTC), a moment or a time ago; "" is none.
func instant(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, usageError(flag + ": " + strconv.Quote(text) + " is none of 2026-11-30, 2026-11-30T08:00:00Z and 24h")
	}
	return now.Add(-ago), nil
}

type auditListCmd struct {
	output
	period
	Action  string `help:"Only this action, such as sign_in." placeholder:"ACTION"`
	Actor   string `help:"Only what this one did: a user name, a subject, a client's id, or - for strangers." placeholder:"WHO"`
	Subject string `help:"Only what concerns this person: a user name or a subject." placeholder:"WHO"`
	Client  string `help:"Only through this app." placeholder:"ID"`
	Result  string `help:"Only with this result, such as refused." placeholder:"RESULT"`
	Limit   int    `help:"How many at most; 0: all." default:"50"`
}

// Run lists the entries.
func (c *auditListCmd) Run(a *app) error {
	if c.Limit < 0 {
		return usageError("--limit must not be negative")
	}
	f, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	f.Action, f.Client, f.Result = c.Action, c.Client, c.Result
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		if f.Actor, err = subjectOf(a, p, c.Actor); err != nil {
			return err
		}
		if f.Subject, err = subjectOf(a, p, c.Subject); err != nil {
			return err
		}
		all := []audit.Entry{}
		for {
			if f.Limit = 500; c.Limit > 0 {
				f.Limit = min(f.Limit, c.Limit-len(all))
			}
			page, err := p.Audit.List(a, f)
			if err != nil {
				return err
			}
			all = append(all, page...)
			if len(page) < f.Limit || len(all) == c.Limit {
				break
			}
			f.Before = page[len(page)-1].ID
		}
		names, err := namesIn(a, p, all)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, e := range all {
			action := e.Action
			if e.Forged {
				action = "FORGED " + action
			}
			row := []string{e.At.UTC().Format(time.RFC3339)}
			for _, value := range []string{action, cmp.Or(names[e.Actor], e.Actor), cmp.Or(names[e.Subject], e.Subject), e.Client, e.Result, e.Request.Address} {
				row = append(row, printable(value))
			}
			rows = append(rows, row)
		}
		return c.print(a, all, "TIME\tACTION\tACTOR\tSUBJECT\tCLIENT\tRESULT\tADDRESS", rows)
	})
}

// namesIn returns the user names of the people in entries, by subject. Of those who are gone there is nothing but the subject.
func namesIn(a *app, p *idp.IdP, entries []audit.Entry) (map[string]string, error) {
	var subjects []string
	for _, e := range entries {
		subjects = append(subjects, e.Actor, e.Subject)
	}
	return p.Accounts.Usernames(a, subjects)
}

// printable is s without what a terminal would obey: a forged row holds what its author likes.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}

// subjectOf returns the subject of somebody who is called who, or who itself: the trail outlives people, and others than
// people act as well.
func subjectOf(a *app, p *idp.IdP, who string) (string, error) {
	if who == "" {
		return "", nil
	}
	found, err := p.Accounts.ByUsername(a, who)
	if errors.Is(err, account.ErrNotFound) {
		return who, nil
	}
	if err != nil {
		return "", err
	}
	return found.Subject, nil
}

type auditVerifyCmd struct {
	output
	Anchor []string `help:"Wants the chain to be this at this place: SEQ:LINK, as an earlier verify or the log wrote it. May be repeated." placeholder:"SEQ:LINK"`
}

// Run verifies the whole trail, whether or not the provider runs.
func (c *auditVerifyCmd) Run(a *app) error {
	var anchors []audit.Anchor
	for _, text := range c.Anchor {
		anchor, err := audit.ParseAnchor(text)
		if err != nil {
			return usageError("--anchor: " + strconv.Quote(text) + " is not SEQ:LINK, as idp audit verify and the log write it")
		}
		anchors = append(anchors, anchor)
	}
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		if err := linkNewest(a, p); err != nil {
			return err
		}
		report, err := p.Audit.Verify(a, anchors...)
		if err != nil {
			return err
		}
		if err := c.show(a, report); err != nil {
			return err
		}
		if !report.OK() {
			first := report.Problems[0]
			return fmt.Errorf("the audit trail is not as it was written; first: %s: %s", first.Where(), first.Words())
		}
		return nil
	})
}

// show prints the report.
func (c *auditVerifyCmd) show(a *app, r *audit.Report) error {
	if c.Output == "json" {
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			OK bool `json:"ok"`
			*audit.Report
		}{r.OK(), r})
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(a.out, "bad: %s: %s: %s\n", problem.Where(), problem.What, problem.Words())
	}
	if more := r.Wrong - len(r.Problems); more > 0 {
		fmt.Fprintf(a.out, "and %d more\n", more)
	}
	fmt.Fprintf(a.out, "rows: %d, from seq %d\n", r.Rows, r.From)
	if r.Waiting > 0 {
		fmt.Fprintf(a.out, "not linked yet: %d\n", r.Waiting)
	}
	if r.Sealed > 0 {
		fmt.Fprintf(a.out, "written by an older release, and proved only from %s on: %d\n", r.Began.Format(time.RFC3339), r.Sealed)
	}
	if r.Removed > 0 {
		fmt.Fprintf(a.out, "removed by audit_retention: %d\n", r.Removed)
	}
	if r.OK() {
		fmt.Fprintf(a.out, "nothing was altered, removed, inserted or put in another order\nanchor: %s\n", r.Head)
	}
	return nil
}

// linkNewest gives the newest rows their places. What is wrong with the trail is for verify to say.
func linkNewest(a *app, p *idp.IdP) error {
	_, err := p.Audit.Link(a)
	if errors.As(err, new(*audit.Problem)) {
		return nil
	}
	return err
}

type auditExportCmd struct{ period }

// Run writes the entries.
func (c *auditExportCmd) Run(a *app) error {
	f, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		if err := linkNewest(a, p); err != nil {
			return err
		}
		out := bufio.NewWriter(a.out)
		encoder := json.NewEncoder(out)
		err := p.Audit.Each(a, f, func(e audit.Entry) error { return encoder.Encode(e) })
		return errors.Join(err, out.Flush())
	})
}
