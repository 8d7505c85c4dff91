package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// parties are the rows of the table.
func parties() []party {
	own := "it signs people out of itself alone"
	return []party{
		{
			name: "openid-client", language: "JavaScript", version: npm("openid-client"), start: node("openid-client"),
			also: []string{"par", "dpop", "introspection", "revocation", "device", "machine", "register"},
		},
		{
			name: "oauth4webapi", language: "JavaScript", version: npm("oauth4webapi"), start: node("oauth4webapi"),
			method: "private_key_jwt",
			also:   []string{"par", "dpop", "introspection", "revocation", "device", "again", "thief", "machine"},
		},
		{
			name: "oidc-client-ts", language: "JavaScript in Chromium", version: npm("oidc-client-ts"), start: spa,
			browser: chromium, method: "none",
		},
		{
			name: "express-openid-connect", language: "JavaScript", version: npm("express-openid-connect"),
			start: node("express-openid-connect"), also: []string{"backchannel"}, backchannel: "/backchannel-logout",
		},
		{
			name: "passport-openidconnect", language: "JavaScript", version: npm("passport-openidconnect"),
			start: node("passport-openidconnect"), method: "client_secret_post",
			lacks: map[string]string{"refresh": "it leaves tokens to the application", "logout": own},
		},
		{
			name: "Auth.js", language: "JavaScript", version: npm("@auth/express"), start: node("authjs"),
			callback: "/auth/callback/idp",
			lacks:    map[string]string{"refresh": "it leaves tokens to the application", "logout": own},
		},
		{
			name: "go-oidc with x/oauth2", language: "Go", version: module("github.com/coreos/go-oidc/v3"), start: goOIDC,
			lacks: map[string]string{"logout": own}, also: []string{"machine"},
		},
		{
			name: "zitadel/oidc", language: "Go", version: module("github.com/zitadel/oidc/v3"), start: zitadel,
			lacks: map[string]string{"logout": "it calls the provider without the person's browser, whose session goes on"},
			also:  []string{"revocation", "device", "machine"},
		},
		{
			name: "Authlib", language: "Python", version: debian("python3-authlib"), system: true, start: python("authlib"),
			lacks: map[string]string{"logout": own}, also: []string{"introspection", "revocation", "machine"},
		},
		{
			name: "mod_auth_openidc", language: "C", version: debian("libapache2-mod-auth-openidc"), system: true, start: apache,
			mute: true, also: []string{"backchannel"}, backchannel: "/callback?logout=backchannel",
		},
	}
}

// module returns the version of a module that go.mod requires.
func module(path string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("..", "go.mod"))
		found := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(path) + ` v(\S+)`).FindSubmatch(text)
		if err != nil || found == nil {
			t.Fatalf("%s is not in go.mod: %v", path, err)
		}
		return string(found[1])
	}
}

// npm returns the installed version of a package.
func npm(name string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("node_modules", filepath.FromSlash(name), "package.json"))
		var about struct{ Version string }
		if err == nil {
			err = json.Unmarshal(text, &about)
		}
		if err != nil {
			t.Fatal(err)
		}
		return about.Version
	}
}

// debian returns the installed version of a package, without the packager's part.
func debian(name string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		return regexp.MustCompile(`^[0-9.]+`).FindString(output(t, "dpkg-query", "-W", "-f", "${Version}", name))
	}
}

// python starts the program of a relying party in Python: the system's, whose packages those are.
func python(folder string) func(testing.TB, environment) string {
	return func(t testing.TB, told environment) string {
		t.Helper()
		const program = "/usr/bin/python3"
		port := start(t, folder, func(int) []string { return told.list() }, need(t, program), folder+"/rp.py")
		return fmt.Sprintf("http://localhost:%d", port)
	}
}

// apache starts Apache with mod_auth_openidc.
func apache(t testing.TB, told environment) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "interop-apache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil { // started by root, Apache gives that up
		t.Fatal(err)
	}
	for name, text := range map[string]string{"bye": `{"ok": true}`, "refused": `{"ok": false, "error": "refused"}`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source, err := filepath.Abs("mod_auth_openidc")
	if err != nil {
		t.Fatal(err)
	}
	modules := "/usr/lib/apache2/modules"
	if _, err := os.Stat(filepath.Join(modules, "mod_auth_openidc.so")); err != nil {
		t.Fatal("mod_auth_openidc not found: run `make deps`")
	}
	t.Cleanup(func() {
		if text, _ := os.ReadFile(filepath.Join(folder, "error.log")); t.Failed() {
			t.Logf("error.log:\n%s", text)
		}
	})
	port := start(t, "apache2", func(int) []string {
		return append(told.list(), "FOLDER="+folder, "SOURCE="+source, "MODULES="+modules)
	}, need(t, "apache2"), "-D", "FOREGROUND", "-f", filepath.Join(source, "httpd.conf"))
	return fmt.Sprintf("http://localhost:%d", port)
}
