package mfa_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/focushq/idp/mfa"
)

func TestSec_MF10_WaitsAndSeal(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	started := b.clock()
	var kinds []mfa.Kind
	for n := 1; n <= 60; n++ {
		err := b.VerifyTOTP(t.Context(), "alice", wrong(phone))
		b.is(err, mfa.ErrInvalidCode)
		left, ok := mfa.TriesLeft(err)
		if !ok || left != max(0, 5-n) {
			t.Fatalf("after %d failures %d are left, %v", n, left, ok)
		}
		pause := time.Duration(0)
		switch {
		case n >= 20:
			pause = time.Hour
		case n >= 10:
			pause = 15 * time.Minute
		case n >= 5:
			pause = time.Minute
		}
		retry, waits := mfa.RetryAt(err)
		var wait *mfa.ThrottledError
		if sealed := errors.As(err, &wait) && wait.Sealed; sealed != (n == 60) {
			t.Fatalf("after %d failures: sealed %v", n, sealed)
		}
		if n == 60 { // which no waiting ends
			pause = 0
		}
		if waits != (pause > 0) || waits && retry.Sub(b.clock()) != pause {
			t.Fatalf("after %d failures: until %v, %v; want %v", n, retry, waits, pause)
		}
		kinds = append(kinds, b.kinds()...)
		if pause == 0 {
			continue
		}
		// During a wait even the right code is not looked at: neither counted nor used up.
		b.pass(pause - time.Second)
		if n%7 == 0 {
			b.restart()
		}
		if wait := throttled(t, b.VerifyTOTP(t.Context(), "alice", phone.Code(0))); wait.Sealed || !wait.Until.Equal(retry) {
			t.Fatalf("after %d failures: %+v", n, wait)
		}
		b.happened(mfa.Throttled)
		b.pass(time.Second)
	}
	if took := b.clock().Sub(started); took < 42*time.Hour {
		t.Fatalf("sixty tries took %v", took)
	}
	if warned := slices.Index(kinds, mfa.Warned); warned != 5 || kinds[len(kinds)-1] != mfa.Sealed || len(kinds) != 62 {
		t.Fatalf("one warning after the 5th of 60 failures, a seal after the last: %v", kinds)
	}
	b.pass(1000 * time.Hour)
	if wait := throttled(t, b.VerifyTOTP(t.Context(), "alice", phone.Code(0))); !wait.Sealed {
		t.Fatalf("not sealed: %+v", wait)
	}
	status, err := b.Status(t.Context(), "alice")
	if err != nil || !status.Sealed || status.RecoverySealed {
		t.Fatalf("%+v, %v", status, err)
	}
	b.kinds()
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", codes[3])
	b.must(err)
	b.happened(mfa.Unsealed, mfa.RecoveryUsed)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
}

func TestSec_MF10_SuccessClears(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	for range 5 {
		for range 4 {
			b.is(b.VerifyTOTP(t.Context(), "alice", wrong(phone)), mfa.ErrInvalidCode)
		}
		b.pass(mfa.Period)
		b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	}
	if n := b.count(mfa.Warned); n != 0 {
		t.Fatalf("%d warnings", n)
	}
}

func TestSec_MF10_ParallelGuesses(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	var wg sync.WaitGroup
	var mu sync.Mutex
	compared := 0
	for range 200 {
		wg.Go(func() {
			err := b.VerifyTOTP(context.Background(), "alice", wrong(phone))
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, mfa.ErrInvalidCode) {
				compared++
			}
		})
	}
	wg.Wait()
	if compared != 5 {
		t.Fatalf("%d codes were compared", compared)
	}
	if n := b.count(mfa.Warned); n != 1 {
		t.Fatalf("%d warnings", n)
	}
}

func TestSec_MF11_CountOutlivesRollback(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	b.refuse = mfa.CodeRefused // the failure's own transaction is rolled back
	for range 5 {
		b.is(b.VerifyTOTP(t.Context(), "alice", wrong(phone)), errObserver)
	}
	b.refuse = mfa.CodeAccepted
	b.restart()
	throttled(t, b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	b.pass(time.Minute)
	b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)), errObserver) // and what cannot be recorded doesn't happen
	b.refuse = ""
	b.pass(time.Minute)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(-1)))

	b.refuse = mfa.RecoveryUsed
	_, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.is(err, errObserver)
	b.refuse = ""
	if left, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[0]); err != nil || left != 9 {
		t.Fatalf("the code was to be unused: %d, %v", left, err)
	}
}

