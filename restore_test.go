package idp_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/backup"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/migrations"
)

// place is where a restore may go: an empty database of either engine, and no keyset.
func place(t *testing.T, engine string) idp.Config {
	t.Helper()
	c := idp.Defaults()
	c.KeysetFile = filepath.Join(t.TempDir(), "keyset.json")
	c.DatabaseURL = "sqlite:" + filepath.Join(t.TempDir(), "idp.db")
	if engine == "postgres" {
		c.DatabaseURL = dbxtest.PostgresURL(t)
	}
	return c
}

// names returns who is in the database of c, and whether tables or files are left that are no provider's.
func names(t *testing.T, c idp.Config) (people []string) {
	t.Helper()
	db, err := dbx.Open(t.Context(), c.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Select(t.Context(), &people, `SELECT username FROM accounts ORDER BY username`); err != nil {
		t.Fatal(err)
	}
	if db.Postgres() {
		var schemas int
		if err := db.Get(t.Context(), &schemas, `SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'idp_restore'`); err != nil || schemas != 0 {
			t.Errorf("a schema is left: %d %v", schemas, err)
		}
		return people
	}
	folder := filepath.Dir(strings.TrimPrefix(c.DatabaseURL, "sqlite:"))
	if left, _ := filepath.Glob(filepath.Join(folder, ".restore-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	return people
}

// TestABackupMovesBetweenEngines: a provider on SQLite goes on on PostgreSQL, and back.
func TestABackupMovesBetweenEngines(t *testing.T) {
	p := idptest.Start(t)
	p.Person("alice")
	file := filepath.Join(t.TempDir(), "one")
	if _, err := idp.Backup(t.Context(), p.Config(), file, idp.BackupOptions{Passphrase: "a passphrase of some length"}); err != nil {
		t.Fatal(err)
	}
	words := func() (string, error) { return "a passphrase of some length", nil }
	for _, engine := range []string{"postgres", "sqlite"} {
		to := place(t, engine)
		r, err := idp.Restore(t.Context(), to, file, idp.RestoreOptions{Passphrase: words})
		if err != nil {
			t.Fatal(err)
		}
		if r.Trail != "" || r.Rows == 0 {
			t.Errorf("%+v", r)
		}
		moved, err := idp.New(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		alice, err := moved.Accounts.ByUsername(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if status, err := moved.MFA.Status(t.Context(), alice.Subject); err != nil || !status.Enrolled || status.CodesLeft != 0 {
			t.Errorf("%+v %v", status, err)
		}
		if report, err := moved.Audit.Verify(t.Context(), r.Anchor); err != nil || !report.OK() {
			t.Errorf("%+v %v", report, err)
		}
		if err := moved.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if _, err := idp.Backup(t.Context(), to, file, idp.BackupOptions{Passphrase: "a passphrase of some length"}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestARestoreIsAllOrNothing: whatever is wrong shows before anything is replaced, and nothing is left of the attempt.
func TestARestoreIsAllOrNothing(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			c := place(t, engine)
			p := newIdP(t, c, "old")
			good := filepath.Join(t.TempDir(), "good")
			if _, err := idp.Backup(t.Context(), c, good, idp.BackupOptions{}); err != nil {
				t.Fatal(err)
			}
			// In use: by this very process.
			if _, err := idp.Restore(t.Context(), c, good, idp.RestoreOptions{Replace: true}); !errors.Is(err, idp.ErrRunning) {
				t.Errorf("in use: %v", err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			other := withOtherKeys(t, c)
			if _, err := idp.Restore(t.Context(), c, other, idp.RestoreOptions{Replace: true}); !errors.Is(err, idp.ErrRefused) {
				t.Errorf("with keys that open nothing: %v", err)
			}
			if _, err := idp.Restore(t.Context(), c, good, idp.RestoreOptions{}); !errors.Is(err, idp.ErrNotEmpty) {
				t.Errorf("without being told to: %v", err)
			}
			newIdP(t, c, "new").Close()
			if people := names(t, c); !slices.Equal(people, []string{"new", "old"}) {
				t.Errorf("%v", people)
			}
			if _, err := idp.Restore(t.Context(), c, good, idp.RestoreOptions{Replace: true}); err != nil {
				t.Fatal(err)
			}
			if people := names(t, c); !slices.Equal(people, []string{"old"}) {
				t.Errorf("%v", people)
			}
			newIdP(t, c, "after").Close() // it starts, and takes people
			empty := place(t, engine)
			if _, err := idp.Restore(t.Context(), empty, other, idp.RestoreOptions{}); !errors.Is(err, idp.ErrRefused) {
				t.Errorf("into an empty place: %v", err)
			}
			if _, err := os.Stat(empty.KeysetFile); err == nil {
				t.Error("a keyset is left")
			}
			if _, err := idp.Restore(t.Context(), empty, good, idp.RestoreOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// newIdP opens the provider of c and adds somebody.
func newIdP(t *testing.T, c idp.Config, name string) *idp.IdP {
	t.Helper()
	p, err := idp.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Accounts.Create(t.Context(), account.NewAccount{Username: name, Password: idptest.Password}); err != nil {
		t.Fatal(err)
	}
	return p
}

// withOtherKeys writes a file whose keys are not those of its rows.
func withOtherKeys(t *testing.T, c idp.Config) string {
	t.Helper()
	db, err := dbx.Open(t.Context(), c.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	keys := filepath.Join(t.TempDir(), "keys.json")
	if _, err := seal.Create(keys); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "other")
	out, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, _, err := backup.Write(t.Context(), db, out, "", &backup.Manifest{}, func() ([]byte, error) { return seal.Text(keys) }); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestARestoreLeavesOthersTablesAlone, and takes those of a newer program away: going back after an upgrade is a restore.
func TestARestoreLeavesOthersTablesAlone(t *testing.T) {
	c := place(t, "postgres")
	newIdP(t, c, "old").Close()
	file := filepath.Join(t.TempDir(), "one")
	if _, err := idp.Backup(t.Context(), c, file, idp.BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	db, err := dbx.Open(t.Context(), c.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`CREATE TABLE payroll (n BIGINT)`, `INSERT INTO payroll VALUES (7)`, `CREATE TABLE oauth_of_tomorrow (n BIGINT)`,
		`INSERT INTO schema_oauth (version_id, is_applied) VALUES (9999, TRUE)`,
	} {
		if _, err := db.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	if _, err := idp.New(t.Context(), c); !errors.Is(err, migrations.ErrNewer) {
		t.Fatal(err)
	}
	if _, err := idp.Restore(t.Context(), c, file, idp.RestoreOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	newIdP(t, c, "new").Close()
	if db, err = dbx.Open(t.Context(), c.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.Get(t.Context(), &n, `SELECT n + (SELECT COUNT(*) FROM pg_tables WHERE tablename = 'oauth_of_tomorrow') FROM payroll`); err != nil || n != 7 {
		t.Error(n, err)
	}
}

// TestARestoreTakesNamesForNoProof: what is called as a provider's tables are may be another application's.
func TestARestoreTakesNamesForNoProof(t *testing.T) {
	from := place(t, "sqlite")
	newIdP(t, from, "old").Close()
	file := filepath.Join(t.TempDir(), "one")
	if _, err := idp.Backup(t.Context(), from, file, idp.BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, engine string
		queries      []string // before the restore
		migrated     bool     // by a provider that nobody uses yet
		refused      string   // what the refusal names
	}{
		{"beside", "postgres", nil, false, ""},
		{"beside an unused provider's", "postgres", nil, true, ""},
		{"called the same", "postgres", []string{`CREATE TABLE accounts (n BIGINT)`}, false, "accounts"},
		{"perhaps a newer program's", "postgres", []string{`INSERT INTO schema_api (version_id, is_applied) VALUES (9999, TRUE)`}, true, "api_keys"},
		{"in a file", "sqlite", nil, false, "idp.db"},
		{"in an unused provider's file", "sqlite", nil, true, "idp.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := place(t, c.engine)
			db, err := dbx.Open(t.Context(), to.DatabaseURL)
			if err != nil {
				t.Fatal(err)
			}
			if c.migrated {
				if err := migrations.Up(t.Context(), db.SQLX(), migrations.Streams()...); err != nil {
					t.Fatal(err)
				}
			}
			for _, query := range append([]string{
				`CREATE TABLE api_keys (n BIGINT)`, `INSERT INTO api_keys VALUES (7)`, `CREATE TABLE session_store (n BIGINT)`,
			}, c.queries...) {
				if _, err := db.Exec(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			db.Close()
			_, err = idp.Restore(t.Context(), to, file, idp.RestoreOptions{})
			if c.refused == "" && err != nil || c.refused != "" && (!errors.Is(err, idp.ErrNotEmpty) || !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("%v", err)
			}
			if _, err := os.Stat(to.KeysetFile); c.refused != "" && err == nil {
				t.Error("a keyset is left")
			}
			if c.refused == "" && !slices.Equal(names(t, to), []string{"old"}) {
				t.Error("nobody is back")
			}
			if db, err = dbx.Open(t.Context(), to.DatabaseURL); err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var n int
			if err := db.Get(t.Context(), &n, `SELECT n + (SELECT COUNT(*) FROM session_store) FROM api_keys`); err != nil || n != 7 {
				t.Error(n, err)
			}
		})
	}
}
