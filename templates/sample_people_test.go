package templates

import (
	"strings"
	"time"
)

// typedIn is what somebody could write into each field that is shown to administrators.
const typedIn = `"><script>alert(1)</script><img src=x onerror=alert(1)> ' ; {{.}} javascript:alert(1)`

var longName = strings.Repeat("Donaudampfschifffahrtsgesellschaft", 7)

type (
	peopleFilterData struct{ Text, Group, Role, State, MFA, SignIn, Sort string }
	peopleMay        struct{ Create, Import, Export bool }
	peopleColumnData struct{ ID, URL, Sorted string }
	personRowData    struct {
		Subject, Username, Name, Email, Role, URL string
		Groups                                    []string
		MFAEnrolled, Disabled, Compromised        bool
		CodesLeft                                 int
		PasswordAt, SignedInAt                    time.Time
	}
	peopleData struct {
		Filter                 peopleFilterData
		Narrow                 bool
		Groups, Roles, Bulk    []string
		Columns                []peopleColumnData
		People                 []personRowData
		Total                  int
		More                   bool
		First, Next, ExportURL string
		May                    peopleMay
		Problem                *mistake
	}
	bulkRowData struct {
		Subject, Username, Name, Email, URL, Role, Link string
		Problem                                         *mistake
	}
	bulkData struct {
		Deed, Group            string
		Groups                 []string
		People                 []bulkRowData
		AskCount, After, Links bool
		Done, Not              int
		Problem                *mistake
	}
	exportFilter struct{ Name, Value string }
	exportColumn struct {
		Name    string
		Checked bool
	}
	exportData struct {
		Filter       []exportFilter
		Narrow, More bool
		Total        int
		Columns      []exportColumn
		BackURL      string
		Problem      *mistake
	}
	importData struct {
		Most, Megabytes int
		Columns         []string
		Problem         *mistake
	}
	importLine struct {
		Line                  int
		Username, URL, Result string
		Fields                []string
		Problem               *mistake
	}
	previewData struct {
		Handle                                      string
		Lines, Created, Changed, Unchanged, Refused int
		Rows                                        []importLine
		More, Left                                  int
		After                                       bool
		Problem                                     *mistake
	}
	groupChoiceData struct {
		Name         string
		Checked, Now bool
	}
	personNow      struct{ Username, Name, Email string }
	personFormData struct {
		Action, BackURL, Username, Name, Email, Version, Role string
		New, EmailVerified, MayGroup, Invite, Mailing         bool
		Groups                                                []groupChoiceData
		Roles                                                 []string
		Now                                                   *personNow
		Problem                                               *mistake
	}
	deedData struct {
		Deed, Action, BackURL, Username, Name, Email, ID, What string
		Danger, AskReason, AskName                             bool
		Reason, Confirm, Role                                  string
		Roles                                                  []string
		Problem                                                *mistake
	}
	linkData struct {
		Deed, Link, Username, BackURL string
		Email                         bool
	}
	personPageData struct {
		Subject, Username, Name, Email, Role, EditURL, TrailURL            string
		Groups                                                             []string
		EmailVerified, Disabled, Compromised, Self, Sealed, Asked, Overdue bool
		PasswordAt, SignedInAt, CreatedAt, DueBy                           time.Time
		MFA                                                                personFactors
		Passkeys                                                           []credentialData
		Sessions                                                           []personSession
		Devices                                                            []personDevice
		Apps                                                               []personApp
		Deeds                                                              map[string]string
		Helps, Dangers                                                     []string
		Trail                                                              []personTrail
	}
	personTrail struct {
		At   time.Time
		What struct {
			ID   string
			Args map[string]any
		}
		By, URL string
		Bad     bool
	}
	personFactors struct {
		Enrolled       bool
		Authenticators []authenticatorData
		CodesLeft      int
	}
	personSession struct {
		Name, Address, EndURL string
		CreatedAt, SeenAt     time.Time
		Factor                bool
	}
	personDevice struct {
		Name, EndURL          string
		LastUsedAt, ExpiresAt time.Time
	}
	personApp struct {
		ID, Name, EndURL string
		Scopes           []string
		At               time.Time
	}
)

