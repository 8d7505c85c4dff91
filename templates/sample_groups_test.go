package templates

func groupSamples() []sample {
	type group struct {
		Name, Description string
		Members           int
	}
	type row struct {
		Group                              group
		Name, Description, URL, MembersURL string
		Members                            int
		Policy                             bool
	}
	type client struct{ ID, Name, URL string }
	type page struct {
		Group                              group
		Name, Description, URL, MembersURL string
		Policy, Now, May, MoreClients      bool
		Former, Typed, Next, Add           string
		DeleteURL                          string
		Clients                            []client
		Members                            []personRowData
		Problem                            *mistake
	}
	type removal struct {
		Group                              group
		Name, Description, URL, MembersURL string
		Policy, MoreClients, Members       bool
		Clients                            []client
		Problem                            *mistake
	}
	type form struct {
		Name, Description string
		Problem           *mistake
	}
	type list struct {
		Groups []row
		May    bool
	}
	one := row{group{"staff", typedIn, 12}, "staff", typedIn, "/admin/groups/one?name=staff", "/admin/people?group=staff", 12, true}
	other := row{group{longName, "", 0}, longName, "", "/admin/groups/one?name=x", "/admin/people?group=x", 0, false}
	clients := []client{{"app", typedIn, "/admin/clients/app"}, {"nameless", "", "/admin/clients/nameless"}}
	whole := page{Group: one.Group, Name: "staff", Description: typedIn, URL: one.URL, MembersURL: one.MembersURL, Policy: true, May: true, MoreClients: true,
		Former: typedIn, Typed: typedIn, Next: "/admin/groups/one?cursor=x", DeleteURL: "/admin/groups/delete?name=staff", Clients: clients, Members: peopleRows()}
	empty := page{Group: other.Group, Name: longName, URL: other.URL, MembersURL: other.MembersURL}
	stale, unknown := whole, whole
	stale.Now, stale.Typed, stale.Problem = true, "typed", &mistake{"problem.admin.stale", "", nil}
	unknown.Add, unknown.Problem = typedIn, &mistake{"problem.admin.no_such_name", "username", nil}
	described := whole
	described.Problem = &mistake{"problem.groups.characters", "description", nil}
	return []sample{
		{"groups", "admin_groups", list{[]row{one, other}, true}}, {"groups none", "admin_groups", list{nil, true}}, {"groups read", "admin_groups", list{nil, false}},
		{"group new", "admin_group_form", form{}}, {"group new wrong", "admin_group_form", form{typedIn, longName, &mistake{"problem.groups.characters", "name", nil}}},
		{"group", "admin_group", whole}, {"group empty", "admin_group", empty}, {"group stale", "admin_group", stale}, {"group unknown", "admin_group", unknown}, {"group described", "admin_group", described},
		{"group delete", "admin_group_delete", removal{Group: one.Group, Name: "staff", URL: one.URL, Policy: true, MoreClients: true, Clients: clients, Problem: &mistake{"problem.admin.has_members", "", nil}}},
		{"group delete empty", "admin_group_delete", removal{Group: other.Group, Name: longName, URL: other.URL}},
	}
}
