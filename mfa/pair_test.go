package mfa_test

import (
	"errors"
	"reflect"
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
			if test.want == nil && event.Detail["offset"] != test.drift.String() {
				t.Errorf("on record: %+v", event)
			}
		})
	}
}
