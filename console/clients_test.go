package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

func TestAnAppFromItsKindToItsEnd(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	root := p.Staff("root", account.Administrator)
	form := root.Enter("/admin/clients").Follow("#new").Follow("#kind-web")
	// What is wrong is told at its place, and what was typed stays.
	wrong := form.Submit("save", "name", "Notes", "redirect_uris", "not an address")
	if wrong.Status != http.StatusUnprocessableEntity || !wrong.Has("#redirect_uris[aria-invalid]") || !wrong.Has("#name[value=Notes]") {
		t.Fatalf("%d: %s", wrong.Status, wrong.Text("main"))
	}
	made := wrong.Submit("save", "redirect_uris", "https://notes.example/callback")
	secret := made.Text("#client-secret")
	if made.Text("#client-id") != "notes" || len(secret) < 32 {
		t.Fatalf("%d: %s", made.Status, made.Text("main"))
	}
	client, err := p.OAuth.Clients().Get(ctx, "notes")
	if err != nil || !p.OAuth.Clients().SecretIs(client, secret) || client.AuthMethod != "client_secret_basic" {
		t.Fatalf("%+v %v", client, err)
	}
	if again := root.Enter("/admin/clients/notes"); strings.Contains(again.Body, secret) {
		t.Error("the secret is shown again")
	}

	// Two administrators edit it: the second one is told, sees what they typed, and may send it again.
	first, second := root.Enter("/admin/clients/notes/edit"), root.Enter("/admin/clients/notes/edit")
	if done := first.Submit("save", "mfa", "always", "access_token_life", "5", "access_token_life_unit", "minutes"); !strings.Contains(done.Text("[role=status]"), "Saved") {
		t.Fatalf("%d: %s", done.Status, done.Text("main"))
	}
	late := second.Submit("save", "name", "Notes 2")
	if late.Status != http.StatusConflict || !late.Has("#name[value='Notes 2']") || !strings.Contains(late.Text("[role=alert]"), "Somebody else") {
		t.Fatalf("%d: %s", late.Status, late.Text("main"))
	}
	late = late.Submit("save")
	if client, err = p.OAuth.Clients().Get(ctx, "notes"); err != nil || client.Name != "Notes" || late.Status != http.StatusConflict {
		t.Fatalf("saved over what somebody else did without a tick: %d, %+v %v", late.Status, client, err)
	}
	late.Submit("save", "overwrite", late.Attr("#overwrite", "value"))
	if client, err = p.OAuth.Clients().Get(ctx, "notes"); err != nil || client.Name != "Notes 2" || client.MFA != "optional" {
		t.Fatalf("%+v %v", client, err)
	}

	// Two secrets live during a rotation; the former one is ended by hand.
	rotated := root.Enter("/admin/clients/notes/rotate-secret").Submit("go")
	next := rotated.Text("#client-secret")
	client, _ = p.OAuth.Clients().Get(ctx, "notes")
	if next == secret || !p.OAuth.Clients().SecretIs(client, next) || !p.OAuth.Clients().SecretIs(client, secret) {
		t.Fatalf("%d: %s", rotated.Status, rotated.Text("main"))
	}
	if twice := root.Enter("/admin/clients/notes/rotate-secret").Submit("go"); twice.Status != http.StatusUnprocessableEntity || !strings.Contains(twice.Text("[role=alert]"), "former secret") {
		t.Errorf("%d: %s", twice.Status, twice.Text("main"))
	}
	root.Enter("/admin/clients/notes").Follow("#end-former-secret").Submit("go")
	client, _ = p.OAuth.Clients().Get(ctx, "notes")
	if p.OAuth.Clients().SecretIs(client, secret) || !p.OAuth.Clients().SecretIs(client, next) {
		t.Error("the former secret is good still")
	}

	root.Enter("/admin/clients/notes/disable").Submit("go")
	if client, _ = p.OAuth.Clients().Get(ctx, "notes"); !client.Disabled {
		t.Error("it is on")
	}
	ask := root.Enter("/admin/clients/notes/delete")
	if refused := ask.Submit("go", "confirm", "note"); refused.Status != http.StatusUnprocessableEntity || !refused.Has("#confirm[aria-invalid]") {
		t.Errorf("%d: %s", refused.Status, refused.Text("main"))
	}
	if gone := ask.Submit("go", "confirm", "notes"); gone.URL.Path != "/admin/clients" {
		t.Errorf("%d at %s", gone.Status, gone.URL)
	}
	if missing := root.Enter("/admin/clients/notes"); missing.Status != http.StatusNotFound {
		t.Errorf("%d", missing.Status)
	}
	rows, err := p.Audit.List(ctx, filter(oauth.EventClientDeleted))
	if err != nil || len(rows) != 1 || rows[0].Actor != root.Subject {
		t.Errorf("%+v %v", rows, err)
	}
}

