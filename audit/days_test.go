package audit_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// Rows are counted when they are linked, each once, by the day on which they happened.
func TestDays(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		w := (&trail{T: t, db: db}).afresh(t)
		midnight := time.UnixMilli(1_790_000_000_000).UTC().Truncate(day)
		counts := func(since time.Time, actions ...string) []audit.Count {
			t.Helper()
			got, err := w.Days(t.Context(), since, actions...)
			check(t, err)
			return got
		}
		for i, at := range []time.Duration{-time.Millisecond, 0, time.Hour, day - time.Millisecond, day} {
			w.now = midnight.Add(at)
			w.record(audit.Event{Action: "a"})
			if i > 0 {
				w.record(audit.Event{Action: "b", Result: "refused"})
			}
		}
		if got := counts(midnight, "a"); len(got) != 0 {
			t.Errorf("before they are linked: %v", got)
		}
		for range 2 {
			if _, err := w.Link(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want := []audit.Count{
			{midnight, "a", "", 3}, {midnight, "b", "refused", 3}, {midnight.Add(day), "a", "", 1}, {midnight.Add(day), "b", "refused", 1},
		}
		if diff := cmp.Diff(want, counts(midnight.Add(time.Hour), "a", "b", "c")); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if got := counts(midnight.Add(-day)); len(got) != 0 {
			t.Errorf("no actions: %v", got)
		}
		if got := counts(midnight.Add(-day), "a"); len(got) != 3 {
			t.Errorf("%v", got)
		}
		w.now = midnight.Add(400*day + time.Hour)
		check(t, w.PruneDays(t.Context()))
		if diff := cmp.Diff(want[:3:3], counts(midnight.Add(-day), "a", "b")[:3]); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}, "audit")
}

// Two replicas that link at once count nothing twice.
func TestDaysOfTwoReplicas(t *testing.T) {
	w := (&trail{T: t, db: dbxtest.Postgres(t, "audit")}).afresh(t)
	other := w.process()
	var wg sync.WaitGroup
	for _, log := range []*audit.Log{w.Log, other} {
		wg.Go(func() {
			for range 20 {
				if err := log.Record(t.Context(), audit.Event{Action: "a"}); err != nil {
					t.Error(err)
				}
				if _, err := log.Link(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := w.Days(t.Context(), start.Add(-day), "a")
	check(t, err)
	if len(got) != 1 || got[0].N != 40 {
		t.Errorf("%v", got)
	}
}

// Figures are read from an index of what is counted, which has some tens of rows a day.
func TestDaysAreFoundByAnIndex(t *testing.T) {
	db := dbxtest.Postgres(t, "audit")
	for _, statement := range []string{
		`INSERT INTO audit_days (action, day, result, n) SELECT 'action' || a, d, '', 7 FROM generate_series(1, 60) AS a, generate_series(20000, 20399) AS d`,
		"ANALYZE audit_days",
	} {
		if _, err := db.SQLX().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var plan []string
	check(t, db.SQLX().SelectContext(t.Context(), &plan, `EXPLAIN SELECT action, day, result, n FROM audit_days
		WHERE day >= $1 AND action IN ($2, $3) ORDER BY day, action, result`, 20370, "action7", "action9"))
	if all := strings.Join(plan, "\n"); strings.Contains(all, "Seq Scan") {
		t.Error(all)
	}
}
