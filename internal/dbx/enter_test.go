package dbx

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestABoundBeginsWithTheFirstStatement: what comes before it takes no time from it.
func TestABoundBeginsWithTheFirstStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := BoundFor(t.Context(), 4*time.Second)
		time.Sleep(time.Minute) // a body that arrives slowly
		first := bound(ctx)
		if left := time.Until(first); left != 4*time.Second {
			t.Errorf("%v are left at the first statement", left)
		}
		time.Sleep(3 * time.Second)
		if !bound(ctx).Equal(first) {
			t.Error("a later statement has another end than the first")
		}
		time.Sleep(time.Second)
		if !over(bound(ctx)) {
			t.Error("it does not end")
		}
		if left := time.Until(bound(Settling(ctx))); left != 2*time.Second {
			t.Errorf("%v are left for what has to be written", left)
		}
	})
}
