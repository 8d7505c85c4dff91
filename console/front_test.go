package console_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// An installation in which nothing is set up says what comes next instead of zeros.
func TestFrontPageOfAnEmptyInstallation(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	page := root.Browser.Get("/admin")
	if !page.Has("#fresh") || page.Has(".stats") || page.Attr("#first-app", "href") != "/admin/first" {
		t.Errorf("%s", page.Text("main"))
	}
	p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/cb"}})
	p.AddUser("alice")
	page = root.Browser.Get("/admin")
	if page.Has("#fresh") || !page.Has(".stats") {
		t.Errorf("%s", page.Text("main"))
	}
}

// What needs doing stands on top, with the list that it counts.
func TestFrontPageSaysWhatNeedsDoing(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	alice, app := p.Person("alice"), p.AddClient(oauth.Client{ID: "calendar", Name: "Calendar <b>", RedirectURIs: []string{"https://app.example/cb"}})
	if err := p.Accounts.SetPolicy(t.Context(), account.Policy{MFARequired: account.MFAEverybody}); err != nil {
		t.Fatal(err)
	}
	if err := p.Accounts.SetFactorFacts(t.Context(), alice.Subject, account.Factors{Enrolled: true, CodesLeft: 1}); err != nil {
		t.Fatal(err)
	}
	p.AddUser("bob")
	p.Browser().Get("/oauth2/authorize?" + url.Values{"client_id": {app.ID}, "redirect_uri": {"https://app.example/<script>"}, "response_type": {"code"}}.Encode())
	page := root.Enter("/admin")
	todo := strings.Join(page.All(".todo strong"), "; ")
	for _, want := range []string{"1 app had an error", "asks 1 person who has not set up MFA", "1 person has 3 recovery codes or fewer", "only administrator"} {
		if !strings.Contains(todo, want) {
			t.Errorf("%q is not in %q", want, todo)
		}
	}
	if !strings.Contains(page.Text("#apps"), "Calendar <b>") || !strings.Contains(page.Text("#apps"), "<script>") {
		t.Errorf("apps: %s", page.Text("#apps"))
	}
	few := page.Follow(".todo a[href*='mfa=few']")
	if few.Status != 200 || !strings.Contains(few.Text("main"), "alice") || strings.Contains(few.Text("main"), "bob") {
		t.Errorf("%d %s", few.Status, few.Text("main"))
	}
	without := page.Follow(".stats a[href*='mfa=none']")
	if without.Status != 200 || !strings.Contains(without.Text("main"), "bob") || strings.Contains(without.Text("main table"), "alice") {
		t.Errorf("%d %s", without.Status, without.Text("main"))
	}
}

// The help desk learns nothing of apps, keys, mail and policy, and an auditor gets no way to change anything.
func TestSec_AD05_FrontPageByRole(t *testing.T) {
	p := idptest.Start(t)
	p.AddClient(oauth.Client{ID: "app", Name: "Calendar", RedirectURIs: []string{"https://app.example/cb"}})
	p.Browser().Get("/oauth2/authorize?client_id=app&redirect_uri=https://app.example/other&response_type=code")
	help := p.Staff("help", account.HelpDesk).Browser.Get("/admin")
	for _, secret := range []string{"Calendar", "Signing key", "Mail", "policy"} {
		if strings.Contains(help.Text("main"), secret) {
			t.Errorf("the help desk reads of %q: %s", secret, help.Text("main"))
		}
	}
	if text := help.Text("section[aria-labelledby=todo]"); !strings.Contains(text, "Nothing for you to do.") || strings.Contains(text, "All is well") {
		t.Errorf("the help desk, which does not see that app, reads %q", text)
	}
	if links := hrefs(help); slices.ContainsFunc(links, func(l string) bool { return !strings.HasPrefix(l, "/admin/people") && l != "#adoption" }) {
		t.Errorf("the help desk is led to %q", links)
	}
	audit := p.Staff("reader", account.Auditor).Browser.Get("/admin")
	if !strings.Contains(audit.Text("main"), "Calendar") || slices.Contains(hrefs(audit), "/admin/first") {
		t.Errorf("the auditor: %q", hrefs(audit))
	}
}

