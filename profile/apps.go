package profile

import (
	"net/http"
	"slices"

	"github.com/focushq/idp/admin"
)

// appsPage is the data of the page that lists which apps use the account: those that the person allowed to, and those that
// hold tokens without having asked.
type appsPage struct {
	Apps   []admin.App
	Notice string
}

func (c *Pages) apps(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	page := appsPage{Notice: c.notice(w, r)}
	var err error
	if page.Apps, err = c.Actions.Apps(r.Context(), a.Subject); err != nil {
		c.Fail(w, r, err)
		return
	}
	c.Templates.Render(w, r, http.StatusOK, "apps", page)
}

// revokeApp takes back what the person allowed to one app, and the tokens that it got.
func (c *Pages) revokeApp(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	apps, err := c.Actions.Apps(r.Context(), a.Subject)
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	id := r.PostFormValue("id")
	if !slices.ContainsFunc(apps, func(row admin.App) bool { return row.ID == id }) {
		c.Templates.Render(w, r, http.StatusNotFound, "error", notFound())
		return
	}
	if err := c.Actions.Disconnect(r.Context(), a.Subject, id); err != nil {
		c.Fail(w, r, err)
		return
	}
	c.done(w, r, "/account/apps", "notice.app_revoked")
}
