package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
)

func TestTrailIsSearchedAndExplained(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	p.Person("alice")
	page := root.Enter("/admin/audit?person=alice&group=sign_ins")
	if rows := page.All("#results tbody tr"); len(rows) == 0 || !strings.Contains(strings.Join(rows, " "), "alice") || strings.Contains(strings.Join(rows, " "), "root") {
		t.Fatalf("%d: %q", page.Status, rows)
	}
	entry := page.Follow("#results tbody a")
	if entry.Status != http.StatusOK || !entry.Has("#explained") || !strings.Contains(entry.Text("#explained"), "Step by step") {
		t.Errorf("%d: %s", entry.Status, entry.Text("main"))
	}
	if missing := root.Enter("/admin/audit/nothing"); missing.Status != http.StatusNotFound {
		t.Errorf("an entry that is not there: %d", missing.Status)
	}
	if none := root.Enter("/admin/audit?person=nobody"); !strings.Contains(none.Text("#results"), "Nothing was found") {
		t.Error(none.Text("#results"))
	}
}

// What is typed into addresses is a mistake and no failure.
func TestSec_AD08_QueriesOfTheTrail(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	for _, query := range []string{
		"cursor=forged", "group=nothing", "since=yesterday", "since=2026-11-30&until=2026-11-01", "until=%00", "cursor=" + strings.Repeat("A", 400),
	} {
		if page := root.Enter("/admin/audit?" + query); page.Status != http.StatusBadRequest || !page.Has("[role=alert]") {
			t.Errorf("%s: %d", query, page.Status)
		}
	}
	for _, name := range []string{"person", "actor", "action", "client", "result"} {
		for _, value := range []string{"' OR 1=1 --", "\x00", "\xff", strings.Repeat("x", 5000), "%", `"><script>alert(1)</script>`} {
			if page := root.Enter("/admin/audit?" + url.Values{name: {value}}.Encode()); page.Status != http.StatusOK && page.Status != http.StatusBadRequest {
				t.Errorf("%s=%q: %d", name, value, page.Status)
			} else if page.Has("script:not([src])") {
				t.Errorf("%s=%q is a script", name, value)
			}
		}
	}
}

func TestTrailIsExportedAndVerified(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	p.AddUser("alice")
	page := root.Enter("/admin/audit?person=alice")
	file := page.Submit("export")
	if lines := strings.Split(strings.TrimSpace(file.Body), "\n"); file.Header.Get("Content-Type") != "application/jsonl; charset=utf-8" || len(lines) != 1 ||
		!strings.Contains(lines[0], account.EventCreated) {
		t.Errorf("%s: %q", file.Header, lines)
	}
	if rows, err := p.Audit.List(t.Context(), audit.Filter{Action: "audit.exported"}); err != nil || len(rows) != 1 || rows[0].Actor != root.Subject {
		t.Errorf("%+v %v", rows, err)
	}
	if _, err := p.Audit.Link(t.Context()); err != nil {
		t.Fatal(err)
	}
	done, ok := p.Audit.TurnToVerify() // somebody else, by whichever way
	if !ok {
		t.Fatal("a verification goes on")
	}
	if busy := page.Submit("verify"); busy.Status != http.StatusServiceUnavailable || !strings.Contains(busy.Text("[role=alert]"), "verified right now") {
		t.Errorf("%d: %s", busy.Status, busy.Text("main"))
	}
	done()
	if whole := page.Submit("verify"); !strings.Contains(whole.Text("[role=status]"), "Nothing was altered") {
		t.Errorf("%d: %s", whole.Status, whole.Text("main"))
	}
}

// The help desk reads about one person at a time, who has no role.
func TestSec_AD04_TheHelpDeskAndTheTrail(t *testing.T) {
	p := idptest.Start(t)
	help := p.Staff("help", account.HelpDesk)
	root := p.Staff("root", account.Administrator)
	p.AddUser("alice")
	for query, want := range map[string]int{"": 403, "?person=alice": 200, "?person=root": 403, "?actor=root": 403, "?person=nobody": 404} {
		if page := help.Enter("/admin/audit" + query); page.Status != want {
			t.Errorf("%q: %d", query, page.Status)
		}
	}
	rows, err := p.Audit.List(t.Context(), audit.Filter{Subject: root.Subject, Limit: 1})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	if page := help.Enter("/admin/audit/" + rows[0].ID); page.Status != http.StatusForbidden {
		t.Errorf("an entry about an administrator: %d", page.Status)
	}
}