// hrefs returns where the links in the middle of a page lead.
func hrefs(page *idptest.Page) (all []string) {
	for _, list := range []string{"people", "clients", "first", "policy", "keys", "mail", "audit", "groups", "branding"} {
		if page.Has("main a[href^='/admin/" + list + "']") {
			all = append(all, page.Attr("main a[href^='/admin/"+list+"']", "href"))
		}
	}
	return all
}

// The front page asks the database for the same number of things however many people, apps and errors there are.
func TestFrontPageIsFlat(t *testing.T) {
	database, trips := dbxtest.Wire(t, dbxtest.PostgresURL(t))
	p := idptest.Start(t, func(c *idp.Config) { c.DatabaseURL = database })
	root := p.Staff("root", account.Administrator)
	count := func() int {
		best := 1000
		for range 5 { // the first ones prepare statements
			trips.Reset()
			if page := root.Browser.Get("/admin"); page.Status != 200 || page.URL.Path != "/admin" {
				t.Fatalf("%d at %s", page.Status, page.URL)
			}
			best = min(best, len(trips.All()))
		}
		return best
	}
	grow := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := p.Accounts.Create(t.Context(), account.NewAccount{Username: fmt.Sprint("person", i)}); err != nil {
				t.Fatal(err)
			}
			id := fmt.Sprint("app", i)
			p.AddClient(oauth.Client{ID: id, RedirectURIs: []string{"https://app.example/cb"}})
			p.Browser().Get("/oauth2/authorize?client_id=" + id + "&redirect_uri=https://app.example/other&response_type=code")
			p.Clock.Add(time.Second)
		}
	}
	grow(0, 6)
	few := count()
	grow(6, 40)
	if many := count(); many > few {
		t.Errorf("%d round trips, with few people and apps %d:\n%s", many, few, strings.Join(trips.All(), "\n"))
	}
}

// The line and its table say the same, and nobody divides by nothing.
func TestAdoptionChart(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	p.AddUser("alice")
	p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/cb"}})
	if page := root.Browser.Get("/admin"); page.Has("#adoption") {
		t.Error("a line of one day")
	}
	ask := func(ctx context.Context, subjects []string) (map[string]account.Factors, error) {
		enrolled, err := p.MFA.EnrolledAmong(ctx, subjects)
		facts := map[string]account.Factors{}
		for subject := range enrolled {
			facts[subject] = account.Factors{Enrolled: true, CodesLeft: 10}
		}
		return facts, err
	}
	for _, err := range []error{p.Accounts.IndexNames(t.Context()), p.Accounts.CheckFactors(t.Context(), ask), p.Accounts.KeepFigures(t.Context())} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Clock.Add(48 * time.Hour)
	page := root.Enter("/admin")
	if !page.Has("#adoption svg[role=img][aria-label] path.line") || page.Attr("#adoption path.line", "d") != "M0 90L900 90" {
		t.Fatalf("%q in %s", page.Attr("#adoption path.line", "d"), page.Text("main"))
	}
	if rows := page.All("#adoption tbody tr"); len(rows) != 2 || !strings.Contains(rows[0], "50 %") {
		t.Errorf("%q", rows)
	}
}

// A trail that was tampered with stands on top, also where nothing has been set up yet, for whoever may read the trail.
func TestSec_AU05_FrontPageTellsOfATrailThatWasAltered(t *testing.T) {
	t.Parallel()
	url := ""
	p := idptest.Start(t, func(c *idp.Config) { url = c.DatabaseURL })
	root, reader, help := p.Staff("root", account.Administrator), p.Staff("reader", account.Auditor), p.Staff("help", account.HelpDesk)
	db, err := dbx.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := p.Audit.Link(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), "UPDATE audit_head SET seq = seq + 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Audit.Link(t.Context()); err == nil {
		t.Fatal("nothing was noticed")
	}
	const told = "The audit trail was tampered with"
	for _, who := range []*idptest.Person{root, reader} {
		page := who.Browser.Get("/admin")
		if all := page.All(".todo strong"); len(all) == 0 || all[0] != told || !strings.Contains(page.Text(".todo .bad p"), "the end of the chain") {
			t.Errorf("%q", page.Text("main"))
		}
	}
	if page := help.Browser.Get("/admin"); strings.Contains(page.Text("main"), told) {
		t.Errorf("the help desk reads of the trail: %s", page.Text("main"))
	}
}