// Beside whatever differs from what there is now stands what that is, of every kind of field.
func TestAStaleFormOfAnAppSaysWhatThereIsNow(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	p.AddClient(oauth.Client{ID: "notes", Name: "Notes", RedirectURIs: []string{"https://notes.example/callback"}})
	first, second := root.Enter("/admin/clients/notes/edit"), root.Enter("/admin/clients/notes/edit")
	saved := first.Submit("save", "redirect_uris", "https://a.example/\nhttps://b.example/", "mfa", "always", "require_pkce", "1",
		"access_token_life", "20", "access_token_life_unit", "minutes", "client_uri", "https://notes.example/", "logo_uri", "")
	if !strings.Contains(saved.Text("[role=status]"), "Saved") {
		t.Fatalf("%d: %s", saved.Status, saved.Text("main"))
	}
	late := second.Submit("save", "name", "Notes 2", "scopes", "openid profile")
	for _, want := range []string{"Now it says: Notes", "https://a.example/", "https://b.example/", "Needed every time", "Now it is ticked.", "20 minutes",
		"https://notes.example/", "openid profile email"} {
		if text := strings.Join(late.All(".now"), "|"); !strings.Contains(text, want) {
			t.Errorf("%q is not among %s", want, text)
		}
	}
	if n := len(late.All(".now")); n != 7 || !late.Has("#tokens[open]") || late.Attr("#scopes", "value") != "openid profile" {
		t.Errorf("%d fields differ: %s", n, late.Text("main"))
	}
	// Somebody who sends what there is already is told so, and overwrites nothing.
	same := root.Enter("/admin/clients/notes/edit")
	late.Submit("save", "overwrite", late.Attr("#overwrite", "value"))
	client, err := p.OAuth.Clients().Get(t.Context(), "notes")
	if err != nil || client.Name != "Notes 2" || client.MFA != "optional" || client.AccessTokenLife != 0 {
		t.Errorf("%+v %v", client, err)
	}
	if old := same.Submit("save", "overwrite", same.Attr("[name=version]", "value")); old.Status != http.StatusConflict {
		t.Errorf("a version that is over is taken for the one that was seen: %d", old.Status)
	}
}

