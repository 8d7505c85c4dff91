package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/templates"
)

// personForm is the data of the page on which somebody is made or changed.
type personForm struct {
	Action, BackURL       string
	New                   bool
	Username, Name, Email string
	EmailVerified         bool
	Version               string // of the account that was looked at
	Groups                []groupChoice
	Role                  string
	Roles                 []account.Role // that may be given; none where the visitor gives none
	MayGroup              bool           // also says that an address is verified
	Invite, Mailing       bool
	Now                   *account.Account // what it says now, where somebody else was quicker
	Problem               *templates.Problem
}

type groupChoice struct {
	Name         string
	Checked, Now bool // Now: they are in it, whatever is ticked
}

// form returns what was sent, or what is to be filled in.
func (v *visit) personForm(action, back string) (personForm, error) {
	page := personForm{
		Action: action, BackURL: back, Username: v.form("username"), Name: v.form("name"), Email: v.form("email"),
		EmailVerified: v.form("email_verified") != "", Version: v.form("version"), Role: v.form("role"), Invite: v.form("invite") != "",
		MayGroup: v.desk.May(admin.WritePeople), Mailing: v.desk.Mailing,
	}
	return page, page.choose(v, v.r.PostForm["groups"], nil)
}

// choose lists the groups, ticked where in has them.
func (page *personForm) choose(v *visit, in, now []string) error {
	names, err := v.groupNames()
	page.Groups = nil
	for _, name := range names {
		page.Groups = append(page.Groups, groupChoice{name, slices.Contains(in, name), slices.Contains(now, name)})
	}
	return err
}

func (c *Console) newPerson(v *visit) {
	page, err := v.personForm(peoplePath, peoplePath)
	if err != nil {
		v.fail(err)
		return
	}
	page.New, page.Invite, page.Roles = true, true, v.roles()
	v.render(http.StatusOK, "admin_person_form", page)
}

// roles are those that the visitor may give.
func (v *visit) roles() []account.Role {
	if !v.desk.May(admin.WriteStaff) {
		return nil
	}
	return account.Roles()
}

func (c *Console) createPerson(v *visit) {
	if !v.only("username", "name", "email", "groups", "role", "invite") {
		return
	}
	made, link, err := v.create()
	if err != nil {
		if refused(err) {
			v.fail(err)
			return
		}
		page, failed := v.personForm(peoplePath, peoplePath)
		if failed != nil {
			v.fail(failed)
			return
		}
		page.New, page.Roles, page.Problem = true, v.roles(), problem(err)
		v.render(status(err), "admin_person_form", page)
		return
	}
	switch {
	case link != "":
		v.showLink(made, "invite", link)
	case v.form("invite") != "":
		v.done(personPath(made.Subject), "notice.admin.created_invited")
	default:
		v.done(personPath(made.Subject), "notice.admin.created")
	}
}

// create makes the person of a form and invites them where it says so, both or neither. The link is "" where mail brings it.
func (v *visit) create() (made *account.Account, link string, err error) {
	var denied error // is on record, and its record must stay
	err = v.c.DB.InTx(v.r.Context(), func(ctx context.Context) (err error) {
		denied = nil
		made, err = v.desk.CreatePerson(ctx, account.NewAccount{
			Username: v.form("username"), Name: v.form("name"), Email: v.form("email"), Groups: v.r.PostForm["groups"],
			Role: account.Role(v.form("role")),
		})
		if err == nil && v.form("invite") != "" {
			link, err = v.desk.Invite(ctx, made.Subject)
		}
		if errors.Is(err, admin.ErrForbidden) && made == nil {
			denied, err = err, nil
		}
		return err
	})
	if err == nil {
		err = denied
	}
	return made, link, err
}

// editing returns the account that the path names, when the visitor may change it; otherwise it has been answered.
func (v *visit) editing() (*account.Account, bool) {
	p, err := v.desk.Person(v.r.Context(), v.r.PathValue("subject"))
	if err == nil {
		err = v.desk.CheckPerson(v.r.Context(), admin.HelpPeople, "edit a person", p.Account)
	}
	if err != nil {
		v.fail(err)
		return nil, false
	}
	return p.Account, true
}

func (c *Console) editPerson(v *visit) {
	who, ok := v.editing()
	if !ok {
		return
	}
	page, err := v.personForm(personPath(who.Subject, "edit"), personPath(who.Subject))
	if err == nil {
		err = page.choose(v, who.Groups, nil)
	}
	if err != nil {
		v.fail(err)
		return
	}
	page.Username, page.Name, page.Email, page.EmailVerified = who.Username, who.Name, who.Email, who.EmailVerified
	page.Version = strconv.FormatInt(who.Version, 10)
	v.render(http.StatusOK, "admin_person_form", page)
}

func (c *Console) savePerson(v *visit) {
	if !v.only("username", "name", "email", "email_verified", "groups", "version") {
		return
	}
	who, ok := v.editing()
	if !ok {
		return
	}
	err := v.desk.EditPerson(v.r.Context(), who.Subject, v.edit(who))
	if err == nil {
		v.done(personPath(who.Subject), "notice.admin.edited")
		return
	}
	if refused(err) {
		v.fail(err)
		return
	}
	page, failed := v.personForm(personPath(who.Subject, "edit"), personPath(who.Subject))
	if failed == nil && errors.Is(err, account.ErrStale) {
		failed = page.beside(v, who.Subject)
	}
	if failed != nil {
		v.fail(failed)
		return
	}
	page.Problem = problem(err)
	v.render(status(err), "admin_person_form", page)
}

// edit is what the form says. A visitor who may not change groups, or call an address verified, has no fields for that: both stay.
func (v *visit) edit(who *account.Account) admin.Edit {
	version, _ := strconv.ParseInt(v.form("version"), 10, 64) // 0 is nobody's
	e := admin.Edit{
		Version: version, Username: v.form("username"), Name: v.form("name"), Email: v.form("email"),
		EmailVerified: v.form("email_verified") != "", Groups: v.r.PostForm["groups"],
	}
	if !v.desk.May(admin.WritePeople) && e.Groups == nil && !e.EmailVerified {
		e.Groups, e.EmailVerified = who.Groups, who.EmailVerified && strings.TrimSpace(e.Email) == who.Email
	}
	return e
}

// beside puts what is there now next to what was typed, so that it can be sent again over it.
func (page *personForm) beside(v *visit, subject string) error {
	p, err := v.desk.Person(v.r.Context(), subject)
	if err != nil {
		return err
	}
	page.Now, page.Version = p.Account, strconv.FormatInt(p.Version, 10)
	in := v.r.PostForm["groups"]
	if !page.MayGroup {
		in = p.Groups
	}
	return page.choose(v, in, p.Groups)
}
