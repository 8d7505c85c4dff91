package migrations_test

import (
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/migrations"
)

// tabled is a stream with a table that has rows, indexed the same with two indexes that are built beside those who write.
var (
	tabled = stream(
		"CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT NOT NULL)",
		"INSERT INTO things (id, n) VALUES ('a', 1), ('b', 2)",
	)
	indexed = func() fstest.MapFS {
		files := maps.Clone(tabled)
		files["things/00003_indexes.sql"] = &fstest.MapFile{Data: []byte(`-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY IF NOT EXISTS things_n ON things (n);
CREATE INDEX CONCURRENTLY IF NOT EXISTS things_both ON things (n, id) WHERE n > 1;
`)}
		return files
	}()
)

// together applies files by all starters at once.
func together(t *testing.T, starters []*sqlx.DB, up func(db *sqlx.DB) error) {
	t.Helper()
	errs := make([]error, len(starters))
	var all sync.WaitGroup
	for i, db := range starters {
		all.Go(func() { errs[i] = up(db) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// complete returns the indexes that can be used, but for those of keys.
func complete(t *testing.T, db *sqlx.DB) (names []string) {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`
	if db.DriverName() == "postgres" {
		query = `SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
			WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND indisvalid AND NOT indisprimary ORDER BY relname`
	}
	if err := db.Select(&names, query); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "schema_things_once" })
}

var both = []string{"things_both", "things_n"}

func TestIndexesOfATableWithRows(t *testing.T) {
	each(t, func(t *testing.T, starters []*sqlx.DB) {
		if err := migrations.UpFiles(t.Context(), starters[0], tabled, []string{"things"}); err != nil {
			t.Fatal(err)
		}
		// Somebody made one of them before the upgrade.
		if _, err := starters[0].Exec("CREATE INDEX things_n ON things (n)"); err != nil {
			t.Fatal(err)
		}
		together(t, starters[:3], func(db *sqlx.DB) error { return migrations.UpFiles(t.Context(), db, indexed, []string{"things"}) })
		if got := complete(t, starters[0]); !slices.Equal(got, both) {
			t.Errorf("there are %q, want %q", got, both)
		}
		var applied int
		if err := starters[0].Get(&applied, "SELECT count(*) FROM schema_things WHERE version_id = 3"); err != nil || applied != 1 {
			t.Errorf("applied %d times, %v", applied, err)
		}
	})
}

// The indexes of the last release's tables come to a database as that release left it, from three replicas that start together.
func TestUpgradeFromTheLastRelease(t *testing.T) {
	each(t, func(t *testing.T, starters []*sqlx.DB) {
		versions := map[string]int64{}
		for stream, version := range released(t) {
			versions[stream] = int64(version)
		}
		if err := migrations.UpTo(t.Context(), starters[0], versions); err != nil {
			t.Fatal(err)
		}
		together(t, starters[:3], func(db *sqlx.DB) error { return migrations.Up(t.Context(), db, migrations.Streams()...) })
		got := complete(t, starters[0])
		for _, stream := range migrations.Streams() {
			names, err := migrations.Concurrently(os.DirFS(stream))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if !slices.Contains(got, name) {
					t.Errorf("%s is not there", name)
				}
			}
		}
	})
}

// While an index is built, which waits for a transaction that goes on, others write. Its builder is killed; the next starters
// build it again.
func TestIndexWhoseBuilderWasKilled(t *testing.T) {
	starters := four(t, dbxtest.PostgresURL(t))
	if err := migrations.UpFiles(t.Context(), starters[0], tabled, []string{"things"}); err != nil {
		t.Fatal(err)
	}
	long, err := starters[1].Beginx()
	if err != nil {
		t.Fatal(err)
	}
	defer long.Rollback()
	if _, err := long.Exec("UPDATE things SET n = 3 WHERE id = 'a'"); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- migrations.UpFiles(t.Context(), starters[0], indexed, []string{"things"}) }()
	builder := building(t, starters[2])
	if _, err := starters[3].Exec("UPDATE things SET n = 4 WHERE id = 'b'"); err != nil {
		t.Errorf("nobody can write meanwhile: %v", err)
	}
	if _, err := starters[2].Exec("SELECT pg_terminate_backend($1)", builder); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Fatal("it did not fail")
	}
	if got := complete(t, starters[2]); len(got) > 0 {
		t.Fatalf("%q are complete", got)
	}
	if err := long.Commit(); err != nil {
		t.Fatal(err)
	}
	together(t, starters[1:3], func(db *sqlx.DB) error { return migrations.UpFiles(t.Context(), db, indexed, []string{"things"}) })
	if got := complete(t, starters[2]); !slices.Equal(got, both) {
		t.Errorf("there are %q, want %q", got, both)
	}
}

// building waits until an index is there that is not complete, and returns the process of the server that builds it.
func building(t *testing.T, db *sqlx.DB) (pid int) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		err := db.Get(&pid, `SELECT COALESCE(MAX(pid), 0) FROM pg_stat_progress_create_index
			WHERE datname = current_database() AND index_relid IN (SELECT indexrelid FROM pg_index WHERE NOT indisvalid)`)
		if err != nil {
			t.Fatal(err)
		}
		if pid != 0 {
			return pid
		}
	}
	t.Fatal("no index is being built")
	return 0
}
