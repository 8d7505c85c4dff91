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
// a shorter one, and that of a network for a person. Within a line the oldest goes first of those who are ready: who still counts a
// try has a place, and holds no turn meanwhile, however slow the database is.
type gate struct {
	slots int

	mu      sync.Mutex
	running int
	waiting int             // with a place and without a turn, ready or not
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
	waiting []*place // oldest first
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
	p, err := g.arrive(name)
	if err == nil {
		err = p.wait(ctx)
	}
	if err != nil {
		return nil, err
	}
	return p.leave, nil
}

// place is where somebody stands who may do other things until they [place.wait], and must [place.leave] at last.
type place struct {
	g     *gate
	line  *line
	n     int64      // in the order of arrival
	ready bool       // they wait
	turn  chan error // nil: it has begun
	began time.Time  // when the turn did
}

// arrive takes a place in the named line, or returns [ErrBusy] when there is no room.
func (g *gate) arrive(name queue) (*place, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[name]
	if l == nil {
		l = &line{name: name, used: g.clock}
	}
	g.arrived++
	p := &place{g: g, line: l, n: g.arrived, turn: make(chan error, 1)}
	if g.running+g.waiting >= g.slots+g.room() && !g.makeRoom(l) {
		return nil, ErrBusy
	}
	g.lines[name] = l
	g.waiting++
	l.waiting = append(l.waiting, p)
	return p, nil
}

// wait returns when the turn begins, or an error when it will not: the place is gone then.
func (p *place) wait(ctx context.Context) (err error) {
	p.g.mu.Lock()
	p.ready = true
	p.g.fill()
	p.g.mu.Unlock()
	timer := time.NewTimer(queueFor)
	defer timer.Stop()
	select {
	case err = <-p.turn:
		return err
	case <-timer.C:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.leave()
	return err
}

// leave ends the turn, or the waiting for it.
func (p *place) leave() {
	g, l := p.g, p.line
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(l.waiting, p); i >= 0 {
		g.remove(l, i)
	}
	if p.began.IsZero() {
		return
	}
	took := time.Since(p.began)
	p.began = time.Time{}
	g.took += (min(took, 4*g.took) - g.took) / 8 // a single long one closes no door
	l.used += took
	l.running--
	g.running--
	g.fill()
	g.tidy(l)
}

// fill begins as many turns as there are slots for.
func (g *gate) fill() {
	for g.running < g.slots {
		next := g.next()
		if next == nil {
			return
		}
		i := next.ready()
		p := next.waiting[i]
		g.begin(p)
		g.remove(next, i)
	}
}

// begin begins p's turn.
func (g *gate) begin(p *place) {
	g.clock = g.share(p.line)
	g.running++
	p.line.running++
	p.began = time.Now()
	p.turn <- nil
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
	away := longest.waiting[last]
	g.remove(longest, last)
	away.turn <- ErrBusy
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

// next returns the line whose turn it is, nil when nobody is ready.
func (g *gate) next() (next *line) {
	var oldest int64 // who is ready in next
	for _, l := range g.lines {
		i := l.ready()
		if i < 0 {
			continue
		}
		if n := l.waiting[i].n; next == nil || g.share(l) < g.share(next) || g.share(l) == g.share(next) && n < oldest {
			next, oldest = l, n
		}
	}
	return next
}

// ready returns which of those who wait in l goes first, -1 for none.
func (l *line) ready() int {
	return slices.IndexFunc(l.waiting, func(p *place) bool { return p.ready })
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
