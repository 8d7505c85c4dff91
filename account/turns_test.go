package account

import (
	"context"
	"testing"
	"time"
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
	var all turns
	end := all.take(t.Context(), "ada")
	all.take(t.Context(), "bob")() // others don't wait
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	all.take(gone, "ada")() // whoever went away doesn't either, and ends nobody's turn
	next := make(chan func())
	go func() { next <- all.take(context.Background(), "ada") }()
	select {
	case <-next:
		t.Fatal("two turns at once")
	case <-time.After(20 * time.Millisecond):
	}
	end()
	(<-next)()
	if len(all.all) != 0 {
		t.Errorf("%d turns are kept", len(all.all))
	}
}
