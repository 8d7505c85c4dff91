package profile_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
)

// setupPage opens the page by a new link.
func setupPage(t *testing.T, p *idptest.Server) (*idptest.Page, string) {
	t.Helper()
	link, err := p.SetupLink(t.Context())
	if err != nil || !strings.HasPrefix(link, p.Issuer+"/setup?token=") {
		t.Fatalf("%q %v", link, err)
	}
	page := p.Browser().Get(link)
	if page.Status != 200 || !page.Has("#setup-submit") {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	return page, link
}

func TestSetupSaysWhatIsWrong(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("bob")
	page, _ := setupPage(t, p)
	long := strings.Repeat("x", 2000)
	good := map[string]string{"username": "root", "name": "Root", "email": "root@example.com", "password": "plum lantern river 42"}
	tests := []struct{ field, value, want string }{
		{"username", "", "Enter a user name"},
		{"username", long, "too long"},
		{"username", "two words", "no spaces"},
		{"username", "a@b.example", "@"},
		{"username", "BOB", "taken"},
		{"email", long + "@example.com", "too long"},
		{"email", "nobody", "name@example.com"},
		{"email", "bob@example.com", "Another account"},
		{"name", long, "too long"},
		{"name", "a\u202eb", "signs"},
		{"password", "", "Enter a password"},
		{"password", "short", "at least 15"},
		{"password", long, "too long"},
		{"password", "password password", "first that attackers try"},
		{"password", "rootrootrootroot", ""},
	}
	for _, tt := range tests {
		t.Run(tt.field+" "+tt.value[:min(len(tt.value), 20)], func(t *testing.T) {
			var pairs []string
			for name, value := range good {
				if name == tt.field {
					value = tt.value
				}
				pairs = append(pairs, name, value)
			}
			got := page.Submit("setup-submit", pairs...)
			sentence := got.Text("#" + tt.field + "-error")
			if got.Status != 422 || sentence == "" || !strings.Contains(sentence, tt.want) || !got.Has("#"+tt.field+"[aria-invalid=true]") {
				t.Errorf("%d: %q, want something about %q", got.Status, sentence, tt.want)
			}
			if strings.Contains(sentence, "problem.") || got.Attr("#password", "value") != "" {
				t.Error(got.Body)
			}
			if tt.field != "email" && got.Attr("#email", "value") != "root@example.com" {
				t.Errorf("what was typed is gone: %q", got.Attr("#email", "value"))
			}
		})
	}
	// None of this has used the link up, and whoever opens the address of the refused form again finds the form.
	refused := page.Submit("setup-submit", "username", "root")
	if again := refused.Browser().Get(refused.URL.String()); again.Status != 200 || !again.Has("#setup-submit") {
		t.Errorf("opened again: %d %s", again.Status, again.Text("main"))
	}
	if got := page.Submit("setup-submit", "username", "root", "password", "plum lantern river 42"); got.URL.Path != "/account/mfa/enrol/start" {
		t.Errorf("%s: %s", got.URL, got.Body)
	}
}

func TestSec_AD07_SetupWorksOnceAndLeadsIntoEnrolment(t *testing.T) {
	p := idptest.Start(t)
	page, link := setupPage(t, p)
	if other := p.Browser().Get(link); !other.Has("#setup-submit") {
		t.Error("looking at the page spends the link")
	}
	done := page.Submit("setup-submit", "username", "root", "email", "root@example.com", "password", "plum lantern river 42")
	if done.URL.Path != "/account/mfa/enrol/start" || !done.Has("#enrol-start") {
		t.Fatalf("%s: %s", done.URL, done.Body)
	}
	root, err := p.Accounts.ByUsername(t.Context(), "root")
	if err != nil || !root.Admin {
		t.Fatalf("%+v %v", root, err)
	}
	for name, again := range map[string]*idptest.Page{
		"the link again": p.Browser().Get(link), "the form again": page.Submit("setup-submit", "username", "eve", "password", "plum lantern river 42"),
		"no token": p.Browser().Get("/setup"), "another token": p.Browser().Get("/setup?token=AAAA"),
		"two tokens": p.Browser().Get("/setup?token=AAAA&token=" + link[strings.Index(link, "=")+1:]),
	} {
		if again.Status != 404 && again.Status != 403 || again.Has("#setup-submit") || again.Text("[role=alert]") == "" {
			t.Errorf("%s: %d %s", name, again.Status, again.Body)
		}
	}
	if _, err := p.Accounts.ByUsername(t.Context(), "eve"); err == nil {
		t.Error("a second administrator by the same link")
	}
	if link, err := p.SetupLink(t.Context()); err != nil || link != "" {
		t.Errorf("%q %v", link, err)
	}
}

func TestSec_AD07_SetupLinkEnds(t *testing.T) {
	p := idptest.Start(t)
	_, first := setupPage(t, p)
	_, second := setupPage(t, p)
	if page := p.Browser().Get(first); page.Status != 404 {
		t.Error("a newer link leaves the one before")
	}
	p.Clock.Add(24*time.Hour + time.Second)
	if page := p.Browser().Get(second); page.Status != 404 {
		t.Error("the link is good for more than a day")
	}
	token, err := p.Accounts.NewLink(t.Context(), "reset", p.AddUser("bob").Subject, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if page := p.Browser().Get("/setup?token=" + token); page.Status != 404 {
		t.Error("a link for a password makes an administrator")
	}
}

// Somebody makes an administrator on the command line while the page is open.
func TestSec_AD07_AnAdministratorEndsTheSetupLink(t *testing.T) {
	p := idptest.Start(t)
	page, link := setupPage(t, p)
	p.AddUser("root", func(n *account.NewAccount) { n.Admin = true })
	for name, late := range map[string]*idptest.Page{
		"the link": p.Browser().Get(link), "the form": page.Submit("setup-submit", "username", "eve", "password", "plum lantern river 42"),
	} {
		if late.Status != 404 || late.Has("#setup-submit") || late.Text("[role=alert]") == "" {
			t.Errorf("%s: %d %s", name, late.Status, late.Body)
		}
	}
	if n, err := p.Accounts.CountAdmins(t.Context()); n != 1 || err != nil {
		t.Errorf("%d administrators, %v", n, err)
	}
}

func TestSec_AD07_ParallelSetupsMakeOneAdministrator(t *testing.T) {
	p := idptest.Start(t)
	_, link := setupPage(t, p)
	var pages []*idptest.Page
	for range 4 {
		pages = append(pages, p.Browser().Get(link))
	}
	var wg sync.WaitGroup
	for i, page := range pages {
		wg.Go(func() {
			page.Submit("setup-submit", "username", "root"+strings.Repeat("x", i), "password", "plum lantern river 42")
		})
	}
	wg.Wait()
	all, err := p.Accounts.List(t.Context(), "", 10)
	if err != nil || len(all) != 1 {
		t.Errorf("%d people, %v", len(all), err)
	}
}

// The first administrator has signed in, as figures and lists count it, and their browser knows them: proving it again there is
// nothing new.
func TestSetupIsASignIn(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	page, _ := setupPage(t, p)
	done := page.Submit("setup-submit", "username", "root", "password", "plum lantern river 42")
	root, err := p.Accounts.ByUsername(t.Context(), "root")
	if err != nil || !root.SignedInAt.Equal(p.Clock.Now().Truncate(time.Second)) {
		t.Errorf("signed in at %v, %v", root.SignedInAt, err)
	}
	p.Clock.Add(11 * time.Minute)
	done.Browser().Get("/login?to=/account/password").Submit("login-submit", "password", "plum lantern river 42")
	entries, err := p.Audit.List(t.Context(), audit.Filter{Action: "sign_in", Subject: root.Subject})
	if err != nil || len(entries) != 1 || entries[0].Result != "password" || entries[0].Detail["browser"] != "" {
		t.Errorf("%+v, %v", entries, err)
	}
}
