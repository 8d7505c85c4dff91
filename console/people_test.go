package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

func TestThePeopleOfAList(t *testing.T) {
	s := newSite(t)
	s.groups("staff", "board")
	s.newcomer("ada", "staff")
	s.newcomer("bob", "staff", "board")
	carol := s.AddUser("carol")
	if err := s.Accounts.Disable(t.Context(), carol.Subject); err != nil {
		t.Fatal(err)
	}
	s.AddUser("help", func(n *account.NewAccount) { n.Role = account.HelpDesk })
	for query, want := range map[string]string{
		"":                              "ada bob carol help root",
		"?text=b":                       "bob",
		"?text=CAR":                     "carol",
		"?text=carol@example.com":       "carol",
		"?group=staff":                  "ada bob",
		"?group=staff&text=ada":         "ada",
		"?role=any":                     "help root",
		"?role=helpdesk":                "help",
		"?state=disabled":               "carol",
		"?state=active&signin=never":    "ada bob help",
		"?mfa=none":                     "ada bob carol help",
		"?mfa=few":                      "",
		"?signin=no_password":           "ada bob",
		"?sort=-username":               "root help carol bob ada",
		"?sort=-name&group=staff":       "bob ada",
		"?text=%27+OR+1%3D1+--":         "",
		"?unheard=of&group=":            "ada bob carol help root",
		"?sort=-signed_in&role=any":     "root help",
		"?sort=created&group=board":     "bob",
		"?group=gone":                   "",
		"?text=zz&group=staff&mfa=none": "",
	} {
		page := s.root.Browser.Get("/admin/people" + query)
		got := strings.Join(page.All("td[data-label='User name']"), " ")
		if page.Status != http.StatusOK || got != want {
			t.Errorf("%q: %d, %q, not %q", query, page.Status, got, want)
		}
		if want == "" && !page.Has("#all") {
			t.Errorf("%q: an empty list leads nowhere", query)
		}
	}
	page := s.root.Browser.Get("/admin/people?group=staff&text=a")
	if page.Attr("#text", "value") != "a" || page.Text("#group option[selected]") != "staff" || !page.Has("form[data-live=results]") || !page.Has("#results") {
		t.Error("the form does not keep what was asked for")
	}
	if sorted := page.Attr("th[aria-sort]", "aria-sort"); sorted != "ascending" {
		t.Errorf("sorted %q", sorted)
	}
	if page.Text(".pages .hint") != "1 person" {
		t.Errorf("total: %s", page.Text(".pages .hint"))
	}
}

// Nobody chooses where our statements begin, and what is not offered is no filter.
func TestSec_AD08_ListsOfPeople(t *testing.T) {
	s := newSite(t)
	for i := range 51 {
		s.newcomer("p" + strings.Repeat("x", i))
	}
	page := s.root.Browser.Get("/admin/people?text=p")
	if !page.Has("#next") || page.Has("#first") || page.Text(".pages .hint") != "51 people" {
		t.Fatalf("the first page: %s", page.Text(".pages"))
	}
	next := page.Follow("#next")
	if next.Has("#next") || !next.Has("#first") || len(next.All("tbody tr")) != 1 {
		t.Errorf("the next page: %d rows", len(next.All("tbody tr")))
	}
	if first := next.Follow("#first"); len(first.All("tbody tr")) != 50 {
		t.Error("there is no way back")
	}
	cursor := next.URL.Query().Get("cursor")
	for _, query := range []string{
		"?text=q&cursor=" + cursor, "?cursor=" + cursor, "?text=p&cursor=AAAA", "?text=p&cursor=" + flipped(cursor), "?cursor=%27+OR+1%3D1",
		"?sort=password", "?sort=username%3BDROP+TABLE+accounts", "?state=x", "?mfa=%27", "?signin=1", "?role=root", "?group=%00", "?group=a+b", "?text=" + strings.Repeat("x", 300),
	} {
		page := s.root.Browser.Get("/admin/people" + query)
		if page.Status != http.StatusBadRequest || !page.Has("[role=alert]") || page.Has("tbody tr") {
			t.Errorf("%s: %d %s", query, page.Status, page.Text("main"))
		}
	}
}

