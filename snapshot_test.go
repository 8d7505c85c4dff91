package idp

import (
	"context"
	"errors"
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
	s := snapshot[int]{what: "a number", db: db, log: slog.New(slog.DiscardHandler), clock: func() time.Time { return now }}
	read := func(ctx context.Context) (int, error) {
		if db.Tx(ctx) != nil {
			t.Error("read in a transaction, which may be undone")
		}
		reads++
		return stored, broken
	}
	s.read = read
	settled := func() {
		s.mu.Lock()
		reading := s.reading
		s.mu.Unlock()
		if reading != nil {
			<-reading
		}
	}
	expect := func(what string, want int, wantErr error, wantReads int) {
		t.Helper()
		got, err := s.get(t.Context())
		settled()
		if !errors.Is(err, wantErr) || err == nil && got != want || reads != wantReads {
			t.Errorf("%s: %d (%v) after %d reads, want %d (%v) after %d", what, got, err, reads, want, wantErr, wantReads)
		}
	}
	const life = time.Second
	expect("at first", 1, nil, 1)
	stored = 2
	expect("within a second", 1, nil, 1)
	now = now.Add(life * 4 / 5)
	expect("towards its end, read in the background", 1, nil, 2)
	expect("and then", 2, nil, 2)
	stored = 3
	now = now.Add(life)
	expect("a second later", 3, nil, 3)
	inTx(t, db, func(ctx context.Context) error {
		stored = 4
		err := s.changed(ctx)
		if got, _ := s.get(ctx); got != 3 {
			t.Errorf("before the commit: %d", got)
		}
		return err
	})
	expect("at once after a change", 4, nil, 4)
	s.drop()
	s.read = func(ctx context.Context) (int, error) { // changed while it is read
		value, err := read(ctx)
		stored++
		s.drop()
		s.read = read
		return value, err
	}
	expect("read beside a change", 5, nil, 6)

	away := errors.New("away")
	stored, broken = 6, away
	now = now.Add(life * 4 / 5)
	expect("while it is true nobody misses the database", 5, nil, 7)
	expect("which is not asked again at once", 5, nil, 7)
	now = now.Add(snapshotRest)
	expect("but soon", 5, nil, 8)
	now = now.Add(life)
	expect("too old", 0, away, 9)
	expect("and not asked again at once", 0, away, 9)
	s.lenient = true
	expect("where an old one is better than none", 5, nil, 9)
	now = now.Add(life)
	expect("and nobody waits", 5, nil, 10)
	broken = nil
	now = now.Add(life)
	expect("still", 5, nil, 11)
	expect("and then", 6, nil, 11)
}

// What nobody has read yet is not the zero value: that would be a policy that nobody made.
func TestASnapshotThatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := dbxtest.SQLite(t, "brand")
		s := snapshot[int]{what: "a number", db: db, log: slog.New(slog.DiscardHandler)}
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
			{"a later failure", func() (int, error) { return 7, away }, 0, away},
		} {
			for range 3 {
				ask(t.Context())
			}
			ask(gone)
			waiting := 4
			synctest.Wait()
			if reads != i+1 {
				t.Fatalf("%s: %d reads", c.what, reads)
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
				t.Errorf("%s, at once after it: %d, %v, %d reads", c.what, value, err, reads)
			}
			time.Sleep(time.Second) // of the bubble
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
