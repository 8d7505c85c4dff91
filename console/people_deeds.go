package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/mileusna/useragent"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// deed is something that is done to one person: a page that says what will happen, with a form, and what the form does.
type deed struct {
	id     string // the last part of its path, and of the ids of its sentences
	need   admin.Permission
	self   bool     // people may do it to themselves here
	fields []string // of the form: reason, confirm (the user name, once more), role, id (of one of several)
	after  string   // where it leads; "": to the person's page
	// offered reports whether there is anything to do.
	offered func(*admin.Person) bool
	// do does it. A link is for the visitor to hand over: no mail takes it to the person.
	do func(v *visit, subject string) (link string, err error)
}

// deeds are all of them, in the order in which a page offers them.
func deeds() []deed {
	always := func(*admin.Person) bool { return true }
	// Methods of the desk, by what they are given.
	plain := func(fn func(*visit, string) error) func(*visit, string) (string, error) {
		return func(v *visit, subject string) (string, error) { return "", fn(v, subject) }
	}
	return []deed{
		{id: "invite", need: admin.HelpPeople,
			offered: func(p *admin.Person) bool { return p.PasswordAt.IsZero() && !p.Disabled },
			do:      func(v *visit, s string) (string, error) { return v.desk.Invite(v.r.Context(), s) }},
		{id: "reset-password", need: admin.HelpPeople,
			offered: func(p *admin.Person) bool { return !p.PasswordAt.IsZero() && !p.Disabled },
			do:      func(v *visit, s string) (string, error) { return v.desk.ResetPassword(v.r.Context(), s) }},
		{id: "compromised", need: admin.HelpPeople, fields: []string{"reason"},
			offered: func(p *admin.Person) bool { return !p.PasswordAt.IsZero() && !p.Compromised },
			do:      plain(func(v *visit, s string) error { return v.desk.Compromised(v.r.Context(), s, v.form("reason")) })},
		{id: "reset-mfa", need: admin.HelpPeople, fields: []string{"reason"},
			offered: func(p *admin.Person) bool { return p.MFA.Enrolled },
			do:      plain(func(v *visit, s string) error { return v.desk.ResetMFA(v.r.Context(), s, v.form("reason")) })},
		{id: "unseal", need: admin.HelpPeople, fields: []string{"reason"}, offered: sealed,
			do: plain(func(v *visit, s string) error { return v.desk.Unseal(v.r.Context(), s, v.form("reason")) })},
		{id: "end-session", need: admin.HelpPeople, self: true, fields: []string{"id"}, offered: always,
			do: plain(func(v *visit, s string) error { return v.desk.EndSession(v.r.Context(), s, v.form("id")) })},
		{id: "end-sessions", need: admin.HelpPeople, self: true, offered: always,
			do: plain(func(v *visit, s string) error { return v.desk.EndSessions(v.r.Context(), s) })},
		{id: "forget-device", need: admin.HelpPeople, self: true, fields: []string{"id"}, offered: always,
			do: plain(func(v *visit, s string) error { return v.desk.ForgetDevice(v.r.Context(), s, v.form("id")) })},
		{id: "forget-devices", need: admin.HelpPeople, self: true, offered: func(p *admin.Person) bool { return len(p.Devices) > 0 },
			do: plain(func(v *visit, s string) error { return v.desk.ForgetDevices(v.r.Context(), s) })},
		{id: "disconnect", need: admin.HelpPeople, self: true, fields: []string{"id"}, offered: always,
			do: plain(func(v *visit, s string) error { return v.desk.Disconnect(v.r.Context(), s, v.form("id")) })},
		{id: "role", need: admin.WriteStaff, fields: []string{"role"}, offered: always,
			do: plain(func(v *visit, s string) error { return v.desk.SetRole(v.r.Context(), s, account.Role(v.form("role"))) })},
		{id: "disable", need: admin.HelpPeople, offered: func(p *admin.Person) bool { return !p.Disabled },
			do: plain(func(v *visit, s string) error { return v.desk.Disable(v.r.Context(), s) })},
		{id: "enable", need: admin.HelpPeople, offered: func(p *admin.Person) bool { return p.Disabled },
			do: plain(func(v *visit, s string) error { return v.desk.Enable(v.r.Context(), s) })},
		{id: "delete", need: admin.WritePeople, fields: []string{"confirm"}, after: peoplePath, offered: always,
			do: plain(func(v *visit, s string) error { return v.desk.Delete(v.r.Context(), s) })},
	}
}

// sealed reports whether wrong codes of somebody's are counted: there is something to take back.
func sealed(p *admin.Person) bool {
	m := p.MFA
	return m.Failures > 0 || m.Sealed || m.PairSealed || m.RecoverySealed || !m.RecoveryRetryAt.IsZero() ||
		slices.ContainsFunc(m.Factors, func(f mfa.FactorStatus) bool { return f.Sealed || !f.RetryAt.IsZero() })
}

func deedRoutes() []Route {
	var routes []Route
	for _, d := range deeds() {
		path := "/admin/people/{subject}/" + d.id
		routes = append(routes,
			Route{Pattern: "GET " + path, Need: d.need, Fresh: true, handle: func(_ *Console, v *visit) { v.showDeed(d) }},
			Route{Pattern: "POST " + path, Need: d.need, Fresh: true, handle: func(_ *Console, v *visit) { v.doDeed(d) }})
	}
	return routes
}

