package account

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// queueFor is how long a hash waits for its turn: whoever waited longer has given up on the page.
	queueFor = 2 * time.Second
	// roomFor is how much waiting is let in. It is less than queueFor, so that whoever is let in is served.
	roomFor = queueFor * 3 / 4
	// maxWaiting bounds the queue where hashes are cheap: each who waits has a connection and its buffers.
	maxWaiting = 512
	// firstGuess is how long a turn lasts, as long as none has ended.
	firstGuess = 40 * time.Millisecond
)

// gate lets few costly hashes run at a time, and few others wait. Those who wait stand in lines: one for each network, and
// one for each person whose browser has shown that they signed in with it before. The line goes next that had least of the
// time: who sends a thousand at once waits for themselves alone. Where there is no more room the longest line makes some for
// a shorter one, and that of a network for a person. Within a line the oldest goes first.
type gate struct {
	slots int

	mu      sync.Mutex
	running int
	waiting int
	lines   map[queue]*line // those that have somebody
	took    time.Duration   // what a turn lasts, on average of late
	clock   time.Duration   // what the line had had that went last; a new one begins there
	arrived int64
}

// line is those of one network, or of one person.
type line struct {
	name    queue
	used    time.Duration // of turns that are over
	running int
	waiting []*waiter // oldest first
}

type waiter struct {
	n    int64      // in the order of arrival
	turn chan error // nil: it begins
}

// queue names a line.
type queue struct {
	name   string
	person bool // nobody else can stand there
}

func newGate(slots int) *gate {
	return &gate{slots: slots, lines: map[queue]*line{}, took: firstGuess}
}

// enter waits in the named line for a turn and returns what ends it, or [ErrBusy] when there is no room or the time is up.
func (g *gate) enter(ctx context.Context, name queue) (leave func(), err error) {
	l, w := g.arrive(name)
	if l == nil {
		return nil, ErrBusy
	}
	if w != nil {
		timer := time.NewTimer(queueFor)
		defer timer.Stop()
		select {
		case err = <-w.turn:
		case <-timer.C:
			err = g.giveUp(l, w, ErrBusy)
		case <-ctx.Done():
			err = g.giveUp(l, w, ctx.Err())
		}
	}
	if err != nil {
		return nil, err
	}
	began := time.Now()
	return func() { g.leave(l, time.Since(began)) }, nil
}

// arrive returns the line where a turn has begun, or where w waits for one. Nil: there is no room.
func (g *gate) arrive(name queue) (*line, *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[name]
	if l == nil {
		l = &line{name: name, used: g.clock}
	}
	if g.running < g.slots { // then nobody waits
		g.lines[name] = l
		g.begin(l)
		return l, nil
	}
	if g.waiting >= g.room() && !g.makeRoom(l) {
		return nil, nil
	}
	g.lines[name] = l
	g.arrived++
	g.waiting++
	w := &waiter{n: g.arrived, turn: make(chan error, 1)}
	l.waiting = append(l.waiting, w)
	return l, w
}

// room returns how many may wait.
func (g *gate) room() int {
	return max(g.slots, min(maxWaiting, int(roomFor*time.Duration(g.slots)/max(g.took, 1))))
}

// makeRoom sends the youngest of the longest line away, if that is longer still than what l grows to then, or as long and l a
// person's.
func (g *gate) makeRoom(l *line) bool {
	var longest *line
	for _, other := range g.lines {
		if len(other.waiting) > 0 && (longest == nil || other.before(longest)) {
			longest = other
		}
	}
	if longest == nil {
		return false
	}
	last := len(longest.waiting) - 1
	if last < len(l.waiting) || last == len(l.waiting) && (longest.name.person || !l.name.person) {
		return false
	}
	w := longest.waiting[last]
	g.remove(longest, last)
	w.turn <- ErrBusy
	return true
}

// before reports whether l rather than other makes room.
func (l *line) before(other *line) bool {
	if len(l.waiting) != len(other.waiting) {
		return len(l.waiting) > len(other.waiting)
	}
	if l.name.person != other.name.person {
		return other.name.person
	}
	return l.waiting[len(l.waiting)-1].n > other.waiting[len(other.waiting)-1].n
}

// share is what a line has had, with what it is having.
func (g *gate) share(l *line) time.Duration { return l.used + time.Duration(l.running)*g.took }

func (g *gate) begin(l *line) {
	g.clock = g.share(l)
	g.running++
	l.running++
}

func (g *gate) leave(l *line, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.took += (min(took, 4*g.took) - g.took) / 8 // a single long one closes no door
	l.used += took
	l.running--
	g.running--
	if next := g.next(); next != nil {
		w := next.waiting[0]
		g.begin(next)
		g.remove(next, 0)
		w.turn <- nil
	}
	g.tidy(l)
}

// next returns the line whose turn it is.
func (g *gate) next() (next *line) {
	for _, l := range g.lines {
		if len(l.waiting) == 0 {
			continue
		}
		if next == nil || g.share(l) < g.share(next) ||
			g.share(l) == g.share(next) && l.waiting[0].n < next.waiting[0].n {
			next = l
		}
	}
	return next
}

// giveUp takes w out of its line and returns why. Where a turn has begun meanwhile that counts, and so does a refusal.
func (g *gate) giveUp(l *line, w *waiter, why error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(l.waiting, w); i >= 0 {
		g.remove(l, i)
		return why
	}
	return <-w.turn
}

func (g *gate) remove(l *line, i int) {
	l.waiting = slices.Delete(l.waiting, i, i+1)
	g.waiting--
	g.tidy(l)
}

// tidy forgets a line that nobody is in.
func (g *gate) tidy(l *line) {
	if l.running == 0 && len(l.waiting) == 0 {
		delete(g.lines, l.name)
	}
}
