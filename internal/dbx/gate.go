package dbx

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// ErrFull says that too many wait for the database already, or that the caller has waited long enough: nothing was done, and the
// same request may succeed in a moment. [IsBusy] knows it.
var ErrFull = errors.New("dbx: too many wait for the database")

// enterWithin is how long a caller waits for a connection: queueing longer helps nobody, as people and programs give up.
const enterWithin = 2 * time.Second

// waitersEach is how many may wait for one connection: a burst that is over in a moment is no reason to refuse anybody, and what
// does not move is noticed by the time that it takes.
const waitersEach = 200

// gate lets so many callers in at once, first come, first served, and sends those away who would wait too long. database/sql has a
// queue of its own, whose callers wait for ever and are served in any order.
type gate struct {
	most int // who may wait
	wait time.Duration

	mu   sync.Mutex
	room int       // how many more may come in
	line list.List // of *waiter, in the order in which they came
}

type waiter struct {
	since time.Time
	in    chan struct{} // closed when it is let in
}

func newGate(size int, wait time.Duration) *gate {
	return &gate{room: size, most: size * waitersEach, wait: wait}
}

// enter waits until the caller may come in; whoever gets nil calls leave. It is [ErrFull] after the gate's wait or at until (zero:
// never), whichever is first, and at once when whoever is first in the line has waited half of it: nothing moves, and those who
// come later would wait for nothing.
func (g *gate) enter(ctx context.Context, until time.Time) error {
	g.mu.Lock()
	if g.room > 0 {
		g.room--
		g.mu.Unlock()
		return nil
	}
	now := time.Now()
	first := g.line.Front()
	if g.line.Len() >= g.most || first != nil && now.Sub(first.Value.(*waiter).since) > g.wait/2 {
		g.mu.Unlock()
		return ErrFull
	}
	me := &waiter{since: now, in: make(chan struct{})}
	place := g.line.PushBack(me)
	g.mu.Unlock()

	wait := g.wait
	if !until.IsZero() {
		wait = min(wait, until.Sub(now))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	err := ErrFull
	select {
	case <-me.in:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-me.in: // at the last moment
		return nil
	default:
		g.line.Remove(place)
		return err
	}
}

// leave lets the next one in.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := g.line.Front()
	if first == nil {
		g.room++
		return
	}
	close(g.line.Remove(first).(*waiter).in)
}

// gates are those of one handle.
type gates struct {
	all   *gate // one for each connection
	apart *gate // connections kept for those who have one already: else all who have one could wait for each other
	write *gate // the one writer of SQLite; nil on PostgreSQL
}

// newGates returns the gates of a pool of so many connections.
func newGates(size int, oneWriter bool) *gates {
	kept := max(1, size/8)
	g := &gates{all: newGate(size-kept, enterWithin), apart: newGate(kept, enterWithin)}
	if oneWriter {
		// Each in its turn: SQLite's own waiters sleep longer and longer, and a newcomer gets the lock first.
		g.write = newGate(1, enterWithin)
		g.write.most = (size - kept) * waitersEach
	}
	return g
}

// visit is what a caller has come in by.
type visit struct{ first, second *gate }

// enter waits for a connection, and for its turn where there is one writer.
func (g *gates) enter(ctx context.Context, until time.Time, writes, holdsOne bool) (visit, error) {
	v := visit{second: g.all}
	if holdsOne {
		v.second = g.apart
	}
	if writes && g.write != nil {
		v.first = g.write
		if err := v.first.enter(ctx, until); err != nil {
			return visit{}, err
		}
	}
	if err := v.second.enter(ctx, until); err != nil {
		if v.first != nil {
			v.first.leave()
		}
		return visit{}, err
	}
	return v, nil
}

// leave ends the visit.
func (v visit) leave() {
	if v.second != nil {
		v.second.leave()
	}
	if v.first != nil {
		v.first.leave()
	}
}
