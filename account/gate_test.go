package account

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hashers are many who come to a gate, in a bubble of synctest: time passes when all of them wait.
type hashers struct {
	g     *gate
	wait  sync.WaitGroup
	mu    sync.Mutex
	order []string
	errs  map[string]int // how many of each were told that the server is busy
	most  int            // at once
}

func newHashers(slots int) *hashers { return &hashers{g: newGate(slots), errs: map[string]int{}} }

// come lets one of the line come, whose hash lasts so long.
func (c *hashers) come(line queue, lasts time.Duration) {
	c.wait.Go(func() {
		leave, err := c.g.enter(context.Background(), line)
		c.mu.Lock()
		if err == nil {
			c.order = append(c.order, line.name)
			c.g.mu.Lock()
			c.most = max(c.most, c.g.running)
			c.g.mu.Unlock()
		} else if errors.Is(err, ErrBusy) {
			c.errs[line.name]++
		}
		c.mu.Unlock()
		if err == nil {
			time.Sleep(lasts)
			leave()
		}
	})
	synctest.Wait()
}

// done waits for all, and fails when anything of them is left.
func (c *hashers) done(t *testing.T) {
	t.Helper()
	c.wait.Wait()
	if c.g.running != 0 || c.g.waiting != 0 || len(c.g.lines) != 0 {
		t.Errorf("left: %d running, %d waiting, %d lines", c.g.running, c.g.waiting, len(c.g.lines))
	}
}

func net(name string) queue    { return queue{name: name} }
func person(name string) queue { return queue{name: name, person: true} }

const hashing = 25 * time.Millisecond

// TestSec_DS02_QueueIsShortAndInOrder: of 300 at once as many run as there are slots, as many wait as are served in a second
// and a half, oldest first, and all others hear at once that the server is busy.
func TestSec_DS02_QueueIsShortAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 2
		c, began := newHashers(slots), time.Now()
		c.g.took = hashing
		var want []string
		for n := range 300 {
			if n < slots+int(roomFor*slots/hashing) {
				want = append(want, fmt.Sprint(n))
			}
			c.come(net(fmt.Sprint(n)), hashing)
		}
		if len(c.errs) != 300-len(want) {
			t.Errorf("%d were refused at once, want %d", len(c.errs), 300-len(want))
		}
		c.done(t)
		if len(c.order) != len(want) {
			t.Errorf("%d were served, want %d", len(c.order), len(want))
		}
		if took := time.Since(began); c.most > slots || took > queueFor {
			t.Errorf("%d at once; the last one was done after %v", c.most, took)
		}
	})
	synctest.Test(t, func(t *testing.T) { // with one slot the order is certain
		c := newHashers(1)
		var want []string
		for n := range 30 {
			want = append(want, fmt.Sprint(n))
			c.come(net(fmt.Sprint(n)), hashing)
		}
		if c.done(t); !slices.Equal(c.order, want) {
			t.Errorf("served: %v", c.order)
		}
	})
}

// TestSec_DS02_WaitsEnd: nobody waits for more than two seconds, whoever goes away leaves no trace, and neither costs anybody
// else their turn.
func TestSec_DS02_WaitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		leave, _ := g.enter(t.Context(), net("a"))
		began := time.Now()
		gone, cancel := context.WithCancel(t.Context())
		went := make(chan error)
		go func() { _, err := g.enter(gone, net("b")); went <- err }()
		synctest.Wait()
		cancel()
		if err := <-went; !errors.Is(err, context.Canceled) || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := g.enter(t.Context(), net("c")); !errors.Is(err, ErrBusy) || time.Since(began) != queueFor {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		leave()
		if next, err := g.enter(t.Context(), net("d")); err != nil {
			t.Error(err)
		} else {
			next()
		}
		if g.running != 0 || g.waiting != 0 || len(g.lines) != 0 {
			t.Errorf("left: %+v", g)
		}
	})
}

// TestSec_DS08_OneNetworkWaitsForItself: somebody who sends ten times what can be served, without a pause, is refused, while
// everybody else is served.
func TestSec_DS08_OneNetworkWaitsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newHashers(1)
		c.g.took = hashing
		for n := range 400 { // ten seconds
			for range 10 {
				c.come(net("flood"), hashing)
			}
			if n%4 == 0 {
				c.come(net(fmt.Sprint("quiet", n)), hashing)
			}
			time.Sleep(hashing)
		}
		c.done(t)
		quiet := 0
		for _, who := range c.order {
			if who != "flood" {
				quiet++
			}
		}
		if quiet != 100 || c.errs["flood"] < 3000 || len(c.errs) != 1 {
			t.Errorf("%d of 100 were served, refused: %d of %d networks", quiet, c.errs["flood"], len(c.errs))
		}
	})
}

