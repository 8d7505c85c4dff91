package session_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// Shorter lives count for the sessions that there are; longer ones do not bring back what was to end earlier.
func TestSec_SS04_LivesThatChange(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		c := newClock()
		m := manager(db, c)
		var idle, overall time.Duration
		m.Lives = func(context.Context) (time.Duration, time.Duration, error) { return idle, overall, nil }
		old, b := newBrowser(t), newBrowser(t)
		old.start(m, "alice")
		c.move(12 * time.Hour)
		s := b.start(m, "bob")
		c.move(time.Hour)
		who := func(what, wantOld, want string) {
			t.Helper()
			if gotOld, got := old.who(m), b.who(m); gotOld != wantOld || got != want {
				t.Errorf("%s: %q and %q, want %q and %q", what, gotOld, got, wantOld, want)
			}
			alive, err := m.Alive(t.Context(), "bob", s.ID)
			check(t, err)
			list, err := m.List(t.Context(), "bob")
			check(t, err)
			if lives := want != ""; alive != lives || (len(list) == 1) != lives {
				t.Errorf("%s: alive %v, %d listed", what, alive, len(list))
			}
		}
		who("as ever", "alice", "bob")
		overall = 10 * time.Hour
		who("ten hours since the password", "", "bob")
		idle = 30 * time.Minute
		who("and half an hour since the last request", "", "bob") // which was just now
		c.move(31 * time.Minute)
		who("later", "", "")
		idle, overall = 0, time.Hour
		again := newBrowser(t)
		again.start(m, "carol")
		overall = 0
		c.move(time.Hour)
		if got := again.who(m); got != "" {
			t.Errorf("begun under an hour: %q", got)
		}
	}, "session")
}

// While nobody knows how long sessions last there is none: not one that lasts as long as it does by default.
func TestSec_SS04_UnknownLivesRefuse(t *testing.T) {
	db := dbxtest.SQLite(t, "session")
	c := newClock()
	m := manager(db, c)
	b := newBrowser(t)
	s := b.start(m, "alice")
	away := errors.New("away")
	m.Lives = func(context.Context) (time.Duration, time.Duration, error) { return 0, 0, away }
	ctx := t.Context()
	for what, do := range map[string]func() error{
		"of":    func() error { _, err := m.Of(b.request(nil)); return err },
		"alive": func() error { _, err := m.Alive(ctx, "alice", s.ID); return err },
		"list":  func() error { _, err := m.List(ctx, "alice"); return err },
		"prune": func() error { return m.Prune(ctx) },
		"start": func() error { _, err := m.Start(httptest.NewRecorder(), b.request(nil), "alice", nil); return err },
	} {
		if err := do(); !errors.Is(err, away) {
			t.Errorf("%s: %v", what, err)
		}
	}
	m.Lives = nil
	if who := b.who(m); who != "alice" {
		t.Errorf("afterwards: %q", who)
	}
}
