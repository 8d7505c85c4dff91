package replicas

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// unreleased is the program that is upgraded from while there is no release: its schema lacks what several migrations since
// have added.
const unreleased = "7a18f3746404f7d563284216b370e918a40ccbf9"

// before returns the source of the release before this one, by its tag (v1.2.3).
func before(t *testing.T) string {
	t.Helper()
	tags := strings.Fields(git(t, "tag", "--list", "v[0-9]*", "--merged", "HEAD", "--sort=-version:refname"))
	here := strings.Fields(git(t, "tag", "--points-at", "HEAD"))
	for _, tag := range tags {
		if len(here) == 0 || here[0] != tag {
			return tag
		}
	}
	return unreleased
}

func git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", ".."}, args...)...).Output()
	if err != nil {
		t.Fatalf("git %s: %v; this test needs the whole history", strings.Join(args, " "), err)
	}
	return string(out)
}

// built builds the command as it was.
func built(t *testing.T, revision string) (program string) {
	t.Helper()
	source := t.TempDir()
	out, err := exec.Command("sh", "-c", `git -C .. archive "$1" | tar -x -C "$2"`, "sh", revision, source).CombinedOutput()
	if err != nil {
		t.Fatalf("git archive: %v: %s", err, out)
	}
	program = filepath.Join(folder, "idp-"+revision)
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, "./cmd/idp") // trimmed: the next run finds it in the cache
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build of %s: %v: %s", revision, err, out)
	}
	return program
}

// Replica by replica: the release before serves on while this one brings the schema up to date, and what one of them began
// the other goes on with.
func TestFault_R17_ReleaseBeforeOnThisSchema(t *testing.T) {
	t.Parallel()
	f := &fleet{t: t, front: newFront(t), folder: t.TempDir(), requests: plain(t), program: built(t, before(t))}
	database := dbxtest.PostgresURL(t)
	f.prepare(database, plan{})
	var err error
	if f.db, err = dbx.Open(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	defer f.db.Close()
	f.grow(1)
	f.idp(idptest.Password+"\n", "user", "add", "alice", "--email", "alice@example.com")
	f.idp("", "client", "add", "app", "--auth-method", "none", "--redirect-uri", callback)
	f.app = &idptest.Client{Client: &oauth.Client{ID: "app"}, Config: oauth2.Config{
		ClientID: "app", RedirectURL: callback, Scopes: []string{"openid", "profile", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: f.front.URL + "/oauth2/authorize"},
	}}
	signIn := func() (*idptest.Browser, answer) {
		b := idptest.NewBrowser(t, f.front.URL)
		page := at(t, b.Get(link(f.app)), "/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
		if page.URL.Path == "/consent" {
			page = page.Submit("consent-allow")
		}
		return b, f.token(f.app, "grant_type", "authorization_code", "code", granted(t, page), "redirect_uri", callback, "code_verifier", verifier)
	}
	type one struct {
		b      *idptest.Browser
		tokens answer
	}
	var all []*one
	join := func() {
		b, tokens := signIn()
		all = append(all, &one{b, tokens})
	}
	goOn := func(when string) { // at each replica
		t.Helper()
		for _, o := range all {
			for range f.each {
				at(t, o.b.Get("/account"), "/account")
				o.tokens = f.token(f.app, "grant_type", "refresh_token", "refresh_token", o.tokens.json("refresh_token"))
				if a, _ := f.userinfo(o.tokens.json("access_token")); a.status != 200 {
					t.Errorf("%s: userinfo says %d", when, a.status)
				}
			}
		}
	}
	tables := func() int {
		return f.count(`SELECT COUNT(*) FROM pg_attribute JOIN pg_class c ON attrelid = c.oid WHERE relnamespace = 'public'::regnamespace`)
	}
	join()
	old := tables()

	if f.program, err = program(); err != nil {
		t.Fatal(err)
	}
	f.grow(1)
	if tables() <= old {
		t.Error("there was nothing to migrate: this shows nothing")
	}
	goOn("begun before the migration")
	for range 2 { // begun at either
		join()
	}
	goOn("side by side")
	if err := f.each[0].stop(); err != nil {
		t.Errorf("the release before: %v", err)
	}
	f.each = f.each[1:]
	f.front.only(f.origins()...)
	goOn("the release before is gone")
}
