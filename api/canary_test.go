package api_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/oauth"
)

// TestSec_AD03_NobodyReadsSecrets asks everything that can be read of people, clients and settings, as everybody who may, and
// looks for what nobody shall be told.
func TestSec_AD03_NobodyReadsSecrets(t *testing.T) {
	databaseURL := ""
	f := start(t, func(c *idp.Config) { databaseURL = c.DatabaseURL })
	app := f.app()
	people := map[account.Role]*somebody{}
	for _, role := range append(account.Roles(), "") {
		people[role] = f.somebody(app, "the-"+string(role), role)
	}
	victim := people[account.Administrator]
	granted := victim.tokens()
	f.want(f.call("POST", "/groups", object{"name": "staff"}), 201)
	created := f.want(f.call("POST", "/clients", object{"id": "web", "redirect_uris": []string{"https://app.example/"}}), 201)
	secret, _ := created.get(t, "secret").(string)
	rotated := f.want(f.call("POST", "/clients/web/rotate-secret", object{"overlap": 3600}, "If-Match", created.header.Get("ETag")), 200)
	second, _ := rotated.get(t, "secret").(string)

	canaries := map[string]string{"client secret": secret, "second client secret": second, "app's secret": app.ClientSecret, "refresh token": granted.RefreshToken, "access token": granted.AccessToken, "the robot's": f.token}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(victim.phone.Key)
	if err != nil {
		t.Fatal(err)
	}
	canaries["TOTP secret"], canaries["TOTP secret, hex"], canaries["TOTP secret, base64"] = victim.phone.Key, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw)
	if len(victim.codes) == 0 {
		t.Fatal("no recovery codes")
	}
	for _, code := range victim.codes {
		canaries["recovery code "+code] = code
		canaries["recovery code without dash "+code] = strings.ReplaceAll(code, "-", "")
	}
	home, _ := url.Parse(f.Issuer)
	for _, c := range victim.browser.Jar.Cookies(home) {
		if len(c.Value) >= 16 {
			canaries["cookie "+c.Name] = c.Value
		}
	}
	for name, query := range map[string]string{
		"password": `SELECT password FROM accounts WHERE password <> ''`, "client": `SELECT secret_hash FROM oauth_clients WHERE secret_hash <> ''`,
		"former": `SELECT rotated_hash FROM oauth_clients WHERE rotated_hash <> ''`,
	} {
		for i, hash := range stored(t, databaseURL, query) {
			canaries["hash of "+name+string(rune('a'+i))] = hash
		}
	}
	canaries["a hash"], canaries["an HMAC"] = "$argon2", "$hmac$"
	for name, value := range canaries {
		if len(value) < 6 {
			t.Fatalf("%s: %q is too short to be looked for", name, value)
		}
	}

	sessions, err := f.Sessions.List(t.Context(), victim.Subject)
	if err != nil || len(sessions) == 0 {
		t.Fatal(err)
	}
	tokens := []string{f.token}
	for _, p := range people {
		tokens = append(tokens, p.token())
	}
	answers, good := 0, 0
	for _, op := range f.operations() {
		if op.method != "GET" {
			continue
		}
		for _, id := range []string{victim.Subject, people[""].Subject, "web", "tool", "staff"} {
			path := parameter.ReplaceAllString(op.path, id)
			for i, token := range tokens {
				a := f.as(token, "GET", path, nil)
				answers++
				if a.status == 200 {
					good++
				}
				for name, value := range canaries {
					if strings.Contains(a.body, value) {
						t.Errorf("%s as %d tells the %s", path, i, name)
					}
				}
			}
			if !strings.Contains(op.path, "{") {
				break
			}
		}
	}
	t.Logf("%d answers, %d of them good, %d canaries", answers, good, len(canaries))
	// What changes something answers no secret either.
	edited := f.want(f.call("PATCH", "/people/"+victim.Subject, object{"name": "Root"}, "If-Match", versionOf(f, "/people/"+victim.Subject)), 200)
	replaced := f.want(f.call("PUT", "/clients/web", object{"redirect_uris": []string{"https://app.example/"}}, "If-Match", versionOf(f, "/clients/web")), 200)
	for name, value := range canaries {
		if strings.Contains(edited.body+replaced.body, value) {
			t.Errorf("an edit tells the %s", name)
		}
	}
}

func versionOf(f *fixture, path string) string {
	f.T.Helper()
	return f.want(f.call("GET", path, nil), 200).header.Get("ETag")
}

func stored(t *testing.T, url, query string) []string {
	t.Helper()
	db, err := dbx.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var values []string
	if err := db.SelectOnce(t.Context(), &values, query); err != nil || len(values) == 0 {
		t.Fatalf("%d %v", len(values), err)
	}
	return values
}

// TestSec_AD06_NobodyChoosesForOthers: no operation takes a password or a factor's secret for somebody else.
func TestSec_AD06_NobodyChoosesForOthers(t *testing.T) {
	f := start(t)
	var document struct {
		Components struct {
			Schemas map[string]struct {
				AdditionalProperties any
				Properties           map[string]any
			}
		}
	}
	f.want(f.call("GET", "/openapi.json", nil), 200).into(t, &document)
	for name, schema := range document.Components.Schemas {
		if schema.AdditionalProperties != false { // answers
			continue
		}
		for member := range schema.Properties {
			if slices.Contains([]string{"password", "secret", "totp", "code", "hash", "key", "factor"}, member) {
				t.Errorf("%s takes %s", name, member)
			}
		}
	}
}

