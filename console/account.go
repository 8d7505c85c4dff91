package console

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/mileusna/useragent"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/consent"
	"github.com/focushq/idp/internal/throttle"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// accountPage is the data of the account page.
type accountPage struct {
	*account.Account
	Notice    string
	CodesLeft int
	FewCodes  bool // said here too: not everybody comes by an app
}

func (c *Console) account(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	status, err := c.Actions.MFA.Status(r.Context(), a.Subject)
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	c.Pages.Render(w, r, http.StatusOK, "account", accountPage{
		Account: a, Notice: c.notice(w, r), CodesLeft: status.CodesLeft, FewCodes: status.Enrolled && status.CodesLeft <= mfa.FewCodes,
	})
}

// passwordPage is the data of the page that changes the password.
type passwordPage struct {
	Action          string // where the form goes
	Query, Username string
	Token           string // "": the present password is asked for
	First           bool   // there was none yet
	Forced          bool   // somebody else may know the present one
	Cancel          bool   // there is a request to refuse
	MinPassword     int
	Problem         *templates.Problem
}

func (c *Console) showPassword(w http.ResponseWriter, r *http.Request) {
	if _, a, ok := c.Fresh(w, r); ok {
		c.Pages.Render(w, r, http.StatusOK, "password", c.changePage(r, a))
	}
}

// changePage is the page for a, signed in: of their own accord, or on the way through a sign-in that demands it.
func (c *Console) changePage(r *http.Request, a *account.Account) passwordPage {
	return passwordPage{
		Action: "/account/password", Query: r.URL.RawQuery, Username: a.Username, Forced: a.Compromised,
		Cancel: r.URL.Query().Get("request") != "", MinPassword: c.Accounts.MinPassword(),
	}
}

// changePassword sets the new password and ends what the old one opened, but for this session.
func (c *Console) changePassword(w http.ResponseWriter, r *http.Request) {
	s, a, ok := c.Fresh(w, r)
	if !ok {
		return
	}
	if err := c.replacePassword(r, s, a); err != nil {
		c.refusePassword(w, r, c.changePage(r, a), err)
		return
	}
	changed, err := c.Accounts.BySubject(r.Context(), a.Subject)
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	c.know(w, r, changed)
	if id := r.URL.Query().Get("request"); id != "" {
		http.Redirect(w, r, oauth.ResumeURL(id), http.StatusSeeOther)
		return
	}
	c.done(w, r, "/account", "notice.password_changed")
}

// replacePassword sets the password that the form holds, if it holds the present one too.
func (c *Console) replacePassword(r *http.Request, s *session.Session, a *account.Account) error {
	current, next := r.PostFormValue("current"), r.PostFormValue("password")
	err := c.Accounts.VerifyPassword(r.Context(), a.Subject, current, audit.RequestOf(r.Context()).Address, c.Sessions.Known(r)...)
	if err != nil {
		return err
	}
	if next == current {
		return &account.InvalidError{Field: "password", Reason: "same"}
	}
	return c.Actions.SetPassword(r.Context(), a.Subject, next, s.ID)
}

func (c *Console) refusePassword(w http.ResponseWriter, r *http.Request, page passwordPage, err error) {
	status := http.StatusUnprocessableEntity
	var invalid *account.InvalidError
	var wait *throttle.Error
	switch {
	case errors.As(err, &invalid):
		page.Problem = &templates.Problem{ID: "problem.password." + invalid.Reason, Field: "password", Args: map[string]any{"Min": page.MinPassword}}
	case errors.Is(err, account.ErrCredentials):
		page.Problem = &templates.Problem{ID: "problem.password.wrong", Field: "current"}
	case errors.As(err, &wait):
		status, page.Problem = http.StatusTooManyRequests, templates.Throttled(w, wait.Until, c.Now())
	case errors.Is(err, account.ErrBusy):
		status, page.Problem = http.StatusServiceUnavailable, templates.Busy(w)
	default:
		c.Fail(w, r, err)
		return
	}
	c.Pages.Render(w, r, status, "password", page)
}

