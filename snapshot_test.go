package idp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestSnapshot(t *testing.T) {
	t.Parallel()
	db := dbxtest.SQLite(t, "brand")
	now, stored, reads := time.Now(), 1, 0
	var broken error
	s := snapshot[int]{what: "a number", db: db, log: slog.New(slog.NewTextHandler(io.Discard, nil)), clock: func() time.Time { return now }}
	s.read = func(ctx context.Context) (int, error) {
		if db.Tx(ctx) != nil {
			t.Error("read in a transaction, which may be undone")
		}
		reads++
		return stored, broken
	}
	expect := func(what string, want, wantReads int) {
		t.Helper()
		if got := s.get(t.Context()); got != want || reads != wantReads {
			t.Errorf("%s: %d after %d reads, want %d after %d", what, got, reads, want, wantReads)
		}
	}
	expect("at first", 1, 1)
	stored = 2
	expect("within a second", 1, 1)
	now = now.Add(snapshotLife)
	expect("a second later", 2, 2)
	stored, broken = 3, errors.New("away")
	now = now.Add(snapshotLife)
	expect("while the database is away", 2, 3)
	expect("and not asked again at once", 2, 3)
	broken = nil
	inTx(t, db, func(ctx context.Context) error {
		s.changed(ctx)
		if got := s.get(ctx); got != 2 {
			t.Errorf("before the commit: %d", got)
		}
		return nil
	})
	expect("at once after a change", 3, 4)
	read := s.read
	s.read = func(ctx context.Context) (int, error) { // changed while it is read, and asked for meanwhile
		s.changed(ctx)
		if got := s.get(ctx); got != 3 {
			t.Errorf("meanwhile: %d", got)
		}
		return read(ctx)
	}
	now = now.Add(snapshotLife)
	expect("read beside a change", 3, 5)
	s.read = read
	expect("and again", 3, 6)
}

func inTx(t *testing.T, db *dbx.DB, fn func(context.Context) error) {
	t.Helper()
	if err := db.InTx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}
