package profile

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/focushq/idp/oauth"
)

// appsPage is the data of the page that lists which apps use the account: those that the person allowed to, and those that
// hold tokens without having asked.
type appsPage struct {
	Apps   []appRow
	Notice string
}

type appRow struct {
	ID, Name string
	Scopes   []string // that were allowed
	At       time.Time
	Own      bool // an administrator vouches for it: nobody is asked
}

func (c *Pages) apps(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	page := appsPage{Notice: c.notice(w, r)}
	var err error
	if page.Apps, err = c.connected(r.Context(), a.Subject); err != nil {
		c.Fail(w, r, err)
		return
	}
	c.Templates.Render(w, r, http.StatusOK, "apps", page)
}

// connected returns the apps that use the account of subject, by id.
func (c *Pages) connected(ctx context.Context, subject string) ([]appRow, error) {
	grants, err := c.Actions.Consents.List(ctx, subject)
	if err != nil {
		return nil, err
	}
	connections, err := c.Actions.OAuth.Connections(ctx, subject)
	if err != nil {
		return nil, err
	}
	var found []appRow
	for _, grant := range grants {
		if len(grant.Granted) > 0 {
			oauth.SortScopes(grant.Granted)
			found = append(found, appRow{ID: grant.Client, Scopes: grant.Granted, At: grant.At})
		}
	}
	for _, held := range connections {
		if !slices.ContainsFunc(found, func(row appRow) bool { return row.ID == held.Client }) {
			found = append(found, appRow{ID: held.Client, At: held.Since})
		}
	}
	slices.SortFunc(found, func(a, b appRow) int { return cmp.Compare(a.ID, b.ID) })
	rows := found[:0]
	for _, row := range found {
		client, err := c.Actions.OAuth.Clients().Get(ctx, row.ID)
		if errors.Is(err, oauth.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		row.Name, row.Own = client.Name, row.Scopes == nil && client.Consent == "skip"
		rows = append(rows, row)
	}
	return rows, nil
}

// revokeApp takes back what the person allowed to one app, and the tokens that it got.
func (c *Pages) revokeApp(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	apps, err := c.connected(r.Context(), a.Subject)
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	id := r.PostFormValue("id")
	if !slices.ContainsFunc(apps, func(row appRow) bool { return row.ID == id }) {
		c.Templates.Render(w, r, http.StatusNotFound, "error", notFound())
		return
	}
	if err := c.Actions.Disconnect(r.Context(), a.Subject, id); err != nil {
		c.Fail(w, r, err)
		return
	}
	c.done(w, r, "/account/apps", "notice.app_revoked")
}