// TestSec_DS08_CostlyTurnsCount: it is time that is shared, and not turns.
func TestSec_DS08_CostlyTurnsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newHashers(1)
		c.g.took = hashing
		for range 20 {
			c.come(net("long"), 10*hashing)
			c.come(net("short"), hashing)
		}
		time.Sleep(30 * hashing)
		c.mu.Lock()
		short := len(slices.DeleteFunc(slices.Clone(c.order), func(who string) bool { return who == "long" }))
		c.mu.Unlock()
		if short < 10 {
			t.Errorf("%d short turns in the time of 30", short)
		}
		c.done(t)
	})
}

// TestSec_DS08_ManyNetworks: a crowd from everywhere fills the queue; a person in a browser that they are known in comes
// through, and one person's known browsers have one share.
func TestSec_DS08_ManyNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newHashers(1)
		c.g.took = hashing
		for n := range 300 {
			c.come(net(fmt.Sprint(n)), hashing)
		}
		refused := len(c.errs)
		for range 5 {
			c.come(person("ada"), hashing)
			c.come(person("bob"), hashing)
		}
		if c.errs["ada"] != 4 || c.errs["bob"] != 4 || len(c.errs) != refused+4 {
			t.Errorf("refused: %d before, then %d and %d of them", refused, c.errs["ada"], c.errs["bob"])
		}
		c.done(t)
	})
}

// Who has a place and is not ready holds no turn, and the time is none of a hash; it still counts where there is no room.
func TestAPlaceIsNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		g.took = hashing
		slow, err := g.arrive(net("slow"))
		check(t, err)
		for range 20 {
			leave, err := g.enter(t.Context(), net("quick"))
			check(t, err)
			time.Sleep(hashing)
			leave()
		}
		time.Sleep(time.Minute)
		leave, err := g.enter(t.Context(), net("quick"))
		check(t, err)
		waited := make(chan error)
		go func() { waited <- slow.wait(t.Context()) }()
		time.Sleep(hashing)
		leave()
		check(t, <-waited)
		time.Sleep(hashing)
		slow.leave()
		if g.took != hashing {
			t.Errorf("a hash is taken to last %v", g.took)
		}
		var places []*place
		for {
			p, err := g.arrive(net("slow"))
			if err != nil {
				break
			}
			places = append(places, p)
		}
		if want := g.slots + g.room(); len(places) != want {
			t.Errorf("%d places, want %d", len(places), want)
		}
		for _, p := range places {
			p.leave()
		}
		if g.running != 0 || g.waiting != 0 || len(g.lines) != 0 {
			t.Errorf("left: %d running, %d waiting, %d lines", g.running, g.waiting, len(g.lines))
		}
	})
}

// TestGateIsExact: many at once, with clocks that run, never more than there are slots, and nothing stays behind.
func TestGateIsExact(t *testing.T) {
	g := newGate(3)
	g.took = time.Microsecond
	var wait sync.WaitGroup
	slots := make(chan struct{}, g.slots)
	for n := range 16 {
		wait.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					go cancel()
				}
				leave, err := g.enter(ctx, queue{name: fmt.Sprint(n % 5), person: n%2 == 0})
				if err == nil {
					select {
					case slots <- struct{}{}:
					default:
						t.Error("more than there are slots")
					}
					runtime.Gosched()
					<-slots
					leave()
				}
				cancel()
			}
		})
	}
	wait.Wait()
	if g.running != 0 || g.waiting != 0 || len(g.lines) != 0 {
		t.Errorf("left: %d running, %d waiting, %d lines", g.running, g.waiting, len(g.lines))
	}
}

// TestSec_DS02_SlotsLeaveRoom: a processor is left to others, where there is more than one, and a third of the memory.
func TestSec_DS02_SlotsLeaveRoom(t *testing.T) {
	const unlimited = math.MaxInt64
	for _, tt := range []struct {
		processors, want int
		limit            int64
	}{{1, 1, unlimited}, {2, 1, unlimited}, {8, 7, unlimited}, {64, 63, unlimited}, {64, 4, 128 << 20}, {8, 1, 1 << 20}, {8, 7, 208 << 20}} {
		if got := slotsFor(tt.processors, tt.limit, 19*1024); got != tt.want {
			t.Errorf("%d processors, %d MiB: %d", tt.processors, tt.limit>>20, got)
		}
	}
}
