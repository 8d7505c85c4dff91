package mfa_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// TestSec_MF07_PairAtSignIn is the whole table of answers to two codes at sign-in.
func TestSec_MF07_PairAtSignIn(t *testing.T) {
	const minute = time.Minute
	exactly := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	clockOff := func(offset time.Duration) func(error) bool {
		return func(err error) bool {
			var clock *mfa.ClockError
			return errors.As(err, &clock) && clock.Offset == offset
		}
	}
	malformed := func(field string) func(error) bool {
		return func(err error) bool {
			var pair *mfa.PairError
			return errors.As(err, &pair) && pair.Field == field && errors.Is(err, mfa.ErrMalformedCode)
		}
	}
	of := func(first, second int) func(phone, other *mfatest.Phone) (string, string) {
		return func(phone, _ *mfatest.Phone) (string, string) { return phone.Code(first), phone.Code(second) }
	}
	for _, test := range []struct {
		name    string
		codes   func(phone, other *mfatest.Phone) (code, next string)
		want    func(error) bool // nil: accepted
		drift   time.Duration
		counted int
		kind    mfa.Kind
	}{
		{"current and next", of(0, 1), nil, 0, 0, mfa.CodeAccepted},
		{"previous and current", of(-1, 0), nil, 0, 0, mfa.CodeAccepted},
		{"slow typing", of(-2, -1), nil, 0, 0, mfa.CodeAccepted},
		{"two steps slow", of(-3, -2), nil, -minute, 0, mfa.CodeAccepted},
		{"two steps fast", of(1, 2), nil, minute, 0, mfa.CodeAccepted},
		{"20 steps fast", of(20, 21), nil, 21 * mfa.Period, 0, mfa.CodeAccepted},
		{"20 steps slow", of(-20, -19), nil, -19 * mfa.Period, 0, mfa.CodeAccepted},
		{"21 steps fast", of(21, 22), clockOff(21 * mfa.Period), 0, 2, mfa.ClockWrong},
		{"21 steps slow", of(-21, -20), clockOff(-21 * mfa.Period), 0, 2, mfa.ClockWrong},
		{"an hour and a minute fast", of(122, 123), clockOff(61 * minute), 0, 2, mfa.ClockWrong},
		{"14 hours slow", of(-1680, -1679), clockOff(-14 * time.Hour), 0, 2, mfa.ClockWrong},
		{"more than 14 hours", of(1681, 1682), exactly(mfa.ErrInvalidCode), 0, 2, mfa.CodeRefused},
		{"swapped", of(1, 0), exactly(mfa.ErrSwapped), 0, 2, mfa.CodeRefused},
		{"swapped on a wrong clock", of(101, 100), exactly(mfa.ErrSwapped), 0, 2, mfa.CodeRefused},
		{"one missed", of(0, 2), exactly(mfa.ErrInvalidCode), 0, 2, mfa.CodeRefused},
		{"missed and swapped", of(2, 0), exactly(mfa.ErrInvalidCode), 0, 2, mfa.CodeRefused},
		{"second wrong", func(p, _ *mfatest.Phone) (string, string) { return p.Code(0), wrong(p) },
			exactly(mfa.ErrInvalidCode), 0, 2, mfa.CodeRefused},
		{"first wrong", func(p, _ *mfatest.Phone) (string, string) { return wrong(p), p.Code(1) },
			exactly(mfa.ErrInvalidCode), 0, 2, mfa.CodeRefused},
		{"of two apps", func(p, other *mfatest.Phone) (string, string) { return p.Code(0), other.Code(1) },
			exactly(mfa.ErrInvalidCode), 0, 2, mfa.CodeRefused},
		{"of the other app", func(_, other *mfatest.Phone) (string, string) { return other.Code(9), other.Code(10) },
			nil, 5 * minute, 0, mfa.CodeAccepted},
		{"the same twice", of(0, 0), exactly(mfa.ErrSameCode), 0, 0, ""},
		{"first no code", func(p, _ *mfatest.Phone) (string, string) { return "12345", p.Code(1) }, malformed("code1"), 0, 0, ""},
		{"second no code", func(p, _ *mfatest.Phone) (string, string) { return p.Code(0), "abcdef" }, malformed("code2"), 0, 0, ""},
		{"with spaces and dashes", func(p, _ *mfatest.Phone) (string, string) {
			return p.Code(0)[:3] + " " + p.Code(0)[3:], p.Code(1)[:3] + "-" + p.Code(1)[3:]
		}, nil, 0, 0, mfa.CodeAccepted},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			phone, _ := b.enroll("alice")
			other := b.add("alice")
			b.pass(24 * time.Hour)
			before := b.records("alice")
			code, next := test.codes(phone, other)
			drift, err := b.VerifyPair(t.Context(), "alice", code, next)
			if accepted := test.want == nil; accepted != (err == nil) || !accepted && !test.want(err) || drift.Offset != test.drift {
				t.Fatalf("got %v, %v; want an offset of %v", drift, err, test.drift)
			}
			status, statusErr := b.Status(t.Context(), "alice")
			b.must(statusErr)
			if status.Failures != test.counted {
				t.Errorf("%d failures, want %d", status.Failures, test.counted)
			}
			if left, ok := mfa.TriesLeft(err); ok != (test.counted > 0) || ok && left != 3 {
				t.Errorf("%d tries left, %v", left, ok)
			}
			if test.want != nil && !reflect.DeepEqual(before, b.records("alice")) {
				t.Errorf("a refused pair changed %+v to %+v", before, b.records("alice"))
			}
			if test.kind == "" {
				b.happened()
				return
			}
			event := b.events[0]
			if b.happened(test.kind); event.Detail["pair"] != "true" {
				t.Errorf("on record: %+v", event)
			}
			if test.want == nil && (event.Detail["offset"] != test.drift.String() || event.Detail["before"] != "0s") {
				t.Errorf("on record: %+v", event)
			}
		})
	}
}

