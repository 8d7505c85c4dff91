package audit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// trail is a trail whose chain has begun.
type trail struct {
	*testing.T
	*audit.Log
	db  *dbx.DB
	now time.Time
}

// process is another process at the same database.
func (w *trail) process() *audit.Log {
	return &audit.Log{DB: w.db, Key: key, Now: func() time.Time { return w.now }}
}

// write records and links rows, a second apart.
func (w *trail) write(n int) {
	w.Helper()
	ctx := audit.WithRequest(w.Context(), audit.Request{ID: "r", Address: "192.0.2.7", Agent: "Firefox"})
	check(w.T, w.db.InTx(ctx, func(ctx context.Context) error {
		for range n {
			check(w.T, w.Record(ctx, audit.Event{Action: "x", Actor: "root", Subject: "alice", Client: "mail", Result: "no", Detail: map[string]string{"k": "v"}}))
			w.now = w.now.Add(time.Second)
		}
		return nil
	}))
	if linked, err := w.Link(w.Context()); err != nil || linked != n {
		w.Fatalf("linked %d of %d: %v", linked, n, err)
	}
}

func (w *trail) record(e audit.Event) {
	w.Helper()
	ctx := audit.WithRequest(w.Context(), audit.Request{ID: "r", Address: "192.0.2.7", Agent: "Firefox"})
	check(w.T, w.Record(ctx, e))
}

// afresh is an empty trail of the same database, for another test.
func (w *trail) afresh(t *testing.T) *trail {
	fresh := &trail{T: t, db: w.db, now: start}
	fresh.Log = fresh.process()
	fresh.sql("DELETE FROM audit", "DELETE FROM audit_head", "DELETE FROM audit_checkpoint", "DROP TABLE IF EXISTS kept")
	check(t, fresh.Begin(t.Context()))
	return fresh
}

// sql does what somebody does who has the database and no key. Rows are named by their old places.
func (w *trail) sql(statements ...string) {
	w.Helper()
	for _, s := range statements {
		if _, err := w.DB.Exec(w.Context(), s); err != nil {
			w.Fatalf("%s: %v", s, err)
		}
	}
}

func (w *trail) verify(anchors ...audit.Anchor) *audit.Report {
	w.Helper()
	report, err := w.Verify(w.Context(), anchors...)
	check(w.T, err)
	return report
}

// first verifies and wants this to be the first thing that is wrong.
func (w *trail) first(want audit.Problem, anchors ...audit.Anchor) {
	w.Helper()
	report := w.verify(anchors...)
	if report.OK() || report.Wrong < len(report.Problems) {
		w.Fatalf("nothing found: %+v", report)
	}
	got := report.Problems[0]
	if got.Seq != want.Seq || got.Last != want.Last || got.What != want.What || (want.ID != "") != (got.ID != "") {
		w.Errorf("first: %+v, want %+v", got, want)
	}
	if got.Words() == "" || got.Where() == "" {
		w.Errorf("no words for %+v", got)
	}
}

func (w *trail) good(rows int64, anchors ...audit.Anchor) *audit.Report {
	w.Helper()
	report := w.verify(anchors...)
	if !report.OK() || report.Rows != rows {
		w.Fatalf("%+v, want %d good rows", report, rows)
	}
	return report
}

const id = "some id"

func eachTrail(t *testing.T, fn func(w *trail)) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		w := &trail{T: t, db: db, now: start}
		w.Log = w.process()
		check(t, w.Begin(t.Context()))
		fn(w)
	}, "audit")
}

