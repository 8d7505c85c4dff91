package dbx_test

import (
	"context"
	"errors"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestAfterCommit(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		var done []string
		note := func(ctx context.Context, what string) { db.AfterCommit(ctx, func() { done = append(done, what) }) }
		undone := errors.New("undone")
		for _, end := range []error{nil, undone} {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				note(ctx, "outer")
				err := db.InTx(ctx, func(ctx context.Context) error {
					note(ctx, "inner")
					return nil
				})
				if len(done) > 0 {
					t.Errorf("%q before the end", done)
				}
				return errors.Join(err, end)
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
			if end == nil && (len(done) != 2 || done[0] != "outer") || end != nil && len(done) > 0 {
				t.Errorf("after %v: %q", end, done)
			}
			done = nil
		}
		if note(t.Context(), "alone"); len(done) != 1 {
			t.Errorf("without a transaction: %q", done)
		}
	})
}
