package account

import (
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/internal/throttle"
)

func TestWaiting(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		waiting := func(want int) {
			t.Helper()
			if n, err := f.Waiting(ctx); err != nil || n != want {
				t.Errorf("%d, %v, want %d", n, err, want)
			}
		}
		f.add("ada")
		f.add("bob")
		waiting(0)
		guess := func(name string) {
			t.Helper()
			for range 200 {
				_, err := f.Authenticate(ctx, name, "wrong", "192.0.2.7")
				var wait *throttle.Error
				if errors.As(err, &wait) {
					return
				}
				if !errors.Is(err, ErrCredentials) {
					t.Fatal(err)
				}
			}
			t.Fatal("no wait")
		}
		guess("ada")
		waiting(1)
		guess("nobody of that name")
		waiting(1)
		f.now = f.now.Add(24 * time.Hour)
		waiting(0)
	})
}
