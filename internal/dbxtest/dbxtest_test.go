package dbxtest_test

import (
	"context"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestFreshDatabases(t *testing.T) {
	for range 2 { // the second time the name is free again
		dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
			if _, err := db.Exec(t.Context(), "CREATE TABLE things (id TEXT PRIMARY KEY)"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestPostgresKeepsCommitsSynchronous(t *testing.T) {
	db := dbxtest.Postgres(t)
	var value string
	if err := db.Get(context.Background(), &value, "SHOW synchronous_commit"); err != nil || value != "on" {
		t.Fatalf("synchronous_commit = %q, %v", value, err)
	}
}
