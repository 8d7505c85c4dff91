package login_test

import (
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
)

// A sign-in that cannot be recorded does not happen: nobody is signed in, and the browser gets no cookie.
func TestSignInIsRecordedOrDoesNotHappen(t *testing.T) {
	url := ""
	p := idptest.Start(t, func(c *idp.Config) { url = c.DatabaseURL })
	p.AddUser("alice")
	db, err := dbx.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	refuse := `CREATE TRIGGER refuse BEFORE INSERT ON audit WHEN NEW.action = 'sign_in' BEGIN SELECT RAISE(ABORT, 'no'); END`
	if _, err := db.Exec(t.Context(), refuse); err != nil {
		t.Fatal(err)
	}
	b := p.Browser()
	page := b.Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	if page.Status != 500 {
		t.Fatalf("status %d", page.Status)
	}
	if page := b.Get("/account"); page.URL.Path != "/login" {
		t.Errorf("signed in without a record, at %s", page.URL)
	}
	if _, err := db.Exec(t.Context(), `DROP TRIGGER refuse`); err != nil {
		t.Fatal(err)
	}
	b.Get("/login").Submit("login-submit", "username", "alice", "password", "wrong")
	b.Get("/login").Submit("login-submit", "username", "a name that nobody has", "password", "wrong")
	entries, err := p.Audit.List(t.Context(), audit.Filter{Action: "sign_in", Result: "refused"})
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d refusals on record, %v", len(entries), err)
	}
	if entries[0].Subject != "" || entries[1].Subject == "" {
		t.Errorf("refusals of %q and %q: only a person's own is under their name", entries[1].Subject, entries[0].Subject)
	}
}
