package console_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
)

// export downloads the list of a query.
func (s *site) export(query url.Values, format string, columns ...string) (string, http.Header) {
	s.t.Helper()
	page := s.root.Enter("/admin/people/export?" + query.Encode())
	values := page.Fields("export-do")
	values.Set("format", format)
	values["columns"] = columns
	file := s.root.Browser.Post("/admin/people/export", values)
	if file.Status != http.StatusOK {
		s.t.Fatalf("%d %s", file.Status, file.Text("main"))
	}
	return file.Body, file.Header
}

func TestExportOfAList(t *testing.T) {
	s := newSite(t)
	s.groups("staff")
	s.newcomer("ada", "staff")
	s.newcomer("bob")
	file, header := s.export(url.Values{"group": {"staff"}}, "csv", "username", "groups", "role", "signed_in_at")
	if file != "username,groups,role,signed_in_at\r\nada,staff,,\r\n" {
		t.Errorf("%q", file)
	}
	if !strings.HasPrefix(header.Get("Content-Disposition"), `attachment; filename="people-`) || !strings.HasPrefix(header.Get("Content-Type"), "text/csv") ||
		header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", header)
	}
	file, _ = s.export(nil, "jsonl", "username", "email_verified")
	if file != `{"username":"ada","email_verified":false}`+"\n"+`{"username":"bob","email_verified":false}`+"\n"+`{"username":"root","email_verified":true}`+"\n" {
		t.Errorf("%q", file)
	}
	if file, _ = s.export(url.Values{"text": {"nobody"}}, "csv", "username"); file != "username\r\n" {
		t.Errorf("of nobody: %q", file)
	}
	if n := s.rows("people.exported", s.root.Subject, ""); n != 3 {
		t.Errorf("%d exports are on record", n)
	}
	says(t, post(s.root, "/admin/people/export", "format", "xls"), http.StatusUnprocessableEntity, "Choose CSV or JSON.")
	says(t, post(s.root, "/admin/people/export", "format", "csv", "columns", "password"), http.StatusUnprocessableEntity, "There is no column password")
	says(t, post(s.root, "/admin/people/export", "format", "csv", "sort", "password"), http.StatusBadRequest)
	if page := s.root.Browser.Get("/admin/people/export?sort=x"); page.Status != http.StatusBadRequest {
		t.Errorf("%d", page.Status)
	}
}

