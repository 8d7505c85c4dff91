package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

// step is something that is done to a person from their page, and what comes of it.
type step struct {
	name, link string   // what is followed on the person's page
	fields     []string // of the form
	action     string   // of the audit row, by the administrator
	letter     string   // a word of the letter's subject; "": none is due
	check      func() bool
}

// Everything that can be done to a person, one after the other, each with its page before, its effect, its row and its letter.
func TestWhatIsDoneToAPerson(t *testing.T) {
	s := newSite(t)
	alice := s.Person("alice")
	path := "/admin/people/" + alice.Subject
	page := s.root.Enter(path)
	for _, part := range []string{"Firefox", "app", "alice@example.com", "10 codes left"} {
		if !strings.Contains(page.Text("main"), part) {
			t.Errorf("the page does not tell of %q: %s", part, page.Text("main"))
		}
	}
	signIn := func() { alice.Asked(idptest.Password) }
	again := func(fn func() bool) func() bool { return func() bool { ok := fn(); signIn(); return ok } }
	for _, each := range []step{
		{"end session", "a[href*='/end-session?']", nil, "session.ended", "", again(func() bool { return !alice.SignedIn() })},
		{"forget device", "a[href*='/forget-device?']", nil, "mfa.device_forgotten", "", func() bool {
			devices, err := s.MFA.Devices(t.Context(), alice.Subject, "")
			return err == nil && len(devices) == 0
		}},
		{"disconnect", "a[href*='/disconnect?']", nil, "", "", func() bool { access, refresh := alice.Granted(); return !access && !refresh }},
		{"end sessions", "#end_sessions", nil, "session.ended", "", func() bool { return !alice.SignedIn() }},
		{"role", "#role", []string{"role", "auditor"}, "account.role_set", "", func() bool { return s.read(alice.Subject).Role() == account.Auditor }},
		{"no role", "#role", []string{"role", ""}, "account.role_set", "", func() bool { return s.read(alice.Subject).Role() == "" }},
		{"compromised", "#compromised", []string{"reason", "on a list"}, "account.password_compromised", "password", func() bool { return s.read(alice.Subject).Compromised }},
		{"reset password", "#reset_password", nil, "account.link_made", "password", func() bool { return true }},
		{"reset MFA", "#reset_mfa", []string{"reason", "phone and codes are lost"}, "mfa.reset", "MFA", func() bool {
			status, err := s.MFA.Status(t.Context(), alice.Subject)
			return err == nil && !status.Enrolled
		}},
		{"disable", "#disable", nil, "account.disabled", "", func() bool { return s.read(alice.Subject).Disabled }},
		{"enable", "#enable", nil, "account.enabled", "", func() bool { return !s.read(alice.Subject).Disabled }},
	} {
		rows, letters := s.rows(each.action, s.root.Subject, alice.Subject), len(s.letters("alice@example.com"))
		page := s.root.Enter(path)
		ask := page.Follow(each.link)
		says(t, ask, http.StatusOK)
		if !ask.Has("#deed-do") {
			t.Fatalf("%s: %s", each.name, ask.Text("main"))
		}
		done := ask.Submit("deed-do", each.fields...)
		if done.URL.Path != path || !done.Has(".news[role=status]") {
			t.Errorf("%s leads to %s: %s", each.name, done.URL, done.Text("main"))
		}
		if !each.check() {
			t.Errorf("%s had no effect", each.name)
		}
		if each.action != "" && s.rows(each.action, s.root.Subject, alice.Subject) == rows {
			t.Errorf("%s: no row %s by the administrator", each.name, each.action)
		}
		if got := s.letters("alice@example.com"); each.letter != "" && (len(got) == letters || !contains(got[letters:], each.letter)) {
			t.Errorf("%s: letters %q", each.name, got[letters:])
		}
	}
	gone := s.root.Enter(path).Follow("#delete")
	says(t, gone.Submit("deed-do", "confirm", "bob"), http.StatusUnprocessableEntity, "That is not the user name")
	if s.read(alice.Subject) == nil {
		t.Fatal("deleted without the right name")
	}
	if done := gone.Submit("deed-do", "confirm", " ALICE "); done.URL.Path != "/admin/people" || !done.Has(".news") || s.read(alice.Subject) != nil {
		t.Errorf("deleting leads to %s: %s", done.URL, done.Text("main"))
	}
	if s.rows("account.deleted", s.root.Subject, alice.Subject) != 1 {
		t.Error("that she was deleted is not on record")
	}
	says(t, s.root.Browser.Get(path), http.StatusNotFound)
}

