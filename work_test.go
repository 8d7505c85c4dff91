package idp

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/focushq/idp/internal/dbxtest"
)

// worked is when a job was done, since the beginning.
type worked struct {
	sync.Mutex
	at []time.Duration
}

func (w *worked) all() []time.Duration {
	w.Lock()
	defer w.Unlock()
	return w.at
}

// during lets a job of p run for a while of the bubble's clock.
func during(t *testing.T, p *IdP, while time.Duration, j job, do func(n int) bool) []time.Duration {
	t.Helper()
	w, begun := &worked{}, time.Now()
	j.do = func(context.Context) bool {
		w.Lock()
		w.at = append(w.at, time.Since(begun))
		n := len(w.at)
		w.Unlock()
		return do(n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), while)
	defer cancel()
	p.repeat(ctx, j)
	return w.all()
}

func TestBackgroundWorkIsSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &IdP{log: slog.New(slog.DiscardHandler)}
		busy := func(int) bool { return true }
		firsts := map[time.Duration]bool{}
		for range 20 {
			at := during(t, p, time.Hour, job{pause: time.Minute}, busy)
			if len(at) < 48 || len(at) > 76 || at[0] > time.Minute {
				t.Fatalf("%d times in an hour, the first after %v", len(at), at[0])
			}
			firsts[at[0]] = true
			for i := 1; i < len(at); i++ {
				if pause := at[i] - at[i-1]; pause < 48*time.Second || pause > 72*time.Second {
					t.Fatalf("a pause of %v", pause)
				}
			}
		}
		if len(firsts) < 15 {
			t.Errorf("20 replicas that start together begin at %d moments", len(firsts))
		}
		if at := during(t, p, time.Minute, job{pause: time.Hour, first: true}, busy); len(at) != 1 || at[0] != 0 {
			t.Errorf("not at the start: %v", at)
		}

		// Without work the pauses grow, and with work they are short again.
		at := during(t, p, time.Hour, job{pause: time.Second, idle: 8 * time.Second}, func(n int) bool { return n == 100 })
		if n := len(at); n < 350 || n > 600 {
			t.Errorf("%d times in an idle hour", n)
		}
		if pause := at[100] - at[99]; pause > 1200*time.Millisecond {
			t.Errorf("after work a pause of %v", pause)
		}

		wake := make(chan struct{}, 1)
		go func() {
			time.Sleep(10 * time.Minute) // of the bubble
			wake <- struct{}{}
		}()
		at = during(t, p, 11*time.Minute, job{pause: time.Hour, first: true, wake: wake}, busy)
		if len(at) != 2 || at[1] < 10*time.Minute || at[1] > 10*time.Minute+time.Second {
			t.Errorf("woken after ten minutes: %v", at)
		}
	})
}

// What cannot be done must not end everything else, nor stay undone for ever.
func TestBackgroundWorkThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &IdP{log: slog.New(slog.NewTextHandler(&out, nil))}
		at := during(t, p, time.Hour, job{what: "odd work", pause: time.Minute}, func(n int) bool {
			if n < 3 {
				panic("odd")
			}
			return true
		})
		if len(at) < 40 || strings.Count(out.String(), `work="odd work" panic=odd`) != 2 || !strings.Contains(out.String(), "work_test.go") {
			t.Errorf("%d times, and the log says: %s", len(at), out.String())
		}
	})
}

func TestLettersWakeWhoeverSendsThem(t *testing.T) {
	t.Parallel()
	p := &IdP{db: dbxtest.SQLite(t, "mail"), posted: make(chan struct{}, 1)}
	inTx(t, p.db, func(ctx context.Context) error {
		p.post(ctx)
		if len(p.posted) != 0 {
			t.Error("before the commit")
		}
		p.post(ctx)
		return nil
	})
	if len(p.posted) != 1 {
		t.Errorf("woken %d times", len(p.posted))
	}
}
