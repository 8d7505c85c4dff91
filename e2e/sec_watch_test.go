package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/internal/dbx"
)

// secWatch tells what others change in a SQLite database.
type secWatch struct {
	t       *testing.T
	conn    *sqlx.Conn // its own: SQLite tells a connection what others have done
	version int
	prints  map[string]string
}

func secWatching(t *testing.T, db *dbx.DB) *secWatch {
	t.Helper()
	conn, err := db.SQLX().Connx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w := &secWatch{t: t, conn: conn}
	w.changed()
	return w
}

// touched reports whether anything was written since it was asked last.
func (w *secWatch) touched() bool {
	w.t.Helper()
	var version int
	if err := w.conn.GetContext(w.t.Context(), &version, `PRAGMA data_version`); err != nil {
		w.t.Fatal(err)
	}
	before := w.version
	w.version = version
	return version != before
}

// changed returns the tables whose content differs from when it was asked last, but for when a session was last seen.
func (w *secWatch) changed() (tables []string) {
	w.t.Helper()
	if !w.touched() {
		return nil
	}
	before := w.prints
	w.prints = w.read()
	for table, print := range w.prints {
		if print != before[table] {
			tables = append(tables, table)
		}
	}
	return tables
}

func (w *secWatch) read() map[string]string {
	w.t.Helper()
	var tables []string
	if err := w.conn.SelectContext(w.t.Context(), &tables, `SELECT name FROM sqlite_master WHERE type = 'table'`); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, table := range tables {
		rows, err := w.conn.QueryxContext(w.t.Context(), `SELECT * FROM `+table+` ORDER BY 1`)
		if err != nil {
			w.t.Fatal(err)
		}
		var text strings.Builder
		for rows.Next() {
			row := map[string]any{}
			if err := rows.MapScan(row); err != nil {
				w.t.Fatal(err)
			}
			delete(row, "seen_at")
			fmt.Fprintln(&text, row)
		}
		rows.Close()
		out[table] = text.String()
	}
	return out
}

// secSnapshot keeps what the tables hold and returns a function that puts it back.
func secSnapshot(t *testing.T, db *dbx.DB, tables ...string) func() {
	t.Helper()
	do := func(query string) {
		t.Helper()
		if _, err := db.SQLX().ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range tables {
		do(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
	}
	restore := `BEGIN IMMEDIATE; `
	for _, table := range tables {
		restore += `DELETE FROM ` + table + `; INSERT INTO ` + table + ` SELECT * FROM kept_` + table + `; `
	}
	return func() { t.Helper(); do(restore + `COMMIT`) }
}

// secCounts counts what a sign-in leaves.
func secCounts(t *testing.T, db *dbx.DB) map[string]int {
	t.Helper()
	out := map[string]int{}
	for name, query := range map[string]string{
		"oauth_grants": `SELECT COUNT(*) FROM oauth_grants`, "sessions": `SELECT COUNT(*) FROM sessions`,
		"factor": `SELECT COUNT(*) FROM sessions WHERE factor_at > 0`,
	} {
		var n int
		if err := db.Get(t.Context(), &n, query); err != nil {
			t.Fatal(err)
		}
		out[name] = n
	}
	return out
}
