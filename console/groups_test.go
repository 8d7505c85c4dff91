package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/oauth"
)

func TestGroups(t *testing.T) {
	s := newSite(t)
	none := s.root.Enter("/admin/groups")
	says(t, none, http.StatusOK, "There are no groups yet")
	made := none.Follow("#new").Submit("save", "name", "org/a:b.c", "description", "All of them")
	says(t, made, http.StatusOK, "org/a:b.c", "All of them", "Nobody is in it")
	for name, says1 := range map[string]string{"org/a:b.c": "There is a group of that name already.", "a b": "letters, digits", "": "letters, digits", strings.Repeat("x", 65): "letters, digits"} {
		wrong := s.root.Enter("/admin/groups/new").Submit("save", "name", name)
		says(t, wrong, http.StatusUnprocessableEntity, says1)
		if !wrong.Has("#name[aria-invalid]") {
			t.Errorf("%q is not said at its field", name)
		}
	}
	s.groups("..", "staff")
	for _, name := range []string{"org/a:b.c", ".."} { // names that paths would change
		page := s.root.Enter("/admin/groups").Follow("a[href='/admin/groups/one?" + url.Values{"name": {name}}.Encode() + "']")
		if page.Text("h1") != name {
			t.Errorf("%q leads to %s", name, page.URL)
		}
	}
	ada := s.newcomer("ada")
	one := s.root.Enter("/admin/groups/one?name=staff")
	says(t, one.Submit("add", "username", "nobody"), http.StatusUnprocessableEntity, "Nobody has that user name")
	added := one.Submit("add", "username", "ADA")
	says(t, added, http.StatusOK, "Added to the group", "Ada", "1 person")
	if s.rows("account.updated", s.root.Subject, ada.Subject) != 1 {
		t.Error("it is not on record")
	}
	if list := added.Follow("#in-people"); len(list.All("tbody tr")) != 1 {
		t.Error("the people of the group are others")
	}
	removed := added.Submit("remove-" + ada.Subject)
	says(t, removed, http.StatusOK, "Taken out", "Nobody is in it")
	says(t, s.root.Browser.Get("/admin/groups/one?name=gone"), http.StatusNotFound)
	says(t, s.root.Browser.Get("/admin/groups/one?name=%00"), http.StatusNotFound)
	says(t, post(s.root, "/admin/groups/add", "name", "gone", "username", "ada"), http.StatusNotFound)
	says(t, s.root.Browser.Get("/admin/groups/one?name=staff&cursor=AAAA"), http.StatusUnprocessableEntity, "Begin again")
}

// A group goes only where the policy does not name it, and with members only when that is said; the page tells which apps it opened.
func TestDeletingAGroup(t *testing.T) {
	s := newSite(t)
	s.groups("staff", "board")
	s.newcomer("ada", "staff")
	s.AddClient(oauth.Client{ID: "notes", Name: "Notes", RedirectURIs: []string{"https://notes.example/callback"}, Groups: []string{"staff"}})
	s.AddClient(oauth.Client{ID: "open", Name: "Open", RedirectURIs: []string{"https://open.example/callback"}})
	if err := s.Accounts.SetPolicy(t.Context(), account.Policy{MFARequiredGroups: []string{"board"}}); err != nil {
		t.Fatal(err)
	}
	page := s.root.Enter("/admin/groups/one?name=staff")
	says(t, page, http.StatusOK, "Notes", "The policy does not name it")
	if strings.Contains(page.Text("main"), "Open ") {
		t.Error("an app for everybody is said to be open to the group")
	}
	says(t, s.root.Browser.Get("/admin/groups/one?name=board"), http.StatusOK, "asked for MFA")
	ask := page.Follow("#delete")
	says(t, ask, http.StatusOK, "Notes", "Its member leaves it")
	says(t, ask.Submit("delete-do"), http.StatusUnprocessableEntity, "The group has members")
	says(t, s.root.Enter("/admin/groups/delete?name=board").Submit("delete-do"), http.StatusUnprocessableEntity, "The policy names this group")
	gone := ask.Submit("delete-do", "members", "1")
	says(t, gone, http.StatusOK, "The group is deleted")
	if _, err := s.Accounts.Group(t.Context(), "staff"); err == nil || s.rows("account.groups_set", s.root.Subject, "") != 1 {
		t.Error("it is still there, or not on record")
	}
	says(t, s.root.Browser.Get("/admin/groups/delete?name=staff"), http.StatusNotFound)
	help := s.Staff("help", account.HelpDesk)
	board := help.Browser.Get("/admin/groups/one?name=board")
	says(t, board, http.StatusOK)
	if board.Has("#delete") || board.Has("#add") || board.Has("#describe") {
		t.Error("the help desk is offered to change a group")
	}
	says(t, post(help, "/admin/groups/delete", "name", "board"), http.StatusForbidden)
	says(t, post(help, "/admin/groups/add", "name", "board", "username", "ada"), http.StatusForbidden)
}
