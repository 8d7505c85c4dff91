package main

import (
	"strconv"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

// wordedProblem is a problem with its words.
type wordedProblem struct {
	oauth.ClientProblem
	Words string `json:"words"`
}

type wordedProblems []wordedProblem

func worded(problems []oauth.ClientProblem) wordedProblems {
	out := wordedProblems{}
	for _, p := range problems {
		out = append(out, wordedProblem{p, p.Words()})
	}
	return out
}

const problemHeader = "LAST\tTIMES\tFROM\tWHAT WENT WRONG LATELY"

// rows returns the problems as a table has them.
func (w wordedProblems) rows() (rows [][]string) {
	for _, p := range w {
		words := p.Words
		if p.Settled {
			words += " (settled since)"
		}
		rows = append(rows, []string{p.Last.UTC().Format(time.RFC3339), strconv.FormatInt(p.Times, 10), p.Network, words})
	}
	return rows
}

type clientUnknownCmd struct{ output }

// Run lists the unknown ids.
func (c *clientUnknownCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		problems, err := p.OAuth.Clients().UnknownClients(a)
		if err != nil {
			return err
		}
		shown := worded(problems)
		return c.print(a, shown, problemHeader, shown.rows())
	})
}
