package dbx_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// TestNoTimeLeftCostsNoConnection: whoever comes when their time is over is told so, and the pool keeps what it has.
func TestNoTimeLeftCostsNoConnection(t *testing.T) {
	db, err := dbx.OpenWith(t.Context(), dbxtest.PostgresURL(t), dbx.Options{Pool: 6})
	must(t, err)
	defer db.Close()
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT UNIQUE, n BIGINT NOT NULL)"))
	must(t, insert(t.Context(), db, "a"))
	var met, all sync.WaitGroup
	met.Add(4)
	for range 4 { // four connections
		all.Go(func() {
			err := db.InTx(t.Context(), func(context.Context) error {
				met.Done()
				met.Wait()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	pids := func() (pids []int) {
		must(t, db.Select(t.Context(), &pids,
			"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'idp' ORDER BY pid"))
		return pids
	}
	before := pids()
	const raise = "UPDATE things SET n = n + 1 WHERE id = $1"
	late := dbx.Bound(t.Context(), time.Now().Add(-time.Millisecond))
	for name, do := range map[string]func(context.Context) error{
		"write":       func(ctx context.Context) error { return exec(ctx, db, raise, "a") },
		"read":        func(ctx context.Context) error { return db.Get(ctx, new(int), "SELECT n FROM things") },
		"transaction": func(ctx context.Context) error { return db.InTx(ctx, func(context.Context) error { return nil }) },
		"ping":        db.Ping,
	} {
		for range 4 {
			if err := do(late); !errors.Is(err, dbx.ErrFull) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	err = db.InTx(t.Context(), func(ctx context.Context) error { // it is over on the way
		return errors.Join(exec(ctx, db, raise, "a"), exec(dbx.Bound(ctx, time.Now()), db, raise, "a"))
	})
	if !errors.Is(err, dbx.ErrFull) {
		t.Errorf("in a transaction: %v", err)
	}
	must(t, exec(dbx.Settling(late), db, raise, "a"))
	var n int
	must(t, db.Get(t.Context(), &n, "SELECT n FROM things"))
	if n != 1 {
		t.Errorf("n = %d: it was raised once", n)
	}
	if after := pids(); !slices.Equal(after, before) || len(after) < 4 {
		t.Errorf("connections %v, before %v", after, before)
	}
}

// TestAnEndHasTimeOfItsOwn: a transaction that thought for longer than a statement may take is committed.
func TestAnEndHasTimeOfItsOwn(t *testing.T) {
	db := dbxtest.Postgres(t)
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT UNIQUE, n BIGINT NOT NULL)"))
	runs := 0
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		runs++
		until := time.Now().Add(time.Second)
		if err := insert(dbx.Bound(ctx, until), db, "a"); err != nil {
			return err
		}
		<-time.After(time.Until(until)) // the time of its last statement is over
		return nil
	})
	if err != nil || runs != 1 || ids(t, db) != "a" {
		t.Errorf("%v after %d runs, stored: %s", err, runs, ids(t, db))
	}
}

// TestTheBackgroundIsReadForThoseInside: what is read in the background is read though all other connections are with those who, in
// the middle of a transaction, wait for it.
func TestTheBackgroundIsReadForThoseInside(t *testing.T) {
	db, err := dbx.OpenWith(t.Context(), dbxtest.PostgresURL(t), dbx.Options{Pool: 4})
	must(t, err)
	defer db.Close()
	var inside, all sync.WaitGroup
	inside.Add(3)
	read := make(chan struct{})
	all.Go(func() {
		inside.Wait()
		db.Background(func(ctx context.Context) {
			defer close(read)
			if err := db.Get(ctx, new(int), "SELECT 1 + 0"); err != nil {
				t.Error(err)
			}
		})
	})
	for range 3 {
		all.Go(func() {
			err := db.InTx(t.Context(), func(context.Context) error {
				inside.Done()
				<-read
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