func TestUnseal(t *testing.T) {
	b := newBench(t, func(c *mfa.Config) {
		c.Limits.TOTP = mfa.Limit{Waits: []mfa.Wait{{From: 3, For: time.Minute}}, Seal: 3}
	})
	phone, _ := b.enroll("alice")
	for range 3 {
		b.is(b.VerifyTOTP(t.Context(), "alice", wrong(phone)), mfa.ErrInvalidCode)
	}
	b.kinds()
	b.must(b.Unseal(t.Context(), "alice", "asked on the phone"))
	b.happened(mfa.Unsealed)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	b.kinds()
	b.is(b.Unseal(t.Context(), "alice", "again"), mfa.ErrNotSealed) // nothing was counted: nothing has happened
	b.happened()
}

// An administrator cannot lift a wait without a trace either.
func TestUnsealLiftsWaitsOnRecord(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	for range 5 {
		b.is(b.VerifyTOTP(t.Context(), "alice", wrong(phone)), mfa.ErrInvalidCode)
	}
	throttled(t, b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	b.kinds()
	b.must(b.Unseal(t.Context(), "alice", "asked on the phone"))
	if detail := b.events[0].Detail; detail["reason"] != "asked on the phone" || detail["cause"] != "administrator" || detail["factor"] != "totp" {
		t.Errorf("%+v", b.events[0])
	}
	b.happened(mfa.Unsealed)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
}

func TestLimitsThatLimitNothingAreRefused(t *testing.T) {
	wait := func(from int, pause time.Duration) []mfa.Wait { return []mfa.Wait{{From: from, For: pause}} }
	for name, limit := range map[string]mfa.Limit{
		"no waits":         {Waits: []mfa.Wait{}, Seal: 60},
		"empty waits":      {Waits: []mfa.Wait{}},
		"no seal":          {Waits: wait(5, time.Minute)},
		"negative seal":    {Waits: wait(5, time.Minute), Seal: -1},
		"seal past 100":    {Waits: wait(5, time.Minute), Seal: 101},
		"seal before wait": {Waits: wait(5, time.Minute), Seal: 4},
		"wait from 0":      {Waits: wait(0, time.Minute), Seal: 60},
		"wait from 11":     {Waits: wait(11, time.Minute), Seal: 60},
		"no pause":         {Waits: wait(5, 0), Seal: 60},
		"a second's pause": {Waits: wait(5, time.Second), Seal: 60},
		"descending":       {Waits: []mfa.Wait{{From: 5, For: time.Minute}, {From: 5, For: time.Hour}}, Seal: 60},
	} {
		b := newBench(t)
		for _, limits := range []mfa.Limits{{TOTP: limit}, {Recovery: limit}} {
			b.config.Limits = limits
			if _, err := mfa.New(b.config); err == nil {
				t.Errorf("%s is accepted", name)
			}
		}
	}
}

// TestLimitsHold guesses on random limits at random times: never are more codes looked at than the limit says.
func TestLimitsHold(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limit := mfa.Limit{
			Waits: []mfa.Wait{{From: rapid.IntRange(1, 10).Draw(r, "from"), For: time.Minute}},
			Seal:  rapid.IntRange(10, 30).Draw(r, "seal"),
		}
		b := newBench(t, func(c *mfa.Config) { c.Limits.TOTP = limit })
		phone, _ := b.enroll("alice")
		failures, free := 0, b.clock()
		for _, pause := range rapid.SliceOfN(rapid.IntRange(0, 90), 1, 60).Draw(r, "pauses") {
			b.pass(time.Duration(pause) * time.Second)
			err := b.VerifyTOTP(t.Context(), "alice", wrong(phone))
			looked := errors.Is(err, mfa.ErrInvalidCode)
			if may := failures < limit.Seal && !b.clock().Before(free); looked != may {
				r.Fatalf("after %d failures: %v", failures, err)
			}
			if looked {
				if failures++; failures >= limit.Waits[0].From {
					free = b.clock().Add(time.Minute)
				}
			}
		}
	})
}
