package mfatest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
)

func raceAdvance(t *testing.T, s mfa.Store) {
	must(t, s.AddAuthenticator(t.Context(), newAuthenticator("a")))
	for step := int64(101); step < 106; step++ {
		one(t, func(int) (bool, error) {
			return s.AdvanceStep(t.Context(), owner.Subject, "a", mfa.Advance{Step: step, At: at})
		})
	}
	// Two pairs that share a code, and a pair and one of its codes by itself.
	for _, rivals := range [][2]mfa.Advance{
		{{Step: 111, Pair: true}, {Step: 112, Pair: true}},
		{{Step: 121, Pair: true}, {Step: 120}},
	} {
		one(t, func(caller int) (bool, error) {
			return s.AdvanceStep(t.Context(), owner.Subject, "a", rivals[caller%2])
		})
	}
}

func raceCode(t *testing.T, s mfa.Store) {
	must(t, s.AddCodes(t.Context(), newCodes("c", "")))
	check(t, "activate", true)(s.ActivateCodes(t.Context(), owner, "", "c"))
	for n := range 3 {
		one(t, func(int) (won bool, err error) {
			err = s.InTx(t.Context(), func(ctx context.Context) error {
				if err := s.Lock(ctx, owner.Subject); err != nil {
					return err
				}
				won, err = s.UseCode(ctx, owner.Subject, "c", n, at)
				return err
			})
			return won, err
		})
	}
}

func raceCount(t *testing.T, s mfa.Store) {
	for range 4 {
		n, _, err := s.Attempts(t.Context(), "totp/alice")
		must(t, err)
		one(t, func(caller int) (bool, error) { // some count one try, some two
			return s.CountAttempt(t.Context(), "totp/alice", n, 1+caller%2, at)
		})
		if now, _, err := s.Attempts(t.Context(), "totp/alice"); err != nil || now < n+1 || now > n+2 {
			t.Fatalf("%d became %d, %v", n, now, err)
		}
	}
}

func raceSwap(t *testing.T, s mfa.Store) {
	must(t, s.AddDevice(t.Context(), newDevice("d")))
	one(t, func(caller int) (bool, error) {
		d := newDevice("d")
		d.Secret = hash32(byte(100 + caller))
		return s.SwapDevice(t.Context(), hash32(1), d)
	})
}

func raceConfirm(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	must(t, s.AddEnrollment(ctx, newEnrollment("e")))
	one(t, func(int) (bool, error) { return s.Prove(ctx, owner.Subject, "e", 0, 1) })
	must(t, s.AddCodes(ctx, newCodes("c", "e")))
	one(t, func(int) (won bool, err error) {
		err = s.InTx(ctx, func(ctx context.Context) error {
			if err := s.Lock(ctx, owner.Subject); err != nil {
				return err
			}
			won, err = s.ActivateCodes(ctx, owner, "e", "c")
			return err
		})
		return won, err
	})
	one(t, func(int) (bool, error) {
		n, err := s.RemoveEnrollments(ctx, owner.Subject)
		return n == 1, err
	})
	must(t, s.AddAuthenticator(ctx, newAuthenticator("a")))
	one(t, func(int) (bool, error) { return s.RemoveAuthenticator(ctx, owner.Subject, "a") })
}

// raceLock lets everybody who finds fewer than five authenticators add one.
func raceLock(t *testing.T, s mfa.Store) {
	won := winners(t, func(caller int) (added bool, err error) {
		err = s.InTx(t.Context(), func(ctx context.Context) error {
			if err := s.Lock(ctx, owner.Subject); err != nil {
				return err
			}
			known, err := s.Authenticators(ctx, owner.Subject)
			if added = err == nil && len(known) < mfa.MaxAuthenticators; !added {
				return err
			}
			time.Sleep(time.Millisecond)
			return s.AddAuthenticator(ctx, newAuthenticator(string(rune('a'+caller))))
		})
		return added, err
	})
	if won != mfa.MaxAuthenticators {
		t.Fatalf("%d authenticators were added, not %d", won, mfa.MaxAuthenticators)
	}
}

// winners runs fn from many goroutines that start together, and counts the ones that it is true for.
func winners(t *testing.T, fn func(caller int) (bool, error)) int {
	t.Helper()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		won   int
		start = make(chan struct{})
	)
	for caller := range callers {
		wg.Go(func() {
			<-start
			ok, err := fn(caller)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				won++
			}
		})
	}
	close(start)
	wg.Wait()
	return won
}

func one(t *testing.T, fn func(caller int) (bool, error)) {
	t.Helper()
	if won := winners(t, fn); won != 1 {
		t.Fatalf("%d of %d callers won", won, callers)
	}
}
