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

// What is written by one statement is written as by a transaction: all of it, or nothing.
func TestInOne(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		ctx := t.Context()
		must(t, exec(ctx, db, "CREATE TABLE trail (id TEXT PRIMARY KEY, n BIGINT NOT NULL, raw BYTEA)"))
		must(t, exec(ctx, db, "CREATE TABLE marks (id TEXT PRIMARY KEY)"))
		must(t, insert(ctx, db, "a"))
		committed := 0
		note := func(id string) func(context.Context) error {
			return func(ctx context.Context) error {
				db.AfterCommit(ctx, func() { committed++ })
				return exec(ctx, db, "INSERT INTO trail (id, n, raw) VALUES ($1, $2, $3)", id, 1, []byte{1})
			}
		}
		none := errors.New("no row")
		raise := func(n int) func(context.Context) error {
			return func(ctx context.Context) error {
				rows, err := db.Exec(ctx, "UPDATE things SET n = $2 WHERE id = $1 AND n < $2", "a", n)
				if err == nil && rows == 0 {
					err = none
				}
				return err
			}
		}
		unmark := func(ctx context.Context) error {
			rows, err := db.Exec(ctx, "DELETE FROM marks WHERE id = $1", "m")
			if err == nil && rows == 0 {
				err = none
			}
			return err
		}
		mark := func(ctx context.Context) error {
			return db.Write(ctx, "INSERT INTO marks (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", "m")
		}
		forget := func(ctx context.Context) error {
			return db.Write(ctx, "DELETE FROM marks WHERE id = $1 OR id = $2", "other", "others")
		}
		copied := func(from string) func(context.Context) error { // depends on another table's row
			return func(ctx context.Context) error {
				rows, err := db.Exec(ctx, "INSERT INTO marks (id) SELECT $1 WHERE EXISTS (SELECT 1 FROM things WHERE id = $2)", "of "+from, from)
				if err == nil && rows == 0 {
					err = none
				}
				return err
			}
		}
		read := func(ctx context.Context) error {
			var n int
			return db.Get(ctx, &n, "SELECT COUNT(*) FROM trail")
		}
		refused := errors.New("refused")
		refuse := func(context.Context) error { return refused }
		type steps []func(context.Context) error
		for n, c := range []struct {
			name  string
			do    steps
			want  error
			trail string // what is there afterwards
		}{
			{"nothing", nil, nil, ""},
			{"one insert", steps{note("1")}, nil, "1"},
			{"one that touches a row", steps{raise(1)}, nil, "1"},
			{"one that touches none", steps{raise(1)}, none, "1"},
			{"with an insert", steps{raise(2), note("2")}, nil, "1 2"},
			{"touches none, with an insert", steps{raise(2), note("3")}, none, "1 2"},
			{"the insert first", steps{note("3"), raise(2)}, none, "1 2"},
			{"two inserts", steps{note("3"), note("4")}, nil, "1 2 3 4"},
			{"inserts that cannot be", steps{note("5"), note("1")}, errors.New("taken"), "1 2 3 4"},
			{"one that may touch none", steps{raise(3), mark, note("5")}, nil, "1 2 3 4 5"},
			{"and touches none", steps{raise(4), mark, note("6")}, nil, "1 2 3 4 5 6"},
			{"two that touch rows", steps{raise(5), unmark, note("7")}, nil, "1 2 3 4 5 6 7"},
			{"of two one touches none", steps{raise(6), unmark, note("8")}, none, "1 2 3 4 5 6 7"},
			{"and was undone", steps{raise(6), forget, note("8")}, nil, "1 2 3 4 5 6 7 8"},
			{"touches none beside what may", steps{raise(6), forget, note("9")}, none, "1 2 3 4 5 6 7 8"},
			{"beside what depends on another row", steps{raise(7), copied("a"), note("90")}, nil, "1 2 3 4 5 6 7 8 90"},
			{"touches none beside that", steps{raise(7), copied("a"), note("91")}, none, "1 2 3 4 5 6 7 8 90"},
			{"and that touches none", steps{raise(8), copied("b"), note("91")}, none, "1 2 3 4 5 6 7 8 90"},
			{"and was undone, too", steps{raise(8), forget, note("91")}, nil, "1 2 3 4 5 6 7 8 90 91"},
			{"one table twice", steps{raise(9), raise(10), note("9")}, nil, "1 2 3 4 5 6 7 8 9 90 91"},
			{"reads", steps{read, raise(11), note("a")}, nil, "1 2 3 4 5 6 7 8 9 90 91 a"},
			{"reads, touches none", steps{note("b"), raise(11), read}, none, "1 2 3 4 5 6 7 8 9 90 91 a"},
			{"refuses", steps{note("b"), refuse}, refused, "1 2 3 4 5 6 7 8 9 90 91 a"},
		} {
			before := committed
			err := db.InOne(ctx, func(ctx context.Context) error {
				for _, step := range c.do {
					if err := db.InTx(ctx, step); err != nil { // it joins
						return err
					}
				}
				return nil
			})
			if !errors.Is(err, c.want) && (c.want == nil || c.want.Error() != "taken" || !dbx.IsTaken(err)) {
				t.Errorf("%d, %s: %v", n, c.name, err)
			}
			var kept []string
			must(t, db.Select(ctx, &kept, "SELECT id FROM trail WHERE raw IS NOT NULL ORDER BY id"))
			if got := strings.Join(kept, " "); got != c.trail {
				t.Errorf("%s: there is %q", c.name, got)
			}
			if err != nil && committed != before {
				t.Errorf("%s: something was told as committed", c.name)
			}
		}
		if committed != 12 {
			t.Errorf("%d committed", committed)
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
	must(t, exec(t.Context(), db, "CREATE TABLE trail (id TEXT PRIMARY KEY, n BIGINT NOT NULL)"))
	must(t, insert(t.Context(), db, "a"))
	ctx := db.Ahead(t.Context())
	for round := range 3 { // the first prepares
		trips.Reset()
		err := db.InOne(ctx, func(ctx context.Context) error {
			if err := exec(ctx, db, "UPDATE things SET n = n + 1 WHERE id = $1", "a"); err != nil {
				return err
			}
			return exec(ctx, db, "INSERT INTO trail (id, n) VALUES ($1, $2)", string(rune('b'+round)), 2)
		})
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
	var kept int
	must(t, db.Get(ctx, &kept, "SELECT COUNT(*) FROM trail, things WHERE things.n = 3"))
	if kept != 3 {
		t.Errorf("%d kept", kept)
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
