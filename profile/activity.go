package profile

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mileusna/useragent"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// activityPage is the data of the page that tells people what happened to their account.
type activityPage struct {
	Rows     []activityRow
	Next     string // the query of the page after this one; "": there is none
	Later    bool   // there are pages before this one
	Enrolled bool
}

type activityRow struct {
	At              time.Time
	What            admin.Sentence
	Name            string // of a factor
	By              string // a message
	App             string // its name
	Browser, System string
	Address         string
}

// activityRows is how many rows a page shows.
const activityRows = 30

// activity shows a person their own trail. Of those who administer others it tells that they did something, and neither who
// they are nor where they were.
func (c *Pages) activity(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	from := r.URL.Query().Get("from")
	f := audit.Filter{Subject: a.Subject, Notable: true, Limit: activityRows}
	entries, next, err := c.Actions.Audit.Page(r.Context(), f, from)
	if errors.Is(err, audit.ErrCursor) {
		c.Templates.Render(w, r, http.StatusBadRequest, "error", templates.Error{Status: http.StatusBadRequest, Code: "invalid_request"})
		return
	}
	page := activityPage{Later: from != ""}
	if next != "" {
		page.Next = url.Values{"from": {next}}.Encode()
	}
	if err == nil {
		page.Rows, err = c.activityRows(r.Context(), entries)
	}
	if err == nil {
		page.Enrolled, err = c.Actions.MFA.Enrolled(r.Context(), a.Subject)
	}
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	c.Templates.Render(w, r, http.StatusOK, "activity", page)
}

// activityRows words entries, which are all of one person.
func (c *Pages) activityRows(ctx context.Context, entries []audit.Entry) ([]activityRow, error) {
	names := map[string]string{}
	rows := make([]activityRow, 0, len(entries))
	for _, e := range entries {
		row := activityRow{At: e.At, What: admin.TrailWords(e), Name: e.Detail["name"], By: doer(e)}
		if row.By == byAdministrator { // through which program, and from where, is the administrator's own business
			rows = append(rows, row)
			continue
		}
		browser := useragent.Parse(e.Request.Agent)
		row.Browser, row.System, row.Address = browser.Name, browser.OS, e.Request.Address
		if e.Client != "" {
			if _, known := names[e.Client]; !known {
				client, err := c.Actions.OAuth.Clients().Get(ctx, e.Client)
				switch {
				case err == nil:
					names[e.Client] = client.Name
				case errors.Is(err, oauth.ErrNotFound):
					names[e.Client] = e.Client
				default:
					return nil, err
				}
			}
			row.App = names[e.Client]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

const byAdministrator = "activity.by.administrator"

// doer says who did e to the person whom it concerns. A program that does more than ask for its tokens administers.
func doer(e audit.Entry) string {
	switch {
	case e.Actor == e.Subject && admin.RefusedFactor(e):
		return "activity.by.password"
	case e.Actor == e.Subject:
		return "activity.by.you"
	case e.Actor == audit.Anonymous:
		return "activity.by.nobody"
	case e.Actor == audit.Server:
		return "activity.by.server"
	case e.Actor == e.Client && strings.HasPrefix(e.Action, "oauth."):
		return "activity.by.app"
	}
	return byAdministrator
}
