package api_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
)

// cell is what an operation answers whom. Roles and scopes stand here once more, apart from the code.
type cell struct {
	roles  string // who may, of the people
	scopes string // what a program needs
	body   string // that is sent; "": none
	let    int    // the status for those who are let in; unknown ids and incomplete requests keep it without effect
}

const (
	everyRole = "auditor helpdesk administrator"
	readers   = "auditor administrator"
	helpers   = "helpdesk administrator"
	admins    = "administrator"
	because   = `{"reason": "a test"}`
	odd       = `{"x": 1}`
)

// matrix has a row for each operation of the document.
var matrix = map[string]cell{
	"listPeople":              {everyRole, "idp.people.read", "", 200},
	"createPerson":            {helpers, "idp.people.help", odd, 422},
	"getPerson":               {everyRole, "idp.people.read", "", 404},
	"editPerson":              {helpers, "idp.people.read idp.people.help", `{}`, 404},
	"deletePerson":            {admins, "idp.people.write", "", 404},
	"setRole":                 {admins, "idp.staff.write", `{"role": ""}`, 404},
	"disablePerson":           {helpers, "idp.people.help", "", 404},
	"enablePerson":            {helpers, "idp.people.help", "", 404},
	"declareCompromised":      {helpers, "idp.people.help", because, 404},
	"resetMFA":                {helpers, "idp.people.help", because, 404},
	"unsealMFA":               {helpers, "idp.people.help", because, 404},
	"invitePerson":            {helpers, "idp.people.help", "", 404},
	"resetPassword":           {helpers, "idp.people.help", "", 404},
	"getFactors":              {everyRole, "idp.people.read", "", 404},
	"listSessions":            {everyRole, "idp.people.read", "", 404},
	"listDevices":             {everyRole, "idp.people.read", "", 404},
	"listApps":                {everyRole, "idp.people.read", "", 404},
	"endSessions":             {helpers, "idp.people.help", "", 404},
	"forgetDevices":           {helpers, "idp.people.help", "", 404},
	"endSession":              {helpers, "idp.people.help", "", 404},
	"forgetDevice":            {helpers, "idp.people.help", "", 404},
	"disconnectApp":           {helpers, "idp.people.help", "", 404},
	"doToPeople":              {helpers, "idp.people.help", odd, 422},
	"importPeople":            {admins, "idp.people.write", odd, 415},
	"exportPeople":            {admins, "idp.people.read idp.people.write", "", 200},
	"listGroups":              {everyRole, "idp.people.read", "", 200},
	"createGroup":             {admins, "idp.people.write", odd, 422},
	"getGroup":                {everyRole, "idp.people.read", "", 404},
	"describeGroup":           {admins, "idp.people.read idp.people.write", `{"description": ""}`, 404},
	"deleteGroup":             {admins, "idp.people.write", "", 404},
	"listMembers":             {everyRole, "idp.people.read", "", 404},
	"addMember":               {admins, "idp.people.write", `{"id": "nobody"}`, 404},
	"removeMember":            {admins, "idp.people.write", "", 404},
	"getFigures":              {everyRole, "idp.people.read", "", 200},
	"listClients":             {readers, "idp.clients.read", "", 200},
	"createClient":            {admins, "idp.clients.read idp.clients.write", odd, 422},
	"getClient":               {readers, "idp.clients.read", "", 404},
	"replaceClient":           {admins, "idp.clients.read idp.clients.write", `{}`, 428},
	"disableClient":           {admins, "idp.clients.write", "", 428},
	"enableClient":            {admins, "idp.clients.write", "", 428},
	"endFormerSecret":         {admins, "idp.clients.write", "", 428},
	"deleteClient":            {admins, "idp.clients.write", "", 428},
	"rotateSecret":            {admins, "idp.clients.write", `{}`, 428},
	"listClientProblems":      {readers, "idp.clients.read", "", 404},
	"previewTokens":           {readers, "idp.clients.read", "", 404},
	"listUnknownClients":      {readers, "idp.clients.read", "", 200},
	"listClientTemplates":     {readers, "idp.clients.read", "", 200},
	"createRegistrationToken": {admins, "idp.clients.write", `{}`, 422},
	"getPolicy":               {readers, "idp.settings.read", "", 200},
	"setPolicy":               {admins, "idp.settings.read idp.settings.write", odd, 422},
	"previewPolicy":           {readers, "idp.settings.read", odd, 422},
	"listKeys":                {readers, "idp.settings.read", "", 200},
	"rotateKeys":              {admins, "idp.settings.read idp.settings.write", odd, 422},
	"retireKey":               {admins, "idp.settings.read idp.settings.write", because, 404},
	"getBranding":             {readers, "idp.settings.read", "", 200},
	"setBranding":             {admins, "idp.settings.read idp.settings.write", odd, 422},
	"setLogo":                 {admins, "idp.settings.read idp.settings.write", odd, 415},
	"removeLogo":              {admins, "idp.settings.read idp.settings.write", "", 428},
	"testMail":                {admins, "idp.settings.write", odd, 422},
	"listAudit":               {readers, "idp.audit.read", "", 200},
	"getAuditEntry":           {readers, "idp.audit.read", "", 404},
	"explainAuditEntry":       {readers, "idp.audit.read", "", 404},
	"exportAudit":             {readers, "idp.audit.read", "", 200},
	"verifyAudit":             {readers, "idp.audit.read", "", 200},
	"getOpenAPI":              {everyRole, "", "", 200},
	"getDocs":                 {everyRole, "", "", 200},
}

