package profile

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/mileusna/useragent"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
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
	Console   bool // there is something in it for this person
}

func (c *Pages) account(w http.ResponseWriter, r *http.Request) {
	_, a, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	status, err := c.Actions.MFA.Status(r.Context(), a.Subject)
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	c.Templates.Render(w, r, http.StatusOK, "account", accountPage{
		Account: a, Notice: c.notice(w, r), CodesLeft: status.CodesLeft, Console: a.Role() != "", FewCodes: status.Enrolled && status.CodesLeft <= mfa.FewCodes,
	})
}

// passwordPage is the data of the page that changes the password.
type passwordPage struct {
	Action          string // where the form goes
	Query, Username string
	Token           string // of a link
	Current         bool   // the present password is asked for
	First           bool   // there was none yet
	Forced          bool   // somebody else may know the present one
	Cancel          bool   // there is a request to refuse
	MinPassword     int
	Problem         *templates.Problem
}

func (c *Pages) showPassword(w http.ResponseWriter, r *http.Request) {
	if _, a, ok := c.FreshFactor(w, r); ok {
		c.Templates.Render(w, r, http.StatusOK, "password", c.changePage(r, a))
	}
}

// changePage is the page for a, signed in: of their own accord, or on the way through a sign-in that demands it. The present
// password is asked for here and nowhere else, of everybody who has one (OWASP ASVS 5.0 requirement 6.2.3).
func (c *Pages) changePage(r *http.Request, a *account.Account) passwordPage {
	return passwordPage{
		Action: "/account/password", Query: r.URL.RawQuery, Username: a.Username, Forced: a.Compromised,
		Current: !a.PasswordAt.IsZero(), First: a.PasswordAt.IsZero(),
		Cancel: r.URL.Query().Get("request") != "", MinPassword: c.Accounts.MinPassword(),
	}
}

// changePassword sets the new password and ends what the old one opened, but for this session.
func (c *Pages) changePassword(w http.ResponseWriter, r *http.Request) {
	s, a, ok := c.FreshFactor(w, r)
	if !ok {
		return
	}
	page := c.changePage(r, a)
	if err := c.replacePassword(r, s, a, page.Current); err != nil {
		c.refusePassword(w, r, page, err)
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

// replacePassword sets the password that the form holds, if a's present one, where there is one, is right. A wrong one is
// counted as at the sign-in, and on record.
func (c *Pages) replacePassword(r *http.Request, s *session.Session, a *account.Account, ask bool) (err error) {
	ctx := r.Context()
	if ask {
		a, err = c.Accounts.VerifyPassword(ctx, s.Subject, r.PostFormValue("current"), audit.RequestOf(ctx).Address, c.Sessions.Known(r)...)
		if errors.Is(err, account.ErrCredentials) {
			event := audit.Event{Action: account.EventPasswordSet, Actor: s.Subject, Subject: s.Subject, Result: "refused"}
			err = cmp.Or(c.Actions.Audit.Record(ctx, event), err)
		}
		if err != nil {
			return err
		}
	}
	return c.Actions.ChangePassword(ctx, a, r.PostFormValue("password"), s.ID)
}

func (c *Pages) refusePassword(w http.ResponseWriter, r *http.Request, page passwordPage, err error) {
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
	c.Templates.Render(w, r, status, "password", page)
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

func (c *Pages) sessions(w http.ResponseWriter, r *http.Request) {
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
	c.Templates.Render(w, r, http.StatusOK, "sessions", page)
}

// endSession ends one session of the person's, or all but this one.
func (c *Pages) endSession(w http.ResponseWriter, r *http.Request) {
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
		c.Templates.Render(w, r, http.StatusNotFound, "error", notFound())
		return
	}
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	c.done(w, r, "/account/sessions", notice)
}

// noticeCookie carries the id of a sentence to the page after a POST, for a minute. A link could not bring one along.
const noticeCookie = "notice"

// done ends a POST: the browser goes to a page that says what was done.
func (c *Pages) done(w http.ResponseWriter, r *http.Request, path, notice string) {
	c.Sessions.Cookies.Set(w, noticeCookie, notice, time.Minute)
	http.Redirect(w, r, path, http.StatusSeeOther)
}

func (c *Pages) notice(w http.ResponseWriter, r *http.Request) string {
	id := c.Sessions.Cookies.Get(r, noticeCookie)
	if id != "" {
		c.Sessions.Cookies.Clear(w, noticeCookie)
	}
	return id
}

func notFound() templates.Error {
	return templates.Error{Status: http.StatusNotFound, Code: "not_found"}
}
