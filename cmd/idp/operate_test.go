package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/migrations"
)

// TestRecoverMakesAnAdministrator where there is one who cannot sign in any more, and leads into enrolment. The first one
// stays, and the link works once.
func TestRecoverMakesAnAdministrator(t *testing.T) {
	i := serve(t)
	i.idp("plum lantern river 42\n", "user", "add", "root", "--admin")
	link := regexp.MustCompile(regexp.QuoteMeta(i.url) + `/setup\S+`).FindString(i.idp("", "admin", "recover"))
	page := idptest.NewBrowser(t, i.url).Get(link)
	page = page.Submit("setup-submit", "username", "second", "email", "second@example.com", "password", "tulip gravel monday 88")
	if page.URL.Path != "/account/mfa/enrol/start" {
		t.Fatalf("%s %s", page.URL, page.Text("main"))
	}
	page = page.Submit("enrol-start")
	phone := mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", ""), Clock: time.Now}
	page.Submit("scan-next").Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0)).Submit("enrol-confirm", "saved", "1")
	for _, name := range []string{"root", "second"} {
		if shown := i.idp("", "user", "show", name, "--output", "json"); !strings.Contains(shown, `"admin": true`) {
			t.Error(shown)
		}
	}
	if page := idptest.NewBrowser(t, i.url).Get(link); page.Status != http.StatusNotFound || page.Has("#setup-submit") {
		t.Errorf("used again: %d", page.Status)
	}
	trail := i.idp("", "audit", "list", "--output", "json", "--limit", "0")
	for _, row := range []string{`"purpose": "recover"`, "account.link_used", "account.created"} {
		if !strings.Contains(trail, row) {
			t.Errorf("the trail has no %s", row)
		}
	}
}

