package mfa_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// TestSec_MF07_Pairs is the whole table of answers to two codes.
func TestSec_MF07_Pairs(t *testing.T) {
	const (
		minute = time.Minute
		hour   = time.Hour
	)
	clockOff := func(offset time.Duration) func(error) bool {
		return func(err error) bool {
			var clock *mfa.ClockError
			return errors.As(err, &clock) && clock.Offset == offset
		}
	}
	field := func(name string, cause error) func(error) bool {
		return func(err error) bool {
			var pair *mfa.PairError
			return errors.As(err, &pair) && pair.Field == name && errors.Is(err, cause)
		}
	}
	exactly := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	other := func(abandoned bool, name string) func(error) bool {
		return func(err error) bool {
			var entry *mfa.OtherEntryError
			return errors.Is(err, mfa.ErrOtherEntry) && errors.As(err, &entry) &&
				entry.Abandoned == abandoned && entry.Name == name
		}
	}
	for _, test := range []struct {
		name  string
		codes func(phone, old, given *mfatest.Phone) (code, next string)
		want  func(error) bool // nil: accepted
		drift time.Duration
		cause string // on record
	}{
		{"current and next", at(0, 1), nil, 0, ""},
		{"previous and current", at(-1, 0), nil, 0, ""},
		{"slow typing", at(-2, -1), nil, 0, ""},
		{"two steps slow", at(-3, -2), nil, -minute, ""},
		{"two steps fast", at(1, 2), nil, minute, ""},
		{"20 steps fast", at(20, 21), nil, 21 * mfa.Period, ""},
		{"20 steps slow", at(-20, -19), nil, -19 * mfa.Period, ""},
		{"21 steps fast", at(21, 22), clockOff(21 * mfa.Period), 0, mfa.ReasonClock},
		{"21 steps slow", at(-21, -20), clockOff(-21 * mfa.Period), 0, mfa.ReasonClock},
		{"61 minutes", at(122, 123), clockOff(61 * minute), 0, mfa.ReasonClock},
		{"14 hours", at(1680, 1681), clockOff(14 * hour), 0, mfa.ReasonClock},
		{"14 hours slow", at(-1680, -1679), clockOff(-14 * hour), 0, mfa.ReasonClock},
		{"more than 14 hours", at(1681, 1682), exactly(mfa.ErrInvalidCode), 0, mfa.ReasonNeither},
		{"the same twice", at(0, 0), exactly(mfa.ErrSameCode), 0, mfa.ReasonSame},
		{"swapped", at(1, 0), exactly(mfa.ErrSwapped), 0, mfa.ReasonSwapped},
		{"swapped on a wrong clock", at(101, 100), exactly(mfa.ErrSwapped), 0, mfa.ReasonSwapped},
		{"one missed", at(0, 2), exactly(mfa.ErrNotConsecutive), 0, mfa.ReasonGap},
		{"several missed", at(-1, 8), exactly(mfa.ErrNotConsecutive), 0, mfa.ReasonGap},
		{"missed and swapped", at(2, 0), exactly(mfa.ErrNotConsecutive), 0, mfa.ReasonGap},
		{"second wrong", func(p, _, _ *mfatest.Phone) (string, string) { return p.Code(0), wrong(p) },
			field("code2", mfa.ErrInvalidCode), 0, mfa.ReasonSecond},
		{"first wrong", func(p, _, _ *mfatest.Phone) (string, string) { return wrong(p), p.Code(1) },
			field("code1", mfa.ErrInvalidCode), 0, mfa.ReasonFirst},
		{"first no code", func(p, _, _ *mfatest.Phone) (string, string) { return "12345", p.Code(1) },
			field("code1", mfa.ErrMalformedCode), 0, ""},
		{"second no code", func(p, _, _ *mfatest.Phone) (string, string) { return p.Code(0), "abcdef" },
			field("code2", mfa.ErrMalformedCode), 0, ""},
		{"neither", func(p, _, _ *mfatest.Phone) (string, string) { return "000001", "000002" },
			exactly(mfa.ErrInvalidCode), 0, mfa.ReasonNeither},
		{"of the authenticator in use", func(_, old, _ *mfatest.Phone) (string, string) { return old.Code(0), old.Code(1) },
			other(false, "Authenticator app"), 0, mfa.ReasonOtherEntry},
		{"of an enrolment given up", func(_, _, given *mfatest.Phone) (string, string) { return given.Code(0), given.Code(1) },
			other(true, "alice@example.com"), 0, mfa.ReasonAbandonedEntry},
		{"with spaces and dashes", func(p, _, _ *mfatest.Phone) (string, string) {
			return p.Code(0)[:3] + " " + p.Code(0)[3:], p.Code(1)[:3] + "-" + p.Code(1)[3:]
		}, nil, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			old, _ := b.enroll("alice")
			_, given := b.scan("alice")
			e, phone := b.scan("alice")
			code, next := test.codes(phone, old, given)
			b.kinds()
			drift, err := b.VerifyEnrollment(t.Context(), owner("alice"), e.ID, code, next)
			again, loadErr := b.Enrollment(t.Context(), owner("alice"), e.ID)
			b.must(loadErr)
			if test.want == nil {
				if err != nil || drift.Offset != test.drift || !again.Proven {
					t.Fatalf("got %v, %v, proven %v; want an offset of %v", drift, err, again.Proven, test.drift)
				}
				return
			}
			if err == nil || !test.want(err) || again.Proven {
				t.Fatalf("got %v, proven %v", err, again.Proven)
			}
			b.recorded(test.cause, err)
			_, err = b.Confirm(t.Context(), owner("alice"), e.ID, "")
			b.is(err, mfa.ErrNotProven)
			b.must(b.VerifyTOTP(t.Context(), "alice", old.Code(0))) // the one in use has not suffered
		})
	}
}