func TestSec_MF04_BothCodesOfAPairAreUsedUp(t *testing.T) {
	for _, phoneOff := range []time.Duration{0, -8 * time.Minute, 10 * time.Minute} {
		b := newBench(t)
		phone, _ := b.enroll("alice")
		b.pass(24 * time.Hour)
		phone.Offset = phoneOff
		codes := []string{phone.Code(0), phone.Code(1), phone.Code(2), phone.Code(3)}
		_, err := b.VerifyPair(t.Context(), "alice", codes[0], codes[1])
		b.must(err)
		b.restart()
		b.pass(mfa.Period)
		b.is(b.VerifyTOTP(t.Context(), "alice", codes[0]), mfa.ErrReplayed)
		b.is(b.VerifyTOTP(t.Context(), "alice", codes[1]), mfa.ErrReplayed)
		b.must(b.Unseal(t.Context(), "alice", "test"))
		_, err = b.VerifyPair(t.Context(), "alice", codes[0], codes[1])
		b.is(err, mfa.ErrReplayed)
		_, err = b.VerifyPair(t.Context(), "alice", codes[1], codes[2]) // the first of the two is used up
		b.is(err, mfa.ErrReplayed)
		b.must(b.VerifyTOTP(t.Context(), "alice", codes[2])) // the offset was set: the next code passes by itself
		b.pass(mfa.Period)
		b.must(b.VerifyTOTP(t.Context(), "alice", codes[3]))
	}
}

// A clock that is set back, ours or the phone's, brings nothing back.
func TestSec_MF04_PairAfterTheClockWasSetBack(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	b.pass(24 * time.Hour)
	code, next, later := phone.Code(0), phone.Code(1), phone.Code(2)
	_, err := b.VerifyPair(t.Context(), "alice", code, next)
	b.must(err)
	for _, back := range []time.Duration{3 * time.Minute, 6 * time.Minute} { // nine in all: within what a pair allows for
		b.pass(-back)
		before := b.records("alice")
		for _, pair := range [][2]string{{code, next}, {next, later}, {phone.Code(0), phone.Code(1)}} {
			_, err = b.VerifyPair(t.Context(), "alice", pair[0], pair[1])
			b.is(err, mfa.ErrReplayed)
			b.must(b.Unseal(t.Context(), "alice", "test"))
		}
		if after := b.records("alice"); !reflect.DeepEqual(before, after) {
			t.Fatalf("refused pairs changed %+v to %+v", before, after)
		}
	}
	b.pass(9*time.Minute + 2*mfa.Period)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
}