// key is the deed's id as sentences have it.
func (d deed) key() string { return strings.ReplaceAll(d.id, "-", "_") }

// deedPage is the data of the page that says what will happen, with a form.
type deedPage struct {
	Deed, Action, BackURL string
	Username, Name        string
	Email                 string // where a link goes by mail; "": it is shown
	ID, What              string // of one of several: its id and how it is called
	Danger                bool
	AskReason, AskName    bool
	Reason, Confirm       string
	Roles                 []account.Role
	Role                  string
	Problem               *templates.Problem
}

// at returns the person of the path as the deed finds them, when the visitor may do it to them; otherwise it has been answered.
func (v *visit) at(d deed) (*admin.Person, bool) {
	p, err := v.desk.Person(v.r.Context(), v.r.PathValue("subject"))
	switch {
	case err != nil:
	case !v.desk.MayHelp(d.need, p.Account):
		err = v.desk.CheckPerson(v.r.Context(), d.need, d.id, p.Account)
	case !d.self && p.Subject == v.who.Subject:
		err = admin.ErrSelf
	}
	if err != nil {
		v.fail(err)
		return nil, false
	}
	return p, true
}

func (v *visit) showDeed(d deed) {
	p, ok := v.at(d)
	if !ok {
		return
	}
	page, ok := v.deedPage(d, p, v.r.URL.Query().Get("id"))
	if !ok {
		return
	}
	page.Role = string(p.Role())
	v.render(http.StatusOK, "admin_person_deed", page)
}

// deedPage is the page of d; when the person has nothing of that id it has been answered.
func (v *visit) deedPage(d deed, p *admin.Person, id string) (deedPage, bool) {
	page := deedPage{
		Deed: d.key(), Action: personPath(p.Subject, d.id), BackURL: personPath(p.Subject), Username: p.Username, Name: p.Name, ID: id,
		AskReason: slices.Contains(d.fields, "reason"), AskName: slices.Contains(d.fields, "confirm"),
		Danger: slices.Contains([]string{"compromised", "reset-mfa", "disable", "delete"}, d.id),
	}
	if v.desk.Mailing {
		page.Email = p.Email
	}
	if slices.Contains(d.fields, "role") {
		page.Roles = account.Roles()
	}
	if slices.Contains(d.fields, "id") {
		if page.What = called(d.id, p, id); page.What == "" {
			v.missing()
			return page, false
		}
	}
	return page, true
}

// called returns how the session, device or app of that id is called, "" when the person has none of it.
func called(deed string, p *admin.Person, id string) string {
	switch deed {
	case "end-session":
		if i := slices.IndexFunc(p.Sessions, func(s *session.Session) bool { return s.ID == id }); i >= 0 {
			return browserOf(p.Sessions[i].Agent).name()
		}
	case "forget-device":
		if i := slices.IndexFunc(p.Devices, func(d mfa.Device) bool { return d.ID == id }); i >= 0 {
			return browser{p.Devices[i].Browser, p.Devices[i].System}.name()
		}
	case "disconnect":
		if i := slices.IndexFunc(p.Apps, func(a admin.App) bool { return a.ID == id }); i >= 0 {
			return p.Apps[i].Name
		}
	}
	return ""
}

// browser is what a User-Agent says of itself.
type browser struct{ Browser, System string }

func browserOf(agent string) browser {
	parsed := useragent.Parse(agent)
	return browser{parsed.Name, parsed.OS}
}

func (b browser) name() string {
	switch {
	case b.Browser == "" && b.System == "":
		return "?"
	case b.System == "":
		return b.Browser
	case b.Browser == "":
		return b.System
	}
	return b.Browser + ", " + b.System
}

func (v *visit) doDeed(d deed) {
	if !v.only(d.fields...) {
		return
	}
	p, ok := v.at(d)
	if !ok {
		return
	}
	page, ok := v.deedPage(d, p, v.form("id"))
	if !ok {
		return
	}
	link, err := "", error(nil)
	if slices.Contains(d.fields, "confirm") && account.Canonical(v.form("confirm")) != account.Canonical(p.Username) {
		err = errConfirm
	} else {
		link, err = d.do(v, p.Subject)
	}
	switch {
	case err == nil && link != "":
		v.showLink(p.Account, d.id, link)
	case err == nil && d.after != "":
		v.done(d.after, "notice.admin."+d.key())
	case err == nil:
		v.done(personPath(p.Subject), "notice.admin."+d.key())
	case refused(err):
		v.fail(err)
	default:
		page.Reason, page.Confirm, page.Role = v.form("reason"), v.form("confirm"), v.form("role")
		page.Problem = problem(err)
		v.render(status(err), "admin_person_deed", page)
	}
}

// linkPage is the data of the page with a link that is shown this once.
type linkPage struct {
	Deed, Link, Username, BackURL string
	Email                         bool // they have an address; letters are not sent
}

func (v *visit) showLink(who *account.Account, deed, link string) {
	v.render(http.StatusOK, "admin_person_link", linkPage{strings.ReplaceAll(deed, "-", "_"), link, who.Username, personPath(who.Subject), who.Email != ""})
}