// sessionsPage is the data of the page that lists where the person is signed in.
type sessionsPage struct {
	Sessions []sessionRow
	Notice   string
}

type sessionRow struct {
	ID, Browser, System, Address string
	CreatedAt, SeenAt            time.Time
	This                         bool
}

func (c *Console) sessions(w http.ResponseWriter, r *http.Request) {
	s, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	all, err := c.Sessions.List(r.Context(), a.Subject)
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	page := sessionsPage{Notice: c.notice(w, r)}
	for _, each := range all {
		browser := useragent.Parse(each.Agent)
		page.Sessions = append(page.Sessions, sessionRow{
			ID: each.ID, Browser: browser.Name, System: browser.OS, Address: each.Address,
			CreatedAt: each.CreatedAt, SeenAt: each.SeenAt, This: each.ID == s.ID,
		})
	}
	c.Pages.Render(w, r, http.StatusOK, "sessions", page)
}

// endSession ends one session of the person's, or all but this one.
func (c *Console) endSession(w http.ResponseWriter, r *http.Request) {
	s, a, ok := c.Fresh(w, r)
	if !ok {
		return
	}
	notice := "notice.session_ended"
	var err error
	if id := r.PostFormValue("id"); id != "" {
		err = c.Actions.EndSession(r.Context(), a.Subject, id)
	} else {
		notice = "notice.sessions_ended"
		err = c.Actions.EndSessions(r.Context(), a.Subject, s.ID)
	}
	if errors.Is(err, session.ErrNotFound) {
		c.Pages.Render(w, r, http.StatusNotFound, "error", notFound())
		return
	}
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	c.done(w, r, "/account/sessions", notice)
}

// appsPage is the data of the page that lists what the person allowed to whom.
type appsPage struct {
	Apps   []appRow
	Notice string
}

type appRow struct {
	ID, Name string
	Scopes   []string
	At       time.Time
}

func (c *Console) apps(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	page := appsPage{Notice: c.notice(w, r)}
	grants, err := c.Actions.Consents.List(r.Context(), a.Subject)
	for _, grant := range grants {
		client, missing := c.Actions.OAuth.Clients().Get(r.Context(), grant.Client)
		if errors.Is(missing, oauth.ErrNotFound) || len(grant.Granted) == 0 {
			continue
		}
		if err = missing; err != nil {
			break
		}
		oauth.SortScopes(grant.Granted)
		page.Apps = append(page.Apps, appRow{ID: grant.Client, Name: client.Name, Scopes: grant.Granted, At: grant.At})
	}
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	c.Pages.Render(w, r, http.StatusOK, "apps", page)
}

// revokeApp takes back what the person allowed to one app, and the tokens that it got.
func (c *Console) revokeApp(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	grants, err := c.Actions.Consents.List(r.Context(), a.Subject)
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	id := r.PostFormValue("id")
	if !slices.ContainsFunc(grants, func(g consent.Grant) bool { return g.Client == id }) {
		c.Pages.Render(w, r, http.StatusNotFound, "error", notFound())
		return
	}
	if err := c.Actions.Disconnect(r.Context(), a.Subject, id); err != nil {
		c.Fail(w, r, err)
		return
	}
	c.done(w, r, "/account/apps", "notice.app_revoked")
}

// noticeCookie carries the id of a sentence to the page after a POST, for a minute. A link could not bring one along.
const noticeCookie = "notice"

// done ends a POST: the browser goes to a page that says what was done.
func (c *Console) done(w http.ResponseWriter, r *http.Request, path, notice string) {
	c.Sessions.Cookies.Set(w, noticeCookie, notice, time.Minute)
	http.Redirect(w, r, path, http.StatusSeeOther)
}

func (c *Console) notice(w http.ResponseWriter, r *http.Request) string {
	id := c.Sessions.Cookies.Get(r, noticeCookie)
	if id != "" {
		c.Sessions.Cookies.Clear(w, noticeCookie)
	}
	return id
}

func notFound() templates.Error {
	return templates.Error{Status: http.StatusNotFound, Code: "not_found"}
}
