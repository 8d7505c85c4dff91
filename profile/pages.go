package profile

import (
	"net/http"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// Pages are the pages. All fields are needed.
type Pages struct {
	Accounts  *account.Service
	Sessions  *session.Manager
	Actions   *admin.Actions
	Templates *templates.Set
	Fail      func(http.ResponseWriter, *http.Request, error)
	Now       func() time.Time
	Mailing   bool // links are sent by mail; otherwise an administrator hands them over

	// SignedIn returns who is signed in, Fresh who has proved it within the last minutes, and FreshFactor who has done so with
	// their second factor, if they have one: the page asks for the password itself. Otherwise they have sent the browser to
	// do so, and report false.
	SignedIn, Fresh, FreshFactor func(http.ResponseWriter, *http.Request) (*session.Session, *account.Account, bool)
}

// Mount registers the pages.
func (c *Pages) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /account", c.account)
	mux.HandleFunc("GET /account/password", c.showPassword)
	mux.HandleFunc("POST /account/password", c.changePassword)
	mux.HandleFunc("GET /account/sessions", c.sessions)
	mux.HandleFunc("POST /account/sessions/end", c.endSession)
	mux.Handle("GET /account/sessions/end", http.RedirectHandler("/account/sessions", http.StatusSeeOther)) // after a fresh proof
	mux.HandleFunc("GET /account/activity", c.activity)
	mux.HandleFunc("GET /account/apps", c.apps)
	mux.HandleFunc("POST /account/apps/revoke", c.revokeApp)
	mux.Handle("GET /account/devices", http.RedirectHandler("/account/mfa#devices", http.StatusSeeOther))
	mux.Handle("GET /.well-known/change-password", http.RedirectHandler("/account/password", http.StatusSeeOther))
	c.mountLinks(mux)
	mux.HandleFunc("GET /setup", c.showSetup)
	mux.HandleFunc("POST /setup", c.setup)
}

// firstSession signs the first administrator in, with the password that was just chosen: as at any other sign-in, that is when they
// were last here, and this browser is theirs from now on.
func (c *Pages) firstSession(w http.ResponseWriter, r *http.Request, who *account.Account) error {
	if err := c.Accounts.SignedIn(r.Context(), who); err != nil {
		return err
	}
	if _, err := c.Sessions.Start(w, r, who.Subject, mfa.AMR(mfa.Password)); err != nil {
		return err
	}
	c.know(w, r, who)
	return nil
}