// Lengths of time are in words, those that nobody chose too.
func TestLivesOfTokensAreInWords(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	p.AddClient(oauth.Client{ID: "notes", RedirectURIs: []string{"https://notes.example/callback"}, AccessTokenLife: 20 * 60, RefreshTokenIdle: 90,
		Scopes: []string{"openid", "offline_access"}})
	page := root.Enter("/admin/clients/notes")
	for id, want := range map[string]string{
		"#access_token_life": "20 minutes", "#id_token_life": "1 hour (the default)", "#refresh_token_idle": "90 seconds", "#refresh_token_life": "90 days (the default)",
	} {
		if got := page.Text(id); got != want {
			t.Errorf("%s: %q", id, got)
		}
	}
	if strings.Contains(page.Text("main"), "Demands") {
		t.Error("demands of an app that has none")
	}
	p.Person("alice")
	text := page.Follow("#preview").Submit("show", "person", "alice", "situation", "password").Text("main")
	for _, want := range []string{"20 minutes", "1 hour", "90 days"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(text, "7776000") || strings.Contains(text, "admin.client") {
		t.Error(text)
	}
}

func TestWhatWouldThisPersonGet(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	p.Person("alice")
	page := root.Enter("/admin/clients/app").Follow("#preview")
	code := page.Submit("show", "person", "alice", "situation", "code")
	if text := code.Text("main"); !strings.Contains(text, "aal2") || !strings.Contains(text, `"otp"`) || !strings.Contains(text, "second factor") {
		t.Errorf("%d: %s", code.Status, text)
	}
	if nobody := page.Submit("show", "person", "bob", "situation", "code"); nobody.Status != http.StatusUnprocessableEntity || !nobody.Has("#person[aria-invalid]") {
		t.Errorf("%d: %s", nobody.Status, nobody.Text("main"))
	}
}

// An app has a name, and a machine gets nothing that is about people because a field was left empty.
func TestANewAppSaysWhatIsMissing(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	for _, kind := range []string{"web", "spa", "native", "machine", "device", "resource_server"} {
		form := root.Enter("/admin/new-client?template=" + kind)
		if page := form.Submit("save", "name", " "); page.Status != http.StatusUnprocessableEntity || page.Text("#name-error") != "Give the app a name." {
			t.Errorf("%s: %d: %s", kind, page.Status, page.Text("main"))
		}
	}
	form := root.Enter("/admin/new-client?template=machine")
	if page := form.Submit("save", "name", "Job"); !strings.Contains(page.Text("#scopes-error"), "may do") || form.Attr("#scopes", "value") != "" {
		t.Errorf("%d: %s", page.Status, page.Text("main"))
	}
	form.Submit("save", "name", "Job", "scopes", "read")
	if again := form.Submit("save", "name", "Job", "scopes", "read"); again.Text("#client-id") != "job-2" {
		t.Errorf("%d: %s", again.Status, again.Text("main"))
	}
	if taken := form.Submit("save", "name", "Job", "scopes", "read", "id", "job"); !strings.Contains(taken.Text("#id-error"), "taken") {
		t.Errorf("%d: %s", taken.Status, taken.Text("main"))
	}
	root.Enter("/admin/new-client?template=resource_server").Submit("save", "name", "API")
	if client, err := p.OAuth.Clients().Get(t.Context(), "api"); err != nil || len(client.Scopes) != 0 {
		t.Errorf("%+v %v", client, err)
	}
}

// What is said of a new app fits its kind.
func TestANewAppIsToldOfItsKind(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	for kind, want := range map[string]struct{ says, not, first, uri string }{
		"web":             {"The secret comes from the environment", "PKCE, which", "Go", "https://app.example/cb"},
		"spa":             {"PKCE", "environment", "In the browser", "http://localhost:5173/"},
		"native":          {"PKCE", "environment", "AppAuth", "com.example.app:/callback"},
		"device":          {"device flow", "PKCE", "terminal", ""},
		"machine":         {"environment", "PKCE", "Machine", ""},
		"resource_server": {"environment", "PKCE", "Is a token good?", ""},
	} {
		form := root.Enter("/admin/new-client?template=" + kind)
		page := form.Submit("save", "name", kind, "redirect_uris", want.uri, "scopes", "openid")
		if text := page.Text("main"); page.Status != http.StatusOK || !strings.Contains(text, want.says) || strings.Contains(text, want.not) ||
			!strings.Contains(page.Text("details[open] summary"), want.first) {
			t.Errorf("%s: %d, first %q: %s", kind, page.Status, page.Text("details[open] summary"), text)
		}
	}
}

// Refusals are sentences at their fields.
func TestRefusalsOfAppsAreSentences(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	p.AddClient(oauth.Client{ID: "notes", RedirectURIs: []string{"https://notes.example/callback"}})
	form := root.Enter("/admin/clients/notes/edit")
	for _, tt := range [][3]string{
		{"redirect_uris", "", "Give at least one address"},
		{"redirect_uris", "notes.example/cb", "not a whole address"},
		{"redirect_uris", "http://notes.example/cb", "must begin with https://"},
		{"redirect_uris", "https://*.notes.example/cb", "wildcard"},
		{"access_token_life", "100", "24 hours at most"},
		{"refresh_token_life", "1000", "400 days at most"},
		{"refresh_token_life", "999999999999999999999", "That is too long."},
		{"refresh_token_life", "1.5", "whole number"},
		{"name", "", "Give the app a name."},
	} {
		page := form.Submit("save", tt[0], tt[1])
		if text := page.Text("#" + tt[0] + "-error"); page.Status != http.StatusUnprocessableEntity || !strings.Contains(text, tt[2]) || strings.Contains(text, "_") {
			t.Errorf("%q: %d %q", tt, page.Status, text)
		}
	}
	page := root.Enter("/admin/first").Submit("first-create", "kind", "web", "name", "App", "redirect_uri", "app.example/cb")
	if !strings.Contains(page.Text("#redirect_uri-error"), "not a whole address") {
		t.Errorf("%s", page.Text("main"))
	}
}

// Whoever looks after an app is told that somebody outside its groups tried, and not who.
func TestARefusalByGroupIsToldAtTheApp(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	alice := p.Person("alice")
	if err := p.Accounts.CreateGroup(t.Context(), account.Group{Name: "ops"}); err != nil {
		t.Fatal(err)
	}
	app := p.AddClient(oauth.Client{ID: "ops", Groups: []string{"ops"}, RedirectURIs: []string{"https://ops.example/callback"}})
	alice.Browser.Get(app.AuthCodeURL("s"))
	text := root.Enter("/admin/clients/ops").Text("#problems")
	if !strings.Contains(text, "none of the client's groups") || strings.Contains(text, "alice") {
		t.Errorf("%q", text)
	}
	row := strings.Join(root.Enter("/admin/audit?client=ops").All("#results tbody th"), "|")
	if !strings.Contains(row, "An app was refused") || strings.Contains(row, "refused refused") {
		t.Errorf("%q", row)
	}
}

// The console's own registration is looked at, and changed by nobody.
func TestTheConsoleStaysWhatItIs(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	page := root.Enter("/admin/clients/idp-console")
	if page.Status != http.StatusOK || page.Has("#edit") || page.Has("#delete") {
		t.Errorf("%d: %s", page.Status, page.Text("main"))
	}
	for _, path := range []string{"edit", "rotate-secret", "disable", "delete"} {
		if page := root.Enter("/admin/clients/idp-console/" + path); page.Status != http.StatusForbidden {
			t.Errorf("%s: %d", path, page.Status)
		}
	}
}

// What an app does wrong is told in words, to those who look after it.
func TestAppsErrorsAreTold(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"}})
	p.Browser().Get("/oauth2/authorize?client_id=app&response_type=code&redirect_uri=https://app.example/other&scope=openid")
	if text := root.Enter("/admin/clients/app").Text("#problems"); !strings.Contains(text, "https://app.example/other") || !strings.Contains(text, "https://app.example/callback") {
		t.Errorf("%q", text)
	}
}

// Texts of administrators and apps are texts, wherever they are shown.
func TestSec_HT07_ClientsTextsAreTexts(t *testing.T) {
	p := idptest.Start(t)
	root := p.Staff("root", account.Administrator)
	const evil = `"><img src=x onerror=alert(1)><script>alert(1)</script>`
	form := root.Enter("/admin/new-client?template=web").Submit("save", "id", "evil", "name", evil, "redirect_uris", "https://evil.example/callback")
	if form.Status != http.StatusOK {
		t.Fatalf("%d: %s", form.Status, form.Text("main"))
	}
	p.Browser().Get("/oauth2/authorize?client_id=evil&redirect_uri=" + "https://x.example/%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
	for _, path := range []string{"/admin/clients", "/admin/clients/evil", "/admin/clients/evil/edit", "/admin/clients/evil/delete", "/admin/clients/evil/preview", "/admin", "/admin/audit"} {
		page := root.Enter(path)
		if page.Status != http.StatusOK || page.Has("img[onerror]") || page.Has("main script") {
			t.Errorf("%s: %d", path, page.Status)
		}
	}
}
