package dbx_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// A statement and what goes along with it are kept together, or neither is, however they are sent.
func TestExecWith(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		ctx := t.Context()
		must(t, exec(ctx, db, "CREATE TABLE trail (id TEXT PRIMARY KEY, n BIGINT NOT NULL, raw BYTEA)"))
		must(t, insert(ctx, db, "a"))
		committed := 0
		note := func(id string, n int) func(context.Context) error {
			return func(ctx context.Context) error {
				db.AfterCommit(ctx, func() { committed++ })
				return exec(ctx, db, "INSERT INTO trail (id, n, raw) VALUES ($1, $2, $3)", id, n, []byte{1})
			}
		}
		const update = "UPDATE things SET n = $2 WHERE id = $1 AND n < $2"
		touch := func(along func(context.Context) error, id string, n int) (int64, error) {
			return db.ExecWith(ctx, along, update, id, n)
		}
		if n, err := touch(note("first", 1), "a", 5); n != 1 || err != nil {
			t.Fatalf("%d rows, %v", n, err)
		}
		if n, err := touch(note("second", 2), "a", 5); n != 0 || err != nil {
			t.Fatalf("%d rows, %v", n, err)
		}
		if _, err := touch(note("first", 3), "a", 6); !dbx.IsTaken(err) {
			t.Errorf("an insert that cannot be: %v", err)
		}
		refused := errors.New("refused")
		if _, err := touch(func(context.Context) error { return refused }, "a", 7); !errors.Is(err, refused) {
			t.Errorf("along refuses: %v", err)
		}
		both := func(ctx context.Context) error { return errors.Join(note("third", 3)(ctx), note("fourth", 4)(ctx)) }
		if n, err := touch(both, "a", 8); n != 1 || err != nil {
			t.Errorf("two go along: %d rows, %v", n, err)
		}
		reads := func(ctx context.Context) error {
			var n int
			if err := db.Get(ctx, &n, "SELECT COUNT(*) FROM trail"); err != nil {
				return err
			}
			return note("fifth", n)(ctx)
		}
		if n, err := touch(reads, "a", 9); n != 1 || err != nil {
			t.Errorf("what needs a transaction: %d rows, %v", n, err)
		}
		nested := func(ctx context.Context) error { return db.InTx(ctx, note("sixth", 6)) }
		must(t, db.InTx(ctx, func(ctx context.Context) error {
			_, err := db.ExecWith(ctx, nested, update, "a", 10)
			return err
		}))
		var kept []string
		must(t, db.Select(ctx, &kept, "SELECT id FROM trail WHERE raw IS NOT NULL ORDER BY id"))
		var n int
		must(t, db.Get(ctx, &n, "SELECT n FROM things WHERE id = 'a'"))
		if strings.Join(kept, " ") != "fifth first fourth sixth third" || n != 10 || committed != 5 {
			t.Errorf("kept %q, n = %d, %d committed", kept, n, committed)
		}
	})
}

// What goes together is one round trip, and what is read ahead none.
func TestTogetherIsOneRoundTrip(t *testing.T) {
	wire, trips := dbxtest.Wire(t, dbxtest.PostgresURL(t))
	db, err := dbx.Open(t.Context(), wire)
	must(t, err)
	defer db.Close()
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT UNIQUE, n BIGINT NOT NULL)"))
	must(t, insert(t.Context(), db, "a"))
	ctx := db.Ahead(t.Context())
	for round := range 3 { // the first prepares
		trips.Reset()
		_, err := db.ExecWith(ctx, func(ctx context.Context) error {
			return db.InTx(ctx, func(ctx context.Context) error {
				return exec(ctx, db, "INSERT INTO things (id, name, n) VALUES ($1, $1, $2) ON CONFLICT (id) DO UPDATE SET n = $2",
					string(rune('b'+round)), 2)
			})
		}, "UPDATE things SET n = n + 1 WHERE id = $1", "a")
		must(t, err)
		var thing struct{ ID, Name string }
		var n int
		lookups := []dbx.Lookup{{Query: "SELECT COUNT(*) FROM things WHERE name = $1", Args: []dbx.Arg{dbx.Of("name")}}}
		must(t, db.GetAhead(ctx, &thing, lookups, "SELECT id, name FROM things WHERE id = $1", "a"))
		must(t, db.Get(ctx, &n, lookups[0].Query, "a"))
		if got := trips.All(); round > 0 && len(got) != 2 || n != 1 {
			t.Errorf("round %d: %d, %q", round, n, got)
		}
	}
	if got := ids(t, db); got != "a b c d" {
		t.Errorf("stored %q", got)
	}
}

