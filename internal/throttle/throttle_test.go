package throttle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/focushq/idp/internal/throttle"
)

// counter is a Counter in memory. Every CountAttempt after the first busy ones of a try loses a race to somebody else.
type counter struct {
	n     map[string]int
	until map[string]time.Time
	busy  int
	fail  error
}

func newCounter() *counter {
	return &counter{n: make(map[string]int), until: make(map[string]time.Time)}
}

func (c *counter) Attempts(_ context.Context, key string) (int, time.Time, error) {
	return c.n[key], c.until[key], nil
}

func (c *counter) CountAttempt(_ context.Context, key string, n, tries int, until time.Time) (bool, error) {
	if c.fail != nil {
		return false, c.fail
	}
	if c.busy > 0 { // somebody else was quicker
		c.busy--
		c.n[key]++
		return false, nil
	}
	if c.n[key] != n {
		return false, nil
	}
	c.n[key], c.until[key] = n+tries, until
	return true, nil
}

func (c *counter) ClearAttempts(_ context.Context, key string) error {
	delete(c.n, key)
	delete(c.until, key)
	return nil
}

var start = time.Unix(1_800_000_000, 0)

// policies draws valid policies.
func policies(t *rapid.T) throttle.Policy {
	var p throttle.Policy
	from := 0
	for range rapid.IntRange(1, 4).Draw(t, "waits") {
		from += rapid.IntRange(1, 6).Draw(t, "free")
		p.Waits = append(p.Waits, throttle.Wait{From: from, For: time.Duration(rapid.IntRange(1, 3600).Draw(t, "seconds")) * time.Second})
	}
	if rapid.Bool().Draw(t, "sealing") {
		p.Seal = p.Waits[0].From + rapid.IntRange(0, 20).Draw(t, "seal")
	}
	return p
}

func TestDrawnPoliciesAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := policies(t).Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever the policy and the rhythm of the tries: a try is looked at exactly when its series is not sealed and the
// wait before it is over, and a refused one changes nothing.
func TestReserveKeepsToThePolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, c, now := policies(t), newCounter(), start
		n, free := 0, now // the model
		for range rapid.IntRange(1, 60).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Second)
			got, err := throttle.Reserve(t.Context(), c, p, "key", now)
			var refused *throttle.Error
			switch sealed := p.Seal > 0 && n >= p.Seal; {
			case sealed:
				if !errors.As(err, &refused) || !refused.Sealed || !refused.Until.IsZero() {
					t.Fatalf("after %d tries of %d: %d, %v", n, p.Seal, got, err)
				}
			case now.Before(free):
				if !errors.As(err, &refused) || refused.Sealed || !refused.Until.Equal(free) {
					t.Fatalf("%v before the wait's end: %d, %v", free.Sub(now), got, err)
				}
			default:
				n++
				free = now.Add(p.After(n))
				if err != nil || got != n {
					t.Fatalf("try %d: %d, %v", n, got, err)
				}
			}
			if c.n["key"] != n {
				t.Fatalf("%d counted, want %d", c.n["key"], n)
			}
			if rapid.IntRange(0, 9).Draw(t, "success") == 0 {
				c.ClearAttempts(t.Context(), "key")
				n, free = 0, now
			}
		}
	})
}

// Tries together are looked at no sooner than the last of them would be if they came one after the other, each at the
// first moment that it may; and after them the next one has to wait no less.
func TestTogetherCostsWhatOneByOneDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, now := policies(t), start
		together, single := newCounter(), newCounter()
		var due time.Time // when the next single try is looked at, had all come one by one
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "pause")) * time.Second)
			tries, before := rapid.IntRange(1, 3).Draw(t, "tries"), together.n["key"]
			got, err := throttle.ReserveTogether(t.Context(), together, p, "key", tries, now)
			if err != nil {
				var refused *throttle.Error
				if !errors.As(err, &refused) || together.n["key"] != before {
					t.Fatalf("%v, and %d became %d", err, before, together.n["key"])
				}
				if sealed := p.Seal > 0 && before+tries > p.Seal; refused.Sealed != sealed || !sealed && !refused.Until.After(now) {
					t.Fatalf("%d tries after %d with the seal at %d: %+v", tries, before, p.Seal, refused)
				}
				if refused.Sealed {
					continue
				}
				now = refused.Until // as it was told
				if got, err = throttle.ReserveTogether(t.Context(), together, p, "key", tries, now); err != nil {
					t.Fatalf("waited as told: %v", err)
				}
			}
			if got != before+tries {
				t.Fatalf("%d tries after %d are number %d", tries, before, got)
			}
			for range tries {
				if _, err := throttle.Reserve(t.Context(), single, p, "key", due); err != nil {
					t.Fatalf("one by one: %v", err)
				}
				if due = single.until["key"]; due.IsZero() {
					due = start
				}
			}
			if together.until["key"].Before(due) {
				t.Fatalf("after %d tries the next is looked at %v before its time", got, due.Sub(together.until["key"]))
			}
		}
	})
}

