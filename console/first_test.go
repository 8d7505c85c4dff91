package console_test

import (
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

func TestFirstApp(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	form := root.Browser.Get("/admin/first")
	made := form.Submit("first-create", "kind", "web", "name", "Büro & <Café>", "redirect_uri", "https://app.example/cb")
	id, secret := made.Text("#client-id"), made.Text("#client-secret")
	if made.Status != 200 || id != "buro-cafe" || len(secret) < 32 {
		t.Fatalf("%d: id %q, a secret of %d: %s", made.Status, id, len(secret), made.Text("main"))
	}
	client, err := p.OAuth.Clients().Get(t.Context(), id)
	if err != nil || client.Name != "Büro & <Café>" || !p.OAuth.Clients().SecretIs(client, secret) {
		t.Errorf("%+v %v", client, err)
	}
	// The same name is another app. A browser alone keeps no secret.
	again := form.Submit("first-create", "kind", "spa", "name", "Büro & <Café>", "redirect_uri", "https://spa.example/")
	if again.Text("#client-id") != "buro-cafe-2" || again.Has("#client-secret") {
		t.Errorf("%s", again.Text("main"))
	}
	trial := made.Follow("#first-try")
	if trial.Status != 200 || !strings.Contains(trial.Text("#signins"), "Nobody has signed in") || strings.Contains(trial.Body, secret) {
		t.Errorf("%d %s", trial.Status, trial.Text("main"))
	}
	p.Browser().Get("/oauth2/authorize?client_id=" + id + "&redirect_uri=https://app.example/other&response_type=code")
	if trial = root.Browser.Get("/admin/first/" + id); !strings.Contains(trial.Text("#watch"), "https://app.example/other") {
		t.Errorf("what went wrong is not told: %s", trial.Text("main"))
	}
	if missing := root.Browser.Get("/admin/first/nobody"); missing.Status != 404 {
		t.Errorf("%d", missing.Status)
	}
}

func TestSec_AD05_FirstAppIsChecked(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	form := root.Browser.Get("/admin/first")
	for _, tt := range []struct{ kind, name, uri, field string }{
		{"web", "", "https://app.example/cb", "name"},
		{"web", "  ", "https://app.example/cb", "name"},
		{"web", "App", "", "redirect_uri"},
		{"web", "App", "app.example/cb", "redirect_uri"},
		{"web", "App", "javascript:alert(1)", "redirect_uri"},
		{"web", "App", "https://app.example/cb#x", "redirect_uri"},
		{"machine", "App", "https://app.example/cb", ""},
		{"<b>", "App", "https://app.example/cb", ""},
	} {
		page := form.Submit("first-create", "kind", tt.kind, "name", tt.name, "redirect_uri", tt.uri)
		sentence := page.Text("#problem p")
		if page.Status != 422 || sentence == "" || strings.Contains(sentence, "problem.") || tt.field != "" && !page.Has("#"+tt.field+"[aria-invalid=true]") {
			t.Errorf("%q: %d %q", tt, page.Status, sentence)
		}
	}
	if page, err := p.OAuth.Clients().Page(t.Context(), oauth.ClientQuery{}); err != nil || len(page.Clients) != 1 {
		t.Errorf("%d clients, not the console alone: %v", len(page.Clients), err)
	}
}

// The form of a new app proposes neither a name nor an id.
func TestTheFormOfANewAppIsEmpty(t *testing.T) {
	p := idptest.Start(t)
	page := p.Staff("root", account.Administrator).Browser.Get("/admin/new-client?template=web")
	if page.Status != 200 || page.Attr("#name", "value") != "" || page.Attr("#id", "value") != "" {
		t.Errorf("%d: name %q, id %q", page.Status, page.Attr("#name", "value"), page.Attr("#id", "value"))
	}
}
