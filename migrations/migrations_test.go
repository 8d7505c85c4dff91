package migrations_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/migrations"
)

// stream makes the stream "things" of the given statements, a migration each.
func stream(statements ...string) fstest.MapFS {
	files := make(fstest.MapFS)
	for i, statement := range statements {
		name := "things/0000" + string(rune('1'+i)) + "_step.sql"
		files[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + statement + ";\n")}
	}
	return files
}

// Two steps that would do harm when applied twice.
var steps = stream(
	"CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT NOT NULL)",
	"INSERT INTO things (id, n) VALUES ('a', 1)",
	"UPDATE things SET n = n + 1",
	"UPDATE things SET n = n * 10",
)

// each opens four handles of one fresh database per engine, as four starters would.
func each(t *testing.T, fn func(t *testing.T, starters []*sqlx.DB)) {
	engines := map[string]func(testing.TB, ...string) string{"sqlite": dbxtest.SQLiteURL, "postgres": dbxtest.PostgresURL}
	for engine, fresh := range engines {
		t.Run(engine, func(t *testing.T) { fn(t, four(t, fresh(t))) })
	}
}

// four opens a database four times.
func four(t *testing.T, url string) []*sqlx.DB {
	t.Helper()
	starters := make([]*sqlx.DB, 4)
	for i := range starters {
		db, err := dbx.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		starters[i] = db.SQLX()
	}
	return starters
}

func TestFourStartersApplyEachFileOnce(t *testing.T) {
	each(t, func(t *testing.T, starters []*sqlx.DB) {
		errs := make([]error, len(starters))
		var all sync.WaitGroup
		for i, db := range starters {
			all.Go(func() { errs[i] = migrations.UpFiles(t.Context(), db, steps, []string{"things"}) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := starters[0].Get(&n, "SELECT n FROM things WHERE id = 'a'"); err != nil || n != 20 {
			t.Errorf("n = %d, %v, want 20: each step once, in order", n, err)
		}
	})
}

func TestUpGoesOnWhereItStopped(t *testing.T) {
	each(t, func(t *testing.T, starters []*sqlx.DB) {
		first := stream("CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT NOT NULL)", "INSERT INTO things (id, n) VALUES ('a', 1)")
		for _, files := range []fstest.MapFS{first, first, steps, steps} {
			if err := migrations.UpFiles(t.Context(), starters[0], files, []string{"things"}); err != nil {
				t.Fatal(err)
			}
		}
		var n int
		if err := starters[0].Get(&n, "SELECT n FROM things WHERE id = 'a'"); err != nil || n != 20 {
			t.Errorf("n = %d, %v, want 20", n, err)
		}
	})
}

func TestUpRefusesNewerSchema(t *testing.T) {
	each(t, func(t *testing.T, starters []*sqlx.DB) {
		db := starters[0]
		if err := migrations.UpFiles(t.Context(), db, steps, []string{"things"}); err != nil {
			t.Fatal(err)
		}
		older := stream("CREATE TABLE things (id TEXT PRIMARY KEY)")
		older["others/00001_x.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE others (id TEXT);\n")}
		err := migrations.UpFiles(t.Context(), db, older, []string{"others", "things"})
		if !errors.Is(err, migrations.ErrNewer) || !strings.Contains(err.Error(), "things stands at 4, the program knows 1") {
			t.Errorf("error = %v", err)
		}
		if _, err := db.Exec("INSERT INTO others (id) VALUES ('a')"); err == nil {
			t.Error("a stream was applied although another one is newer")
		}
	})
}

func TestUpReportsBrokenFile(t *testing.T) {
	each(t, func(t *testing.T, starters []*sqlx.DB) {
		broken := stream("CREATE TABLE things (id TEXT PRIMARY KEY)", "INSERT INTO nowhere (id) VALUES ('a')")
		if err := migrations.UpFiles(t.Context(), starters[0], broken, []string{"things"}); err == nil {
			t.Fatal("no error")
		}
		var n int
		if err := starters[0].Get(&n, "SELECT MAX(version_id) FROM schema_things"); err != nil || n != 1 {
			t.Errorf("version = %d, %v, want 1: the good file counts, the broken one does not", n, err)
		}
	})
}

func TestEveryStreamOnBothEngines(t *testing.T) {
	each(t, func(t *testing.T, starters []*sqlx.DB) {
		for range 2 {
			if err := migrations.Up(t.Context(), starters[0], migrations.Streams()...); err != nil {
				t.Fatal(err)
			}
		}
		states, err := migrations.Status(t.Context(), starters[0], migrations.Streams()...)
		if err != nil || len(states) != len(migrations.Streams()) {
			t.Fatalf("Status: %v, %v", states, err)
		}
		for _, s := range states {
			if s.Current != s.Target || s.Target == 0 {
				t.Errorf("%s stands at %d of %d", s.Stream, s.Current, s.Target)
			}
		}
	})
}