// Each of these is what somebody does who may write to the database, but has no key. The chain has twelve rows.
var tampering = []struct {
	name string
	do   func(w *trail)
	want audit.Problem
}{
	{"change the MAC", sql("UPDATE audit SET mac = 'x' WHERE seq = 5"), audit.Problem{Seq: 5, ID: id, What: audit.Altered}},
	{"take the MAC away", sql("UPDATE audit SET mac = '' WHERE seq = 5"), audit.Problem{Seq: 5, ID: id, What: audit.Unsigned}},
	{"change a link", sql("UPDATE audit SET link = 'x' WHERE seq = 5"), audit.Problem{Seq: 5, ID: id, What: audit.OutOfOrder}},
	{"delete a row", sql("DELETE FROM audit WHERE seq = 5"), audit.Problem{Seq: 5, Last: 5, What: audit.Missing}},
	{"delete several", sql("DELETE FROM audit WHERE seq BETWEEN 5 AND 8"), audit.Problem{Seq: 5, Last: 8, What: audit.Missing}},
	{"delete the first", sql("DELETE FROM audit WHERE seq = 1"), audit.Problem{Seq: 1, Last: 1, What: audit.Missing}},
	{"delete a row and close the gap", sql("DELETE FROM audit WHERE seq = 5", "UPDATE audit SET seq = -seq WHERE seq > 5",
		"UPDATE audit SET seq = -seq - 1 WHERE seq < 0"), audit.Problem{Seq: 5, ID: id, What: audit.OutOfOrder}},
	{"delete everything", sql("DELETE FROM audit"), audit.Problem{Seq: 1, Last: 12, What: audit.Missing}},
	{"swap two rows", sql("UPDATE audit SET seq = -5 WHERE seq = 5", "UPDATE audit SET seq = 5 WHERE seq = 9",
		"UPDATE audit SET seq = 9 WHERE seq = -5"), audit.Problem{Seq: 5, ID: id, What: audit.OutOfOrder}},
	{"swap two rows and their links", sql(
		"CREATE TABLE kept AS SELECT seq, link FROM audit",
		"UPDATE audit SET seq = -5 WHERE seq = 5", "UPDATE audit SET seq = 9 - seq + 5 WHERE seq = 9", "UPDATE audit SET seq = 9 WHERE seq = -5",
		"UPDATE audit SET link = (SELECT link FROM kept WHERE kept.seq = audit.seq)"), audit.Problem{Seq: 5, ID: id, What: audit.OutOfOrder}},
	{"turn the order round", sql("UPDATE audit SET seq = -seq", "UPDATE audit SET seq = seq + 13"),
		audit.Problem{Seq: 1, ID: id, What: audit.OutOfOrder}},
	{"swap what two rows say", sql("CREATE TABLE kept AS SELECT seq, at, detail, mac FROM audit WHERE seq IN (5, 9)",
		"UPDATE audit SET at = (SELECT at FROM kept WHERE kept.seq = 14 - audit.seq), mac = (SELECT mac FROM kept WHERE kept.seq = 14 - audit.seq) WHERE seq IN (5, 9)"),
		audit.Problem{Seq: 5, ID: id, What: audit.Altered}},
	{"insert a copy", sql("UPDATE audit SET seq = -seq WHERE seq > 5", "UPDATE audit SET seq = -seq + 1 WHERE seq < 0",
		insertCopy(5, "'0000copy'", "6", "link")), audit.Problem{Seq: 6, ID: id, What: audit.Altered}},
	{"put a row behind the end", sql(insertCopy(12, "'ffffcopy'", "13", "'x'")), audit.Problem{Seq: 13, ID: id, What: audit.PastTheEnd}},
	{"forge a row", func(w *trail) {
		w.sql(insertCopy(5, "'0000copy'", "NULL", "''"))
		wantProblem(w, audit.Altered)
	}, audit.Problem{Seq: 13, ID: id, What: audit.Altered}},
	{"forge a row without a MAC", func(w *trail) {
		w.sql(insertCopy(5, "'0000copy'", "NULL", "''"), "UPDATE audit SET mac = '' WHERE id = '0000copy'")
		wantProblem(w, audit.Unsigned)
	}, audit.Problem{Seq: 13, ID: id, What: audit.Unsigned}},
	{"change a row before it is linked", func(w *trail) {
		w.record(audit.Event{Action: "new"})
		w.sql("UPDATE audit SET actor = 'mallory' WHERE action = 'new'")
	}, audit.Problem{ID: id, What: audit.Altered}},
	{"take a row out of the chain", func(w *trail) {
		w.sql("UPDATE audit SET seq = NULL, link = '' WHERE seq = 5")
		_, err := w.Link(w.Context())
		check(w.T, err)
	}, audit.Problem{Seq: 5, Last: 5, What: audit.Missing}},
	{"cut the end off", sql("DELETE FROM audit WHERE seq > 10"), audit.Problem{Seq: 11, Last: 12, What: audit.Missing}},
	{"cut the end off, and it goes on", func(w *trail) {
		w.sql("DELETE FROM audit WHERE seq > 10")
		w.write(3)
	}, audit.Problem{Seq: 11, Last: 12, What: audit.Missing}},
	{"cut the end off and move the head", func(w *trail) {
		w.sql("DELETE FROM audit WHERE seq > 10", "UPDATE audit_head SET seq = 10, link = (SELECT link FROM audit WHERE seq = 10)")
		w.record(audit.Event{Action: "new"})
		wantProblem(w, audit.HeadForged) // and nothing is linked to it, which would make it good
	}, audit.Problem{Seq: 10, What: audit.HeadForged}},
	{"change the head's time", sql("UPDATE audit_head SET seal_until = seal_until + 99999999999999"), audit.Problem{Seq: 12, What: audit.HeadForged}},
	{"remove the head", func(w *trail) {
		w.sql("DELETE FROM audit_head")
		check(w.T, w.Begin(w.Context())) // as every start does
		wantProblem(w, audit.HeadGone)
	}, audit.Problem{What: audit.HeadGone}},
	{"move the checkpoint", sql("DELETE FROM audit WHERE seq < 5", "UPDATE audit_checkpoint SET seq = 4"), audit.Problem{Seq: 4, What: audit.CheckpointForged}},
	{"remove the checkpoint", sql("DELETE FROM audit_checkpoint"), audit.Problem{What: audit.CheckpointGone}},
	{"change the checkpoint's count", sql("UPDATE audit_checkpoint SET removed = 7"), audit.Problem{What: audit.CheckpointForged}},
	{"make the chain anew, without a row", func(w *trail) {
		w.sql("DELETE FROM audit WHERE seq = 5", "UPDATE audit SET seq = NULL, link = ''", "DELETE FROM audit_head", "DELETE FROM audit_checkpoint")
		w.now = w.now.Add(2 * time.Hour)
		again := w.process() // whoever did it waited for a restart
		check(w.T, again.Begin(w.Context()))
		_, err := again.Link(w.Context())
		check(w.T, err)
	}, audit.Problem{Seq: 1, ID: id, What: audit.Restarted}},
}