// xss is what would run, or change the page, where something is shown as it is.
var xss = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</title><script>alert(1)</script>`,
	`{{.}}`, `<svg/onload=alert(1)>`, `&lt;b&gt;`,
}

// Names, groups' descriptions and reasons are shown as they were typed on each page that shows them.
func TestSec_AD03_WhatIsTypedIsText(t *testing.T) {
	s := newSite(t)
	s.groups("staff")
	for i, text := range xss {
		username := "u" + string(rune('a'+i))
		made := post(s.root, "/admin/people", "username", username, "name", text, "email", "", "groups", "staff")
		says(t, made, http.StatusOK)
		who, err := s.Accounts.ByUsername(t.Context(), username)
		if err != nil {
			t.Fatal(err)
		}
		post(s.root, "/admin/groups/describe", "name", "staff", "former", group(t, s, "staff").Description, "description", text)
		if got := group(t, s, "staff").Description; got != text {
			t.Fatalf("the description is %q", got)
		}
		path := "/admin/people/" + who.Subject
		for _, page := range []*idptest.Page{
			s.root.Browser.Get("/admin/people?text=" + username), s.root.Browser.Get(path), s.root.Browser.Get(path + "/edit"), s.root.Browser.Get(path + "/delete"),
			s.root.Browser.Get("/admin/people/bulk?do=delete&s=" + who.Subject), s.root.Browser.Get("/admin/groups/one?name=staff"), s.root.Browser.Get("/admin/groups"),
			s.root.Browser.Get("/admin/people?" + url.Values{"text": {text}}.Encode()), s.root.Browser.Get("/admin/people/export?" + url.Values{"text": {text}}.Encode()),
			post(s.root, path+"/reset-mfa", "reason", text+strings.Repeat("x", 512)), post(s.root, path+"/delete", "confirm", text),
			post(s.root, "/admin/people", "username", text+" ", "name", text, "email", text), post(s.root, "/admin/groups", "name", text, "description", text),
			post(s.root, "/admin/groups/add", "name", "staff", "username", text), post(s.root, "/admin/people", text, text),
			upload(s.root, text, "username,"+text+"\n", "form_token", token(s.root)),
			upload(s.root, "f.csv", "username,groups\n\""+strings.ReplaceAll(text, `"`, `""`)+"\",gone\n", "form_token", token(s.root)),
		} {
			if page.Has("script:not([src])") || page.Has("[onerror], [onload], [onmouseover]") || page.Has("main img") || page.Status >= 500 {
				t.Errorf("%s: %q is not text (%d)", page.URL, text, page.Status)
			}
		}
		if page := s.root.Browser.Get(path); page.Text("h1") != strings.Join(strings.Fields(text), " ") {
			t.Errorf("%q is shown as %q", text, page.Text("h1"))
		}
	}
}

