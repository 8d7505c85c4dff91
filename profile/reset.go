package profile

import (
	"errors"
	"net/http"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/throttle"
	"github.com/focushq/idp/templates"
)

// mountLinks registers the pages for people who have no password, or none that they know.
func (c *Pages) mountLinks(mux *http.ServeMux) {
	mux.HandleFunc("GET /reset", c.showReset)
	mux.HandleFunc("POST /reset", c.askReset)
	mux.HandleFunc("GET /reset/sent", c.resetSent)
	mux.HandleFunc("GET "+admin.ResetPath, c.showLink(account.PurposeReset))
	mux.HandleFunc("POST "+admin.ResetPath, c.takeLink(account.PurposeReset))
	mux.HandleFunc("GET "+admin.InvitePath, c.showLink(account.PurposeInvite))
	mux.HandleFunc("POST "+admin.InvitePath, c.takeLink(account.PurposeInvite))
}

// resetPage is the data of the page that asks who forgot their password.
type resetPage struct {
	Query    string // of the sign-in to go back to
	Username string
	Mailing  bool // otherwise an administrator makes the link
	Problem  *templates.Problem
}

func (c *Pages) showReset(w http.ResponseWriter, r *http.Request) {
	c.Templates.Render(w, r, http.StatusOK, "reset", resetPage{Query: r.URL.RawQuery, Mailing: c.Mailing})
}

// askReset has a link sent. The answer, and the time until it comes, are the same whoever the name belongs to.
func (c *Pages) askReset(w http.ResponseWriter, r *http.Request) {
	page := resetPage{Query: r.URL.RawQuery, Username: r.PostFormValue("username"), Mailing: c.Mailing}
	if !c.Mailing {
		c.Templates.Render(w, r, http.StatusOK, "reset", page)
		return
	}
	status := http.StatusUnprocessableEntity
	if strings.TrimSpace(page.Username) == "" {
		page.Problem = &templates.Problem{ID: "problem.username.empty", Field: "username"}
		c.Templates.Render(w, r, status, "reset", page)
		return
	}
	var wait *throttle.Error
	info := audit.RequestOf(r.Context())
	err := c.Accounts.AskReset(r.Context(), page.Username, info.Address, info.Language)
	switch {
	case errors.As(err, &wait):
		page.Problem = templates.Throttled(w, wait.Until, c.Now())
		c.Templates.Render(w, r, http.StatusTooManyRequests, "reset", page)
	case err != nil:
		c.Fail(w, r, err)
	default:
		target := *r.URL
		target.Path = "/reset/sent"
		http.Redirect(w, r, target.RequestURI(), http.StatusSeeOther)
	}
}

func (c *Pages) resetSent(w http.ResponseWriter, r *http.Request) {
	login := *r.URL
	login.Path = "/login"
	c.Templates.Render(w, r, http.StatusOK, "message", templates.Message{
		Title: "reset.sent.title", Text: "reset.sent.text", Link: login.RequestURI(), Label: "reset.back",
	})
}

// showLink shows the form to whoever has the one-time link. Looking at it does not spend it.
func (c *Pages) showLink(purpose string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := r.URL.Query().Get("token")
		if a, ok := c.linked(w, r, purpose, token); ok {
			c.Templates.Render(w, r, http.StatusOK, "password", c.linkPage(r, purpose, token, a))
		}
	}
}

func (c *Pages) linkPage(r *http.Request, purpose, token string, a *account.Account) passwordPage {
	return passwordPage{
		Action: admin.LinkPath(purpose), Query: r.URL.RawQuery, Username: a.Username, Token: token, First: purpose == account.PurposeInvite,
		MinPassword: c.Accounts.MinPassword(),
	}
}

// linked returns whose password token sets; otherwise it has said that it does not, without a form.
func (c *Pages) linked(w http.ResponseWriter, r *http.Request, purpose, token string) (*account.Account, bool) {
	subject, err := c.Accounts.Link(r.Context(), purpose, token)
	var a *account.Account
	if err == nil {
		a, err = c.Accounts.Active(r.Context(), subject)
	}
	if err != nil {
		c.linkFailed(w, r, err)
	}
	return a, err == nil
}

func (c *Pages) linkFailed(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, account.ErrNotFound) && !errors.Is(err, account.ErrDisabled) {
		c.Fail(w, r, err)
		return
	}
	c.Templates.Render(w, r, http.StatusNotFound, "message", templates.Message{
		Title: "reset.gone.title", Text: "reset.gone.text", Link: "/reset", Label: "reset.gone.link", Alert: true,
	})
}

// takeLink sets the password and leads to the sign-in, which asks for it and for what else is due.
func (c *Pages) takeLink(purpose string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { c.passwordByLink(w, r, purpose) }
}

func (c *Pages) passwordByLink(w http.ResponseWriter, r *http.Request, purpose string) {
	token := r.PostFormValue("token")
	a, ok := c.linked(w, r, purpose, token)
	if !ok {
		return
	}
	_, err := c.Actions.SetPasswordByLink(r.Context(), purpose, token, r.PostFormValue("password"))
	if errors.Is(err, account.ErrNotFound) || errors.Is(err, account.ErrDisabled) { // somebody else was quicker
		c.linkFailed(w, r, err)
		return
	}
	if err != nil {
		c.refusePassword(w, r, c.linkPage(r, purpose, token, a), err)
		return
	}
	if a, err = c.Accounts.BySubject(r.Context(), a.Subject); err != nil {
		c.Fail(w, r, err)
		return
	}
	c.know(w, r, a)
	c.done(w, r, "/login?other=1", "notice.password_reset")
}

// know lets this browser try passwords of a when others have used up the tries of everybody else.
func (c *Pages) know(w http.ResponseWriter, r *http.Request, a *account.Account) {
	c.Sessions.Know(w, r, c.Accounts.BrowserToken(a, c.Sessions.Known(r)...))
}