func TestSealsAreSeenAndOpened(t *testing.T) {
	s := newSite(t)
	alice := s.Person("alice")
	b := s.Browser()
	page := b.Get("/account/mfa").Submit("login-submit", "username", "alice", "password", idptest.Password)
	for range 12 {
		if page.Has("#mfa-submit") {
			page = page.Submit("mfa-submit", "code", "000000")
		}
	}
	page = s.root.Enter("/admin/people/" + alice.Subject)
	says(t, page, http.StatusOK, "Wrong codes were entered")
	ask := page.Follow("#unseal")
	says(t, ask.Submit("deed-do", "reason", "  "), http.StatusUnprocessableEntity, "Give a reason")
	says(t, ask.Submit("deed-do", "reason", strings.Repeat("x", 513)), http.StatusUnprocessableEntity, "Give a reason")
	done := ask.Submit("deed-do", "reason", "she rang, and I know her voice")
	if done.Has("#unseal") || strings.Contains(done.Text("main"), "Wrong codes were entered") || s.rows("mfa.unsealed", s.root.Subject, alice.Subject) == 0 {
		t.Errorf("still sealed: %s", done.Text("main"))
	}
	says(t, ask.Submit("deed-do", "reason", "again"), http.StatusUnprocessableEntity, "No codes are locked")
}

// A link by which somebody's password can be chosen is shown only where no mail takes it to them, once, and never in an address.
func TestSec_AD06_LinksToPasswords(t *testing.T) {
	s := newSite(t)
	bob := s.newcomer("bob")
	path := "/admin/people/" + bob.Subject
	page := s.root.Enter(path).Follow("#invite").Submit("deed-do")
	link := page.Text("#link")
	if !strings.HasPrefix(link, s.Issuer+"/invite?token=") || strings.Contains(page.URL.String(), "token") || page.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s at %s", link, page.URL)
	}
	if other := s.root.Browser.Get(path); strings.Contains(other.Body, link) {
		t.Error("it is shown again")
	}
	chosen := s.Browser().Get(link).Submit("password-submit", "password", "three ships on the horizon")
	if chosen.Status >= 400 || s.read(bob.Subject).PasswordAt.IsZero() {
		t.Errorf("the link does not work: %d %s", chosen.Status, chosen.Text("main"))
	}
	if s.root.Browser.Get(path).Has("#invite") {
		t.Error("who has a password is invited")
	}
	says(t, post(s.root, path+"/invite"), http.StatusUnprocessableEntity, "has a password already")
	carol := s.AddUser("carol")
	done := s.root.Enter("/admin/people/" + carol.Subject).Follow("#reset_password").Submit("deed-do")
	if done.Has("#link") || len(s.letters("carol@example.com")) == 0 {
		t.Errorf("a link that was mailed is shown: %s", done.Text("main"))
	}
	for _, path := range []string{"/edit", "/reset-password", "/invite"} { // no form takes a password for somebody
		says(t, post(s.root, "/admin/people/"+carol.Subject+path, "password", "a quiet river in the morning"), http.StatusUnprocessableEntity, "no field password")
	}
}

// Where no letters are sent every link is shown.
func TestLinksWithoutMail(t *testing.T) {
	p := idptest.Start(t, func(c *idp.Config) { c.Mail = nil })
	s := &site{p, t, p.Staff("root", account.Administrator)}
	page := s.root.Enter("/admin/people/new")
	if !strings.Contains(page.Text("label[for=invite]"), "Make a link") {
		t.Errorf("%s", page.Text("label[for=invite]"))
	}
	made := page.Submit("save", "username", "dora", "email", "dora@example.com", "invite", "1")
	if !strings.Contains(made.Text("#link"), "/invite?token=") || made.Status != http.StatusOK {
		t.Errorf("%d %s", made.Status, made.Text("main"))
	}
	alice := s.AddUser("alice")
	if page := s.root.Enter("/admin/people/" + alice.Subject).Follow("#reset_password").Submit("deed-do"); !strings.Contains(page.Text("#link"), "/reset/password?token=") {
		t.Errorf("%s", page.Text("main"))
	}
}

// The id in a form is one of the person in the path; another's is not there, and stays as it is.
func TestSec_AD02_IDsOfOthers(t *testing.T) {
	s := newSite(t)
	alice := s.Person("alice")
	bob := s.AddUser("bob")
	page := s.root.Enter("/admin/people/" + alice.Subject)
	for _, deed := range []string{"end-session", "forget-device", "disconnect"} {
		href := page.Attr("a[href*='/"+deed+"?']", "href")
		_, id, _ := strings.Cut(href, "?id=")
		if id == "" {
			t.Fatalf("%s: %q", deed, href)
		}
		says(t, s.root.Browser.Get("/admin/people/"+bob.Subject+"/"+deed+"?id="+id), http.StatusNotFound)
		says(t, post(s.root, "/admin/people/"+bob.Subject+"/"+deed, "id", id), http.StatusNotFound)
		says(t, post(s.root, "/admin/people/"+bob.Subject+"/"+deed, "id", id, "subject", alice.Subject), http.StatusUnprocessableEntity)
	}
	says(t, post(s.root, "/admin/people/"+bob.Subject+"/disable", "subject", alice.Subject), http.StatusUnprocessableEntity)
	if access, _ := alice.Granted(); !access || !alice.SignedIn() || s.read(alice.Subject).Disabled || s.read(bob.Subject).Disabled {
		t.Error("something of alice's was ended, or bob is disabled")
	}
}