// A code that was told to be of a slow clock is used up: the pair takes the next two.
func TestPairAfterACodeOfASlowClock(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	b.pass(24 * time.Hour)
	phone.Offset = -5 * time.Minute
	var clock *mfa.ClockError
	if err := b.VerifyTOTP(t.Context(), "alice", phone.Code(0)); !errors.As(err, &clock) {
		t.Fatal(err)
	}
	_, err := b.VerifyPair(t.Context(), "alice", phone.Code(0), phone.Code(1))
	b.is(err, mfa.ErrReplayed)
	b.pass(mfa.Period)
	b.must(b.Unseal(t.Context(), "alice", "test"))
	drift, err := b.VerifyPair(t.Context(), "alice", phone.Code(0), phone.Code(1))
	if err != nil || drift.Offset != -5*time.Minute+mfa.Period {
		t.Fatalf("%v, %v", drift, err)
	}
	b.pass(24 * time.Hour)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
}

func TestSec_MF10_PairCostsTwoTries(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	_, bobs := b.scan("bob")
	pair := func() error {
		_, err := b.VerifyPair(t.Context(), "alice", phone.Code(0), phone.Code(1))
		return err
	}
	status := func() mfa.Status {
		t.Helper()
		out, err := b.Status(t.Context(), "alice")
		b.must(err)
		return out
	}
	b.pass(24 * time.Hour)
	before := b.records("alice")

	// Another person's codes are counted for whoever signs in.
	_, err := b.VerifyPair(t.Context(), "alice", bobs.Code(0), bobs.Code(1))
	b.is(err, mfa.ErrInvalidCode)
	if left, _ := mfa.TriesLeft(err); left != 3 || status().Failures != 2 {
		t.Fatalf("%d tries left, %+v", left, status())
	}
	_, err = b.VerifyPair(t.Context(), "bob", bobs.Code(0), bobs.Code(1))
	b.is(err, mfa.ErrNotEnrolled)
	for range 2 {
		b.is(b.VerifyTOTP(t.Context(), "alice", wrong(phone)), mfa.ErrInvalidCode)
	}
	b.kinds()

	// One try is left: a pair would be two. It is neither counted nor used up, and told when it is looked at.
	minute := b.clock().Add(time.Minute)
	if wait := throttled(t, pair()); wait.Sealed || !wait.Until.Equal(minute) {
		t.Fatalf("%+v", wait)
	}
	if now := status(); now.Failures != 4 || !now.RetryAt.IsZero() || !now.PairRetryAt.Equal(minute) {
		t.Fatalf("%+v", now)
	}
	b.happened(mfa.Throttled)
	b.pass(59 * time.Second)
	throttled(t, pair())
	b.pass(time.Second)
	b.kinds()
	_, err = b.VerifyPair(t.Context(), "alice", wrong(phone), phone.Code(1))
	b.is(err, mfa.ErrInvalidCode)
	if retry, ok := mfa.RetryAt(err); !ok || !retry.Equal(b.clock().Add(time.Minute)) {
		t.Fatalf("retry at %v, %v", retry, ok)
	}
	b.happened(mfa.CodeRefused, mfa.Warned) // the 5th and the 6th

	// During a wait a pair is not looked at, and needs a pause more than a single code.
	if now := status(); now.PairRetryAt.Sub(now.RetryAt) != time.Minute {
		t.Fatalf("%+v", now)
	}
	b.pass(time.Minute)
	throttled(t, pair())
	b.pass(time.Minute)
	if after := b.records("alice"); !reflect.DeepEqual(before, after) {
		t.Fatalf("%+v became %+v", before, after)
	}
	b.must(pair())
	if now := status(); now.Failures != 0 || !now.PairRetryAt.IsZero() { // a success clears
		t.Fatalf("%+v", now)
	}
}

