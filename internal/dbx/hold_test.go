package dbx_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// TestHoldWantsToBeAlone: whoever replaces a database finds nobody else in it, and is the only one to do so.
func TestHoldWantsToBeAlone(t *testing.T) {
	for engine, url := range map[string]string{"sqlite": dbxtest.SQLiteURL(t), "postgres": dbxtest.PostgresURL(t)} {
		t.Run(engine, func(t *testing.T) {
			open, err := dbx.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := open.Exec(t.Context(), "CREATE TABLE things (n BIGINT)"); err != nil {
				t.Fatal(err)
			}
			soon, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if held, err := dbx.Hold(soon, url); !errors.Is(err, dbx.ErrInUse) {
				t.Errorf("beside somebody: %v %v", held, err)
			}
			if err := open.Close(); err != nil {
				t.Fatal(err)
			}
			held, err := dbx.Hold(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			soon, cancel = context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if another, err := dbx.Hold(soon, url); err == nil {
				another.Close()
				t.Error("two hold it")
			}
			if err := held.Close(); err != nil {
				t.Fatal(err)
			}
			if held, err = dbx.Hold(t.Context(), url); err != nil { // after the one before
				t.Fatal(err)
			}
			held.Close()
		})
	}
}