// What a form does not have is refused, and nothing is done.
func TestSec_AD05_FieldsOfNoForm(t *testing.T) {
	s := newSite(t)
	s.groups("staff")
	alice := s.AddUser("alice")
	before := s.read(alice.Subject)
	path := "/admin/people/" + alice.Subject
	for _, field := range []string{"role", "admin", "sub", "email_verified_at", "sealed", "disabled", "password", "mfa_enrolled", "Username"} {
		says(t, post(s.root, path+"/edit", "username", "alice", "version", "1", field, "1"), http.StatusUnprocessableEntity, "no field "+field)
	}
	says(t, post(s.root, path+"/edit", "username", "alice", "username", "eve", "version", "1"), http.StatusUnprocessableEntity)
	for _, field := range []string{"admin", "email_verified", "subject", "disabled"} {
		says(t, post(s.root, "/admin/people", "username", "eve", field, "1"), http.StatusUnprocessableEntity)
	}
	says(t, post(s.root, "/admin/groups", "name", "new", "members", "9"), http.StatusUnprocessableEntity)
	says(t, post(s.root, "/admin/people/bulk", "do", "disable", "s", alice.Subject, "all", "1"), http.StatusUnprocessableEntity)
	if after := s.read(alice.Subject); after.Version != before.Version {
		t.Errorf("%+v", after)
	}
	if _, err := s.Accounts.ByUsername(t.Context(), "eve"); err == nil {
		t.Error("eve was made")
	}
}

// The last administrator stays, whatever another page says; nobody locks themselves out.
func TestSec_AD04_TheLastAdministrator(t *testing.T) {
	s := newSite(t)
	second := s.AddUser("second", func(n *account.NewAccount) { n.Role = account.Administrator })
	own := s.root.Enter("/admin/people/" + s.root.Subject)
	if own.Has("#delete") || own.Has("#disable") || own.Has("#role") || !own.Has(".note") {
		t.Errorf("one's own page offers %s", shown(own, ".row a"))
	}
	for _, deed := range []string{"disable", "delete", "role", "reset-mfa", "reset-password", "compromised"} {
		says(t, s.root.Browser.Get("/admin/people/"+s.root.Subject+"/"+deed), http.StatusUnprocessableEntity, "Nobody does this to themselves")
		says(t, post(s.root, "/admin/people/"+s.root.Subject+"/"+deed), http.StatusUnprocessableEntity, "Nobody does this to themselves")
	}
	// Root is the only one who could sign in, as soon as the other one is disabled; then that one cannot be the last either.
	page := post(s.root, "/admin/people/bulk", "do", "delete", "s", s.root.Subject, "s", second.Subject, "count", "2")
	says(t, page, http.StatusOK, "Done for 1 person.", "Nobody does this to themselves")
	if s.read(s.root.Subject) == nil || s.read(second.Subject) != nil {
		t.Error("the wrong one is gone")
	}
	// One administrator does it to another one who, meanwhile, is the last.
	third := s.Staff("third", account.Administrator)
	if err := s.Accounts.Disable(t.Context(), s.root.Subject); err != nil {
		t.Fatal(err)
	}
	if err := s.Accounts.Disable(t.Context(), third.Subject); err == nil {
		t.Error("the last administrator can be disabled")
	}
	says(t, post(third, "/admin/people/"+third.Subject+"/delete", "confirm", "third"), http.StatusUnprocessableEntity)
}

// What cannot be taken back wants a proof of the last ten minutes; a form that comes later keeps what was typed.
func TestSec_AD01_OldProofs(t *testing.T) {
	s := newSite(t)
	alice := s.AddUser("alice")
	path := "/admin/people/" + alice.Subject + "/compromised"
	ask := s.root.Enter(path)
	s.Clock.Add(11 * time.Minute)
	kept := ask.Submit("deed-do", "reason", "a list & more")
	if kept.Status != http.StatusForbidden || !kept.Has("#kept-send") || s.read(alice.Subject).Compromised {
		t.Fatalf("%d %s", kept.Status, kept.Text("main"))
	}
	s.root.Enter("/admin/login?to=/admin") // in another tab
	done := kept.Submit("kept-send")
	if !s.read(alice.Subject).Compromised || done.URL.Path != "/admin/people/"+alice.Subject {
		t.Errorf("%d %s", done.Status, done.Text("main"))
	}
}