// What a spreadsheet would compute is text in the file, and comes back as it was.
func TestSec_AD08_FormulasInAnExport(t *testing.T) {
	s := newSite(t)
	formulas := []string{"=1+1", "+1", "-1", "@SUM(A1)", `=HYPERLINK("http://evil.example";"x")`, "=cmd|' /C calc'!A0", "'=1", "-", "''+2"}
	for i, formula := range formulas {
		says(t, post(s.root, "/admin/people", "username", fmt.Sprintf("=u%d", i), "name", formula), http.StatusOK)
	}
	file, _ := s.export(url.Values{"sort": {"created"}, "signin": {"never"}}, "csv", "username", "name")
	lines, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	if err != nil || len(lines) != len(formulas)+1 {
		t.Fatalf("%d %v", len(lines), err)
	}
	for _, line := range lines[1:] {
		for _, cell := range line {
			if strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	// The same file changes nothing.
	page := upload(s.root, "people.csv", file, "form_token", token(s.root))
	says(t, page, http.StatusOK)
	if got := page.All(".stats strong"); strings.Join(got, " ") != fmt.Sprintf("0 0 %d 0", len(formulas)) {
		t.Errorf("%q: %s", got, page.Text("main"))
	}
}

func TestImportOfAFile(t *testing.T) {
	s := newSite(t)
	s.groups("staff")
	old := s.AddUser("old")
	s.AddUser("holder")
	s.root.Enter("/admin/people/import")
	file := "username,email,name,groups\nnew,new@example.com,New Example,staff\nold,old@example.com,Old Example,\nbad name,,,\nother,holder@example.com,,\nlost,,,gone\nnew,,,\nroot,root@example.com,root,\n"
	page := upload(s.root, "people.csv", file, "form_token", token(s.root))
	says(t, page, http.StatusOK, "Nothing has happened yet", "A user name has no spaces", "Another account has that e-mail address", "does not exist", "An earlier line of the file has the same user name")
	if got := strings.Join(page.All(".stats strong"), " "); got != "1 1 1 4" {
		t.Fatalf("%s", got)
	}
	if s.read(old.Subject).Name == "Old Example" {
		t.Fatal("a preview changes something")
	}
	done := page.Submit("import-do")
	says(t, done, http.StatusOK, "The import is done", "Added", "Changed")
	made, err := s.Accounts.ByUsername(t.Context(), "new")
	if err != nil || made.Email != "new@example.com" || strings.Join(made.Groups, " ") != "staff" || s.read(old.Subject).Name != "Old Example" || !made.PasswordAt.IsZero() {
		t.Errorf("%+v %v", made, err)
	}
	if s.rows("people.imported", s.root.Subject, "") != 1 || s.rows("account.created", s.root.Subject, made.Subject) != 1 || s.rows("account.updated", s.root.Subject, old.Subject) != 1 {
		t.Error("it is not on record whose deed it was")
	}
	says(t, done, http.StatusOK, "choose Invite: their links last 3 days")
	list := done.Follow("#invite")
	if names := shown(list, "tbody th"); list.Status != http.StatusOK || !strings.Contains(names, "New Example") || strings.Contains(names, "root") || !list.Has("#do option[value=invite]") {
		t.Errorf("%d %s", list.Status, names)
	}
	says(t, page.Submit("import-do"), http.StatusUnprocessableEntity, "The preview is over")
	// JSON: lines, and a list.
	for i, file := range []string{"{\"username\":\"j0\"}\n{\"username\":\"j1\",\"groups\":[\"staff\"]}\n", "\ufeff [ {\"username\":\"j2\"},\n {\"username\":\"j3\"} ] "} {
		page := upload(s.root, "people.json", file, "form_token", token(s.root))
		says(t, page.Submit("import-do"), http.StatusOK, "2 lines were looked at")
		if _, err := s.Accounts.ByUsername(t.Context(), fmt.Sprint("j", i*2+1)); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	template := s.root.Enter("/admin/people/import").Follow("#template")
	if template.Body != "username,email,email_verified,name,groups\r\n" || !strings.Contains(template.Header.Get("Content-Disposition"), "people.csv") {
		t.Errorf("%q %v", template.Body, template.Header)
	}
}

// What is imported is what was previewed: somebody else's change in between is told, and nobody imports another one's file.
func TestSec_AD02_WhatWasPreviewed(t *testing.T) {
	s := newSite(t)
	other := s.Staff("other", account.Administrator)
	s.root.Enter("/admin/people/import")
	page := upload(s.root, "p.csv", "username,name\nada,Ada\n", "form_token", token(s.root))
	foreign := post(other, "/admin/people/import/run", "import", page.Attr("input[name=import]", "value"))
	says(t, foreign, http.StatusUnprocessableEntity, "The preview is over")
	for _, handle := range []string{"", "AAAA", page.Attr("input[name=import]", "value") + "A"} {
		says(t, post(s.root, "/admin/people/import/run", "import", handle), http.StatusUnprocessableEntity, "The preview is over")
	}
	ada := s.newcomer("ada")
	changed := page.Submit("import-do")
	says(t, changed, http.StatusConflict, "Something has changed since you looked", "would be changed")
	if s.read(ada.Subject).Name != "Ada" && s.read(ada.Subject).Name == "" {
		t.Error("it was imported all the same")
	}
	before := s.read(ada.Subject).Version
	says(t, page.Submit("import-do"), http.StatusUnprocessableEntity, "The preview is over") // the new one is in its place
	if s.read(ada.Subject).Version != before {
		t.Error("the former preview was imported")
	}
	// An hour later it is gone, from the database too.
	late := upload(s.root, "p.csv", "username\nlate\n", "form_token", token(s.root))
	s.Clock.Add(61 * time.Minute)
	s.root.Enter("/admin/people/import")
	says(t, post(s.root, "/admin/people/import/run", "import", late.Attr("input[name=import]", "value")), http.StatusUnprocessableEntity, "The preview is over")
	if _, err := s.Accounts.ByUsername(t.Context(), "late"); err == nil {
		t.Error("imported after an hour")
	}
}

func TestSec_AD08_FilesThatAreNone(t *testing.T) {
	s := newSite(t)
	s.root.Enter("/admin/people/import")
	long := strings.Repeat("x", 100_000)
	for name, test := range map[string]struct{ file, says string }{
		"empty":         {"", "Choose a file that is not empty."},
		"nobody":        {"username,name\n", "The file has nobody in it."},
		"no user name":  {"name\nAda\n", "The column username is missing."},
		"a password":    {"username,password\nada,secret\n", "There is no column password"},
		"a role":        {"username,role\nada,administrator\n", "An export has a column role, but an import changes nothing of it."},
		"twice":         {"username,username\na,b\n", "The column username is there twice."},
		"a quote":       {"username\nbob\n\"ada\n", "cannot be read beyond line 3"},
		"a list":        {"[{\"username\":\"ada\"", "cannot be read as one"},
		"a picture":     {"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"},
		"NUL":           {"username\n\x00\n", "no spaces or special signs"},
		"deep JSON":     {"{\"username\":" + strings.Repeat("[", 20_000) + "}\n", "has to be a text"},
		"unknown names": {"{\"username\":\"ada\",\"admin\":true}\n", "There is no column admin"},
		"a long cell":   {"username,name\nada," + long + "\n", "That name is too long"},
		"a long column": {"username," + long + "\n", "There is no column xxx"},
		"too many":      {"username\n" + strings.Repeat("a\n", account.ImportPeople+1), "The file is too large."},
		"too large":     {"username\n" + strings.Repeat(long, 51), "The file is too large."},
	} {
		page := upload(s.root, "f", test.file, "form_token", token(s.root))
		if page.Status >= 500 || !strings.Contains(page.Text("main"), test.says) {
			t.Errorf("%s: %d %.300s", name, page.Status, page.Text("main"))
		}
	}
	huge := upload(s.root, "f", strings.Repeat(long, 110), "form_token", token(s.root)) // more than anything that is read
	if huge.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("11 MB: %d", huge.Status)
	}
	says(t, post(s.root, "/admin/people/import"), http.StatusUnprocessableEntity, "Choose a file that is not empty.")
	// Who is not in the console sends no more than a form.
	alice := s.Person("alice")
	if page := upload(alice, "f", strings.Repeat("x", 70<<10), "form_token", "x"); page.Status != http.StatusForbidden {
		t.Errorf("a stranger's: %d", page.Status)
	}
	if found, err := s.Accounts.Count(t.Context()); err != nil || found != 2 {
		t.Errorf("%d people, %v", found, err)
	}
}

// The largest file that there may be is previewed and imported, and the page says how many lines it does not show.
func TestAHugeImport(t *testing.T) {
	s := newSite(t)
	s.root.Enter("/admin/people/import")
	var file strings.Builder
	file.WriteString("username,name\n")
	const good = 300 // the others cost no writing
	for i := range account.ImportPeople {
		name := fmt.Sprintf("u%05d", i)
		if i >= good {
			name = "not possible " + name
		}
		fmt.Fprintf(&file, "%s,\"Number %d\"\n", name, i)
	}
	page := upload(s.root, "people.csv", file.String(), "form_token", token(s.root))
	says(t, page, http.StatusOK, "9800 more are not")
	if rows := page.All("tbody tr"); len(rows) != 200 || !strings.Contains(rows[0], "Not possible") {
		t.Errorf("%d rows, first %q", len(rows), rows[0])
	}
	if len(page.Body) > 300_000 {
		t.Errorf("the page has %d bytes", len(page.Body))
	}
	for range 20 { // each request imports for some seconds
		if page.Has("#import-do") {
			page = page.Submit("import-do")
		}
	}
	says(t, page, http.StatusOK, "The import is done")
	if got := strings.Join(page.All(".stats strong"), " "); got != "300 0 0 9700" && got != "0 0 300 9700" {
		t.Errorf("%s", got)
	}
	if found, err := s.Accounts.Count(t.Context()); err != nil || found != good+1 {
		t.Errorf("%d people, %v", found, err)
	}
}
