package dbx_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// BenchmarkFortyWriters writes by forty callers at once, and tells how long the unluckiest of a hundred waited.
func BenchmarkFortyWriters(b *testing.B) {
	for engine, open := range map[string]func(testing.TB, ...string) *dbx.DB{"sqlite": dbxtest.SQLite, "postgres": dbxtest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			db := open(b)
			if _, err := db.Exec(b.Context(), "CREATE TABLE things (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)"); err != nil {
				b.Fatal(err)
			}
			var mu sync.Mutex
			var took []time.Duration
			failed := 0
			b.ResetTimer()
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() {
					for range b.N/40 + 1 {
						began := time.Now()
						err := db.InTx(b.Context(), func(ctx context.Context) error {
							_, err := db.Exec(ctx, "INSERT INTO things (id, n) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET n = things.n + 1", i)
							return err
						})
						mu.Lock()
						took = append(took, time.Since(began))
						if err != nil {
							failed++
						}
						mu.Unlock()
					}
				})
			}
			all.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
			b.ReportMetric(float64(failed), "failed")
		})
	}
}

// BenchmarkGet reads one row, as a request does: by a context that ends when somebody goes away.
func BenchmarkGet(b *testing.B) {
	for engine, open := range map[string]func(testing.TB, ...string) *dbx.DB{"sqlite": dbxtest.SQLite, "postgres": dbxtest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			db := open(b)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			_, err := db.Exec(ctx, "CREATE TABLE things (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)")
			if _, failed := db.Exec(ctx, "INSERT INTO things (id, n) VALUES ($1, $2)", 1, 2); errors.Join(err, failed) != nil {
				b.Fatal(err, failed)
			}
			b.ReportAllocs()
			for b.Loop() {
				var n int
				if err := db.Get(ctx, &n, "SELECT n FROM things WHERE id = $1", 1); err != nil || n != 2 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
