package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
)

func TestMakingAPerson(t *testing.T) {
	s := newSite(t)
	s.groups("staff", "board")
	page := s.root.Enter("/admin/people/new")
	made := page.Submit("save", "username", "ada", "name", "Ada Example", "email", "ada@example.com", "groups", "staff", "role", "auditor", "invite", "1")
	ada, err := s.Accounts.ByUsername(t.Context(), "ada")
	if err != nil || made.URL.Path != "/admin/people/"+ada.Subject || ada.Name != "Ada Example" || strings.Join(ada.Groups, " ") != "staff" || ada.Role() != account.Auditor || ada.EmailVerified {
		t.Fatalf("%+v %v at %s: %s", ada, err, made.URL, made.Text("main"))
	}
	says(t, made, http.StatusOK, "invitation is on its way")
	if s.rows("account.created", s.root.Subject, ada.Subject) != 1 || len(s.letters("ada@example.com")) != 1 {
		t.Error("no row, or no letter")
	}
	made = s.root.Enter("/admin/people/new").Submit("save", "username", "bob", "invite", "")
	says(t, made, http.StatusOK, "cannot sign in before they are invited")
	// What is wrong is said at its field, and what was typed stays.
	for field, values := range map[string][]string{
		"username": {"username", "ada", "name", "Another"}, "email": {"username", "carol", "email", "ADA@example.com", "name", "Another"},
		"name": {"username", "carol", "name", "An\u202eother"},
	} {
		wrong := s.root.Enter("/admin/people/new").Submit("save", values...)
		if wrong.Status != http.StatusUnprocessableEntity || !wrong.Has("#"+field+"[aria-invalid]") || wrong.Attr("#username", "value") != values[1] || !wrong.Has("#problem a[href='#"+field+"']") {
			t.Errorf("%s: %d %s", field, wrong.Status, wrong.Text("main"))
		}
	}
	says(t, post(s.root, "/admin/people", "username", "dora", "groups", "gone"), http.StatusUnprocessableEntity, "does not exist")
	says(t, post(s.root, "/admin/people", "username", "dora", "role", "owner"), http.StatusUnprocessableEntity, "There is no such role")
	if _, err := s.Accounts.ByUsername(t.Context(), "dora"); err == nil {
		t.Error("half of it was done")
	}
	help := s.Staff("help", account.HelpDesk)
	form := help.Enter("/admin/people/new")
	if form.Has("#role") || form.Has("input[name=groups]") {
		t.Error("the help desk is offered what it may not")
	}
	says(t, form.Submit("save", "username", "erik", "name", "Erik"), http.StatusOK, "erik chooses a first password")
}

// The second of two who change somebody is told, and sees what they typed beside what it says now.
func TestSec_AD04_StaleEdits(t *testing.T) {
	s := newSite(t)
	s.groups("staff", "board")
	alice := s.AddUser("alice", func(n *account.NewAccount) { n.Groups = []string{"staff"} })
	second := s.Staff("second", account.Administrator)
	path := "/admin/people/" + alice.Subject + "/edit"
	first, late := s.root.Enter(path), second.Enter(path)
	if first.Attr("#username", "value") != "alice" || !first.Has("#group-1[checked]") || first.Has("#group-0[checked]") || !first.Has("#email_verified[checked]") {
		t.Fatalf("the form does not say what there is: %s", first.Body)
	}
	done := first.Submit("save", "name", "Alice First")
	says(t, done, http.StatusOK, "Saved.", "Alice First")
	stale := late.Submit("save", "name", "Alice Second", "groups", "board")
	says(t, stale, http.StatusConflict, "Somebody else has changed this meanwhile", "Now it says: Alice First", "is in it now")
	if stale.Attr("#name", "value") != "Alice Second" || !stale.Has("#group-0[checked]") || s.read(alice.Subject).Name != "Alice First" {
		t.Error("what was typed is lost, or was done")
	}
	says(t, stale.Submit("save"), http.StatusOK, "Alice Second")
	now := s.read(alice.Subject)
	if now.Name != "Alice Second" || strings.Join(now.Groups, " ") != "board" || s.rows("account.updated", second.Subject, alice.Subject) != 1 {
		t.Errorf("%+v", now)
	}
	// A group's description likewise.
	one, other := s.root.Enter("/admin/groups/one?name=staff"), second.Enter("/admin/groups/one?name=staff")
	says(t, one.Submit("describe", "description", "of the first"), http.StatusOK, "of the first")
	again := other.Submit("describe", "description", "of the second")
	says(t, again, http.StatusConflict, "Now it says: of the first")
	if again.Attr("#description", "value") != "of the second" {
		t.Error("what was typed is lost")
	}
	says(t, again.Submit("describe"), http.StatusOK, "of the second")
}

func TestChangingAPersonAsHelpDesk(t *testing.T) {
	s := newSite(t)
	s.groups("staff")
	alice := s.AddUser("alice", func(n *account.NewAccount) { n.Groups = []string{"staff"} })
	help := s.Staff("help", account.HelpDesk)
	path := "/admin/people/" + alice.Subject + "/edit"
	says(t, help.Enter(path).Submit("save", "name", "Alice Example"), http.StatusOK, "Alice Example")
	if now := s.read(alice.Subject); !now.EmailVerified || strings.Join(now.Groups, " ") != "staff" {
		t.Errorf("something else was changed: %+v", now)
	}
	says(t, help.Enter(path).Submit("save", "email", "a@example.com"), http.StatusOK, "Not verified")
	says(t, help.Enter(path).Submit("save", "email_verified", "1"), http.StatusForbidden)
	if s.read(alice.Subject).EmailVerified {
		t.Error("the help desk says that an address is somebody's")
	}
}
