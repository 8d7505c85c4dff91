package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/templates"
)

const peoplePath = "/admin/people"

func peopleRoutes() []Route {
	routes := []Route{
		{Pattern: "GET /admin/people", Need: admin.ReadPeople, handle: (*Console).people},
		{Pattern: "GET /admin/people/bulk", Need: admin.HelpPeople, Fresh: true, handle: (*Console).showBulk},
		{Pattern: "POST /admin/people/bulk", Need: admin.HelpPeople, Fresh: true, handle: (*Console).bulk},
		{Pattern: "GET /admin/people/export", Need: admin.WritePeople, Fresh: true, handle: (*Console).showExport},
		{Pattern: "POST /admin/people/export", Need: admin.WritePeople, Fresh: true, handle: (*Console).export},
		{Pattern: "GET /admin/people/new", Need: admin.HelpPeople, Fresh: true, handle: (*Console).newPerson},
		{Pattern: "POST /admin/people", Need: admin.HelpPeople, Fresh: true, handle: (*Console).createPerson},
		{Pattern: "GET /admin/people/import", Need: admin.WritePeople, Fresh: true, handle: (*Console).showImport},
		{Pattern: "POST /admin/people/import", Need: admin.WritePeople, Fresh: true, Upload: true, handle: (*Console).previewImport},
		{Pattern: "GET /admin/people/import/template", Need: admin.WritePeople, handle: (*Console).importTemplate},
		{Pattern: "POST /admin/people/import/run", Need: admin.WritePeople, Fresh: true, handle: (*Console).runImport},
		{Pattern: "GET /admin/people/{subject}", Need: admin.ReadPeople, handle: (*Console).person},
		{Pattern: "GET /admin/people/{subject}/edit", Need: admin.HelpPeople, handle: (*Console).editPerson},
		{Pattern: "POST /admin/people/{subject}/edit", Need: admin.HelpPeople, handle: (*Console).savePerson},
	}
	return append(routes, deedRoutes()...)
}

// peopleFilter is a list of people as it stands in an address.
type peopleFilter struct{ Text, Group, Role, State, MFA, SignIn, Sort string }

// filterOf reads one from the values of an address or a form.
func filterOf(get func(name string) string) peopleFilter {
	return peopleFilter{get("text"), get("group"), get("role"), get("state"), get("mfa"), get("signin"), get("sort")}
}

func filterFields() []string {
	return []string{"text", "group", "role", "state", "mfa", "signin", "sort"}
}

// query returns the list that f describes. A word that no page offers is an [account.InvalidError].
func (f peopleFilter) query() (account.Query, error) {
	q := account.Query{Text: f.Text, Group: f.Group}
	unknown := func(field string) (account.Query, error) {
		return q, &account.InvalidError{Field: field, Reason: "unknown"}
	}
	yes, no := true, false
	switch f.Role {
	case "any":
		q.AnyRole = true
	default:
		q.Role = account.Role(f.Role)
	}
	switch f.State {
	case "":
	case "active":
		q.Disabled = &no
	case "disabled":
		q.Disabled = &yes
	default:
		return unknown("state")
	}
	switch f.MFA {
	case "":
	case "none":
		q.WithoutMFA = true
	case "few":
		q.FewCodes = true
	default:
		return unknown("mfa")
	}
	switch f.SignIn {
	case "":
	case "never":
		q.NeverSignedIn = true
	case "no_password":
		q.NoPassword = true
	default:
		return unknown("signin")
	}
	sort, descending := strings.CutPrefix(f.Sort, "-")
	q.Sort, q.Descending = account.Sort(sort), descending
	return q, nil
}