func TestClientsFromFirstToLast(t *testing.T) {
	f := start(t)
	made := f.want(f.call("POST", "/clients?template=web", object{"id": "app", "name": "App", "redirect_uris": []string{"https://app.example/cb"}}), 201)
	tag := made.header.Get("ETag")
	first, _ := made.get(t, "secret").(string)
	client, err := f.OAuth.Clients().Get(t.Context(), "app")
	if err != nil || !f.OAuth.Clients().SecretIs(client, first) {
		t.Fatalf("%v, %s", err, made.body)
	}
	if got := f.want(f.call("GET", "/clients/app", nil), 200); got.get(t, "secret") != nil || got.header.Get("ETag") != tag || got.get(t, "name") != "App" {
		t.Errorf("%s", got.body)
	}
	settings := object{"name": "App 2", "redirect_uris": []string{"https://app.example/cb"}, "access_token_life": 120}
	f.refused(f.call("PUT", "/clients/app", settings), 428, "precondition-required")
	f.refused(f.call("PUT", "/clients/app", settings, "If-Match", `"99"`), 412, "stale")
	f.refused(f.call("PUT", "/clients/app", settings, "If-Match", `*`), 412, "stale")
	changed := f.want(f.call("PUT", "/clients/app", settings, "If-Match", tag), 200)
	f.refused(f.call("PUT", "/clients/app", settings, "If-Match", tag), 412, "stale")
	if changed.get(t, "access_token_life") != 120.0 || changed.get(t, "name") != "App 2" {
		t.Errorf("%s", changed.body)
	}
	tag = changed.header.Get("ETag")
	rotated := f.want(f.call("POST", "/clients/app/rotate-secret", object{"overlap": 600}, "If-Match", tag), 200)
	second, _ := rotated.get(t, "secret").(string)
	client, _ = f.OAuth.Clients().Get(t.Context(), "app")
	if clients := f.OAuth.Clients(); !clients.SecretIs(client, first) || !clients.SecretIs(client, second) {
		t.Error("both are good for a while")
	}
	tag = rotated.header.Get("ETag")
	f.refused(f.call("POST", "/clients/app/rotate-secret", object{"overlap": 600}, "If-Match", tag), 409, "conflict")
	f.want(f.call("POST", "/clients/app/end-former-secret", nil, "If-Match", tag), 204)
	tag = versionOf(f, "/clients/app")
	f.refused(f.call("POST", "/clients/app/end-former-secret", nil, "If-Match", tag), 409, "conflict")
	f.want(f.call("POST", "/clients/app/disable", nil, "If-Match", tag), 204)
	f.want(f.call("POST", "/clients/app/enable", nil, "If-Match", versionOf(f, "/clients/app")), 204)
	f.want(f.call("GET", "/clients/app/problems", nil), 200)
	alice := f.AddUser("alice")
	preview := f.want(f.call("GET", "/clients/app/preview?situation=code&person="+alice.Subject, nil), 200)
	if preview.get(t, "id_token.sub") != alice.Subject || preview.get(t, "acr") != "aal2" {
		t.Errorf("%s", preview.body)
	}
	f.refused(f.call("GET", "/clients/app/preview?situation=odd", nil), 400, "invalid-parameter")
	for _, bad := range []object{{"redirect_uris": []string{"nowhere"}}, {"redirect_uris": []string{"https://a.example/"}, "scopes": []string{"idp.tomorrow"}}} {
		f.refused(f.call("POST", "/clients", bad), 422, "invalid")
	}
	f.refused(f.call("POST", "/clients", object{"id": "app", "redirect_uris": []string{"https://a.example/"}}), 409, "taken")
	f.refused(f.call("POST", "/clients?template=odd", object{"redirect_uris": []string{"https://a.example/"}}), 400, "invalid-parameter")
	f.want(f.call("GET", "/unknown-clients", nil), 200)
	f.want(f.call("GET", "/client-templates", nil), 200)
	if token := f.want(f.call("POST", "/registration-tokens", object{"life": 60, "uses": 1}), 201); token.get(t, "token") == "" {
		t.Errorf("%s", token.body)
	}
	f.want(f.call("DELETE", "/clients/app", nil, "If-Match", versionOf(f, "/clients/app")), 204)
	f.refused(f.call("GET", "/clients/app", nil), 404, "not-found")
	// The console itself is nobody's to change.
	f.Browser().Get("/admin")
	if console := f.call("GET", "/clients/idp-console", nil); console.status == 200 {
		f.refused(f.call("DELETE", "/clients/idp-console", nil, "If-Match", console.header.Get("ETag")), 409, "conflict")
	}
	// The settings have the names of the file of idp apply.
	names := map[string]bool{}
	for _, c := range []any{oauth.Client{}} {
		for _, name := range jsonNames(c) {
			names[name] = true
		}
	}
	var document struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	f.want(f.call("GET", "/openapi.json", nil), 200).into(t, &document)
	for name := range names {
		if document.Components.Schemas["ClientInput"].Properties[name] == nil && name != "dynamic" {
			t.Errorf("%s cannot be set", name)
		}
	}
	for name := range document.Components.Schemas["ClientInput"].Properties {
		if !names[name] {
			t.Errorf("%s is no setting", name)
		}
	}
}
