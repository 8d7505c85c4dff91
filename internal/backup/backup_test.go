package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/backup"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/migrations"
)

// made writes a backup of db and returns its name.
func made(t *testing.T, db *dbx.DB, passphrase string) (string, backup.Manifest) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	out, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	m := backup.Manifest{Made: time.Unix(1800000000, 0).UTC(), Program: "test"}
	if _, _, err := backup.Write(t.Context(), db, out, passphrase, &m, func() ([]byte, error) { return []byte(`{"a":1}`), nil }); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return name, m
}

func asked(passphrase string) func() (string, error) {
	return func() (string, error) { return passphrase, nil }
}

// awkward are values that a format could spoil.
func awkward(t *testing.T, db *dbx.DB) {
	t.Helper()
	for i, text := range []string{"", "plain", "ä\u2028 <&>\"\\\n\t", "null", "1e400", strings.Repeat("x", 300)} {
		_, err := db.Exec(t.Context(), `INSERT INTO oauth_logos (client_id, uri, body, next_at) VALUES ($1, $2, $3, $4)`,
			fmt.Sprint(i), text, []byte{0, 255, byte(i)}, int64(-1)<<62+int64(i))
		if err != nil {
			t.Fatal(err)
		}
	}
	for id, body := range map[string][]byte{"none": nil, "empty": {}} {
		if _, err := db.Exec(t.Context(), `INSERT INTO oauth_logos (client_id, uri, body) VALUES ($1, '', $2)`, id, body); err != nil {
			t.Fatal(err)
		}
	}
	_, err := db.Exec(t.Context(), `INSERT INTO accounts (subject, username, username_key, email, email_verified, name, admin, disabled,
		profile, password, version, created_at, updated_at, password_at, mfa_due_at) VALUES ('s', 'u', 'u', '', TRUE, '', FALSE, TRUE, '{}', '', 1, 2, 3, 4, 5)`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `INSERT INTO account_words (word, subject) VALUES ($1, 's')`, []byte("w")); err != nil {
		t.Fatal(err)
	}
}

// content is all rows of a database, sorted.
func content(t *testing.T, db *dbx.DB) []string {
	t.Helper()
	var out []string
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
				for name, cell := range cells { // the engines write them in more ways than one
					switch cell := cell.(type) {
					case bool:
						cells[name] = map[bool]int64{true: 1}[cell]
					case []byte:
						cells[name] = string(cell)
					}
				}
				out = append(out, fmt.Sprintf("%s %q", table, fmt.Sprint(cells)))
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestEveryTableComesBack, from either engine into either.
func TestEveryTableComesBack(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, from *dbx.DB) {
		awkward(t, from)
		want := content(t, from)
		passphrase := map[bool]string{true: "a passphrase of some length"}[from.Postgres()]
		name, m := made(t, from, passphrase)
		dbxtest.Each(t, func(t *testing.T, to *dbx.DB) {
			f, err := backup.Open(name, asked(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Encrypted != (passphrase != "") || f.Engine != m.Engine || string(f.Keyset) != `{"a":1}` || len(f.Sum) != 64 {
				t.Errorf("%+v", f)
			}
			if _, err := f.Load(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			if err := migrations.Up(t.Context(), to.SQLX(), migrations.Streams()...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, content(t, to)); diff != "" {
				t.Error(diff)
			}
		})
	}, migrations.Streams()...)
}

// TestOnlyWholeFilesAreRead: none that was cut anywhere or in which a byte was changed.
func TestOnlyWholeFilesAreRead(t *testing.T) {
	db := dbxtest.SQLite(t, migrations.Streams()...)
	for _, passphrase := range []string{"", "a passphrase of some length"} {
		name, _ := made(t, db, passphrase)
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, text []byte) {
			t.Helper()
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if f, err := backup.Open(name, asked(passphrase)); err == nil {
				f.Close()
				t.Errorf("%s: it is read", what)
			} else if !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrFormat) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for size := 0; size < len(whole); size += 97 {
			refused(fmt.Sprintf("cut at %d", size), whole[:size])
			changed := bytes.Clone(whole)
			changed[size] ^= 1
			refused(fmt.Sprintf("changed at %d", size), changed)
		}
		refused("with more behind", append(bytes.Clone(whole), '\n'))
		refused("of a later format", bytes.Replace(whole, []byte("idp backup 1"), []byte("idp backup 2"), 1))
	}
}

// TestOnlyTheRightPassphraseOpens, and what is encrypted shows nothing of what it holds.
func TestOnlyTheRightPassphraseOpens(t *testing.T) {
	db := dbxtest.SQLite(t, migrations.Streams()...)
	name, _ := made(t, db, "a passphrase of some length")
	for _, wrong := range []string{"", "a passphrase of some lengti"} {
		if _, err := backup.Open(name, asked(wrong)); !errors.Is(err, seal.ErrPassphrase) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if text, err := os.ReadFile(name); err != nil || bytes.Contains(text, []byte("oauth")) || bytes.Contains(text, []byte(`"a":1`)) {
		t.Error(err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := backup.Open(name, asked("a passphrase of some length"))
	if err != nil {
		t.Fatal("an encrypted one may lie anywhere", err)
	}
	f.Close()
}

// TestWritersGoOnDuringABackup: the file holds the state of one moment, and nobody waits for it.
func TestWritersGoOnDuringABackup(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		name := filepath.Join(t.TempDir(), "file")
		out, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		var m backup.Manifest
		_, _, err = backup.Write(t.Context(), db, out, "", &m, func() ([]byte, error) { // called when the moment is past
			for _, query := range []string{`INSERT INTO oauth_gone (client_id) VALUES ('late')`, `INSERT INTO consents VALUES ('late', 'c', '', TRUE, 1)`} {
				if _, err := db.Exec(t.Context(), query); err != nil {
					return nil, err
				}
			}
			return []byte("{}"), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f, err := backup.Open(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		to := dbxtest.SQLite(t)
		if _, err := f.Load(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := to.Get(t.Context(), &n, `SELECT (SELECT COUNT(*) FROM oauth_gone) + (SELECT COUNT(*) FROM consents)`); err != nil || n != 0 {
			t.Errorf("%d rows are of later, %v", n, err)
		}
	}, migrations.Streams()...)
}

// TestOlderVersionsAreRead into a database that then is brought up to date.
func TestOlderVersionsAreRead(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		old := map[string]int64{"oauth": 5, "account": 1}
		if err := migrations.UpTo(t.Context(), db.SQLX(), old); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), `UPDATE account_policy SET turns = 42`); err != nil {
			t.Fatal(err)
		}
		name, m := made(t, db, "")
		if len(m.Schemas) != 2 || m.Schemas["oauth"] != 5 || m.Schemas["account"] != 1 {
			t.Errorf("%v", m.Schemas)
		}
		f, err := backup.Open(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		to := dbxtest.SQLite(t)
		if _, err := f.Load(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		if err := migrations.Up(t.Context(), to.SQLX(), migrations.Streams()...); err != nil {
			t.Fatal(err)
		}
		var turns int
		if err := to.Get(t.Context(), &turns, `SELECT turns FROM account_policy WHERE mfa_required = 'groups'`); err != nil || turns != 42 {
			t.Error(turns, err)
		}
	})
}
