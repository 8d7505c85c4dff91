package dbx_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/throttle"
)

// each runs fn on both engines with a table things.
func each(t *testing.T, fn func(t *testing.T, db *dbx.DB)) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT UNIQUE, n BIGINT NOT NULL)"))
		fn(t, db)
	})
}

func exec(ctx context.Context, db *dbx.DB, query string, args ...any) error {
	_, err := db.Exec(ctx, query, args...)
	return err
}

func insert(ctx context.Context, db *dbx.DB, id string) error {
	return exec(ctx, db, "INSERT INTO things (id, name, n) VALUES ($1, $1, 0)", id)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ids returns what is stored.
func ids(t *testing.T, db *dbx.DB) string {
	t.Helper()
	var all []string
	must(t, db.Select(t.Context(), &all, "SELECT id FROM things ORDER BY id"))
	return strings.Join(all, " ")
}

func TestPortableText(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		must(t, insert(t.Context(), db, "a"))
		n, err := db.Exec(t.Context(), "UPDATE things SET n = $2 WHERE id = $1 AND n < $2", "a", 7)
		if err != nil || n != 1 {
			t.Fatalf("first update touched %d rows, %v", n, err)
		}
		if n, err = db.Exec(t.Context(), "UPDATE things SET n = $2 WHERE id = $1 AND n < $2", "a", 7); err != nil || n != 0 {
			t.Fatalf("second update touched %d rows, %v", n, err)
		}
		var row struct {
			ID string `db:"id"`
			N  int    `db:"n"`
		}
		must(t, db.Get(t.Context(), &row, "SELECT id, n FROM things WHERE n = $2 AND id = $1", "a", 7))
		if row.ID != "a" || row.N != 7 {
			t.Errorf("row = %+v", row)
		}
		if err := db.Get(t.Context(), &row, "SELECT id, n FROM things WHERE id = $1", "b"); !dbx.IsNotFound(err) {
			t.Errorf("missing row: %v", err)
		}
	})
}

func TestInTxCommitsOrRollsBack(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		failed := errors.New("failed")
		must(t, db.InTx(t.Context(), func(ctx context.Context) error { return insert(ctx, db, "kept") }))
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			must(t, insert(ctx, db, "undone"))
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("error = %v", err)
		}
		func() {
			defer func() { recover() }()
			db.InTx(t.Context(), func(ctx context.Context) error {
				must(t, insert(ctx, db, "panicked"))
				panic("no")
			})
		}()
		if got := ids(t, db); got != "kept" {
			t.Errorf("stored: %q", got)
		}
	})
}

func TestNestedInTxJoins(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		second := dbx.Wrap(db.SQLX()) // as another package would, which was given the handle
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			must(t, insert(ctx, db, "outer"))
			must(t, second.InTx(ctx, func(ctx context.Context) error { return insert(ctx, second, "inner") }))
			var n int
			must(t, db.Get(ctx, &n, "SELECT COUNT(*) FROM things"))
			if n != 2 {
				t.Errorf("inside the transaction %d rows are seen, want 2", n)
			}
			return errors.New("undo both")
		})
		if err == nil || ids(t, db) != "" {
			t.Errorf("after the rollback: %q, error %v", ids(t, db), err)
		}
	})
}

func TestTransactionsOfTwoDatabasesAreApart(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		other := dbxtest.SQLite(t)
		must(t, exec(t.Context(), other, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, n BIGINT)"))
		db.InTx(t.Context(), func(ctx context.Context) error {
			must(t, insert(ctx, db, "a"))
			must(t, insert(ctx, other, "a"))
			return errors.New("undo")
		})
		if ids(t, db) != "" || ids(t, other) != "a" {
			t.Errorf("stored: %q and %q", ids(t, db), ids(t, other))
		}
	})
}

func TestApartCommitsByItself(t *testing.T) {
	db := dbxtest.Postgres(t)
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, n BIGINT)"))
	db.InTx(t.Context(), func(ctx context.Context) error {
		must(t, insert(ctx, db, "undone"))
		must(t, insert(db.Apart(ctx), db, "counted"))
		return errors.New("undo")
	})
	if got := ids(t, db); got != "counted" {
		t.Errorf("stored: %q", got)
	}
}

