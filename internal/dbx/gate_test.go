package dbx

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestGateIsFair: first come, first served, and whoever has waited long enough is told so.
func TestGateIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 2*time.Second)
		if err := g.enter(t.Context(), time.Time{}); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []int
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				if err := g.enter(t.Context(), time.Time{}); err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(100 * time.Millisecond)
				g.leave()
			})
			synctest.Wait()
		}
		g.leave()
		all.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Errorf("%v", order)
		}
		if g.room != 1 || g.line.Len() != 0 {
			t.Errorf("room %d, %d wait", g.room, g.line.Len())
		}
	})
}

// TestGateSheds: a wait has an end, and where nothing moves those who come later are sent away at once, as are those who are too
// many.
func TestGateSheds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 2*time.Second)
		if err := g.enter(t.Context(), time.Time{}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		took := func(ctx context.Context, until time.Time) (time.Duration, error) {
			from := time.Now()
			err := g.enter(ctx, until)
			return time.Since(from), err
		}
		var all sync.WaitGroup
		for range g.most {
			all.Go(func() {
				if after, err := took(t.Context(), time.Time{}); !errors.Is(err, ErrFull) || after != 2*time.Second {
					t.Errorf("%v after %v", err, after)
				}
			})
		}
		synctest.Wait()
		if after, err := took(t.Context(), time.Time{}); !errors.Is(err, ErrFull) || after != 0 {
			t.Errorf("one too many: %v after %v", err, after)
		}
		all.Wait()
		all.Go(func() { took(t.Context(), time.Time{}) })
		synctest.Wait()
		if after, err := took(t.Context(), time.Now().Add(300*time.Millisecond)); !errors.Is(err, ErrFull) || after != 300*time.Millisecond {
			t.Errorf("with less time: %v after %v", err, after)
		}
		gone, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if after, err := took(gone, time.Time{}); !errors.Is(err, context.DeadlineExceeded) || after != 200*time.Millisecond {
			t.Errorf("who goes away: %v after %v", err, after)
		}
		time.Sleep(time.Second)
		if after, err := took(t.Context(), time.Time{}); !errors.Is(err, ErrFull) || after != 0 {
			t.Errorf("where nothing moves: %v after %v", err, after)
		}
		all.Wait()
		g.leave()
		if err := g.enter(t.Context(), time.Time{}); err != nil {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestWhoHoldsAConnectionWaitsForNoneOfThem: those who need a second one have some of their own.
func TestWhoHoldsAConnectionWaitsForNoneOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGates(4, true)
		var held []visit
		for range 3 {
			v, err := g.enter(t.Context(), time.Time{}, false, false)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, v)
		}
		if _, err := g.enter(t.Context(), time.Time{}, false, false); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		second, err := g.enter(t.Context(), time.Time{}, false, true)
		if err != nil {
			t.Fatal(err)
		}
		second.leave()
		if _, err := g.enter(t.Context(), time.Time{}, true, false); !errors.Is(err, ErrFull) { // and the writer's turn is given back
			t.Error(err)
		}
		held[0].leave()
		writer, err := g.enter(t.Context(), time.Time{}, true, false)
		if err != nil {
			t.Fatal(err)
		}
		writer.leave()
	})
}
