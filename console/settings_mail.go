package console

import (
	"errors"
	"net/http"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/templates"
)

// mailPage is the data of the page on which mail is tried.
type mailPage struct {
	Mailing bool
	Address string // of the visitor
	May     bool
	Trial   *mail.Trial
	Problem *templates.Problem
}

func (c *Console) mailPage(v *visit) mailPage {
	return mailPage{Mailing: c.Actions.Mailing, Address: v.who.Email, May: v.desk.May(admin.WriteSettings)}
}

func (c *Console) mail(v *visit) { v.render(http.StatusOK, "admin_mail", c.mailPage(v)) }

// tryMail sends a letter to the visitor and shows the whole session with the server.
func (c *Console) tryMail(v *visit) {
	page := c.mailPage(v)
	trial, err := v.desk.MailTest(v.r.Context())
	switch {
	case errors.Is(err, admin.ErrNoMail):
		page.Problem = &templates.Problem{ID: "problem.admin.no_mail"}
	case errors.Is(err, admin.ErrNoAddress):
		page.Problem = &templates.Problem{ID: "problem.admin.no_address"}
	case err != nil:
		v.fail(err)
		return
	default:
		page.Trial = &trial
		v.render(http.StatusOK, "admin_mail", page)
		return
	}
	v.render(http.StatusUnprocessableEntity, "admin_mail", page)
}