// Statements that nobody prepared yet must not ask the pool for a second connection: with every connection in a
// transaction that would be a deadlock.
func TestTransactionsNeedOneConnectionEach(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		db.SQLX().SetMaxOpenConns(1)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for range 2 { // new statements, then known ones
			must(t, db.InTx(ctx, func(ctx context.Context) error {
				var n int
				return errors.Join(
					exec(ctx, db, "DELETE FROM things WHERE id = $1", "a"),
					insert(ctx, db, "a"), insert(ctx, db, "b"),
					db.Get(ctx, &n, "SELECT COUNT(*) FROM things"),
					exec(ctx, db, "DELETE FROM things WHERE id = $1", "b"),
				)
			}))
		}
		if got := ids(t, db); got != "a" {
			t.Errorf("stored: %q", got)
		}
	})
}

func TestStatementsAreSharedByManyGoroutines(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		must(t, insert(t.Context(), db, "a"))
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				err := db.InTx(t.Context(), func(ctx context.Context) error {
					return exec(ctx, db, "UPDATE things SET n = n + 1 WHERE id = $1", "a")
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		var n int
		must(t, db.Get(t.Context(), &n, "SELECT n FROM things WHERE id = $1", "a"))
		if n != 40 {
			t.Errorf("n = %d, want 40", n)
		}
	})
}

// A context that ends in mid-work must cost that work only.
func TestCancelledContexts(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		must(t, insert(t.Context(), db, "a"))
		var committed atomic.Int64
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				for i := range 25 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(worker*i*20)*time.Microsecond)
					err := db.InTx(ctx, func(ctx context.Context) error {
						return exec(ctx, db, "UPDATE things SET n = n + 1 WHERE id = $1", "a")
					})
					cancel()
					if err == nil {
						committed.Add(1)
					}
				}
			})
		}
		all.Wait()
		var n int64
		must(t, db.Get(t.Context(), &n, "SELECT n FROM things WHERE id = $1", "a"))
		if n < committed.Load() {
			t.Errorf("%d commits were acknowledged, %d are there", committed.Load(), n)
		}
	})
}

func TestDeadlockIsTriedAgain(t *testing.T) {
	db := dbxtest.Postgres(t)
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, n BIGINT)"))
	must(t, errors.Join(insert(t.Context(), db, "a"), insert(t.Context(), db, "b")))
	var runs atomic.Int64
	var met, all sync.WaitGroup
	met.Add(2)
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		all.Go(func() {
			first := true
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				runs.Add(1)
				if err := exec(ctx, db, "UPDATE things SET n = n + 1 WHERE id = $1", order[0]); err != nil {
					return err
				}
				if first {
					first = false
					met.Done()
					met.Wait()
				}
				return exec(ctx, db, "UPDATE things SET n = n + 1 WHERE id = $1", order[1])
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var sum int
	must(t, db.Get(t.Context(), &sum, "SELECT CAST(SUM(n) AS BIGINT) FROM things"))
	if sum != 4 || runs.Load() < 3 {
		t.Errorf("sum = %d after %d runs, want 4 after at least 3", sum, runs.Load())
	}
}

func TestIsTaken(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		must(t, insert(t.Context(), db, "a"))
		for what, err := range map[string]error{
			"primary key": exec(t.Context(), db, "INSERT INTO things (id, name, n) VALUES ('a', 'b', 0)"),
			"unique":      exec(t.Context(), db, "INSERT INTO things (id, name, n) VALUES ('b', 'a', 0)"),
		} {
			if !dbx.IsTaken(err) || !dbx.IsTaken(fmt.Errorf("wrapped: %w", err)) {
				t.Errorf("%s: %v does not count as taken", what, err)
			}
		}
		for what, err := range map[string]error{
			"not null": exec(t.Context(), db, "INSERT INTO things (id, name, n) VALUES ('c', 'c', NULL)"),
			"none":     nil,
			"foreign":  errors.New("UNIQUE constraint failed"),
		} {
			if dbx.IsTaken(err) {
				t.Errorf("%s: %v counts as taken", what, err)
			}
		}
	})
}