func group(t *testing.T, s *site, name string) account.Group {
	t.Helper()
	g, err := s.Accounts.Group(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A reader finds everything and nothing to press; what they send all the same changes nothing.
func TestSec_AD04_AnAuditorChangesNothing(t *testing.T) {
	s := newSite(t)
	s.groups("staff")
	alice := s.AddUser("alice", func(n *account.NewAccount) { n.Groups = []string{"staff"} })
	reader := s.Staff("reader", account.Auditor)
	for _, path := range []string{"/admin/people", "/admin/people/" + alice.Subject, "/admin/people/" + s.root.Subject, "/admin/groups", "/admin/groups/one?name=staff"} {
		page := reader.Browser.Get(path)
		says(t, page, http.StatusOK)
		if page.Has("main form[method=post]") || page.Has("main .button.primary") || page.Has("main .danger") || page.Has("input[type=checkbox]") {
			t.Errorf("%s offers to change something", path)
		}
	}
	before := *s.read(alice.Subject)
	for _, path := range []string{"/disable", "/delete", "/edit", "/role", "/reset-mfa", "/end-sessions"} {
		says(t, post(reader, "/admin/people/"+alice.Subject+path, "reason", "why", "confirm", "alice", "version", "1", "role", "administrator"), http.StatusForbidden)
	}
	says(t, post(reader, "/admin/groups/remove", "name", "staff", "subject", alice.Subject), http.StatusForbidden)
	says(t, post(reader, "/admin/people/bulk", "do", "delete", "s", alice.Subject, "count", "1"), http.StatusForbidden)
	if after := s.read(alice.Subject); after == nil || after.Version != before.Version {
		t.Errorf("%+v", after)
	}
}

// The help desk gets people back in who have no role, and learns nothing of others.
func TestSec_AD04_TheHelpDeskAgainstStaff(t *testing.T) {
	s := newSite(t)
	s.groups("staff")
	alice := s.AddUser("alice")
	help := s.Staff("help", account.HelpDesk)
	list := help.Browser.Get("/admin/people")
	if list.Has("a[href='/admin/people/"+s.root.Subject+"']") || !list.Has("a[href='/admin/people/"+alice.Subject+"']") {
		t.Error("the list leads to staff, or not to others")
	}
	if list.Has("#import") || list.Has("#export") || list.Has("#do option[value=delete]") || !list.Has("#do option[value=disable]") {
		t.Error("the list offers what the help desk may not do, or not what it may")
	}
	mine := help.Browser.Get("/admin/people/" + alice.Subject)
	if mine.Has("#delete") || mine.Has("#role") || !mine.Has("#disable") || !mine.Has("#edit") || mine.Has("#all-trail[href*='/admin/audit?']") && !mine.Has("#trail") {
		t.Errorf("alice's page offers %s", shown(mine, ".row a"))
	}
	for _, path := range []string{"", "/edit", "/disable", "/reset-mfa", "/reset-password", "/end-sessions"} {
		says(t, help.Browser.Get("/admin/people/"+s.root.Subject+path), http.StatusForbidden)
	}
	before := *s.read(s.root.Subject)
	for path, fields := range map[string][]string{
		"/disable": nil, "/reset-mfa": {"reason", "why"}, "/reset-password": nil, "/end-sessions": nil, "/compromised": {"reason", "why"},
		"/edit": {"username", "root", "version", "1", "email", "evil@example.com"},
	} {
		says(t, post(help, "/admin/people/"+s.root.Subject+path, fields...), http.StatusForbidden)
	}
	for path, fields := range map[string][]string{
		"/role": {"role", "administrator"}, "/delete": {"confirm", "alice"}, "/edit": {"username", "alice", "version", "1", "groups", "staff"},
	} {
		says(t, post(help, "/admin/people/"+alice.Subject+path, fields...), http.StatusForbidden)
	}
	page := post(help, "/admin/people/bulk", "do", "disable", "s", s.root.Subject, "s", alice.Subject)
	says(t, page, http.StatusOK, "Done for 1 person.", "For 1 person it was not done", "Your role does not allow this for this person.")
	if after := s.read(s.root.Subject); after.Version != before.Version || after.Disabled || !s.read(alice.Subject).Disabled {
		t.Error("the bulk action did not tell them apart")
	}
	says(t, post(help, "/admin/people", "username", "evil", "role", "administrator"), http.StatusForbidden)
	says(t, post(help, "/admin/people", "username", "evil", "groups", "staff"), http.StatusForbidden)
	if _, err := s.Accounts.ByUsername(t.Context(), "evil"); err == nil {
		t.Error("the help desk gives roles and groups")
	}
	if n := s.rows("admin.refused", help.Subject, ""); n < 3 {
		t.Errorf("%d refusals are on record", n)
	}
}

// Forms without the token of this browser, or from another site, change nothing.
func TestSec_AD01_FormsOfOthersAreRefused(t *testing.T) {
	s := newSite(t)
	alice := s.AddUser("alice")
	for _, path := range []string{"/disable", "/end-sessions", "/reset-mfa", "/role", "/delete", "/edit"} {
		page := s.root.Browser.Post("/admin/people/"+alice.Subject+path, url.Values{"reason": {"why"}, "confirm": {"alice"}, "form_token": {"AAAA"}})
		if page.Status != http.StatusForbidden || page.Has("body.console") {
			t.Errorf("%s without a token: %d", path, page.Status)
		}
	}
	r, _ := http.NewRequest("POST", s.Issuer+"/admin/people/"+alice.Subject+"/disable", strings.NewReader(url.Values{"form_token": {token(s.root)}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if page := s.root.Browser.Do(r); page.Status != http.StatusForbidden {
		t.Errorf("from another site: %d", page.Status)
	}
	says(t, upload(s.root, "p.csv", "username\nmallory\n"), http.StatusForbidden)
	says(t, upload(s.root, "p.csv", "username\nmallory\n", "form_token", "AAAA"), http.StatusForbidden)
	if a := s.read(alice.Subject); a == nil || a.Disabled || a.Version != alice.Version {
		t.Errorf("%+v", a)
	}
}
