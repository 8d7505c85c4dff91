package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
)

func TestSeveralAtOnce(t *testing.T) {
	s := newSite(t)
	s.groups("staff")
	ada, bob := s.AddUser("ada"), s.newcomer("bob")
	both := "s=" + ada.Subject + "&s=" + bob.Subject
	ask := func(do string) string { return "/admin/people/bulk?do=" + do + "&" + both }
	page := s.root.Enter(ask("disable"))
	says(t, page, http.StatusOK, "ada", "bob", "signed out everywhere")
	values := page.Fields("bulk-do")
	done := s.root.Browser.Post("/admin/people/bulk", values)
	says(t, done, http.StatusOK, "Done for 2 people.")
	if !s.read(ada.Subject).Disabled || !s.read(bob.Subject).Disabled || s.rows("account.disabled", s.root.Subject, "") != 2 {
		t.Error("not disabled, or not on record")
	}
	says(t, s.root.Browser.Post("/admin/people/bulk", s.root.Enter(ask("reset_password")).Fields("bulk-do")), http.StatusOK, "Done for 0 people.", "For 2 people it was not done", "This person is disabled")
	says(t, s.root.Browser.Post("/admin/people/bulk", s.root.Enter(ask("enable")).Fields("bulk-do")), http.StatusOK, "Done for 2 people.")
	// Who has no address gets a link that is shown; the other one a letter.
	done = s.root.Browser.Post("/admin/people/bulk", s.root.Enter(ask("reset_password")).Fields("bulk-do"))
	if links := done.All("code"); len(links) != 1 || !strings.Contains(links[0], "/reset/password?token=") || len(s.letters("ada@example.com")) == 0 {
		t.Errorf("links %q", links)
	}
	says(t, done, http.StatusOK, "Each link works once, for an hour.")
	// An invitation is for those who have no password.
	page = s.root.Enter(ask("invite"))
	says(t, page, http.StatusOK, "for 3 days", "Nothing is sent to those who have a password")
	done = s.root.Browser.Post("/admin/people/bulk", page.Fields("bulk-do"))
	says(t, done, http.StatusOK, "Done for 1 person.", "For 1 person it was not done", "This person has a password already", "Each link works once, for 3 days.")
	if links := done.All("code"); len(links) != 1 || !strings.Contains(links[0], "/invite?token=") || contains(s.letters("ada@example.com"), "invit") {
		t.Errorf("links %q", links)
	}
	// Into a group and out of it.
	page = s.root.Enter(ask("add"))
	values = page.Fields("bulk-do")
	says(t, s.root.Browser.Post("/admin/people/bulk", values), http.StatusUnprocessableEntity, "Choose a group.")
	values.Set("group", "staff")
	says(t, s.root.Browser.Post("/admin/people/bulk", values), http.StatusOK, "Done for 2 people.")
	if group(t, s, "staff").Members != 2 {
		t.Error("they are not in it")
	}
	values = s.root.Enter(ask("remove") + "&group=staff").Fields("bulk-do")
	values.Set("group", "staff")
	says(t, s.root.Browser.Post("/admin/people/bulk", values), http.StatusOK, "Done for 2 people.")
	if group(t, s, "staff").Members != 0 {
		t.Error("they are still in it")
	}
	says(t, s.root.Browser.Post("/admin/people/bulk", s.root.Enter(ask("end_sessions")).Fields("bulk-do")), http.StatusOK, "Done for 2 people.")
	// Deleting wants the number.
	page = s.root.Enter(ask("delete"))
	values = page.Fields("bulk-do")
	for _, count := range []string{"", "1", "22", "two"} {
		values.Set("count", count)
		says(t, s.root.Browser.Post("/admin/people/bulk", values), http.StatusUnprocessableEntity, "That is not how many they are")
	}
	values.Set("count", "2")
	says(t, s.root.Browser.Post("/admin/people/bulk", values), http.StatusOK, "Done for 2 people.")
	if s.read(ada.Subject) != nil || s.read(bob.Subject) != nil {
		t.Error("they are still there")
	}
	says(t, s.root.Browser.Get(ask("disable")), http.StatusNotFound)
}

func TestSec_AD05_BulkOfNonsense(t *testing.T) {
	s := newSite(t)
	ada := s.AddUser("ada")
	many := url.Values{"do": {"delete"}, "form_token": {token(s.root)}, "count": {"51"}}
	for i := range 51 {
		many.Add("s", fmt.Sprint("nobody", i))
	}
	says(t, s.root.Browser.Post("/admin/people/bulk", many), http.StatusUnprocessableEntity, "too many at once")
	nobody := s.root.Browser.Get("/admin/people/bulk?do=disable")
	says(t, nobody, http.StatusUnprocessableEntity, "Nobody was ticked")
	if !nobody.Has("main a[href='/admin/people']") {
		t.Error("it does not lead back to the list")
	}
	for _, do := range []string{"", "reset_mfa", "role", "disable'--"} {
		says(t, s.root.Browser.Get("/admin/people/bulk?"+url.Values{"do": {do}, "s": {ada.Subject}}.Encode()), http.StatusUnprocessableEntity, "Nothing was chosen")
		says(t, post(s.root, "/admin/people/bulk", "do", do, "s", ada.Subject), http.StatusUnprocessableEntity, "Nothing was chosen")
	}
	reader, help := s.Staff("reader", account.Auditor), s.Staff("help", account.HelpDesk)
	says(t, reader.Browser.Get("/admin/people/bulk?do=disable&s="+ada.Subject), http.StatusForbidden)
	says(t, help.Browser.Get("/admin/people/bulk?do=delete&s="+ada.Subject), http.StatusForbidden)
	if a := s.read(ada.Subject); a == nil || a.Version != ada.Version {
		t.Errorf("%+v", a)
	}
}
