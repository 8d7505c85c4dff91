package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// Names of groups have slashes and dots, which paths change: they stand in queries and forms.
const groupsPath = "/admin/groups"

func groupRoutes() []Route {
	return []Route{
		{Pattern: "GET /admin/groups", Need: admin.ReadPeople, handle: (*Console).groups},
		{Pattern: "GET /admin/groups/new", Need: admin.WritePeople, handle: (*Console).newGroup},
		{Pattern: "POST /admin/groups", Need: admin.WritePeople, handle: (*Console).createGroup},
		{Pattern: "GET /admin/groups/one", Need: admin.ReadPeople, handle: (*Console).group},
		{Pattern: "POST /admin/groups/describe", Need: admin.WritePeople, handle: (*Console).describeGroup},
		{Pattern: "POST /admin/groups/add", Need: admin.WritePeople, handle: (*Console).addMember},
		{Pattern: "POST /admin/groups/remove", Need: admin.WritePeople, handle: (*Console).removeMember},
		{Pattern: "GET /admin/groups/delete", Need: admin.WritePeople, Fresh: true, handle: (*Console).showDeleteGroup},
		{Pattern: "POST /admin/groups/delete", Need: admin.WritePeople, Fresh: true, handle: (*Console).deleteGroup},
	}
}

// groupURL is the page of a group, or one below it.
func groupURL(path, name string) string {
	return withQuery(groupsPath+"/"+path, url.Values{"name": {name}})
}

// groupsPage is the data of the list of groups.
type groupsPage struct {
	Groups []groupRow
	May    bool // make one
}

type groupRow struct {
	account.Group
	URL, MembersURL string
	Policy          bool // the policy asks its members for a second factor
}

func (v *visit) groupRow(g account.Group, policy account.Policy) groupRow {
	return groupRow{g, groupURL("one", g.Name), peopleURL(account.Query{Group: g.Name}), slices.Contains(policy.MFARequiredGroups, g.Name)}
}

