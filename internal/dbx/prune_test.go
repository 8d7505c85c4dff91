package dbx_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// fill puts n things with the number 1 into the table, and one with the number 2.
func fill(t *testing.T, db *dbx.DB, n int) {
	t.Helper()
	rows := []string{"('kept', 'kept', 2)"}
	for i := range n {
		rows = append(rows, fmt.Sprintf("('%d', '%d', 1)", i, i))
	}
	must(t, exec(t.Context(), db, "INSERT INTO things (id, name, n) VALUES "+strings.Join(rows, ", ")))
}

func TestPruneDeletesEverythingThatIsDue(t *testing.T) {
	each(t, func(t *testing.T, db *dbx.DB) {
		for _, n := range []int{0, 1, 500, 1250} {
			fill(t, db, n)
			must(t, db.Prune(t.Context(), "things", "id", "n = $1 OR n = $2", 0, 1))
			if left := ids(t, db); left != "kept" {
				t.Errorf("of %d: %.100s is left", n, left)
			}
			must(t, exec(t.Context(), db, "DELETE FROM things"))
		}
	})
}

func TestPruneAttemptsDeletesSomeAtATime(t *testing.T) {
	db := dbxtest.Postgres(t)
	for _, query := range []string{
		"CREATE TABLE tries (key TEXT PRIMARY KEY, n BIGINT NOT NULL, until BIGINT NOT NULL)",
		"INSERT INTO tries SELECT i::text, 1, i FROM generate_series(1, 3000) AS i",
		"CREATE TABLE statements (n BIGINT NOT NULL)",
		`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN INSERT INTO statements SELECT count(*) FROM gone; RETURN NULL; END'`,
		"CREATE TRIGGER note AFTER DELETE ON tries REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note()",
	} {
		must(t, exec(t.Context(), db, query))
	}
	must(t, dbx.Attempts{DB: db, Table: "tries"}.PruneAttempts(t.Context(), time.Unix(2501, 0)))
	var most, all, left int
	must(t, db.Get(t.Context(), &most, "SELECT max(n) FROM statements"))
	must(t, db.Get(t.Context(), &all, "SELECT sum(n) FROM statements"))
	must(t, db.Get(t.Context(), &left, "SELECT count(*) FROM tries"))
	if most != 500 || all != 2500 || left != 500 {
		t.Errorf("at most %d in one statement, %d together, %d left", most, all, left)
	}
}

// Two replicas prune one table: neither waits for what the other is deleting, and a batch that is taken back is the next one's.
func TestPruneGoesPastWhatOthersHold(t *testing.T) {
	db := dbxtest.Postgres(t)
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT UNIQUE, n BIGINT NOT NULL)"))
	fill(t, db, 700)
	back := errors.New("died")
	err := db.InTx(dbx.Unhurried(t.Context()), func(ctx context.Context) error {
		n, err := db.Exec(ctx, "DELETE FROM things WHERE "+db.Some("things", "id", "n = 1", 300))
		must(t, err)
		must(t, db.Rest(ctx, time.Hour)) // not here: it would keep others waiting
		must(t, db.Prune(dbx.Unhurried(t.Context()), "things", "id", "n = $1", 1))
		var left int
		must(t, db.Get(db.Apart(ctx), &left, "SELECT count(*) FROM things"))
		if n != 300 || left != 301 {
			t.Errorf("one holds %d, beside which %d are left", n, left)
		}
		return back
	})
	if !errors.Is(err, back) {
		t.Fatal(err)
	}
	must(t, db.Prune(t.Context(), "things", "id", "n = $1", 1))
	if left := ids(t, db); left != "kept" {
		t.Errorf("%.100s is left", left)
	}
}