func peopleSamples() []sample {
	return append(listSamples(), append(fileSamples(), personSamples()...)...)
}

func peopleRows() []personRowData {
	return []personRowData{
		{Subject: "P1", Username: "ada", Name: "Ada Example", Email: "ada@example.com", Role: "administrator", URL: "/admin/people/P1",
			Groups: []string{"staff", "a", "b", "c", "d"}, MFAEnrolled: true, CodesLeft: 8, PasswordAt: noon, SignedInAt: noon},
		{Subject: "P2", Username: longName, Name: longName, Email: longName + "@example.com", MFAEnrolled: true, CodesLeft: 1, Disabled: true, Compromised: true, URL: "/admin/people/P2", PasswordAt: noon},
		{Subject: "P3", Username: typedIn, Name: typedIn, Email: typedIn, Groups: []string{typedIn}, URL: "/admin/people/P3"},
		{Subject: "P4", Username: "nameless", Role: "helpdesk", PasswordAt: noon},
	}
}

func listSamples() []sample {
	list := peopleData{
		Groups: []string{"staff", longName}, Roles: []string{"auditor", "helpdesk", "administrator"}, People: peopleRows(), Total: 4,
		Columns: []peopleColumnData{{"name", "/admin/people?sort=name", ""}, {"username", "/admin/people?sort=-username", "ascending"}, {"signed_in", "/admin/people?sort=signed_in", ""}},
		Bulk:    []string{"disable", "enable", "end_sessions", "reset_password", "add", "remove", "delete"}, May: peopleMay{true, true, true}, ExportURL: "/admin/people/export",
	}
	further := list
	further.More, further.Total, further.First, further.Next = true, 5000, "/admin/people", "/admin/people?cursor=x"
	further.Filter = peopleFilterData{typedIn, "staff", "any", "disabled", "few", "no_password", "-signed_in"}
	many := list
	many.More, many.Total = true, 0
	reader := list
	reader.Bulk, reader.May, reader.Total = nil, peopleMay{}, 1
	none := list
	none.People, none.Narrow, none.Filter.Text = nil, true, typedIn
	nobody := list
	nobody.People, nobody.Groups = nil, nil
	wrong := none
	wrong.Problem = &mistake{"problem.text.too_long", "text", nil}
	cursor := nobody
	cursor.Problem = &mistake{"problem.admin.cursor", "", nil}
	rows := []bulkRowData{
		{"P1", "ada", "Ada Example", "ada@example.com", "/admin/people/P1", "administrator", "", nil},
		{"P2", typedIn, typedIn, typedIn, "/admin/people/P2", "", "", nil}, {"P3", longName, "", "", "/admin/people/P3", "", "", nil},
	}
	done := []bulkRowData{
		{"P1", "ada", "Ada Example", "ada@example.com", "/admin/people/P1", "administrator", "", &mistake{"problem.admin.self", "", nil}},
		{"P2", typedIn, typedIn, typedIn, "/admin/people/P2", "", "", nil},
		{"P3", longName, "", "", "/admin/people/P3", "", "https://id.example/reset/password?token=" + longName, nil},
	}
	return []sample{
		{"people", "admin_people", list}, {"people further", "admin_people", further}, {"people many", "admin_people", many}, {"people read", "admin_people", reader},
		{"people none", "admin_people", none}, {"people nobody", "admin_people", nobody}, {"people wrong", "admin_people", wrong}, {"people cursor", "admin_people", cursor},
		{"bulk invite", "admin_people_bulk", bulkData{Deed: "invite", People: rows}},
		{"bulk invited", "admin_people_bulk", bulkData{Deed: "invite", People: done, After: true, Done: 2, Not: 1, Links: true}},
		{"bulk disable", "admin_people_bulk", bulkData{Deed: "disable", People: rows}},
		{"bulk enable", "admin_people_bulk", bulkData{Deed: "enable", People: rows}},
		{"bulk sessions", "admin_people_bulk", bulkData{Deed: "end_sessions", People: rows}},
		{"bulk add", "admin_people_bulk", bulkData{Deed: "add", Groups: []string{"staff", longName}, Group: "gone", People: rows, Problem: &mistake{"problem.admin.choose_group", "group", nil}}},
		{"bulk remove", "admin_people_bulk", bulkData{Deed: "remove", Groups: []string{"staff"}, Group: "staff", People: rows}},
		{"bulk delete", "admin_people_bulk", bulkData{Deed: "delete", AskCount: true, People: rows, Problem: &mistake{"problem.admin.count", "count", nil}}},
		{"bulk done", "admin_people_bulk", bulkData{Deed: "reset_password", People: done, After: true, Done: 2, Not: 1, Links: true}},
	}
}

