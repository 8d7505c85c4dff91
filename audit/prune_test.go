package audit_test

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/audit"
)

const day = 24 * time.Hour

// prune removes what is older than a moment.
func (w *trail) prune(before time.Time, want int) {
	w.Helper()
	w.now = w.now.Add(time.Second)
	if n, err := w.Prune(w.Context(), before, math.MaxInt64); err != nil || n != want {
		w.Fatalf("removed %d, want %d: %v", n, want, err)
	}
}

func TestSec_AU05_RetentionLeavesAProof(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.prune(w.now, 0)
		w.write(10)
		first := w.good(10).Head
		w.now = start.Add(100 * day)
		w.write(5)
		w.prune(start, 0)
		w.prune(start.Add(5*time.Second), 4)
		report := w.good(11) // those that are left
		if report.From != 5 || report.Removed != 4 || report.Waiting != 1 {
			t.Errorf("%+v", report)
		}
		w.link(1)
		w.good(12, first)
		w.prune(start.Add(day), 6)
		w.link(1)
		anchor := w.good(7, first).Head // the anchor is the place where the chain begins
		entries, err := w.List(w.Context(), audit.Filter{Action: audit.EventPruned})
		check(t, err)
		if len(entries) != 2 || entries[0].Actor != audit.Server || entries[0].Detail["rows"] != "6" || entries[0].Detail["to"] != "10" {
			t.Errorf("%+v", entries)
		}
		w.prune(start.Add(day), 0)

		// Everything may go, and the chain goes on.
		w.now = start.Add(300 * day)
		w.prune(start.Add(200*day), 7)
		w.first(audit.Problem{Seq: 10, What: audit.TooOld}, first)
		w.link(1)
		w.good(1, anchor)
		w.write(3)
		w.good(4, anchor)
	})
}

func TestSec_AU05_WhatIsPutBackShows(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(10)
		w.sql("CREATE TABLE kept AS SELECT id, at, action, actor, subject, client, result, address, agent, request_id, detail, mac, seq, link FROM audit")
		back := func(seq, link string) string {
			return `INSERT INTO audit (id, at, action, actor, subject, client, result, address, agent, request_id, detail, mac, seq, link)
				SELECT id, at, action, actor, subject, client, result, address, agent, request_id, detail, mac, ` + seq + `, ` + link + ` FROM kept WHERE seq = 3`
		}
		w.now = start.Add(100 * day)
		w.write(5)
		w.prune(start.Add(day), 10)
		w.link(1)
		w.good(6)
		w.sql(back("seq", "link"))
		w.first(audit.Problem{Seq: 3, ID: id, What: audit.PutBack})
		w.sql("DELETE FROM audit WHERE seq = 3")
		w.good(6)
		w.sql(back("NULL", "''"))
		w.first(audit.Problem{ID: id, What: audit.PutBack})
		w.link(1)
		w.first(audit.Problem{Seq: 17, ID: id, What: audit.PutBack})

		// It does not go with what is removed next, as it is evidence.
		w.now = start.Add(200 * day)
		_, err := w.Prune(w.Context(), start.Add(150*day), math.MaxInt64)
		var p *audit.Problem
		if !errors.As(err, &p) || p.What != audit.PutBack {
			t.Error(err)
		}
	})
}

// What is wrong is not removed: the evidence would go with it.
func TestSec_AU05_RetentionRemovesNoEvidence(t *testing.T) {
	eachTrail(t, func(w *trail) {
		for name, tt := range map[string]struct{ sql, what string }{
			"altered":            {"UPDATE audit SET actor = 'mallory' WHERE seq = 3", audit.Altered},
			"missing":            {"DELETE FROM audit WHERE seq = 3", audit.Missing},
			"out of order":       {"UPDATE audit SET link = 'x' WHERE seq = 3", audit.OutOfOrder},
			"another checkpoint": {"UPDATE audit_checkpoint SET seq = 2", audit.CheckpointForged},
			"no checkpoint":      {"DELETE FROM audit_checkpoint", audit.CheckpointGone},
			"another head":       {"UPDATE audit_head SET seq = 7", audit.HeadForged},
		} {
			w.Run(name, func(t *testing.T) {
				w := w.afresh(t)
				w.write(8)
				w.sql(tt.sql)
				n, err := w.Prune(w.Context(), start.Add(day), math.MaxInt64)
				var p *audit.Problem
				if n != 0 || !errors.As(err, &p) || p.What != tt.what {
					t.Errorf("removed %d, %v", n, err)
				}
			})
		}
	})
}

// Nothing goes that is behind a place, such as what the webhook waits for, or that is not linked.
func TestPruneKeeps(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(8)
		w.record(audit.Event{Action: "new"})
		w.now = start.Add(day)
		if n, err := w.Prune(w.Context(), w.now, 5); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		w.good(3)
		w.prune(w.now, 3)
		w.link(3) // the new one, and two removals
		w.good(3)
	})
}

// Two replicas remove, one links and one verifies, all at once.
func TestRetentionBesideEverything(t *testing.T) {
	eachTrail(t, func(w *trail) {
		const rows = 1300 // a batch and some
		check(t, w.db.InTx(w.Context(), bulk(w.Log, rows)))
		w.link(rows)
		w.now = start.Add(day)
		var removed atomic.Int64
		var all sync.WaitGroup
		for range 2 {
			l := w.process()
			all.Go(func() {
				n, err := l.Prune(w.Context(), w.now, math.MaxInt64)
				if err != nil {
					t.Error(err)
				}
				removed.Add(int64(n))
			})
			all.Go(func() {
				for range 3 {
					if report, err := l.Verify(w.Context()); err != nil || !report.OK() {
						t.Errorf("%+v, %v", report, err)
					}
					if _, err := l.Link(w.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if removed.Load() != rows {
			t.Errorf("removed %d", removed.Load())
		}
		if report := w.verify(); !report.OK() || report.Removed != rows {
			t.Errorf("%+v", report)
		}
	})
}
