package dbx_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// Forty callers meet a statement that is not prepared yet, some of them inside transactions: nobody waits for a lock
// that is held by whoever waits for them.
func TestColdStatement(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		if _, err := db.Exec(ctx, "CREATE TABLE cold (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)"); err != nil {
			t.Fatal(err)
		}
		for round := range 5 {
			insert := fmt.Sprintf("INSERT INTO cold (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = %d", round)
			count := fmt.Sprintf("SELECT COUNT(*) FROM cold WHERE n >= %d", -round-1)
			var wg sync.WaitGroup
			for i := range 40 {
				wg.Go(func() {
					work := func(ctx context.Context) error {
						if _, err := db.Exec(ctx, insert, i, round); err != nil {
							return err
						}
						var n int
						return db.Get(ctx, &n, count)
					}
					err := work(ctx)
					if i%2 == 0 {
						err = db.InTx(ctx, work)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
	})
}

// A counter that stands at nothing can be counted: a row of zero is no row.
func TestAttemptsFromZero(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		ctx := t.Context()
		a := dbx.Attempts{DB: db, Table: "tries"}
		for _, query := range []string{
			"CREATE TABLE tries (key TEXT PRIMARY KEY, n BIGINT NOT NULL, until BIGINT NOT NULL)",
			"INSERT INTO tries (key, n, until) VALUES ('k', 0, 0)",
		} {
			if _, err := db.Exec(ctx, query); err != nil {
				t.Fatal(err)
			}
		}
		if won, err := a.CountAttempt(ctx, "k", 0, 1, time.Now()); err != nil || !won {
			t.Fatalf("won %v, %v", won, err)
		}
		if n, _, err := a.Attempts(ctx, "k"); err != nil || n != 1 {
			t.Errorf("n = %d, %v", n, err)
		}
	})
}