// values are f's, without those that say nothing.
func (f peopleFilter) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{
		"text": f.Text, "group": f.Group, "role": f.Role, "state": f.State, "mfa": f.MFA, "signin": f.SignIn, "sort": f.Sort,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// narrow reports whether f leaves anybody out.
func (f peopleFilter) narrow() bool {
	f.Sort = ""
	return f != peopleFilter{}
}

// peopleURL is the address of the page of the people that q finds, for links of other pages.
func peopleURL(q account.Query) string {
	f := peopleFilter{Text: q.Text, Group: q.Group, Role: string(q.Role), Sort: string(q.Sort)}
	if q.AnyRole {
		f.Role = "any"
	}
	if q.Disabled != nil {
		f.State = map[bool]string{true: "disabled", false: "active"}[*q.Disabled]
	}
	switch {
	case q.WithoutMFA:
		f.MFA = "none"
	case q.FewCodes:
		f.MFA = "few"
	}
	switch {
	case q.NeverSignedIn:
		f.SignIn = "never"
	case q.NoPassword:
		f.SignIn = "no_password"
	}
	if q.Descending {
		f.Sort = "-" + f.Sort
	}
	return withQuery(peoplePath, f.values())
}

func withQuery(path string, values url.Values) string {
	return (&url.URL{Path: path, RawQuery: values.Encode()}).String()
}

// peoplePage is the data of the list of people.
type peoplePage struct {
	Filter      peopleFilter
	Narrow      bool
	Groups      []string
	Roles       []account.Role
	Columns     []peopleColumn
	People      []personRow
	Total       int
	More        bool
	First, Next string // "" where there is none
	May         mayDo
	Bulk        []string // ids of what can be done to those who are ticked
	ExportURL   string
	Problem     *templates.Problem
}

// mayDo says what a page offers its visitor.
type mayDo struct{ Create, Import, Export bool }

// peopleColumn is one by which the list can be sorted.
type peopleColumn struct{ ID, URL, Sorted string } // Sorted: as aria-sort has it

type personRow struct {
	*account.Account
	URL string // "" where the visitor learns nothing more
}

func (c *Console) people(v *visit) {
	query := v.r.URL.Query()
	f := filterOf(query.Get)
	page := peoplePage{Filter: f, Narrow: f.narrow(), Roles: account.Roles(), Columns: f.columns()}
	page.May = mayDo{v.desk.May(admin.HelpPeople), v.desk.May(admin.WritePeople), v.desk.May(admin.WritePeople)}
	groups, err := v.groupNames()
	if err != nil {
		v.fail(err)
		return
	}
	page.Groups = groups
	for _, b := range bulkDeeds() {
		if v.desk.May(b.need) {
			page.Bulk = append(page.Bulk, b.id)
		}
	}
	q, err := f.query()
	if err == nil {
		q.Cursor = query.Get("cursor")
		err = page.fill(v, q)
	}
	if p := problem(err); p != nil {
		page.Problem = p
		v.render(http.StatusBadRequest, "admin_people", page)
		return
	}
	if err != nil {
		v.fail(err)
		return
	}
	v.render(http.StatusOK, "admin_people", page)
}

// fill reads the page's people.
func (page *peoplePage) fill(v *visit, q account.Query) error {
	found, err := v.desk.People(v.r.Context(), q)
	if err != nil {
		return err
	}
	page.Total, page.More = found.Total, found.More
	page.ExportURL = withQuery(peoplePath+"/export", page.Filter.values())
	for _, who := range found.People {
		row := personRow{Account: who}
		if v.mayRead(who) {
			row.URL = personPath(who.Subject)
		}
		page.People = append(page.People, row)
	}
	if q.Cursor != "" {
		page.First = withQuery(peoplePath, page.Filter.values())
	}
	if found.Next != "" {
		next := page.Filter.values()
		next.Set("cursor", found.Next)
		page.Next = withQuery(peoplePath, next)
	}
	return nil
}

// mayRead reports whether the visitor may open somebody's page: the desk says no to the help desk about staff.
func (v *visit) mayRead(who *account.Account) bool {
	return v.desk.Actor().Role != account.HelpDesk || who.Role() == ""
}

// groupNames returns the names of all groups.
func (v *visit) groupNames() ([]string, error) {
	groups, err := v.desk.Groups(v.r.Context())
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	return names, err
}

// columns are those of the list of f, each with the address of the list sorted by it, or the other way round.
func (f peopleFilter) columns() []peopleColumn {
	var all []peopleColumn
	for _, by := range []account.Sort{account.ByName, account.ByUserName, account.BySignedIn} {
		c, next := peopleColumn{ID: string(by)}, f
		next.Sort = string(by)
		switch {
		case f.Sort == string(by), f.Sort == "" && by == account.ByUserName:
			c.Sorted, next.Sort = "ascending", "-"+string(by)
		case f.Sort == "-"+string(by):
			c.Sorted = "descending"
		}
		c.URL = withQuery(peoplePath, next.values())
		all = append(all, c)
	}
	return all
}

// personPath is the path of somebody's page, and of what belongs to it.
func personPath(subject string, below ...string) string {
	return strings.Join(append([]string{peoplePath, url.PathEscape(subject)}, below...), "/")
}

// only reports whether the form has no other fields than these; otherwise it has been answered. What a page does not offer is
// refused rather than passed over: whoever sends it believes that it does something.
func (v *visit) only(fields ...string) bool {
	for name, values := range v.r.PostForm {
		if name != "form_token" && name != keptForms && (!slices.Contains(fields, name) || len(values) > 1 && !slices.Contains(repeated(), name)) {
			v.fail(&fieldError{name})
			return false
		}
	}
	return true
}

// repeated are the fields that may come several times.
func repeated() []string { return []string{"groups", "s", "columns"} }

// fieldError says that a form has a field that its page does not.
type fieldError struct{ name string }

func (e *fieldError) Error() string { return "console: no such field: " + e.name }

// problemAt is the problem of err with its field named as the form has it.
func problemAt(err error, fields map[string]string) *templates.Problem {
	p := problem(err)
	if p != nil {
		if named, ok := fields[p.Field]; ok {
			p.Field = named
		}
	}
	return p
}

// refused reports whether err is the answer to a request that was not allowed or is about nothing that is there: such an error
// has no form to stand in.
func refused(err error) bool {
	return errors.Is(err, admin.ErrForbidden) || problem(err) == nil
}
