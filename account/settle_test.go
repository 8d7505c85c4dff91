package account

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbxtest"
)

// late is a request whose time for statements is over as soon as somebody says so.
type late struct {
	context.Context
	over *atomic.Bool
}

// Deadline implements [context.Context].
func (l late) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), l.over.Load() }

// TestARightPasswordIsNoFailureHoweverLate: what was counted before the comparison is given back though the request has no more
// time for statements, because it waited for the comparison.
func TestARightPasswordIsNoFailureHoweverLate(t *testing.T) {
	f := fixtureOn(t, dbxtest.Postgres(t, "account"))
	a := f.add("ada")
	counted := func(key string) int {
		n, _, err := f.attempts.Attempts(t.Context(), key)
		check(t, err)
		return n
	}
	var leave []func()
	for range f.cfg.Hasher.gate.slots {
		end, err := f.cfg.Hasher.gate.enter(t.Context(), queue{name: "somebody else"})
		check(t, err)
		leave = append(leave, end)
	}
	ctx := late{t.Context(), new(atomic.Bool)}
	answer := make(chan error, 1)
	go func() {
		_, err := f.Authenticate(ctx, "ada", good, "192.0.2.7")
		answer <- err
	}()
	network := f.networkKey("192.0.2.7")
	for counted(personKey(a.Subject)) == 0 || counted(network) == 0 {
		select {
		case err := <-answer:
			t.Fatalf("not counted: %v", err)
		default:
		}
	}
	ctx.over.Store(true)
	for _, end := range leave {
		end()
	}
	check(t, <-answer)
	if person, neighbours := counted(personKey(a.Subject)), counted(network); person != 0 || neighbours != 0 {
		t.Errorf("counted as failures: %d of the person, %d of the network", person, neighbours)
	}
}
