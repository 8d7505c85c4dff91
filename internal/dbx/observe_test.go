package dbx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestNameOfAStatement(t *testing.T) {
	for query, want := range map[string]string{
		`SELECT * FROM accounts WHERE name = 'secret FROM nothing'`:                     "SELECT accounts",
		`SELECT a.x FROM b JOIN a ON a.id = b.id WHERE EXISTS (SELECT 1 FROM c)`:        "SELECT a b c",
		`INSERT INTO grants (x) VALUES ($1) ON CONFLICT (x) DO UPDATE SET x = grants.x`: "INSERT grants",
		"UPDATE\tgrants\n SET x = (SELECT y FROM clients)":                              "UPDATE clients grants",
		"UPDATE grants\n SET x = (SELECT y FROM clients)":                               "UPDATE clients grants",
		`DELETE FROM grants WHERE id = $1`:                                              "DELETE grants",
		`WITH touched AS (UPDATE grants SET x = 1 RETURNING 1), along0 AS (INSERT INTO audit (x) SELECT $1 WHERE EXISTS (SELECT 1 FROM touched)) SELECT COUNT(*) FROM touched`: "UPDATE audit grants",
		`PRAGMA wal_checkpoint`:                        "OTHER",
		"SELECT 1 FROM " + strings.Repeat("long", 100): "SELECT " + strings.Repeat("long", 100)[:93],
		`SELECT 1 FROM x FOR UPDATE`:                   "SELECT x",
	} {
		if got := dbx.Name(query); got != want {
			t.Errorf("%q: %q, not %q", query, got, want)
		}
	}
}

type told struct {
	mu    sync.Mutex
	names []string
	errs  []string
}

func (o *told) tell(ctx context.Context, name string, began time.Time, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx == nil || began.IsZero() {
		name = "nothing: " + name
	}
	if o.names = append(o.names, name); err != nil {
		o.errs = append(o.errs, name)
	}
}

func TestAnObserverIsToldOfEveryRoundTrip(t *testing.T) {
	for engine, url := range map[string]string{"sqlite": dbxtest.SQLiteURL(t), "postgres": dbxtest.PostgresURL(t)} {
		t.Run(engine, func(t *testing.T) {
			var o told
			db, err := dbx.OpenWith(t.Context(), url, dbx.Options{Observe: o.tell})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			exec := func(ctx context.Context, query string, args ...any) {
				if _, err := db.Exec(ctx, query, args...); err != nil {
					t.Fatal(err)
				}
			}
			exec(t.Context(), `CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT, at BYTEA)`)
			exec(t.Context(), `INSERT INTO things (id, n, at) VALUES ($1, $2, $3)`, "a", 1, []byte{0})
			var n int
			if err := db.Get(t.Context(), &n, `SELECT n FROM things WHERE id = $1`, "a"); err != nil || n != 1 {
				t.Fatal(n, err)
			}
			var all []int
			if err := db.SelectOnce(t.Context(), &all, `SELECT n FROM things WHERE id IN ($1)`, "a"); err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			if _, err := db.Exec(t.Context(), `INSERT INTO things (id, n, at) VALUES ($1, $2, $3)`, "a", 1, []byte{0}); !dbx.IsTaken(err) {
				t.Fatal(err)
			}
			never := errors.New("never mind")
			for _, end := range []error{nil, never} {
				if err := db.InTx(t.Context(), func(ctx context.Context) error {
					exec(ctx, `DELETE FROM things WHERE id = $1`, "b")
					return end
				}); !errors.Is(err, end) {
					t.Fatal(err)
				}
			}
			o.names = slices.DeleteFunc(o.names, func(name string) bool { return name == "PREPARE" || name == "CONNECT" })
			if diff := cmp.Diff([]string{"OTHER", "INSERT things", "SELECT things", "SELECT things", "INSERT things",
				"BEGIN", "DELETE things", "COMMIT", "BEGIN", "DELETE things", "ROLLBACK"}, o.names); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"INSERT things"}, o.errs); diff != "" {
				t.Error(diff)
			}
		})
	}
}