func sql(statements ...string) func(*trail) {
	return func(w *trail) { w.Helper(); w.sql(statements...) }
}

// insertCopy is a statement that copies the row at a place.
func insertCopy(from int, id, seq, link string) string {
	return fmt.Sprintf(`
		INSERT INTO audit (id, at, action, actor, subject, client, result, address, agent, request_id, detail, mac, seq, link)
		SELECT %s, at, action, actor, subject, client, result, address, agent, request_id, detail, mac, %s, %s FROM audit WHERE seq = %d`, id, seq, link, from)
}

// wantProblem links, and wants to be told.
func wantProblem(w *trail, what string) {
	w.Helper()
	_, err := w.Link(w.Context())
	var p *audit.Problem
	if !errors.As(err, &p) || p.What != what {
		w.Errorf("Link: %v, want %s", err, what)
	}
}

func TestSec_AU05_TamperingShows(t *testing.T) {
	eachTrail(t, func(w *trail) {
		for _, tt := range tampering {
			w.Run(tt.name, func(t *testing.T) {
				w := w.afresh(t)
				w.write(12)
				anchor := w.good(12).Head
				w.good(12, anchor)
				tt.do(w)
				w.first(tt.want, anchor)
			})
		}
	})
}

func TestSec_AU05_EveryColumnIsProved(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(4)
		w.sql("CREATE TABLE kept AS SELECT id, at, action, actor, subject, client, result, address, agent, request_id, detail FROM audit WHERE seq = 3")
		for column, value := range map[string]string{
			"at": "at + 1", "action": "'y'", "actor": "'mallory'", "subject": "''", "client": "client || ' '", "result": "''", "address": "'192.0.2.8'",
			"agent": "''", "request_id": "'s'", "detail": `'{"k":"v" }'`, "id": "'00' || id",
		} {
			w.sql(fmt.Sprintf("UPDATE audit SET %s = %s WHERE seq = 3", column, value))
			w.first(audit.Problem{Seq: 3, ID: id, What: audit.Altered})
			entries, err := w.List(w.Context(), audit.Filter{})
			check(w.T, err)
			forged := 0
			for _, e := range entries {
				if e.Forged {
					forged++
				}
			}
			if forged != 1 {
				w.Errorf("%s: %d entries are listed as forged", column, forged)
			}
			w.sql(fmt.Sprintf("UPDATE audit SET %[1]s = (SELECT %[1]s FROM kept) WHERE seq = 3", column))
			w.good(4)
		}
		// What one column loses another one must not be able to gain.
		w.sql("UPDATE audit SET actor = 'roo', subject = 'talice' WHERE seq = 3")
		w.first(audit.Problem{Seq: 3, ID: id, What: audit.Altered})
		if report := w.verify(); report.Wrong != 1 {
			w.Errorf("one row makes %d problems", report.Wrong)
		}
	})
}

