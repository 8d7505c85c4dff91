package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

// What happened to a person stands on their page, also for the help desk, which reads all of it from there.
func TestWhatHappenedToAPerson(t *testing.T) {
	s := newSite(t)
	ada, bob := s.AddUser("ada"), s.newcomer("bob")
	help, reader := s.Staff("help", account.HelpDesk), s.Staff("reader", account.Auditor)
	page := "/admin/people/" + ada.Subject
	for range 6 {
		says(t, help.Enter(page+"/disable").Submit("deed-do"), http.StatusOK, "Disabled")
		says(t, s.root.Enter(page+"/enable").Submit("deed-do"), http.StatusOK, "Enabled")
	}
	for _, visitor := range []*idptest.Person{s.root, reader, help} {
		seen := visitor.Browser.Get(page)
		rows := seen.All("section[aria-labelledby=trail] li")
		if len(rows) != 10 || !contains(rows, "by help") || !contains(rows, "by root") {
			t.Errorf("%s sees of ada %d rows: %q", visitor.Username, len(rows), rows)
		}
		says(t, visitor.Browser.Get(seen.Attr("section[aria-labelledby=trail] li a", "href")), http.StatusOK)
		all := seen.Follow("#all-trail")
		says(t, all, http.StatusOK, "ada")
		if n := len(all.All("tbody tr")); n < 12 {
			t.Errorf("%s sees %d rows of the whole", visitor.Username, n)
		}
		if rows := visitor.Browser.Get("/admin/people/" + bob.Subject).All("section[aria-labelledby=trail] li"); len(rows) != 1 {
			t.Errorf("%s sees of bob, who was made just now: %q", visitor.Username, rows)
		}
	}
	if help.Browser.Get("/admin").Has(".rooms a[href='/admin/audit']") {
		t.Error("the help desk has a room in which it may see nothing")
	}
}

// That a letter tells somebody is only said where one is sent.
func TestLettersThatAreSent(t *testing.T) {
	s := newSite(t)
	ada, bob := s.AddUser("ada"), s.newcomer("bob")
	if page := s.root.Enter("/admin/people/" + ada.Subject + "/reset-mfa"); !strings.Contains(page.Text("main"), "A letter to ada@example.com tells them.") {
		t.Error(page.Text("main"))
	}
	if page := s.root.Enter("/admin/people/" + bob.Subject + "/reset-mfa"); strings.Contains(strings.ToLower(page.Text("main")), "letter") {
		t.Error(page.Text("main"))
	}
}
