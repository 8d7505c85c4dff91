package console_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/focushq/idp/account"
)

// A form that was kept does what it said when it was sent first, for the one who sent it, within an hour: its mark is for nothing
// else.
func TestSec_AD01_KeptForms(t *testing.T) {
	s := newSite(t)
	alice := s.AddUser("alice")
	other := s.Staff("other", account.Administrator)
	path := "/admin/people/" + alice.Subject + "/compromised"
	ask := s.root.Enter(path)
	s.Clock.Add(11 * time.Minute)
	kept := ask.Submit("deed-do", "reason", "a list & more")
	mark := kept.Attr("input[name=kept]", "value")
	if mark == "" {
		t.Fatalf("%d %s", kept.Status, kept.Text("main"))
	}
	s.root.Enter("/admin/login?to=/admin")
	other.Enter("/admin/login?to=/admin")
	void := func(what string, status int, ok bool) {
		t.Helper()
		if ok || status != http.StatusForbidden || s.read(alice.Subject).Compromised {
			t.Errorf("%s: %d", what, status)
		}
	}
	for what, fields := range map[string][2]string{"another reason": {"reason", "another"}, "another mark": {"kept", mark + "A"}, "a later end": {"kept", "9" + mark}, "none": {"kept", ""}} {
		page := kept.Submit("kept-send", fields[0], fields[1])
		void(what, page.Status, page.Has("body.console"))
	}
	values := kept.Fields("kept-send")
	page := other.Browser.Post(path, values)
	void("somebody else's", page.Status, page.Has("body.console"))
	page = s.root.Browser.Post("/admin/people/"+s.root.Subject+"/compromised", values)
	void("another path", page.Status, page.Has("body.console"))
	s.Clock.Add(61 * time.Minute)
	s.root.Enter("/admin")
	page = kept.Submit("kept-send")
	void("an hour later", page.Status, page.Has("body.console"))
}
