package migrations_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/migrations"
)

// TestTablesAreThoseThatThereAre: what is read out of the files is what they make, on both engines.
func TestTablesAreThoseThatThereAre(t *testing.T) {
	var want []string
	for _, stream := range migrations.Streams() {
		tables, err := migrations.Tables(stream, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, tables...)
		want = append(want, "schema_"+stream)
	}
	slices.Sort(want)
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
		if db.Postgres() {
			query = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`
		}
		var got []string
		if err := db.Select(t.Context(), &got, query); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("there are %q\nread: %q", got, want)
		}
	}, migrations.Streams()...)
}

// TestLookChangesNothing: an empty database stays empty, and a full one says the same as [migrations.Status].
func TestLookChangesNothing(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		states, err := migrations.Look(t.Context(), db.SQLX(), migrations.Streams()...)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			if s.Current != 0 || s.Target == 0 {
				t.Errorf("%+v", s)
			}
		}
		query := `SELECT COUNT(*) FROM sqlite_master`
		if db.Postgres() {
			query = `SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()`
		}
		var n int
		if err := db.Get(t.Context(), &n, query); err != nil || n != 0 {
			t.Error(n, err)
		}
		if err := migrations.UpTo(t.Context(), db.SQLX(), map[string]int64{"oauth": 3, "mail": 1}); err != nil {
			t.Fatal(err)
		}
		states, err = migrations.Look(t.Context(), db.SQLX(), "oauth", "mail", "audit")
		if err != nil || states[0].Current != 3 || states[1].Current != 1 || states[2].Current != 0 {
			t.Errorf("%+v %v", states, err)
		}
		same, err := migrations.Status(t.Context(), db.SQLX(), "oauth", "mail", "audit")
		if err != nil || !slices.Equal(same, states) {
			t.Errorf("%+v %v", same, err)
		}
	})
	for _, versions := range []map[string]int64{{"oauth": 999}, {"strangers": 1}} {
		if err := migrations.Known(versions); !errors.Is(err, migrations.ErrNewer) {
			t.Errorf("%v: %v", versions, err)
		}
	}
}