// recorded fails unless an enrolment's two codes were refused for that reason, and nothing else happened.
func (b *bench) recorded(reason string, err error) {
	b.t.Helper()
	if reason == "" {
		b.happened()
		return
	}
	want := map[string]string{"reason": reason}
	var clock *mfa.ClockError
	if errors.As(err, &clock) {
		want["offset"] = clock.Offset.String()
	}
	if got := b.events; len(got) != 1 || got[0].Kind != mfa.EnrollRefused || !maps.Equal(got[0].Detail, want) {
		b.t.Fatalf("on record: %+v, want %v", got, want)
	}
}

func at(first, second int) func(phone, old, given *mfatest.Phone) (string, string) {
	return func(phone, _, _ *mfatest.Phone) (string, string) { return phone.Code(first), phone.Code(second) }
}

func TestSec_MF07_BothCodesAreUsedUp(t *testing.T) {
	for _, phoneOff := range []time.Duration{0, -8 * time.Minute, 10 * time.Minute} {
		b := newBench(t)
		e, phone := b.scan("alice")
		phone.Offset = phoneOff
		first, second, third := phone.Code(0), phone.Code(1), phone.Code(2)
		b.prove("alice", e, phone)
		_, set, err := b.NewRecoveryCodes(t.Context(), owner("alice"), e.ID)
		b.must(err)
		_, err = b.Confirm(t.Context(), owner("alice"), e.ID, set)
		b.must(err)
		b.pass(mfa.Period)
		b.is(b.VerifyTOTP(t.Context(), "alice", first), mfa.ErrReplayed)
		b.is(b.VerifyTOTP(t.Context(), "alice", second), mfa.ErrReplayed)
		b.must(b.VerifyTOTP(t.Context(), "alice", third))
	}
}

func TestSec_MF08_Pending(t *testing.T) {
	b := newBench(t)
	e, phone := b.scan("alice")
	for range 3 {
		again, err := b.Enrollment(t.Context(), owner("alice"), e.ID)
		if err != nil || *again != *e {
			t.Fatalf("reloaded as %+v, %v; was %+v", again, err, e)
		}
	}
	for name, stranger := range map[string]mfa.Owner{
		"another session": {Subject: "alice", Session: "elsewhere"},
		"another person":  {Subject: "bob", Session: owner("alice").Session},
	} {
		_, err := b.Enrollment(t.Context(), stranger, e.ID)
		if !errors.Is(err, mfa.ErrNotFound) {
			t.Errorf("%s loads it: %v", name, err)
		}
		_, err = b.VerifyEnrollment(t.Context(), stranger, e.ID, phone.Code(0), phone.Code(1))
		b.is(err, mfa.ErrNotFound)
		_, err = b.Confirm(t.Context(), stranger, e.ID, "")
		b.is(err, mfa.ErrNotFound)
	}
	// It is no factor, however far it got.
	b.prove("alice", e, phone)
	_, set, err := b.NewRecoveryCodes(t.Context(), owner("alice"), e.ID)
	b.must(err)
	b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(2)), mfa.ErrNotEnrolled)
	if status, err := b.Status(t.Context(), "alice"); err != nil || status.Enrolled {
		t.Fatalf("%+v, %v", status, err)
	}
	b.pass(31 * time.Minute)
	_, err = b.Enrollment(t.Context(), owner("alice"), e.ID)
	b.is(err, mfa.ErrExpired)
	_, err = b.Confirm(t.Context(), owner("alice"), e.ID, set)
	b.is(err, mfa.ErrExpired)
	b.happened()
	if next, _ := b.scan("alice"); next.Key == e.Key || next.ID == e.ID {
		t.Fatal("the next enrolment has the old secret")
	}
	b.pass(25 * time.Hour)
	b.must(b.Prune(t.Context()))
	_, err = b.Enrollment(t.Context(), owner("alice"), e.ID)
	b.is(err, mfa.ErrNotFound)
}

