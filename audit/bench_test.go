package audit_test

import (
	"math"
	"testing"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// A thousand rows at a time: what it costs to record, link, verify and remove them.
func BenchmarkTrail(b *testing.B) {
	for engine, fresh := range map[string]func(testing.TB, ...string) *dbx.DB{"sqlite": dbxtest.SQLite, "postgres": dbxtest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			l := &audit.Log{DB: fresh(b, "audit"), Key: key}
			if err := l.Begin(b.Context()); err != nil {
				b.Fatal(err)
			}
			var recording, linking, verifying time.Duration
			measure := func(into *time.Duration, fn func() error) {
				begun := time.Now()
				if err := fn(); err != nil {
					b.Fatal(err)
				}
				*into += time.Since(begun)
			}
			for b.Loop() {
				measure(&recording, func() error { return l.DB.InTx(b.Context(), bulk(l, 1000)) })
				measure(&linking, func() error { _, err := l.Link(b.Context()); return err })
			}
			measure(&verifying, func() error { _, err := l.Verify(b.Context()); return err })
			var removing time.Duration
			measure(&removing, func() error { _, err := l.Prune(b.Context(), time.Now(), math.MaxInt64); return err })
			n := float64(b.N)
			b.ReportMetric(float64(recording.Microseconds())/n/1000, "µs/recorded")
			b.ReportMetric(float64(linking.Microseconds())/n/1000, "µs/linked")
			b.ReportMetric(float64(verifying.Microseconds())/n/1000, "µs/verified")
			b.ReportMetric(float64(removing.Microseconds())/n/1000, "µs/removed")
		})
	}
}