func TestIsBusy(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		must(t, insert(t.Context(), db, "a"))
		must(t, db.InTx(t.Context(), func(held context.Context) error {
			must(t, exec(held, db, "UPDATE things SET n = 1"))
			other, err := db.SQLX().Conn(t.Context())
			must(t, err)
			defer other.Close()
			impatient := "PRAGMA busy_timeout = 1"
			if db.Postgres() {
				impatient = "SET lock_timeout = 1"
			}
			_, err = other.ExecContext(t.Context(), impatient)
			must(t, err)
			_, err = other.ExecContext(t.Context(), "UPDATE things SET n = 2")
			if !dbx.IsBusy(fmt.Errorf("wrapped: %w", err)) {
				t.Errorf("%v does not count as busy", err)
			}
			return nil
		}))
		if err := insert(t.Context(), db, "a"); dbx.IsBusy(err) || dbx.IsBusy(nil) {
			t.Errorf("%v counts as busy", err)
		}
	})
}

// Forty tries at once, with four free ones: exactly those are looked at (a counter that is read, then written, lets
// most of them through).
func TestAttemptsAreExact(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		ctx := t.Context()
		must(t, exec(ctx, db, "CREATE TABLE tries (key TEXT PRIMARY KEY, n BIGINT NOT NULL, until BIGINT NOT NULL)"))
		attempts := dbx.Attempts{DB: db, Table: "tries"}
		policy := throttle.Policy{Waits: []throttle.Wait{{From: 4, For: time.Minute}}}
		now := time.Unix(1_800_000_000, 0)

		burst := func(now time.Time) (looked, refused int64) {
			var ok, no atomic.Int64
			var all sync.WaitGroup
			for range 40 {
				all.Go(func() {
					_, err := throttle.Reserve(ctx, attempts, policy, "alice", now)
					var wait *throttle.Error
					switch {
					case err == nil:
						ok.Add(1)
					case errors.As(err, &wait) && wait.Until.Equal(now.Add(time.Minute)):
						no.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			all.Wait()
			return ok.Load(), no.Load()
		}
		if looked, refused := burst(now); looked != 4 || refused != 36 {
			t.Errorf("%d looked at, %d refused, want 4 and 36", looked, refused)
		}
		now = now.Add(time.Minute)
		if looked, refused := burst(now); looked != 1 || refused != 39 {
			t.Errorf("after the wait %d looked at, %d refused, want 1 and 39", looked, refused)
		}

		must(t, attempts.ClearAttempts(ctx, "alice"))
		if n, _, err := attempts.Attempts(ctx, "alice"); n != 0 || err != nil {
			t.Errorf("after success: %d, %v", n, err)
		}
		if looked, _ := burst(now); looked != 4 {
			t.Errorf("a new series has %d free tries, want 4", looked)
		}
		must(t, attempts.PruneAttempts(ctx, now.Add(time.Minute)))
		if n, _, _ := attempts.Attempts(ctx, "alice"); n == 0 {
			t.Error("pruned before its wait was over")
		}
		must(t, attempts.PruneAttempts(ctx, now.Add(time.Minute+time.Second)))
		if n, _, _ := attempts.Attempts(ctx, "alice"); n != 0 {
			t.Error("not pruned")
		}
	})
}

func TestSQLiteFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new folder #1")
	path := filepath.Join(folder, "a%20b.db")
	db, err := dbx.Open(t.Context(), "sqlite:"+path)
	must(t, err)
	defer db.Close()
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY)"))
	for name, want := range map[string]os.FileMode{folder: 0o700, path: 0o600, path + "-wal": 0o600} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "2000"} {
		for range 3 { // several connections of the pool
			var got string
			must(t, db.SQLX().GetContext(t.Context(), &got, "PRAGMA "+pragma))
			if got != want {
				t.Errorf("%s = %s, want %s", pragma, got, want)
			}
		}
	}
}
