package idp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
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
		if got, err := s.get(t.Context()); err != nil || got != want || reads != wantReads {
			t.Errorf("%s: %d (%v) after %d reads, want %d after %d", what, got, err, reads, want, wantReads)
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
		if got, _ := s.get(ctx); got != 2 {
			t.Errorf("before the commit: %d", got)
		}
		return nil
	})
	expect("at once after a change", 3, 4)
	read := s.read
	s.read = func(ctx context.Context) (int, error) { // changed while it is read, and asked for meanwhile
		s.changed(ctx)
		if got, _ := s.get(ctx); got != 3 {
			t.Errorf("meanwhile: %d", got)
		}
		return read(ctx)
	}
	now = now.Add(snapshotLife)
	expect("read beside a change", 3, 5)
	s.read = read
	expect("and again", 3, 6)
}

// What nobody has read yet is not the zero value: that would be a policy that nobody made.
func TestASnapshotThatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	db := dbxtest.SQLite(t, "brand")
	synctest.Test(t, func(t *testing.T) {
		s := snapshot[int]{what: "a number", db: db, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		away, end := errors.New("away"), make(chan func() (int, error))
		reads := 0
		s.read = func(context.Context) (int, error) {
			reads++
			return (<-end)()
		}
		type got struct {
			value int
			err   error
		}
		answers := make(chan got)
		ask := func(ctx context.Context) {
			go func() {
				defer func() {
					if recover() != nil {
						answers <- got{err: errUnread}
					}
				}()
				value, err := s.get(ctx)
				answers <- got{value, err}
			}()
		}
		gone, leave := context.WithCancel(t.Context())
		defer leave()
		for i, c := range []struct {
			what  string
			read  func() (int, error)
			value int
			err   error
		}{
			{"a failure", func() (int, error) { return 7, away }, 0, away},
			{"a panic", func() (int, error) { panic("odd") }, 0, errUnread},
			{"a success", func() (int, error) { return 5, nil }, 5, nil},
			{"a later failure", func() (int, error) { return 7, away }, 5, nil},
		} {
			ask(t.Context())
			synctest.Wait() // this one reads
			for range 2 {
				ask(t.Context())
			}
			ask(gone)
			waiting := 4
			synctest.Wait()
			if reads != i+1 {
				t.Fatalf("%s: %d reads", c.what, reads)
			}
			for ; i == 3 && waiting > 1; waiting-- { // nobody waits for a value that there is
				if a := <-answers; a != (got{5, nil}) {
					t.Errorf("%s, meanwhile: %+v", c.what, a)
				}
			}
			if i == 0 {
				leave()
				if a := <-answers; !errors.Is(a.err, context.Canceled) {
					t.Errorf("who went away: %+v", a)
				}
				waiting--
			}
			end <- c.read
			for range waiting {
				if a := <-answers; a.value != c.value || !errors.Is(a.err, c.err) {
					t.Errorf("%s: %+v", c.what, a)
				}
			}
			if value, err := s.get(t.Context()); value != c.value || !errors.Is(err, c.err) || reads != i+1 {
				t.Errorf("%s, within a second: %d, %v, %d reads", c.what, value, err, reads)
			}
			time.Sleep(snapshotLife) // of the bubble
			gone = t.Context()
		}
	})
}

func inTx(t *testing.T, db *dbx.DB, fn func(context.Context) error) {
	t.Helper()
	if err := db.InTx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}