func TestTogether(t *testing.T) {
	p := throttle.Policy{Waits: []throttle.Wait{{From: 5, For: time.Minute}, {From: 10, For: time.Hour}}, Seal: 12}
	for _, tt := range []struct {
		n    int
		want throttle.Error // of two tries right after the wait of the n-th
		then time.Duration  // the pause after them
	}{
		{0, throttle.Error{}, 0},
		{3, throttle.Error{}, time.Minute},
		{4, throttle.Error{Until: start.Add(time.Minute)}, time.Minute}, // one is left before the wait
		{5, throttle.Error{Until: start.Add(time.Minute)}, time.Minute},
		{9, throttle.Error{Until: start.Add(time.Hour)}, time.Hour},
		{10, throttle.Error{Until: start.Add(time.Hour)}, time.Hour},
		{11, throttle.Error{Sealed: true, Left: 1}, 0}, // one is left before the seal
		{12, throttle.Error{Sealed: true}, 0},
	} {
		c, now := newCounter(), start
		c.n["key"], c.until["key"] = tt.n, start
		if p.After(tt.n) == 0 {
			c.until["key"] = start.Add(p.Pause(tt.n, 0))
		}
		_, err := throttle.ReserveTogether(t.Context(), c, p, "key", 2, now)
		var refused *throttle.Error
		if errors.As(err, &refused) != (tt.want != throttle.Error{}) || refused != nil && *refused != tt.want {
			t.Errorf("after %d: %v, want %+v", tt.n, err, tt.want)
			continue
		}
		if refused != nil && refused.Sealed {
			continue
		}
		if refused != nil {
			now = refused.Until
			_, err = throttle.ReserveTogether(t.Context(), c, p, "key", 2, now)
		}
		if err != nil || c.n["key"] != tt.n+2 || max(0, c.until["key"].Sub(now)) != tt.then {
			t.Errorf("after %d: %v, counted %d, then a pause of %v", tt.n, err, c.n["key"], c.until["key"].Sub(now))
		}
	}
}

// The bound that a policy promises: however the guesser times the tries, a day has room for a computable number.
func TestPolicyBoundsADay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, c := policies(t), newCounter()
		last := p.Waits[len(p.Waits)-1]
		looked := 0
		for now := start; now.Before(start.Add(24 * time.Hour)); now = now.Add(30 * time.Second) {
			for range 5 {
				tries := rapid.IntRange(1, 2).Draw(t, "together")
				if _, err := throttle.ReserveTogether(t.Context(), c, p, "key", tries, now); err == nil {
					looked += tries
				}
			}
		}
		if most := last.From + int(24*time.Hour/last.For); looked > most {
			t.Fatalf("%d tries a day with %+v, at most %d", looked, p, most)
		}
		if p.Seal > 0 && looked > p.Seal {
			t.Fatalf("%d tries with a seal at %d", looked, p.Seal)
		}
	})
}

func TestAfterAndLeft(t *testing.T) {
	p := throttle.Policy{Waits: []throttle.Wait{{From: 5, For: time.Minute}, {From: 10, For: time.Hour}}}
	for n, want := range map[int]struct {
		after time.Duration
		left  int
	}{0: {0, 5}, 1: {0, 4}, 4: {0, 1}, 5: {time.Minute, 0}, 9: {time.Minute, 0}, 10: {time.Hour, 0}, 99: {time.Hour, 0}} {
		if p.After(n) != want.after || p.Left(n) != want.left {
			t.Errorf("n = %d: After %v, Left %d, want %v, %d", n, p.After(n), p.Left(n), want.after, want.left)
		}
	}
}

func TestReserveLooksAgainAfterALostRace(t *testing.T) {
	p := throttle.Policy{Waits: []throttle.Wait{{From: 3, For: time.Minute}}}
	c := newCounter()
	c.busy = 2
	if n, err := throttle.Reserve(t.Context(), c, p, "key", start); n != 3 || err != nil {
		t.Errorf("after two others: %d, %v, want 3", n, err)
	}
	c.fail = errors.New("disk full")
	if _, err := throttle.Reserve(t.Context(), c, p, "other", start); !errors.Is(err, c.fail) {
		t.Errorf("a try that cannot be counted is looked at: %v", err)
	}
}

func TestValidate(t *testing.T) {
	wait := func(from int, d time.Duration) throttle.Wait { return throttle.Wait{From: from, For: d} }
	for _, tt := range []struct {
		policy throttle.Policy
		want   string
	}{
		{throttle.Policy{}, "no limit"},
		{throttle.Policy{Seal: 5}, "no limit"},
		{throttle.Policy{Waits: []throttle.Wait{wait(0, time.Second)}}, "from the 0-th"},
		{throttle.Policy{Waits: []throttle.Wait{wait(5, 0)}}, "waits be positive"},
		{throttle.Policy{Waits: []throttle.Wait{wait(5, 1), wait(5, 2)}}, "ascend"},
		{throttle.Policy{Waits: []throttle.Wait{wait(5, 1)}, Seal: -1}, "sealing"},
		{throttle.Policy{Waits: []throttle.Wait{wait(5, 1)}, Seal: 4}, "sealing"},
	} {
		if err := tt.policy.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.policy, err, tt.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  throttle.Error
		want string
	}{
		{throttle.Error{Sealed: true}, "throttle: sealed"},
		{throttle.Error{Until: start}, "throttle: wait until 2027-01-15T08:00:00Z"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestNobodyWaitsForAnotherClock: who counts where there is no pause makes nobody wait, whose clock shows less or who began in
// an earlier second.
func TestNobodyWaitsForAnotherClock(t *testing.T) {
	policy := throttle.Policy{Waits: []throttle.Wait{{From: 10, For: time.Second}}}
	now := time.Unix(1_790_000_000, 0)
	for n := range 8 {
		until := now.Add(policy.Pause(n, 1))
		if err := policy.Refuses(n+1, until, 1, now.Add(-5*time.Second)); err != nil {
			t.Errorf("after %d: %v", n+1, err)
		}
	}
	if until := now.Add(policy.Pause(9, 1)); policy.Refuses(10, until, 1, now) == nil {
		t.Error("no wait after the tenth")
	}
}
