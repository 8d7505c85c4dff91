package console

import (
	"net/http"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// Console shows the pages. All fields are needed.
type Console struct {
	Accounts *account.Service
	Sessions *session.Manager
	Audit    *audit.Log
	Pages    *templates.Set
	Fail     func(http.ResponseWriter, *http.Request, error)
	Now      func() time.Time

	// SignedIn returns who is signed in. Otherwise it has sent the browser to sign in, and reports false.
	SignedIn func(http.ResponseWriter, *http.Request) (*session.Session, *account.Account, bool)
}

// Mount registers the pages.
func (c *Console) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /account", c.account)
	mux.HandleFunc("GET /setup", c.showSetup)
	mux.HandleFunc("POST /setup", c.setup)
}

func (c *Console) account(w http.ResponseWriter, r *http.Request) {
	if _, a, ok := c.SignedIn(w, r); ok {
		c.Pages.Render(w, r, http.StatusOK, "account", a)
	}
}

// firstSession signs the first administrator in, with the password that was just chosen.
func (c *Console) firstSession(w http.ResponseWriter, r *http.Request, subject string) error {
	_, err := c.Sessions.Start(w, r, subject, mfa.AMR(mfa.Password))
	return err
}
