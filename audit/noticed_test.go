package audit_test

import (
	"testing"
	"time"

	"github.com/focushq/idp/audit"
)

// What a process has found wrong is kept, by whichever way it was found; a row altered in the middle is found by verifying, and by
// retention when its time has come.
func TestSec_AU05_WhatWasFoundIsKept(t *testing.T) {
	eachTrail(t, func(w *trail) {
		noticed := func(l *audit.Log, want string) {
			w.Helper()
			got := ""
			if found := l.Noticed(); found != nil {
				got = found.What
			}
			if got != want {
				w.Errorf("noticed %q, want %q", got, want)
			}
		}
		w.write(3)
		w.verify(audit.Anchor{Seq: 2, Link: "another"}) // what somebody typed is no news of the trail
		noticed(w.Log, "")
		w.sql("UPDATE audit SET action = 'y' WHERE seq = 2")
		w.write(1)
		noticed(w.Log, "")
		w.verify()
		noticed(w.Log, audit.Altered)

		pruning := w.process()
		if _, err := pruning.Prune(w.Context(), w.now.Add(time.Hour), 10); err == nil {
			w.Error("retention removed an altered row")
		}
		noticed(pruning, audit.Altered)

		linking := w.process()
		w.sql("UPDATE audit_head SET seq = seq + 1")
		if _, err := linking.Link(w.Context()); err == nil {
			w.Error("went on from a forged end")
		}
		w.sql("UPDATE audit_head SET seq = seq - 1")
		if _, err := linking.Link(w.Context()); err != nil {
			w.Error(err)
		}
		noticed(linking, audit.HeadForged)
	})
}