func TestSec_MF10_PairsAndTheSeal(t *testing.T) {
	limit := mfa.Limit{Waits: []mfa.Wait{{From: 5, For: time.Minute}}, Seal: 8}
	b := newBench(t, func(c *mfa.Config) { c.Limits.TOTP = limit })
	phone, codes := b.enroll("alice")
	b.pass(24 * time.Hour)
	wrongly := func() error {
		_, err := b.VerifyPair(t.Context(), "alice", wrong(phone), phone.Code(0))
		b.pass(time.Hour)
		return err
	}
	for range 3 {
		b.is(wrongly(), mfa.ErrInvalidCode)
	}
	b.is(b.VerifyTOTP(t.Context(), "alice", wrong(phone)), mfa.ErrInvalidCode)
	b.pass(time.Hour)
	// Seven were wrong: a single code is still looked at, a pair would be one too many.
	b.is(wrongly(), mfa.ErrOneLeft)
	if status, err := b.Status(t.Context(), "alice"); err != nil || status.Sealed || !status.PairSealed || status.Failures != 7 {
		t.Fatalf("%+v, %v", status, err)
	}
	b.is(b.VerifyTOTP(t.Context(), "alice", wrong(phone)), mfa.ErrInvalidCode)
	if wait := throttled(t, wrongly()); !wait.Sealed {
		t.Fatalf("%+v", wait)
	}
	_, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.must(err)
	b.kinds()
	for range 3 {
		b.is(wrongly(), mfa.ErrInvalidCode)
	}
	seals := wrongly()
	if b.is(seals, mfa.ErrInvalidCode); !throttled(t, seals).Sealed {
		t.Fatal(seals)
	}
	b.happened(mfa.CodeRefused, mfa.CodeRefused, mfa.CodeRefused, mfa.Warned, mfa.CodeRefused, mfa.Sealed)
	if wait := throttled(t, b.VerifyTOTP(t.Context(), "alice", phone.Code(0))); !wait.Sealed {
		t.Fatalf("%+v", wait)
	}
	b.must(b.Unseal(t.Context(), "alice", "test"))
	_, err = b.VerifyPair(t.Context(), "alice", phone.Code(0), phone.Code(1))
	b.must(err)
}

// TestSec_MF10_ParallelPairs guesses with pairs and single codes at once: five codes are looked at, whichever they are.
func TestSec_MF10_ParallelPairs(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	guess := wrong(phone)
	var wg sync.WaitGroup
	var compared atomic.Int32
	for n := range 100 {
		wg.Go(func() {
			if n%2 == 0 {
				if _, err := b.VerifyPair(context.Background(), "alice", guess, "000000"); errors.Is(err, mfa.ErrInvalidCode) {
					compared.Add(2)
				}
			} else if errors.Is(b.VerifyTOTP(context.Background(), "alice", guess), mfa.ErrInvalidCode) {
				compared.Add(1)
			}
		})
	}
	wg.Wait()
	if n := compared.Load(); n != 5 {
		t.Fatalf("%d codes were compared", n)
	}
	if n := b.count(mfa.Warned); n != 1 {
		t.Fatalf("%d warnings", n)
	}
}

func TestSec_MF11_PairOutlivesRollback(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	b.pass(24 * time.Hour)
	b.refuse = mfa.CodeRefused
	_, err := b.VerifyPair(t.Context(), "alice", wrong(phone), phone.Code(0))
	b.is(err, errObserver)
	b.refuse = mfa.CodeAccepted
	_, err = b.VerifyPair(t.Context(), "alice", phone.Code(0), phone.Code(1))
	b.is(err, errObserver) // what cannot be recorded doesn't happen
	if status, err := b.Status(t.Context(), "alice"); err != nil || status.Failures != 4 {
		t.Fatalf("%+v, %v", status, err)
	}
	b.refuse = ""
	b.pass(time.Minute)
	_, err = b.VerifyPair(t.Context(), "alice", phone.Code(-2), phone.Code(-1))
	b.must(err)
}

// What is right of a refused pair shows in nothing: not in the answer, not in what is kept.
func TestSec_MF07_ARefusedPairTellsNothing(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	b.pass(24 * time.Hour)
	var first string
	for n, codes := range [][2]string{
		{wrong(phone), "000000"},
		{wrong(phone), phone.Code(1)}, {phone.Code(0), wrong(phone)},
		{phone.Code(0), phone.Code(2)}, {phone.Code(3), phone.Code(0)}, {phone.Code(-1), phone.Code(1)},
		{phone.Code(5), wrong(phone)}, {wrong(phone), phone.Code(-5)},
	} {
		_, err := b.VerifyPair(t.Context(), "alice", codes[0], codes[1])
		b.is(err, mfa.ErrInvalidCode)
		text := fmt.Sprintf("%v %v", err, b.events[0].Detail)
		b.kinds()
		if n == 0 {
			first = text
		}
		if text != first {
			t.Errorf("pair %d: %s; any wrong one: %s", n, text, first)
		}
		b.must(b.Unseal(t.Context(), "alice", "test"))
		b.kinds()
	}
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0))) // none of it was used up
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(1)))
}
