// Package throttle says how long somebody has to wait after how many tries, and counts a try before it is looked at.
//
// It keeps nothing: a [Counter], usually a table, is shared by all replicas. It does not know what is tried; account
// counts passwords, mfa counts codes.
package throttle

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Counter keeps the number of tries per key, shared by all replicas. Its writes must commit by themselves: a count
// that is rolled back with the failed attempt limits nobody.
type Counter interface {
	// Attempts returns how often key was counted and until when it waits; zero for an unknown key.
	Attempts(ctx context.Context, key string) (n int, until time.Time, err error)
	// CountAttempt moves key from n to n+tries with a wait until then. It reports false, without an error, when key
	// does not stand at n any more.
	CountAttempt(ctx context.Context, key string, n, tries int, until time.Time) (bool, error)
	// ClearAttempts forgets key.
	ClearAttempts(ctx context.Context, key string) error
}

// Wait is the pause that follows each try from the From-th on.
type Wait struct {
	From int
	For  time.Duration
}

// Policy says what a series of tries without success costs.
type Policy struct {
	Waits []Wait // ascending by From; before the first one tries are free
	Seal  int    // from this many tries on nothing is looked at any more; 0: never
}

// After returns the pause that follows the n-th try.
func (p Policy) After(n int) time.Duration {
	var pause time.Duration
	for _, w := range p.Waits {
		if n >= w.From {
			pause = w.For
		}
	}
	return pause
}

// Left returns how many tries are free after n of them, the next wait not yet begun.
func (p Policy) Left(n int) int {
	if len(p.Waits) == 0 {
		return 0
	}
	return max(0, p.Waits[0].From-n)
}

// Validate refuses a policy that limits nothing.
func (p Policy) Validate() error {
	if len(p.Waits) == 0 {
		return errors.New("throttle: a limit without waits is no limit")
	}
	last := Wait{}
	for _, w := range p.Waits {
		if w.From <= last.From || w.For <= 0 {
			return fmt.Errorf("throttle: from the %d-th try on %v: tries must be at least 1 and ascend, waits be positive", w.From, w.For)
		}
		last = w
	}
	if p.Seal < 0 || p.Seal > 0 && p.Seal < p.Waits[0].From {
		return fmt.Errorf("throttle: sealing after %d tries, before the first wait", p.Seal)
	}
	return nil
}

// Error says that a try was not looked at. It is not counted either.
type Error struct {
	Until  time.Time // when the next try is looked at; zero when sealed
	Sealed bool
	Left   int // of tries together that are sealed: how many are left before the seal, fewer than were to be counted
}

func (e *Error) Error() string {
	if e.Sealed {
		return "throttle: sealed"
	}
	return "throttle: wait until " + e.Until.UTC().Format(time.RFC3339)
}

// Reserve counts one try for key and returns its number in the series, or a [*Error] when it must not be looked at.
// It is called before anything is compared: counting afterwards lets parallel tries through.
func Reserve(ctx context.Context, c Counter, p Policy, key string, now time.Time) (int, error) {
	return ReserveTogether(ctx, c, p, key, 1, now)
}

// ReserveTogether counts so many tries for key, all of them or none, and returns the number of the last one. They cost
// what they would cost one after the other: the pauses between them are waited before, and by a key that has no tries
// yet, and so nothing to wait from, after them. Where not all of them are left before the seal, it is sealed for them.
func ReserveTogether(ctx context.Context, c Counter, p Policy, key string, tries int, now time.Time) (int, error) {
	n, until := 0, time.Time{} // as it stands with nearly everybody: who counts from there has looked
	for {
		if err := p.Refuses(n, until, tries, now); err != nil {
			return 0, err
		}
		won, err := c.CountAttempt(ctx, key, n, tries, now.Add(p.Pause(n, tries)))
		if err != nil || won {
			return n + tries, err
		}
		if n, until, err = c.Attempts(ctx, key); err != nil {
			return 0, err
		}
	}
}

// Refuses returns the [*Error] that so many tries together would get at that time from a key that stands at n and waits
// until then, nil when they would be looked at.
func (p Policy) Refuses(n int, until time.Time, tries int, now time.Time) error {
	if p.Seal > 0 && n+tries > p.Seal {
		return &Error{Sealed: true, Left: max(0, p.Seal-n)}
	}
	if between := p.between(n, tries); n > 0 && between > 0 {
		if p.After(n) == 0 {
			until = until.Add(slack) // when the n-th was, see Pause
		}
		until = until.Add(between)
	}
	if !until.IsZero() && now.Before(until) {
		return &Error{Until: until}
	}
	return nil
}

// slack is how far the clocks of those may be apart who count at the same moment: requests that began in different seconds,
// replicas.
const slack = time.Minute

// Pause returns the pause that follows so many tries together after the n-th. It is negative where there is none: to wait
// until now would be a wait for whoever's clock shows less.
func (p Policy) Pause(n, tries int) time.Duration {
	pause := p.After(n + tries)
	if n == 0 {
		pause = p.After(tries) + p.between(0, tries)
	}
	if pause == 0 {
		return -slack
	}
	return pause
}

// between returns the pauses that lie between the tries that follow the n-th.
func (p Policy) between(n, tries int) time.Duration {
	var sum time.Duration
	for i := 1; i < tries; i++ {
		sum += p.After(n + i)
	}
	return sum
}

// NetworkKey names the network of an IP address (a /64 of IPv6) and the hour of now: a count per hour, because behind
// one address there may be hundreds of people whose slips would add up for ever.
func NetworkKey(address string, now time.Time) string {
	network := "other" // something that isn't an address must not escape the limit
	if ip, err := netip.ParseAddr(address); err == nil {
		ip = ip.Unmap().WithZone("")
		bits := ip.BitLen()
		if ip.Is6() {
			bits = 64
		}
		if prefix, err := ip.Prefix(bits); err == nil {
			network = prefix.String()
		}
	}
	return "network/" + network + "/" + now.UTC().Format(time.DateOnly+"T15")
}
