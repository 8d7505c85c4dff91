package console

import (
	"errors"
	"net/http"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// visit is one request of somebody who may be there.
type visit struct {
	w    http.ResponseWriter
	r    *http.Request
	c    *Console
	desk *admin.Desk
	who  *account.Account // the visitor
}

// visit runs route's handler if the visitor may be there.
func (c *Console) visit(w http.ResponseWriter, r *http.Request, route Route, at *visitor) {
	who, err := c.Accounts.Active(r.Context(), at.Subject)
	if errors.Is(err, account.ErrNotFound) || errors.Is(err, account.ErrDisabled) {
		c.prove(w, r)
		return
	}
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	if who.Role() == "" { // it was taken away
		c.noRole(w, r)
		return
	}
	r = r.WithContext(audit.WithActor(r.Context(), who.Subject))
	v := &visit{w, r, c, c.Actions.Desk(admin.Actor{Subject: who.Subject, Role: who.Role()}), who}
	if err := v.desk.Check(r.Context(), route.Need, route.Pattern); err != nil {
		v.fail(err)
		return
	}
	route.handle(c, v)
}

// render writes a page of the console. Its data may have a field Problem, as all pages.
func (v *visit) render(status int, page string, data any) {
	view := templates.ViewOf(v.r.Context())
	view.Console = &templates.Console{
		Name: v.who.Username, Role: string(v.who.Role()), Rooms: rooms(v.desk, v.r.URL.Path), Notice: v.notice(),
	}
	v.c.Templates.Render(v.w, v.r.WithContext(templates.WithView(v.r.Context(), view)), status, page, data)
}

// form returns a value of the form that was sent, "" when it has none.
func (v *visit) form(name string) string { return v.r.PostFormValue(name) }

// done ends a POST: the browser goes to a page of the console that says what was done, by the id of a sentence.
func (v *visit) done(path, notice string) {
	v.c.Sessions.Cookies.Set(v.w, noticeCookie, notice, time.Minute)
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
}

// notice returns what the page before has done, once.
func (v *visit) notice() string {
	id := v.c.Sessions.Cookies.Get(v.r, noticeCookie)
	if id != "" {
		v.c.Sessions.Cookies.Clear(v.w, noticeCookie)
	}
	return id
}

// refuse answers whoever may not: with the page around it, so that the way on is there.
func (v *visit) refuse() {
	v.render(http.StatusForbidden, "admin_message", templates.Message{
		Title: "admin.forbidden.title", Text: "admin.forbidden.text", Link: "/admin", Label: "admin.forbidden.link", Alert: true,
	})
}

// missing answers what is not there.
func (v *visit) missing() {
	v.render(http.StatusNotFound, "admin_message", templates.Message{
		Title: "admin.missing.title", Text: "admin.missing.text", Link: "/admin", Label: "admin.forbidden.link", Alert: true,
	})
}

// problem returns the sentence for a refusal of a domain, nil for an error that no form can mend.
func problem(err error) *templates.Problem {
	if p := peopleProblem(err); p != nil {
		return p
	}
	var invalid *account.InvalidError
	var client *oauth.InvalidError
	for _, known := range []struct {
		err error
		id  string
	}{
		{account.ErrStale, "problem.admin.stale"}, {account.ErrLastAdmin, "problem.admin.last_admin"},
		{account.ErrDisabled, "problem.admin.disabled"}, {account.ErrHasMembers, "problem.admin.has_members"},
		{account.ErrGroupNeeded, "problem.admin.group_needed"}, {admin.ErrSelf, "problem.admin.self"},
		{admin.ErrHasPassword, "problem.admin.has_password"},
		{mfa.ErrNotSealed, "problem.admin.not_sealed"}, {oauth.ErrTaken, "problem.admin.taken"},
	} {
		if errors.Is(err, known.err) {
			return &templates.Problem{ID: known.id}
		}
	}
	switch {
	case errors.As(err, &invalid):
		return &templates.Problem{ID: "problem." + invalid.Field + "." + invalid.Reason, Field: invalid.Field}
	case errors.As(err, &client):
		return clientRefusal(client)
	}
	return nil
}

// status is the one that goes with a problem.
func status(err error) int {
	if errors.Is(err, account.ErrStale) {
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}

// fail answers an error that has no form to stand in.
func (v *visit) fail(err error) {
	switch p := problem(err); {
	case errors.Is(err, admin.ErrForbidden):
		v.refuse()
	case errors.Is(err, account.ErrNotFound), errors.Is(err, oauth.ErrNotFound), errors.Is(err, session.ErrNotFound), errors.Is(err, mfa.ErrNotFound):
		v.missing()
	case p != nil:
		p.Field = "" // it is on another page
		v.render(status(err), "admin_message", problemPage{templates.Message{Title: "admin.not_done.title", Text: "admin.not_done.text",
			Link: "/admin", Label: "admin.forbidden.link"}, p})
	default:
		v.c.Fail(v.w, v.r, err)
	}
}

// problemPage is a message that explains a mistake.
type problemPage struct {
	templates.Message
	Problem *templates.Problem
}
