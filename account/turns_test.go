package account

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestGoodPasswordsAtOnceAreNoGuessing(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada")
		results := make(chan error, 40)
		for range cap(results) {
			go func() { results <- f.signIn("ada", good) }()
		}
		for range cap(results) {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		end, _ := all.take(t.Context(), "ada")
		if other, err := all.take(t.Context(), "bob"); err != nil { // others don't wait
			t.Fatal(err)
		} else {
			other()
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := all.take(gone, "ada"); !errors.Is(err, context.Canceled) { // whoever went away doesn't either, and ends nobody's turn
			t.Error(err)
		}
		if _, err := all.take(t.Context(), "ada"); !errors.Is(err, ErrBusy) { // nor for ever
			t.Error(err)
		}
		next := make(chan func())
		go func() {
			end, _ := all.take(t.Context(), "ada")
			next <- end
		}()
		synctest.Wait()
		select {
		case <-next:
			t.Fatal("two turns at once")
		default:
		}
		end()
		(<-next)()
		if len(all.all) != 0 {
			t.Errorf("%d turns are kept", len(all.all))
		}
	})
}
