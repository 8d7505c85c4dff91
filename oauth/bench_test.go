package oauth_test

import (
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
)

// BenchmarkServer measures what a relying party does all day, by requests through the whole handler. statements/op are
// round trips to the database: statements, and the begin and end of transactions.
func BenchmarkServer(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmark(newCounted(b, dbxtest.SQLite(b, "oauth")), b) })
	b.Run("postgres", func(b *testing.B) { benchmark(newCounted(b, dbxtest.Postgres(b, "oauth")), b) })
}

func benchmark(w *counted, b *testing.B) {
	for _, op := range w.operations() {
		b.Run(op.name, func(b *testing.B) {
			subjects := make([]string, b.N)
			for i := range subjects {
				subjects[i] = op.prepare()
			}
			w.trips.Reset()
			b.ReportAllocs()
			b.ResetTimer()
			for _, subject := range subjects {
				op.do(subject)
			}
			b.ReportMetric(float64(len(w.trips.All()))/float64(b.N), "statements/op")
		})
	}
}