func fileSamples() []sample {
	columns := []exportColumn{{"username", true}, {"recovery_codes_left", false}}
	lines := []importLine{
		{3, typedIn, "", "refuse", nil, &mistake{"problem.column.unknown", "", map[string]any{"Name": typedIn}}},
		{9, "", "", "refuse", nil, &mistake{"problem.username.empty", "", nil}},
		{4, longName, "/admin/people/P2", "change", []string{"email", "email_verified", "groups", "name"}, nil},
		{5, "new", "", "create", nil, nil}, {6, "old", "/admin/people/P4", "unchanged", nil, nil},
	}
	names := []string{"username", "email", "email_verified", "name", "groups"}
	return []sample{
		{"export", "admin_people_export", exportData{Total: 1, Columns: columns, BackURL: "/admin/people"}},
		{"export narrow", "admin_people_export", exportData{Filter: []exportFilter{{"text", typedIn}}, Narrow: true, More: true, Total: 50000, Columns: columns, BackURL: "/admin/people?text=x"}},
		{"export many", "admin_people_export", exportData{More: true, Columns: columns, BackURL: "/admin/people", Problem: &mistake{"problem.format.unknown", "format", nil}}},
		{"import", "admin_people_import", importData{10000, 5, names, nil}},
		{"import wrong", "admin_people_import", importData{10000, 5, names, &mistake{"problem.column.unknown", "file", map[string]any{"Name": typedIn}}}},
		{"import preview", "admin_people_preview", previewData{Handle: "H", Lines: 5, Created: 1, Changed: 1, Unchanged: 1, Refused: 2, Rows: lines, More: 1}},
		{"import preview changed", "admin_people_preview", previewData{Handle: "H", Lines: 5, Created: 1, Rows: lines[3:], Problem: &mistake{"problem.admin.import_changed", "", nil}}},
		{"import partly", "admin_people_preview", previewData{Handle: "H", Lines: 5, Left: 9000, Created: 1, Rows: lines, After: true}},
		{"import done", "admin_people_preview", previewData{Lines: 1, Created: 1, Rows: lines, After: true}},
	}
}

func personSamples() []sample {
	roles := []string{"auditor", "helpdesk", "administrator"}
	groups := []groupChoiceData{{"staff", true, false}, {longName, false, true}, {typedIn, false, false}}
	deed := func(name string) deedData {
		return deedData{Deed: name, Action: "/admin/people/P1/" + name, BackURL: "/admin/people/P1", Username: typedIn, Name: longName}
	}
	reason, wrongReason, remove, role := deed("reset_mfa"), deed("compromised"), deed("delete"), deed("role")
	reason.AskReason, reason.Danger = true, true
	wrongReason.AskReason, wrongReason.Reason, wrongReason.Problem = true, typedIn, &mistake{"problem.admin.reason", "reason", nil}
	remove.AskName, remove.Danger, remove.Confirm, remove.Problem = true, true, typedIn, &mistake{"problem.admin.confirm", "confirm", nil}
	role.Roles, role.Role, role.Problem = roles, "helpdesk", &mistake{"problem.admin.last_admin", "", nil}
	mailed, session := deed("reset_password"), deed("end_session")
	mailed.Email, session.ID, session.What = typedIn, typedIn, "Firefox, Linux"
	samples := []sample{
		{"person new", "admin_person_form", personFormData{New: true, Action: "/admin/people", BackURL: "/admin/people", MayGroup: true, Groups: groups, Roles: roles, Invite: true}},
		{"person new, help desk", "admin_person_form", personFormData{New: true, Action: "/admin/people", BackURL: "/admin/people", Mailing: true, Invite: true,
			Username: typedIn, Name: typedIn, Email: typedIn, Problem: &mistake{"problem.username.characters", "username", nil}}},
		{"person edit", "admin_person_form", personFormData{Action: "/admin/people/P1/edit", BackURL: "/admin/people/P1", MayGroup: true, EmailVerified: true, Username: longName, Version: "3"}},
		{"person stale", "admin_person_form", personFormData{Action: "/admin/people/P1/edit", BackURL: "/admin/people/P1", MayGroup: true, Groups: groups, Username: "typed", Version: "4",
			Now: &personNow{typedIn, "", longName}, Problem: &mistake{"problem.admin.stale", "", nil}}},
		{"deed reason", "admin_person_deed", reason}, {"deed reason wrong", "admin_person_deed", wrongReason}, {"deed delete", "admin_person_deed", remove},
		{"deed role", "admin_person_deed", role}, {"deed mailed", "admin_person_deed", mailed}, {"deed session", "admin_person_deed", session},
		{"link invite", "admin_person_link", linkData{"invite", "https://id.example/invite?token=" + longName, typedIn, "/admin/people/P1", true}},
		{"link reset", "admin_person_link", linkData{"reset_password", "https://id.example/reset/password?token=x", "ada", "/admin/people/P1", false}},
	}
	return append(samples, onePersonSamples()...)
}

