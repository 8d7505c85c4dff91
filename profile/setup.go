package profile

import (
	"errors"
	"net/http"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/templates"
)

// setupPage is the data of the page that makes the first administrator.
type setupPage struct {
	Query                 string // of the link: whoever opens the address of a refused form again finds the form
	Token                 string
	Username, Name, Email string
	MinPassword           int
	Problem               *templates.Problem
}

// showSetup shows the form to whoever has the one-time link. Looking at it does not spend it.
func (c *Pages) showSetup(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	if c.usable(w, r, token) {
		c.Templates.Render(w, r, http.StatusOK, "setup", setupPage{Query: r.URL.RawQuery, Token: token, MinPassword: c.Accounts.MinPassword()})
	}
}

// usable reports whether token still makes an administrator; otherwise it has said so, without a form.
func (c *Pages) usable(w http.ResponseWriter, r *http.Request, token string) bool {
	_, err := c.purpose(r, token)
	if err == nil {
		return true
	}
	if !errors.Is(err, account.ErrNotFound) {
		c.Fail(w, r, err)
		return false
	}
	c.gone(w, r)
	return false
}

// purpose returns what token makes an administrator as: the first one, or one more of the operator's.
func (c *Pages) purpose(r *http.Request, token string) (purpose string, err error) {
	for _, purpose = range []string{account.PurposeSetup, account.PurposeRecover} {
		if _, err = c.Accounts.Link(r.Context(), purpose, token); !errors.Is(err, account.ErrNotFound) {
			break
		}
	}
	return purpose, err
}

func (c *Pages) gone(w http.ResponseWriter, r *http.Request) {
	c.Templates.Render(w, r, http.StatusNotFound, "message", templates.Message{
		Title: "setup.gone.title", Text: "setup.gone.text", Link: "/account", Label: "setup.gone.link", Alert: true,
	})
}

// setup makes the administrator, signs them in and leads to the console, which wants a second factor: straight into enrolment,
// whose codes count there. The first one comes out where the first app is added.
func (c *Pages) setup(w http.ResponseWriter, r *http.Request) {
	page := setupPage{
		Query: r.URL.RawQuery, Token: r.PostFormValue("token"), Username: r.PostFormValue("username"), Name: r.PostFormValue("name"),
		Email: r.PostFormValue("email"), MinPassword: c.Accounts.MinPassword(),
	}
	if !c.usable(w, r, page.Token) {
		return
	}
	admin, purpose, err := c.firstAdmin(r, page)
	status := http.StatusUnprocessableEntity
	var invalid *account.InvalidError
	switch {
	case errors.As(err, &invalid):
		page.Problem = &templates.Problem{
			ID: "problem." + invalid.Field + "." + invalid.Reason, Field: invalid.Field, Args: map[string]any{"Min": page.MinPassword},
		}
	case errors.Is(err, account.ErrNotFound): // somebody else was quicker
		c.gone(w, r)
		return
	case errors.Is(err, account.ErrBusy):
		status, page.Problem = http.StatusServiceUnavailable, templates.Busy(w)
	}
	if page.Problem != nil {
		c.Templates.Render(w, r, status, "setup", page)
		return
	}
	if err == nil {
		err = c.firstSession(w, r, admin)
	}
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	to := "/admin"
	if purpose == account.PurposeSetup {
		to = "/admin/first"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// firstAdmin makes the account, and tells what for. One without a password, which accounts may be, could never sign in.
func (c *Pages) firstAdmin(r *http.Request, page setupPage) (made *account.Account, purpose string, err error) {
	password := r.PostFormValue("password")
	if password == "" {
		return nil, "", &account.InvalidError{Field: "password", Reason: "empty"}
	}
	if purpose, err = c.purpose(r, page.Token); err != nil {
		return nil, "", err
	}
	made, err = c.Accounts.CreateByLink(r.Context(), purpose, page.Token, account.NewAccount{
		Username: page.Username, Name: page.Name, Email: page.Email, Password: password, Admin: true,
	})
	return made, purpose, err
}