// Whoever has an older copy of the tables, key or no key, can put all of it back. Who kept an anchor sees it, and so does
// a process that runs.
func TestSec_AU05_AnEarlierStateShows(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(5)
		w.sql("CREATE TABLE kept AS SELECT seq, link, mac FROM audit_head")
		w.write(5)
		anchor := w.good(10).Head
		w.sql("DELETE FROM audit WHERE seq > 5", "UPDATE audit_head SET seq = (SELECT seq FROM kept), link = (SELECT link FROM kept), mac = (SELECT mac FROM kept)")
		w.good(5)
		w.first(audit.Problem{Seq: 10, What: audit.RolledBack}, anchor)
		wantProblem(w, audit.RolledBack)
		w.write(5) // told once; and it goes on
		w.good(10)
		w.first(audit.Problem{Seq: 10, What: audit.RolledBack}, anchor)
	})
}

func TestSec_AU05_AnotherKeyProvesNothing(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(3)
		w.Key = []byte("another key of thirty-two bytes.")
		report := w.verify()
		if report.OK() || report.Wrong < 4 {
			t.Errorf("%+v", report)
		}
		w.Key = nil
		if err := w.Record(w.Context(), audit.Event{Action: "x"}); err == nil {
			t.Error("recorded without a key")
		}
		if _, err := w.Verify(w.Context()); err == nil {
			t.Error("verified without a key")
		}
		if err := w.Begin(w.Context()); err == nil {
			t.Error("began without a key")
		}
	})
}

// A damaged trail is named as far as there is room, and counted.
func TestManyProblems(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(60)
		w.sql("UPDATE audit SET actor = 'mallory' WHERE seq > 10")
		if report := w.verify(); report.Wrong != 50 || len(report.Problems) != 20 || report.Problems[19].Seq != 30 || report.Rows != 60 {
			w.Errorf("%+v", report)
		}
	})
}

func TestParseAnchor(t *testing.T) {
	for text, ok := range map[string]bool{"12:abc": true, "0:": true, "": false, "12": false, "12:": false, "0:x": false, "-1:x": false, "x:y": false, ":": false} {
		a, err := audit.ParseAnchor(text)
		if (err == nil) != ok || ok && a.String() != text {
			t.Errorf("%q: %v, %v", text, a, err)
		}
	}
}

// Rows of before the chain are sealed at the upgrade and for a day after, while replicas of the release before still write.
func TestRowsOfAnOlderRelease(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		w := &trail{T: t, db: db, now: start}
		w.Log = w.process()
		old := func() {
			w.record(audit.Event{Action: "x"})
			w.sql("UPDATE audit SET mac = '' WHERE seq IS NULL")
		}
		old()
		old()
		w.now = w.now.Add(100 * 24 * time.Hour)
		check(t, w.Begin(t.Context()))
		if report := w.verify(); !report.OK() || report.Waiting != 2 {
			t.Errorf("%+v", report)
		}
		w.link(2)
		if report := w.good(2); report.Sealed != 2 {
			t.Errorf("%+v", report)
		}
		w.write(1)
		old()
		w.link(1)
		if report := w.good(4); report.Sealed != 3 || !report.Began.Equal(w.now.Add(-time.Second)) {
			t.Errorf("%+v", report)
		}
		anchor := w.verify().Head
		w.sql("UPDATE audit SET actor = 'mallory' WHERE seq = 1")
		w.first(audit.Problem{Seq: 1, ID: id, What: audit.Altered})
		w.sql("UPDATE audit SET actor = '' WHERE seq = 1")
		w.good(4, anchor)

		w.now = w.now.Add(25 * time.Hour)
		old()
		w.first(audit.Problem{ID: id, What: audit.Unsigned})
		wantProblem(w, audit.Unsigned)
		w.first(audit.Problem{Seq: 5, ID: id, What: audit.Unsigned})
	}, "audit")
}

// link links what was recorded otherwise.
func (w *trail) link(want int) {
	w.Helper()
	if n, err := w.Link(w.Context()); err != nil || n != want {
		w.Fatalf("linked %d: %v", n, err)
	}
}
