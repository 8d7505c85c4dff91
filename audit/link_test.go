package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// Forty writers, half of them in transactions that take their time or are undone, and two replicas that link all the
// while: every row that was committed has one place, and there is no place without a row.
func TestSec_AU05_TwoReplicasLinkWhatFortyWrite(t *testing.T) {
	engines := map[string]func(testing.TB, ...string) string{"sqlite": dbxtest.SQLiteURL, "postgres": dbxtest.PostgresURL}
	for engine, fresh := range engines {
		t.Run(engine, func(t *testing.T) {
			url := fresh(t, "audit")
			var replicas []*audit.Log
			for range 2 {
				db, err := dbx.Open(t.Context(), url)
				check(t, err)
				t.Cleanup(func() { db.Close() })
				replicas = append(replicas, &audit.Log{DB: db, Key: key})
			}
			check(t, replicas[0].Begin(t.Context()))
			check(t, replicas[1].Begin(t.Context()))
			var linked, written atomic.Int64
			ctx, stop := context.WithCancel(t.Context())
			var linkers, writers sync.WaitGroup
			for _, l := range replicas {
				linkers.Go(func() {
					for ctx.Err() == nil {
						n, err := l.Link(t.Context())
						if err != nil {
							t.Error(err)
						}
						linked.Add(int64(n))
						time.Sleep(time.Millisecond)
					}
				})
			}
			undone := errors.New("undone")
			for i := range 40 {
				l := replicas[i%2]
				writers.Go(func() {
					for j := range 10 {
						e := audit.Event{Action: "x", Detail: map[string]string{"n": fmt.Sprint(i, j)}}
						err := l.DB.InTx(t.Context(), func(ctx context.Context) error {
							if err := l.Record(ctx, e); err != nil || i%2 == 0 {
								return err
							}
							time.Sleep(3 * time.Millisecond)
							if j == 7 {
								return undone
							}
							return nil
						})
						if err == nil {
							written.Add(1)
						} else if !errors.Is(err, undone) {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
			stop()
			linkers.Wait()
			n, err := replicas[0].Link(t.Context())
			check(t, err)
			if total := linked.Load() + int64(n); total != written.Load() || total != 380 {
				t.Errorf("linked %d, written %d", total, written.Load())
			}
			report, err := replicas[1].Verify(t.Context())
			check(t, err)
			if !report.OK() || report.Rows != 380 || report.Waiting != 0 || report.Head.Seq != 380 {
				t.Errorf("%+v", report)
			}
		})
	}
}

// A row whose transaction was long comes late, behind rows of later ids; that is no disorder.
func TestALateRow(t *testing.T) {
	db := dbxtest.Postgres(t, "audit")
	w := &trail{T: t, db: db, now: start}
	w.Log = w.process()
	check(t, w.Begin(t.Context()))
	check(t, db.InTx(t.Context(), func(ctx context.Context) error {
		check(t, w.Record(ctx, audit.Event{Action: "late"}))
		w.now = w.now.Add(time.Minute)
		w.write(3)
		return nil
	}))
	w.link(1)
	w.good(4)
	entries, err := w.List(t.Context(), audit.Filter{})
	check(t, err)
	if e := entries[3]; e.Action != "late" || e.Seq != 4 {
		t.Errorf("%+v", e)
	}
}

// A linker that dies in the middle of its work has done nothing, and the next one does it.
func TestALinkerThatDies(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(3)
		for range 5 {
			w.record(audit.Event{Action: "x"})
		}
		died := errors.New("died")
		if err := w.db.InTx(w.Context(), func(ctx context.Context) error {
			if n, err := w.Link(ctx); err != nil || n != 5 {
				t.Errorf("linked %d: %v", n, err)
			}
			return died
		}); !errors.Is(err, died) {
			t.Fatal(err)
		}
		if report := w.good(3); report.Waiting != 5 {
			t.Errorf("%+v", report)
		}
		next := w.process()
		if n, err := next.Link(w.Context()); err != nil || n != 5 {
			t.Fatalf("linked %d: %v", n, err)
		}
		w.good(8)
	})
}

// A linker that is killed at any moment, by its context, leaves a whole chain.
func TestAKilledLinker(t *testing.T) {
	eachTrail(t, func(w *trail) {
		rows := int64(0)
		for i := range 12 {
			for range 40 {
				w.record(audit.Event{Action: "x"})
				rows++
			}
			ctx, cancel := context.WithTimeout(w.Context(), time.Duration(i)*700*time.Microsecond)
			_, err := w.process().Link(ctx) // killed, or just done
			cancel()
			if errors.As(err, new(*audit.Problem)) {
				t.Fatal(err)
			}
			if report := w.verify(); !report.OK() || report.Rows+report.Waiting != rows {
				t.Fatalf("%+v", report)
			}
		}
		_, err := w.process().Link(w.Context())
		check(t, err)
		w.good(rows)
	})
}

// Many rows are linked in several transactions; batches of all sizes are.
func TestBatchesOfAllSizes(t *testing.T) {
	eachTrail(t, func(w *trail) {
		total := 0
		for _, n := range []int{1, 2, 9, 10, 11, 99, 100, 101, 2001} {
			check(t, w.db.InTx(w.Context(), func(ctx context.Context) error {
				for range n {
					check(t, w.Record(ctx, audit.Event{Action: "x"}))
				}
				return nil
			}))
			w.link(n)
			total += n
		}
		w.good(int64(total))
	})
}

// Who has nothing to link asks the database for one row and changes nothing.
func TestLinkingNothing(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(2)
		counted, trips := dbxtest.Counted(t, w.db)
		log := &audit.Log{DB: counted, Key: key}
		for range 2 {
			trips.Reset()
			if n, err := log.Link(w.Context()); n != 0 || err != nil {
				t.Fatal(n, err)
			}
		}
		if all := trips.All(); len(all) != 1 || len(trips.Writes()) != 0 {
			t.Errorf("%q", all)
		}
		ctx := w.Context()
		for range 2 { // the first one prepares
			trips.Reset()
			check(t, log.Record(ctx, audit.Event{Action: "x"}))
		}
		if all := trips.All(); len(all) != 1 {
			t.Errorf("to record something takes %q", all)
		}
	})
}

func TestEach(t *testing.T) {
	eachTrail(t, func(w *trail) {
		var want []string
		check(t, w.db.InTx(w.Context(), func(ctx context.Context) error {
			for i := range 1203 {
				n := fmt.Sprint(i)
				check(t, w.Record(ctx, audit.Event{Action: "x", Subject: "alice", Detail: map[string]string{"n": n}}))
				want = append(want, n)
				w.now = w.now.Add(time.Second)
			}
			return nil
		}))
		w.link(1203)
		var got []string
		collect := func(e audit.Entry) error {
			if e.Seq != int64(len(got)+1) && len(got) > 0 && got[0] == "0" || e.Link == "" || e.MAC == "" {
				t.Errorf("%+v", e)
			}
			got = append(got, e.Detail["n"])
			return nil
		}
		check(t, w.Each(w.Context(), audit.Filter{Subject: "alice"}, collect))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		got = nil
		check(t, w.Each(w.Context(), audit.Filter{Since: start.Add(10 * time.Second), Until: start.Add(1100 * time.Second)}, collect))
		if diff := cmp.Diff(want[10:1100], got); diff != "" {
			t.Error(diff)
		}
		stop := errors.New("stop")
		if err := w.Each(w.Context(), audit.Filter{}, func(audit.Entry) error { return stop }); !errors.Is(err, stop) {
			t.Error(err)
		}
	})
}
