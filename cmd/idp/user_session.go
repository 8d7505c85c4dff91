package main

import (
	"errors"
	"strings"
	"time"

	"github.com/mileusna/useragent"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/session"
)

type userSessionsCmd struct {
	who
	output
}

// sessionView is where a person is signed in, as the command line shows it.
type sessionView struct {
	ID        string    `json:"id"`
	AMR       []string  `json:"amr"`
	AuthTime  time.Time `json:"auth_time"`
	SeenAt    time.Time `json:"seen_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Address   string    `json:"address"`
	Agent     string    `json:"user_agent"`
}

// Run lists the sessions of the person, the latest seen first.
func (c *userSessionsCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		found, err := c.find(a, p)
		if err != nil {
			return err
		}
		sessions, err := p.Sessions.List(a, found.Subject)
		if err != nil {
			return err
		}
		views, rows := []sessionView{}, [][]string{}
		for _, s := range sessions {
			v := sessionView{
				ID: s.ID, AMR: append([]string{}, s.AMR...), AuthTime: s.AuthTime.UTC(), SeenAt: s.SeenAt.UTC(),
				ExpiresAt: s.ExpiresAt.UTC(), Address: s.Address, Agent: s.Agent,
			}
			views = append(views, v)
			browser := useragent.Parse(v.Agent)
			rows = append(rows, []string{
				v.ID, strings.TrimSpace(browser.Name + " " + browser.OS), v.Address, strings.Join(v.AMR, " "),
				v.AuthTime.Format(time.RFC3339), v.SeenAt.Format(time.RFC3339),
			})
		}
		return c.print(a, views, "ID\tBROWSER\tADDRESS\tMETHODS\tSIGNED IN\tLAST SEEN", rows)
	})
}

type userEndSessionCmd struct {
	who
	ID string `arg:"" help:"Session, as idp user sessions names it."`
}

// Run ends the session. Whether somebody else has one of that id is not told.
func (c *userEndSessionCmd) Run(a *app) error {
	return c.each(a, "session ended", func(_ *idp.IdP, actions *admin.Actions, who *account.Account) error {
		err := actions.EndSession(a, who.Subject, c.ID)
		if errors.Is(err, session.ErrNotFound) {
			return errors.New("this person has no such session")
		}
		return err
	})
}
