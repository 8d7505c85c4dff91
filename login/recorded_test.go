package login_test

import (
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
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

// A password that was replaced, or an account that was disabled, after the hash was compared and before the session begins: nobody is
// signed in, and the trail has a refusal.
func TestSec_PW13_NoSessionByAPasswordThatIsOver(t *testing.T) {
	t.Parallel()
	for change, cause := range map[string]string{"password = 'another'": "", "disabled = TRUE": "disabled"} {
		url := ""
		p := idptest.Start(t, func(c *idp.Config) { url = c.DatabaseURL })
		alice := p.AddUser("alice")
		db, err := dbx.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		// The count of tries goes when a password was right.
		meanwhile := `CREATE TRIGGER meanwhile AFTER DELETE ON account_attempts BEGIN UPDATE accounts SET ` + change + `; END`
		if _, err := db.Exec(t.Context(), meanwhile); err != nil {
			t.Fatal(err)
		}
		b := p.Browser()
		page := b.Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
		if page.Status != 422 || page.Text("[role=alert]") == "" {
			t.Errorf("%s: %d at %s", change, page.Status, page.URL)
		}
		if page := b.Get("/account"); page.URL.Path != "/login" {
			t.Errorf("%s: signed in, at %s", change, page.URL)
		}
		sessions, err := p.Sessions.List(t.Context(), alice.Subject)
		if err != nil || len(sessions) != 0 {
			t.Errorf("%s: %d sessions, %v", change, len(sessions), err)
		}
		entries, err := p.Audit.List(t.Context(), audit.Filter{Action: "sign_in", Subject: alice.Subject})
		if err != nil || len(entries) != 1 || entries[0].Result != "refused" || entries[0].Detail["cause"] != cause {
			t.Errorf("%s: on record: %+v, %v", change, entries, err)
		}
	}
}

// A right password of a disabled account is on record as that, a wrong one as any other; the pages are the same.
func TestSec_PW08_TheTrailAloneTellsThatAnAccountIsDisabled(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	off := p.AddUser("alice")
	p.AddUser("bob")
	if err := p.Actions().Disable(t.Context(), off.Subject); err != nil {
		t.Fatal(err)
	}
	try := func(name, password string) (alert string, status int) {
		page := p.Browser().Get("/login").Submit("login-submit", "username", name, "password", password)
		return page.Text("[role=alert]"), page.Status
	}
	wrong, status := try("bob", "wrong")
	for _, password := range []string{idptest.Password, "wrong"} {
		if text, code := try("alice", password); text != wrong || code != status || text == "" {
			t.Errorf("a disabled person reads %d %q, somebody else %d %q", code, text, status, wrong)
		}
	}
	entries, err := p.Audit.List(t.Context(), audit.Filter{Action: "sign_in", Subject: off.Subject})
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d rows, %v", len(entries), err)
	}
	for i, want := range []struct{ cause, words, explained string }{
		{"", "Wrong password", "A wrong password was refused."},
		{"disabled", "Sign-in refused: the account is disabled", "The password or passkey was right, and was refused: the account is disabled."},
	} {
		e := entries[i]
		if e.Detail["cause"] != want.cause || e.Result != "refused" || e.Actor != audit.Anonymous {
			t.Errorf("recorded %+v", e.Event)
		}
		if got := admin.TrailWords(e).String(); got != want.words {
			t.Errorf("%q, want %q", got, want.words)
		}
		if got := admin.Explain([]audit.Entry{e}).Steps[0].What.String(); got != want.explained {
			t.Errorf("%q, want %q", got, want.explained)
		}
	}
}