// described is an operation of the document.
type described struct{ id, method, path string }

func (f *fixture) operations() []described {
	f.T.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		}
	}
	f.want(f.call("GET", "/openapi.json", nil), 200).into(f.T, &document)
	var out []described
	for path, methods := range document.Paths {
		for method, op := range methods {
			out = append(out, described{op.ID, strings.ToUpper(method), path})
		}
	}
	slices.SortFunc(out, func(a, b described) int { return strings.Compare(a.id, b.id) })
	return out
}

var parameter = regexp.MustCompile(`\{\w+\}`)

// caller is somebody who tries everything.
type caller struct {
	name, token string
	want        func(cell) int
}

func (f *fixture) callers() []caller {
	app := f.app()
	expired := f.Machine("expired", everything()...).Token("")
	out := []caller{
		{"nobody", "", func(cell) int { return 401 }},
		{"garbage", "garbage", func(cell) int { return 401 }},
		{"expired", expired, func(cell) int { return 401 }},
	}
	people := map[string]*somebody{}
	for _, role := range append(account.Roles(), "") {
		people[string(role)] = f.somebody(app, "the-"+string(role), role)
	}
	f.Clock.Add(time.Hour) // what was given until now is good no more, but for the sessions
	for role, p := range people {
		out = append(out, caller{"person, " + role, p.token(), func(c cell) int {
			if role != "" && slices.Contains(strings.Fields(c.roles), role) {
				return c.let
			}
			return 403
		}})
	}
	out = append(out, caller{"administrator by one factor", people["administrator"].weak(), func(c cell) int {
		if c.scopes == "" {
			return c.let
		}
		return 401
	}})
	for _, scope := range everything() {
		out = append(out, caller{"program, " + scope, f.Machine(strings.ReplaceAll(scope, ".", "-"), scope).Token(""), func(c cell) int {
			if c.scopes == "" || c.scopes == scope {
				return c.let
			}
			return 403
		}})
	}
	all := f.Machine("all", everything()...).Token("")
	return append(out, caller{"program, all", all, func(c cell) int { return c.let }})
}

// TestSec_AD01_EveryOperationAndEverybody is generated from the document: an operation without a row fails.
func TestSec_AD01_EveryOperationAndEverybody(t *testing.T) {
	f := start(t)
	operations, callers := f.operations(), f.callers()
	if len(operations) != len(matrix) {
		t.Errorf("%d operations, %d rows", len(operations), len(matrix))
	}
	tried := 0
	for _, op := range operations {
		row, ok := matrix[op.id]
		if !ok {
			t.Errorf("%s (%s %s) has no row in the matrix", op.id, op.method, op.path)
			continue
		}
		for _, who := range callers {
			var body any
			if row.body != "" {
				body = row.body
			}
			a := f.as(who.token, op.method, parameter.ReplaceAllString(op.path, "nobody"), body)
			if want := who.want(row); a.status != want {
				t.Errorf("%s as %s: %d instead of %d: %.300s", op.id, who.name, a.status, want, a.body)
			}
			if a.status >= 400 && a.problem() == "" {
				t.Errorf("%s as %s: %d is no problem: %.300s", op.id, who.name, a.status, a.body)
			}
			tried++
		}
	}
	t.Logf("%d operations, %d callers, %d answers", len(operations), len(callers), tried)
}

// TestSec_AD04_HelpDeskTouchesNoStaff: what is done to somebody with a role is for administrators, by the API too.
func TestSec_AD04_HelpDeskTouchesNoStaff(t *testing.T) {
	f := start(t)
	app := f.app()
	desk := f.somebody(app, "desk", account.HelpDesk).token()
	target := f.AddUser("boss", staff(account.Administrator)).Subject
	plain := f.AddUser("alice").Subject
	for _, path := range []string{"disable", "enable", "invite", "reset-password"} {
		f.refused(f.as(desk, "POST", "/people/"+target+"/"+path, nil), 403, "forbidden")
	}
	f.refused(f.as(desk, "POST", "/people/"+target+"/reset-mfa", object{"reason": "r"}), 403, "forbidden")
	f.refused(f.as(desk, "GET", "/people/"+target, nil), 403, "forbidden")
	f.refused(f.as(desk, "PATCH", "/people/"+target, object{"name": "x"}, "If-Match", `"1"`), 403, "forbidden")
	f.refused(f.as(desk, "POST", "/people", object{"username": "new", "groups": []string{"staff"}}), 403, "forbidden")
	f.refused(f.as(desk, "POST", "/people", object{"username": "new", "role": "helpdesk"}), 403, "forbidden")
	f.want(f.as(desk, "POST", "/people/"+plain+"/disable", nil), 204)
	bulk := f.want(f.as(desk, "POST", "/people/bulk", object{"action": "enable", "people": []string{plain, target}}), 200)
	var results struct {
		Results []struct {
			ID      string
			Done    bool
			Problem struct{ Type string }
		}
	}
	bulk.into(t, &results)
	for _, r := range results.Results {
		if r.Done != (r.ID == plain) || !r.Done && !strings.HasSuffix(r.Problem.Type, ":forbidden") {
			t.Errorf("%+v", r)
		}
	}
}
