package fill_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/bench/fill"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/migrations"
	"github.com/google/go-cmp/cmp"
)

// hashMemory is what a password's hash costs here, in KiB.
const hashMemory = 64

// crowd fills a database and starts a provider on it; address is how that reaches the database.
func crowd(t *testing.T, size fill.Size, database, address string) (fill.Crowd, *idptest.Server) {
	t.Helper()
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	c, err := fill.Fill(t.Context(), fill.Config{Size: size, DatabaseURL: database, Keyset: keyset, HashMemory: hashMemory})
	if err != nil {
		t.Fatal(err)
	}
	return c, idptest.Start(t, func(cfg *idp.Config) {
		cfg.DatabaseURL, cfg.KeysetFile, cfg.HashMemory = address, keyset, hashMemory
	})
}

// cookie returns the cookie of a person's browser.
func cookie(p *idptest.Server, n int) *http.Cookie {
	return &http.Cookie{Name: p.Sessions.Cookies.Name("session"), Value: fill.Cookie(n)}
}

// refresh uses a refresh token and returns the access token and the next refresh token.
func refresh(t *testing.T, p *idptest.Server, client, token string) (access, next string) {
	t.Helper()
	body, err := fill.Post(p.IdP, p.Issuer+"/oauth2/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Access, answer.Refresh
}

// TestACrowdIsWhatTheProviderMakes: people of a crowd sign in, their browsers, codes and refresh tokens work, and neither the
// doctor nor the trail finds anything.
func TestACrowdIsWhatTheProviderMakes(t *testing.T) {
	for engine, database := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "idp.db"), "postgres": dbxtest.PostgresURL(t)} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			size := fill.Size{People: 200, Factors: 30, Sessions: 200, Clients: 3, Consents: 50, Grants: 450, Codes: 9, Trail: 30}
			c, p := crowd(t, size, database, database)
			signIn(t, c, p)
			for _, n := range []int{0, 7, 399, 449} {
				_, next := refresh(t, p, c.GrantClient(n), c.Refresh(n))
				if _, again := refresh(t, p, c.GrantClient(n), next); again == next {
					t.Errorf("grant %d: the chain does not move", n)
				}
			}
			if _, err := fill.Redeem(p.IdP, p.Issuer, c.Client(8), fill.Code(8)); err != nil {
				t.Error(err)
			}
			if _, err := fill.Authorize(p.IdP, p.Issuer, c.Client(1), cookie(p, 199)); err != nil {
				t.Error(err)
			}
			if decided, err := p.Consents.Decided(t.Context(), fill.Subject(49), fill.Asking, strings.Fields(fill.Scopes)); err != nil || len(decided.Granted) != 2 {
				t.Errorf("%+v %v", decided, err)
			}
			likeOthers(t, p)
			p.Audit.Link(t.Context())
			if report, err := p.Audit.Verify(t.Context()); err != nil || len(report.Problems) > 0 {
				t.Errorf("the trail: %+v %v", report, err)
			}
			for _, f := range idp.Examine(t.Context(), idp.Examination{Config: p.Config()}) {
				if f.Verdict == idp.Wrong && f.Check != "durability" { // tests' server is a hasty one
					t.Errorf("the doctor: %s: %s", f.Check, f.Text)
				}
			}
			fresh := dbxtest.SQLite
			if engine == "postgres" {
				fresh = dbxtest.Postgres
			}
			db, err := dbx.Open(t.Context(), database)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if diff := cmp.Diff(indexes(t, fresh(t, migrations.Streams()...)), indexes(t, db)); diff != "" {
				t.Errorf("indexes (-of migrations +of the crowd):\n%s", diff)
			}
		})
	}
}

// signIn signs two people in, one with a second factor.
func signIn(t *testing.T, c fill.Crowd, p *idptest.Server) {
	t.Helper()
	for n, enrolled := range map[int]bool{29: true, 131: false} {
		b := p.Browser()
		page := b.Get("/login").Submit("login-submit", "username", fill.Username(n), "password", fill.Password)
		if enrolled {
			page.Submit("mfa-submit", "code", (&mfatest.Phone{Key: c.Key(), Clock: p.Clock.Now}).Code(0))
		}
		if page := b.Get("/account"); c.Enrolled(n) != enrolled || page.URL.Path != "/account" {
			t.Errorf("person %d is at %s: %s", n, page.URL, page.Text("main"))
		}
	}
}

// likeOthers compares the rows of a person with those that the program makes for somebody of that name.
func likeOthers(t *testing.T, p *idptest.Server) {
	t.Helper()
	rows := func(subject string) (out []string) {
		db, err := dbx.Open(t.Context(), p.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Select(t.Context(), &out, `SELECT searched || '|' || name_key || '|' || username_key || '|' || email_key FROM accounts WHERE subject = $1`, subject); err != nil {
			t.Fatal(err)
		}
		var words [][]byte
		if err := db.Select(t.Context(), &words, `SELECT word FROM account_words WHERE subject = $1 ORDER BY word`, subject); err != nil {
			t.Fatal(err)
		}
		for _, word := range words {
			out = append(out, string(word))
		}
		return out
	}
	const n = 150
	copied, err := p.Accounts.ByUsername(t.Context(), fill.Username(n))
	if err != nil {
		t.Fatal(err)
	}
	was := rows(copied.Subject)
	if err := p.Actions().Delete(t.Context(), copied.Subject); err != nil {
		t.Fatal(err)
	}
	made := p.AddUser(copied.Username, func(a *account.NewAccount) { a.Name = copied.Name })
	if diff := cmp.Diff(rows(made.Subject), was); diff != "" {
		t.Errorf("a person (-of the program +of the crowd):\n%s", diff)
	}
}

// indexes returns what makes the indexes of a database.
func indexes(t *testing.T, db *dbx.DB) (out []string) {
	t.Helper()
	query := `SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`
	if db.Postgres() {
		query = `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'`
	}
	if err := db.Select(t.Context(), &out, query); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}