type thing struct {
	ID   string        `db:"id"`
	Name string        `db:"name"`
	N    sql.NullInt64 `db:"n"`
	Raw  []byte        `db:"raw"`
	Good bool          `db:"good"`
	Note *string       `db:"note"`
}

// What was read ahead is what would have been read, once, until something is written.
func TestGetAhead(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		for _, query := range []string{
			"CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT NOT NULL, n BIGINT, raw BYTEA, good BOOLEAN NOT NULL, note TEXT)",
			`INSERT INTO things (id, name, n, raw, good, note) VALUES ('a', 'of', 9007199254740993, NULL, TRUE, 'x "y" ü'), ('b', 'of', NULL, NULL, FALSE, NULL)`,
			"CREATE TABLE owners (id TEXT PRIMARY KEY, name TEXT NOT NULL)",
			"INSERT INTO owners (id, name) VALUES ('o', 'of')",
		} {
			must(t, exec(t.Context(), db, query))
		}
		must(t, exec(t.Context(), db, "UPDATE things SET raw = $1 WHERE id = 'a'", []byte{0, 255, '\\'}))
		const all = "SELECT id, name, n, raw, good, note FROM things WHERE name = $1 AND id <> $2 ORDER BY id DESC"
		const count = "SELECT COUNT(*) FROM things WHERE name = $1"
		const one = "SELECT id, name FROM things WHERE name = $1 AND id = 'none'"
		lookups := []dbx.Lookup{
			{Query: all, Args: []dbx.Arg{dbx.Of("name"), {Value: "c"}}},
			{Query: count, Args: []dbx.Arg{dbx.Of("name")}}, {Query: one, Args: []dbx.Arg{dbx.Of("name")}},
		}
		read := func(ctx context.Context) (things []thing, n int, missing error) {
			t.Helper()
			must(t, db.Select(ctx, &things, all, "of", "c"))
			must(t, db.Get(ctx, &n, count, "of"))
			var none thing
			return things, n, db.Get(ctx, &none, one, "of")
		}
		for _, ctx := range []context.Context{t.Context(), db.Ahead(t.Context())} {
			var owner struct{ ID, Name string }
			must(t, db.GetAhead(ctx, &owner, lookups, "SELECT id, name FROM owners WHERE id = $1", "o"))
			things, n, missing := read(ctx)
			if owner.Name != "of" || len(things) != 2 || n != 2 || !dbx.IsNotFound(missing) {
				t.Fatalf("%+v, %+v, %d, %v", owner, things, n, missing)
			}
			a, b := things[1], things[0]
			if a.N.Int64 != 9007199254740993 || string(a.Raw) != "\x00\xff\\" || !a.Good || *a.Note != `x "y" ü` || b.N.Valid || b.Raw != nil || b.Note != nil {
				t.Errorf("%+v, %+v", a, b)
			}
			if err := db.GetAhead(ctx, &owner, lookups, "SELECT id, name FROM owners WHERE id = $1", "p"); !dbx.IsNotFound(err) {
				t.Errorf("nobody: %v", err)
			}
			must(t, db.GetAhead(ctx, &owner, lookups, "SELECT id, name FROM owners WHERE id = $1", "o"))
			must(t, exec(ctx, db, "INSERT INTO things (id, name, good) VALUES ($1, 'of', TRUE)", "z"))
			if things, n, _ := read(ctx); len(things) != 3 || n != 3 {
				t.Errorf("after a write: %d, %d", len(things), n)
			}
			must(t, exec(ctx, db, "DELETE FROM things WHERE id = 'z'"))
		}
	})
}
