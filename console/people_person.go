package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
)

// onePage is the data of the page about one person.
type onePage struct {
	*admin.Person
	Role     account.Role
	Self     bool
	Passkeys []passkeyRow
	Sessions []sessionRow
	Devices  []deviceRow
	Apps     []appRow
	Sealed   bool
	Asked    bool      // the policy wants a second factor
	DueBy    time.Time // until when that may wait; zero: it may not
	Overdue  bool
	EditURL  string            // "" where the visitor may not
	Deeds    map[string]string // what the visitor may do, with the pages of it
	Helps    []string          // of them, in order: what helps, and what is dangerous
	Dangers  []string
	Trail    []happened // the latest about this person
	TrailURL string     // all of it; "" where the visitor does not read the trail
}

// happened is an entry of the trail in a few words.
type happened struct {
	At   time.Time
	What admin.Sentence
	By   string // the user name of somebody else, "" for the person or nobody in particular
	URL  string
	Bad  bool
}

// personTrail is how many entries a person's page shows.
const personTrail = 10

type passkeyRow struct {
	Name                string
	Synced              bool
	AddedAt, LastUsedAt time.Time
}

// sessionRow and those below are what can be ended one by one: EndURL is where, "" where the visitor may not.
type sessionRow struct {
	Name, Address, EndURL string
	CreatedAt, SeenAt     time.Time
	Factor                bool // both factors were given in it
}

type deviceRow struct {
	Name, EndURL          string
	LastUsedAt, ExpiresAt time.Time
}

type appRow struct {
	admin.App
	EndURL string
}

func (c *Console) person(v *visit) {
	p, err := v.desk.Person(v.r.Context(), v.r.PathValue("subject"))
	if err != nil {
		v.fail(err)
		return
	}
	page := onePage{Person: p, Role: p.Role(), Self: p.Subject == v.who.Subject, Sealed: sealed(p), Deeds: map[string]string{}}
	policy, err := c.Accounts.Policy(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	page.Asked, page.DueBy = c.Accounts.MFAGrace(p.Account, policy)
	page.Overdue = page.Asked && !page.DueBy.IsZero() && page.DueBy.Before(c.Now())
	if v.desk.MayHelp(admin.HelpPeople, p.Account) {
		page.EditURL = personPath(p.Subject, "edit")
	}
	for _, d := range deeds() {
		if v.desk.MayHelp(d.need, p.Account) && (d.self || !page.Self) && d.offered(p) && !slices.Contains(d.fields, "id") {
			page.offer(d)
		}
	}
	page.list()
	if err := page.happened(v); err != nil {
		v.fail(err)
		return
	}
	v.render(http.StatusOK, "admin_person", page)
}

// happened reads the latest entries about the person.
func (page *onePage) happened(v *visit) error {
	trail, err := v.desk.Trail(v.r.Context(), admin.TrailQuery{Subject: page.Subject, Limit: personTrail})
	if err != nil {
		return err
	}
	page.TrailURL = "/admin/audit?" + url.Values{"person": {page.Username}}.Encode()
	names := map[string]string{page.Subject: "", audit.Anonymous: "", audit.Server: ""}
	for _, e := range trail.Entries {
		by, known := names[e.Actor]
		if !known {
			who, err := v.desk.Accounts.BySubject(v.r.Context(), e.Actor)
			switch {
			case errors.Is(err, account.ErrNotFound):
				by = e.Actor // they are gone, or it was a program
			case err != nil:
				return err
			default:
				by = who.Username
			}
			names[e.Actor] = by
		}
		page.Trail = append(page.Trail, happened{
			At: e.At, What: admin.TrailWords(e), By: by, URL: "/admin/audit/" + url.PathEscape(e.ID),
			Bad: e.Forged || e.Result == "refused" || e.Result == "forbidden",
		})
	}
	return nil
}

// offer adds a deed to those that the page leads to.
func (page *onePage) offer(d deed) {
	page.Deeds[d.key()] = personPath(page.Subject, d.id)
	switch d.id {
	case "unseal": // stands where the page says that codes are locked
	case "role", "disable", "enable", "delete":
		page.Dangers = append(page.Dangers, d.key())
	default:
		page.Helps = append(page.Helps, d.key())
	}
}

// list makes the rows of what the person has.
func (page *onePage) list() {
	end := func(deed, id string) string {
		if page.EditURL == "" {
			return ""
		}
		return personPath(page.Subject, deed) + "?" + url.Values{"id": {id}}.Encode()
	}
	for _, k := range page.Person.Passkeys {
		page.Passkeys = append(page.Passkeys, passkeyRow{k.Name, k.Synced, k.AddedAt, k.LastUsedAt})
	}
	for _, s := range page.Person.Sessions {
		page.Sessions = append(page.Sessions, sessionRow{
			browserOf(s.Agent).name(), s.Address, end("end-session", s.ID), s.CreatedAt, s.SeenAt, slices.Contains(s.AMR, "mfa"),
		})
	}
	for _, d := range page.Person.Devices {
		page.Devices = append(page.Devices, deviceRow{browser{d.Browser, d.System}.name(), end("forget-device", d.ID), d.LastUsedAt, d.ExpiresAt})
	}
	for _, a := range page.Person.Apps {
		page.Apps = append(page.Apps, appRow{a, end("disconnect", a.ID)})
	}
}