func onePersonSamples() []sample {
	all := []string{"invite", "reset_password", "compromised", "reset_mfa", "end_sessions", "forget_devices"}
	access := []string{"role", "disable", "enable", "delete"}
	deeds := map[string]string{"unseal": "/admin/people/P1/unseal"}
	for _, id := range append(append([]string{}, all...), access...) {
		deeds[id] = "/admin/people/P1/" + id
	}
	full := personPageData{
		Subject: "P1", Username: typedIn, Name: longName, Email: typedIn, Role: "helpdesk", EditURL: "/admin/people/P1/edit", TrailURL: "/admin/audit?subject=P1",
		Groups: []string{typedIn, "staff"}, EmailVerified: true, Disabled: true, Compromised: true, Sealed: true, Asked: true,
		PasswordAt: noon, SignedInAt: noon, CreatedAt: noon,
		MFA:      personFactors{true, []authenticatorData{{ID: "a", Name: typedIn, AddedAt: noon}, {ID: "b", Name: longName, AddedAt: noon, LastUsedAt: noon}}, 2},
		Passkeys: []credentialData{{ID: "k", Name: typedIn, AddedAt: noon, Synced: true}, {ID: "l", Name: "Key", AddedAt: noon, LastUsedAt: noon}},
		Sessions: []personSession{{"Firefox, Linux", "192.0.2.1", "/admin/people/P1/end-session?id=s", noon, noon, true}, {typedIn, "", "", noon, noon, false}},
		Devices:  []personDevice{{typedIn, "/admin/people/P1/forget-device?id=d", noon, noon}},
		Apps:     []personApp{{"app", typedIn, "/admin/people/P1/disconnect?id=app", []string{"openid", typedIn}, noon}, {"own", longName, "", nil, noon}},
		Deeds:    deeds, Helps: all, Dangers: access, Trail: []personTrail{{At: noon, By: typedIn, URL: "/admin/audit/1", Bad: true}, {At: noon, URL: "/admin/audit/2"}},
	}
	full.Trail[0].What.ID, full.Trail[1].What.ID = "trail.sign_in.refused", "trail.other"
	full.Trail[1].What.Args = map[string]any{"Action": typedIn}
	bare := personPageData{Subject: "P2", Username: "new", CreatedAt: noon, Self: true}
	due, overdue, done := bare, bare, bare
	due.Asked, due.DueBy = true, noon
	overdue.Asked, overdue.DueBy, overdue.Overdue = true, noon, true
	overdue.Deeds, overdue.Helps = deeds, all
	done.Asked, done.MFA.Enrolled = true, true
	now := bare
	now.Asked = true
	return []sample{
		{"person", "admin_person", full}, {"person bare", "admin_person", bare}, {"person due", "admin_person", due}, {"person overdue", "admin_person", overdue},
		{"person enrolled", "admin_person", done}, {"person asked now", "admin_person", now},
	}
}
