package idp_test

import (
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/migrations"
)

// What a start costs on a database that is there.
func BenchmarkNew(b *testing.B) {
	for engine, url := range map[string]string{
		"sqlite": dbxtest.SQLiteURL(b, migrations.Streams()...), "postgres": dbxtest.PostgresURL(b, migrations.Streams()...),
	} {
		b.Run(engine, func(b *testing.B) {
			cfg := idp.Defaults()
			cfg.DatabaseURL, cfg.KeysetFile = url, b.TempDir()+"/keyset.json"
			b.ReportAllocs()
			for b.Loop() {
				p, err := idp.New(b.Context(), cfg)
				if err != nil {
					b.Fatal(err)
				}
				p.Close()
			}
		})
	}
}