func (c *Console) groups(v *visit) {
	groups, err := v.desk.Groups(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	policy, err := c.Accounts.Policy(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	page := groupsPage{May: v.desk.May(admin.WritePeople)}
	for _, g := range groups {
		page.Groups = append(page.Groups, v.groupRow(g, policy))
	}
	v.render(http.StatusOK, "admin_groups", page)
}

// groupForm is the data of the page on which a group is made.
type groupForm struct {
	Name, Description string
	Problem           *templates.Problem
}

func (c *Console) newGroup(v *visit) { v.render(http.StatusOK, "admin_group_form", groupForm{}) }

func (c *Console) createGroup(v *visit) {
	if !v.only("name", "description") {
		return
	}
	g := account.Group{Name: v.form("name"), Description: v.form("description")}
	err := v.desk.CreateGroup(v.r.Context(), g)
	switch {
	case err == nil:
		v.done(groupURL("one", g.Name), "notice.admin.group_created")
	case refused(err):
		v.fail(err)
	default:
		page := groupForm{g.Name, g.Description, problemAt(err, map[string]string{"groups": "name"})}
		v.render(status(err), "admin_group_form", page)
	}
}

// groupPage is the data of the page about a group.
type groupPage struct {
	groupRow
	Former, Typed string // the description that was looked at, and the one in the form
	Now           bool   // somebody else has changed it: Description is what it says now
	Clients       []groupClient
	MoreClients   bool // not all were looked at
	Members       []personRow
	Next          string
	Add           string // the user name that was typed
	May           bool
	DeleteURL     string
	Problem       *templates.Problem
}

type groupClient struct{ ID, Name, URL string }

func (c *Console) group(v *visit) {
	query := v.r.URL.Query()
	page, err := v.groupPage(query.Get("name"), query.Get("cursor"))
	if err != nil {
		v.fail(err)
		return
	}
	v.render(http.StatusOK, "admin_group", page)
}

func (v *visit) groupPage(name, cursor string) (page groupPage, err error) {
	ctx := v.r.Context()
	g, err := v.desk.Group(ctx, name)
	if err != nil {
		return page, err
	}
	policy, err := v.c.Accounts.Policy(ctx)
	if err != nil {
		return page, err
	}
	page = groupPage{
		groupRow: v.groupRow(g, policy), Former: g.Description, Typed: g.Description, May: v.desk.May(admin.WritePeople),
		DeleteURL: groupURL("delete", name),
	}
	if page.Clients, page.MoreClients, err = v.clientsOf(name); err != nil {
		return page, err
	}
	members, err := v.desk.People(ctx, account.Query{Group: name, Cursor: cursor})
	if err != nil {
		return page, err
	}
	for _, who := range members.People {
		row := personRow{Account: who}
		if v.mayRead(who) {
			row.URL = personPath(who.Subject)
		}
		page.Members = append(page.Members, row)
	}
	if members.Next != "" {
		page.Next = withQuery(groupsPath+"/one", url.Values{"name": {name}, "cursor": {members.Next}})
	}
	return page, nil
}

// clientsLooked is how many pages of clients are looked through for those that name a group.
const clientsLooked = 5

// clientsOf returns the clients that are open to the members of a group, and whether there may be more: nothing is kept of that, so
// that only the first thousand are looked at.
func (v *visit) clientsOf(group string) (rows []groupClient, more bool, err error) {
	if !v.desk.May(admin.ReadClients) {
		return nil, false, nil
	}
	q := oauth.ClientQuery{Limit: 200}
	for range clientsLooked {
		page, err := v.desk.OAuth.Clients().Page(v.r.Context(), q)
		if err != nil {
			return nil, false, err
		}
		for _, client := range page.Clients {
			if slices.Contains(client.Groups, group) {
				rows = append(rows, groupClient{client.ID, client.Name, "/admin/clients/" + url.PathEscape(client.ID)})
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return rows, false, nil
		}
	}
	return rows, true, nil
}

// regroup shows a group's page again, with what was typed and what is wrong with it.
func (v *visit) regroup(err error, fields map[string]string) {
	name := v.form("name")
	if refused(err) {
		v.fail(err)
		return
	}
	page, failed := v.groupPage(name, "")
	if failed != nil {
		v.fail(failed)
		return
	}
	page.Problem, page.Add = problemAt(err, fields), v.form("username")
	if _, sent := v.r.PostForm["description"]; sent {
		page.Typed, page.Now = v.form("description"), errors.Is(err, account.ErrStale)
	}
	v.render(status(err), "admin_group", page)
}

func (c *Console) describeGroup(v *visit) {
	if !v.only("name", "former", "description") {
		return
	}
	name := v.form("name")
	if err := v.desk.DescribeGroup(v.r.Context(), name, v.form("former"), v.form("description")); err != nil {
		v.regroup(err, map[string]string{"groups": "description"})
		return
	}
	v.done(groupURL("one", name), "notice.admin.group_described")
}

// addMember puts somebody into a group whose user name was typed.
func (c *Console) addMember(v *visit) {
	if !v.only("name", "username") {
		return
	}
	name := v.form("name")
	who, err := c.Accounts.ByUsername(v.r.Context(), v.form("username"))
	if errors.Is(err, account.ErrNotFound) {
		err = errNoSuchName
	}
	if err == nil {
		err = v.desk.SetMember(v.r.Context(), who.Subject, name, true)
	}
	if err != nil {
		v.regroup(err, map[string]string{"groups": ""})
		return
	}
	v.done(groupURL("one", name), "notice.admin.member_added")
}

func (c *Console) removeMember(v *visit) {
	if !v.only("name", "subject") {
		return
	}
	name := v.form("name")
	if err := v.desk.SetMember(v.r.Context(), v.form("subject"), name, false); err != nil {
		v.regroup(err, nil)
		return
	}
	v.done(groupURL("one", name), "notice.admin.member_removed")
}

// groupDeletePage is the data of the page before a group goes.
type groupDeletePage struct {
	groupRow
	Clients     []groupClient
	MoreClients bool
	Members     bool // they leave it: ticked
	Problem     *templates.Problem
}

func (c *Console) showDeleteGroup(v *visit) { v.deletePage(v.r.URL.Query().Get("name"), nil) }

func (v *visit) deletePage(name string, err error) {
	group, failed := v.desk.Group(v.r.Context(), name)
	var policy account.Policy
	if failed == nil {
		policy, failed = v.c.Accounts.Policy(v.r.Context())
	}
	if failed != nil {
		v.fail(failed)
		return
	}
	page := groupDeletePage{groupRow: v.groupRow(group, policy), Members: v.form("members") != "", Problem: problem(err)}
	if page.Clients, page.MoreClients, failed = v.clientsOf(name); failed != nil {
		v.fail(failed)
		return
	}
	code := http.StatusOK
	if err != nil {
		code = status(err)
	}
	v.render(code, "admin_group_delete", page)
}

func (c *Console) deleteGroup(v *visit) {
	if !v.only("name", "members") {
		return
	}
	err := v.desk.DeleteGroup(v.r.Context(), v.form("name"), v.form("members") != "")
	switch {
	case err == nil:
		v.done(groupsPath, "notice.admin.group_deleted")
	case refused(err):
		v.fail(err)
	default:
		v.deletePage(v.form("name"), err)
	}
}