// secretsOf is everything in an installation that was made by chance: all that its database and its keys hold and its commands
// print, in words.
func secretsOf(t *testing.T, i *installation) map[string]string {
	t.Helper()
	out := map[string]string{}
	words := func(place, text string) {
		for _, word := range regexp.MustCompile(`[A-Za-z0-9+/_=-]{16,}`).FindAllString(text, -1) {
			out[word] = place
		}
	}
	i.idp("plum lantern river 42\n", "user", "add", "alice", "--email", "alice@example.com", "--admin")
	words("client add", i.idp("", "client", "add", "app", "--redirect-uri", "https://app.example/"))
	words("admin recover", i.idp("", "admin", "recover"))
	words("serve", i.screen.String())
	b := idptest.NewBrowser(t, i.url)
	b.Get("/account").Submit("login-submit", "username", "alice", "password", "plum lantern river 42")
	for _, c := range b.Jar.Cookies((&http.Request{URL: b.Get("/livez").URL}).URL) {
		words("cookie "+c.Name, c.Value)
	}
	file := strings.TrimPrefix(i.env["IDP_DATABASE_URL"], "sqlite:")
	keyset, err := os.ReadFile(filepath.Join(filepath.Dir(file), "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	words("keyset", string(keyset))
	words("keyset", strings.Join(regexp.MustCompile(`"keyId": *\d+`).FindAllString(string(keyset), -1), " "))
	db, err := dbx.Open(t.Context(), i.env["IDP_DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, stream := range migrations.Streams() {
		tables, err := migrations.Tables(stream, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			rows, err := db.SQLX().QueryxContext(t.Context(), "SELECT * FROM "+table)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				cells := map[string]any{}
				if err := rows.MapScan(cells); err != nil {
					t.Fatal(err)
				}
				for column, cell := range cells {
					if octets, ok := cell.([]byte); ok {
						cell = fmt.Sprintf("%x", octets)
					}
					words(table+"."+column, fmt.Sprint(cell))
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			rows.Close()
		}
	}
	return out
}

// TestSec_DR05_TwoInstallsShareNothing that was made by chance: the same people and clients with the same passwords have other
// keys, hashes, links, cookies and identifiers in each.
func TestSec_DR05_TwoInstallsShareNothing(t *testing.T) {
	one, other := secretsOf(t, serve(t)), secretsOf(t, serve(t))
	var shared []string
	made := 0
	for word, place := range one {
		random := strings.ContainsAny(word, "0123456789") && strings.IndexFunc(word, func(r rune) bool { return r >= 'A' && r <= 'z' }) >= 0
		if !random {
			continue
		}
		made++
		if _, both := other[word]; both {
			shared = append(shared, place+" "+word)
		}
	}
	if made < 30 {
		t.Errorf("only %d secrets and identifiers", made)
	}
	// Names that all installations have.
	known := regexp.MustCompile(`github\.com|googleapis|AesGcmKey|HkdfPrfKey|refresh_token|authorization_code|client_secret|id_token|RS256|/[a-z]+/|616c696365406578616d706c652e636f6d`)
	for _, s := range shared {
		if !known.MatchString(s) {
			t.Errorf("both have %s", s)
		}
	}
}

// TestSec_DR05_NoSecretIsShown: what is given by the environment or a file stands neither in the process's arguments nor in its
// log, its screen, the answers of its commands or the words of their failures.
func TestSec_DR05_NoSecretIsShown(t *testing.T) {
	url := dbxtest.PostgresURL(t)
	secrets := []string{"mail-s3cret-4711", "hook-path-s3cret-4711", "db-s3cret-4711", "plum-s3cret-4711-lantern", "passphrase-s3cret-4711"}
	hook := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(hook, []byte("whsec_aG9vay1zM2NyZXQtNDcxMS1hbmQtbW9yZS1vZi1pdA=="), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, "aG9vay1zM2NyZXQ", "hook-s3cret-4711")
	i := &installation{t: t, env: map[string]string{
		"IDP_DATABASE_URL": strings.Replace(url, "?", "?password=db-s3cret-4711&", 1), "IDP_LISTEN": "127.0.0.1:0",
		"IDP_KEYSET_FILE": filepath.Join(t.TempDir(), "keyset.json"), "IDP_SMTP_URL": "smtp://robot:mail-s3cret-4711@127.0.0.1:1",
		"IDP_SMTP_FROM": "idp@example.com", "IDP_AUDIT_WEBHOOK_URL": "http://127.0.0.1:1/hook-path-s3cret-4711", "IDP_AUDIT_WEBHOOK_SECRET_FILE": hook,
		"IDP_PASSWORD": "plum-s3cret-4711-lantern", "IDP_BACKUP_PASSPHRASE": "passphrase-s3cret-4711",
	}}
	var shown screen
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args, cmd.Stdout, cmd.Stderr = []string{"idp", "--verbose", "serve"}, &shown, &shown
	cmd.Env = append(os.Environ(), i.environment()...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(20 * time.Second); !strings.Contains(shown.String(), "listening on"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(shown.String())
		}
	}
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
	if err != nil || !bytes.Contains(arguments, []byte("serve")) {
		t.Fatal(string(arguments), err)
	}
	all := []string{string(arguments)}
	for _, args := range [][]string{
		{"user", "add", "alice", "--email", "alice@example.com"}, {"user", "list"}, {"doctor"}, {"doctor", "--output", "json"}, {"migrate", "status"},
		{"backup", filepath.Join(t.TempDir(), "b")}, {"audit", "list"}, {"audit", "export"}, {"client", "list"}, {"admin", "recover"}, {"serve", "--listen", "nowhere"},
	} {
		all = append(all, i.said(args...))
	}
	i.env["IDP_DATABASE_URL"] = "postgres://idp:db-s3cret-4711@127.0.0.1:1/idp?sslmode=disable"
	all = append(all, i.said("user", "list"), i.said("doctor"), i.said("backup", "b"), i.said("restore", "b"))
	i.env["IDP_DATABASE_URL"] = "postgres://idp:db-s3cret-4711@db.example/idp"
	all = append(all, i.said("user", "list"), i.said("doctor"))
	i.env["IDP_DATABASE_URL"] = "postgres://idp:db-s3cret-4711 @%%"
	all = append(all, i.said("user", "list"), i.said("doctor"))
	i.env["IDP_SMTP_URL"] = "smtp://robot:mail-s3cret-4711@mail example:x"
	all = append(all, i.said("user", "list"), i.said("doctor"), shown.String())
	for n, text := range all {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%d: %s is shown: %.2000s", n, secret, text)
			}
		}
	}
}

// environment is env as a process has it.
func (i *installation) environment() (out []string) {
	for name, value := range i.env {
		out = append(out, name+"="+value)
	}
	return out
}

// said runs a command and returns all that it prints, whatever its status.
func (i *installation) said(args ...string) string {
	var out, stderr bytes.Buffer
	run(i.t.Context(), append([]string{"--verbose"}, args...), strings.NewReader(""), &out, &stderr, i.getenv)
	return out.String() + stderr.String()
}

// TestWhatListsHasJSON: every command that shows what there is takes --output json, also one that is new.
func TestWhatListsHasJSON(t *testing.T) {
	var c cli
	parser, err := kong.New(&c, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	listing := 0
	for _, leaf := range parser.Model.Leaves(true) {
		if !slices.Contains([]string{"list", "show", "status", "verify", "sessions", "explain", "doctor", "up"}, leaf.Name) {
			continue
		}
		listing++
		if !slices.ContainsFunc(leaf.Flags, func(f *kong.Flag) bool { return f.Name == "output" && f.Enum == "text,json" }) {
			t.Errorf("%s has no --output", leaf.FullPath())
		}
	}
	if listing < 10 {
		t.Errorf("only %d commands list", listing)
	}
}