func TestWrongPairsAreBoundedAndTouchNoCount(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	e, fresh := b.scan("alice")
	for n := range 30 {
		pair, want := [2]string{"000001", "000002"}, mfa.ErrInvalidCode
		if n%2 == 0 {
			pair, want = [2]string{"000001", "000001"}, mfa.ErrSameCode
		}
		_, err := b.VerifyEnrollment(t.Context(), owner("alice"), e.ID, pair[0], pair[1])
		b.is(err, want)
		_, err = b.VerifyEnrollment(t.Context(), owner("alice"), e.ID, "what", "000002") // no code: not looked at
		b.is(err, mfa.ErrMalformedCode)
	}
	for _, pair := range [][2]string{{fresh.Code(0), fresh.Code(1)}, {"000001", "000001"}} {
		_, err := b.VerifyEnrollment(t.Context(), owner("alice"), e.ID, pair[0], pair[1])
		b.is(err, mfa.ErrExpired)
	}
	if n := b.count(mfa.EnrollRefused); n != 30 {
		t.Fatalf("%d refusals on record", n)
	}
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
}

// What cannot be recorded is not told either.
func TestARefusedPairThatCannotBeRecorded(t *testing.T) {
	b := newBench(t)
	b.refuse = mfa.EnrollRefused
	e, phone := b.scan("alice")
	_, err := b.VerifyEnrollment(t.Context(), owner("alice"), e.ID, phone.Code(1), phone.Code(0))
	if b.is(err, errObserver); errors.Is(err, mfa.ErrSwapped) {
		t.Fatal(err)
	}
}

func TestConfirm(t *testing.T) {
	b := newBench(t)
	e, phone := b.scan("alice")
	if !e.First {
		t.Fatal("the first enrolment says that it is not")
	}
	_, _, err := b.NewRecoveryCodes(t.Context(), owner("alice"), e.ID)
	b.is(err, mfa.ErrNotProven)
	b.prove("alice", e, phone)
	_, old, err := b.NewRecoveryCodes(t.Context(), owner("alice"), e.ID)
	b.must(err)
	_, set, err := b.NewRecoveryCodes(t.Context(), owner("alice"), e.ID)
	b.must(err)
	for _, other := range []string{old, "", "x"} {
		_, err = b.Confirm(t.Context(), owner("alice"), e.ID, other)
		b.is(err, mfa.ErrReplaced)
	}
	b.happened()

	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 16 {
		wg.Go(func() {
			name, err := b.Confirm(context.Background(), owner("alice"), e.ID, set)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && name == "Authenticator app" {
				won++
			} else if !errors.Is(err, mfa.ErrNotFound) {
				t.Errorf("%q, %v", name, err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Fatalf("it was confirmed %d times", won)
	}
	b.happened(mfa.Enrolled)
}

// TestSec_MF14_ChangesEndEnrolments: whoever began to enrol before the first factor stood may not add one to it.
func TestSec_MF14_ChangesEndEnrolments(t *testing.T) {
	b := newBench(t)
	thief := mfa.Owner{Subject: "alice", Session: "of somebody who knows her password"}
	e, err := b.Enroll(t.Context(), thief, "alice@example.com")
	b.must(err)
	stolen, err := mfatest.Scan(e.URI)
	b.must(err)
	stolen.Clock = b.clock
	_, err = b.VerifyEnrollment(t.Context(), thief, e.ID, stolen.Code(0), stolen.Code(1))
	b.must(err)
	b.enroll("alice")
	_, err = b.Confirm(t.Context(), thief, e.ID, "")
	b.is(err, mfa.ErrNotFound)
}

func TestSecondAuthenticator(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	e, second := b.scan("alice")
	if e.First {
		t.Fatal("a second enrolment says that it is the first")
	}
	b.prove("alice", e, second)
	_, err := b.Confirm(t.Context(), owner("alice"), e.ID, "x")
	b.is(err, mfa.ErrReplaced)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0))) // meanwhile the first one works
	b.kinds()
	name, err := b.Confirm(t.Context(), owner("alice"), e.ID, "")
	if err != nil || name != "Authenticator app 2" {
		t.Fatalf("%q, %v", name, err)
	}
	b.happened(mfa.AuthenticatorAdded)
	if left, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[0]); err != nil || left != 9 {
		t.Fatalf("the recovery codes stay: %d, %v", left, err)
	}
	for range mfa.MaxAuthenticators - 2 {
		b.pass(time.Minute)
		b.add("alice")
	}
	_, err = b.Enroll(t.Context(), owner("alice"), "alice@example.com")
	b.is(err, mfa.ErrTooMany)
}

func TestAccountNames(t *testing.T) {
	b := newBench(t)
	for _, account := range []string{"", "a\nb", "a\x00", "\xff", strings.Repeat("x", 255)} {
		_, err := b.Enroll(t.Context(), owner("alice"), account)
		b.is(err, mfa.ErrName)
	}
}
