package mfa_test

import (
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// late turns MFA on with a pair whose second code is d steps behind the server, and returns the phone, which is right.
func (b *bench) late(subject string, d int) *mfatest.Phone {
	b.t.Helper()
	phone, _ := b.enroll(subject, time.Duration(d-1)*mfa.Period)
	phone.Offset = 0
	return phone
}

// clockIs fails unless that is what is known of the phone's clock.
func (b *bench) clockIs(subject string, steps int, provisional bool) {
	b.t.Helper()
	status, err := b.Status(b.t.Context(), subject)
	b.must(err)
	offset := time.Duration(steps) * mfa.Period
	if a := status.Authenticators[0]; a.Offset != offset || a.Provisional != provisional {
		b.t.Fatalf("the clock is %v, provisional %v; want %v, %v", a.Offset, a.Provisional, offset, provisional)
	}
}

// A pair that comes one to three minutes late is provisional, whether somebody enrols or signs in, and none else is.
func TestSec_MF07_WhichPairsAreProvisional(t *testing.T) {
	for d := -19; d <= 20; d++ {
		want, steps := d >= -6 && d <= -2, d
		if d >= -1 && d <= 1 {
			steps = 0
		}
		drift := mfa.Drift{Offset: time.Duration(steps) * mfa.Period, Provisional: want}
		b := newBench(t)
		e, phone := b.scan("alice")
		phone.Offset = time.Duration(d-1) * mfa.Period
		if got := b.prove("alice", e, phone); got != drift {
			t.Fatalf("enrolled with %d: %+v, want %+v", d, got, drift)
		}
		if again := b.prove("alice", e, phone); again != drift { // a second click
			t.Fatalf("enrolled with %d: %+v, then %+v", d, drift, again)
		}
		right := b.confirm("alice", e)
		b.clockIs("alice", steps, want)

		b.pass(24 * time.Hour)
		got, err := b.VerifyPair(t.Context(), "alice", right.Code(d-1), right.Code(d))
		if err != nil || got != drift {
			t.Fatalf("signed in with %d: %+v, %v", d, got, err)
		}
		b.clockIs("alice", steps, want)
	}
}

// confirm confirms a proven first enrolment and returns its phone, which is right.
func (b *bench) confirm(subject string, e *mfa.Enrollment) *mfatest.Phone {
	b.t.Helper()
	_, set, err := b.NewRecoveryCodes(b.t.Context(), owner(subject), e.ID)
	b.must(err)
	_, err = b.Confirm(b.t.Context(), owner(subject), e.ID, set)
	b.must(err)
	return &mfatest.Phone{Key: e.Key, Clock: b.clock}
}

// Whoever types the right two codes a minute or two late is let in by the phone's next code, and the clock is right.
func TestSec_MF03_ASlowTypistSignsInWithACorrectPhone(t *testing.T) {
	for _, seconds := range []int{60, 89, 119, 150, 209} {
		b := newBench(t)
		e, phone := b.scan("alice")
		code, next := phone.Code(0), phone.Code(1)
		b.pass(time.Duration(seconds) * time.Second) // the second code appeared after 30
		drift, err := b.VerifyEnrollment(t.Context(), owner("alice"), e.ID, code, next)
		b.must(err)
		if late := seconds/30 - 1; drift.Provisional != (late > 1) {
			t.Fatalf("after %d s: %+v", seconds, drift)
		}
		b.confirm("alice", e)
		b.is(b.VerifyTOTP(t.Context(), "alice", code), mfa.ErrReplayed)
		b.is(b.VerifyTOTP(t.Context(), "alice", next), mfa.ErrReplayed)
		b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
		if last := b.events[len(b.events)-1]; last.Kind != mfa.CodeAccepted || drift.Provisional != (last.Detail["offset"] == "0s") {
			t.Errorf("after %d s, on record: %+v", seconds, last)
		}
		b.clockIs("alice", 0, false)
		for _, used := range []string{code, next} { // by now some of them look like those of a slow phone
			if b.VerifyTOTP(t.Context(), "alice", used) == nil {
				t.Fatalf("after %d s: a code of the enrolment is accepted", seconds)
			}
		}
		b.pass(mfa.Period)
		b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	}
}

func TestSec_MF03_AReallySlowPhoneSignsIn(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice", -6*mfa.Period) // -5, by the second code
	b.clockIs("alice", -5, true)
	phone.Offset = -5 * mfa.Period
	b.pass(24 * time.Hour)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	b.clockIs("alice", -5, false)
	b.pass(mfa.Period)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	// Settled: the wide window is closed.
	b.pass(24 * time.Hour)
	for ahead := 2; ahead <= 6; ahead++ {
		b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(ahead)), mfa.ErrInvalidCode)
		b.must(b.Unseal(t.Context(), "alice", "test"))
	}
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
}

// Whoever follows the advice about the phone's clock is not punished for it.
func TestSec_MF03_APhoneThatWasSetRightSignsIn(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice", -4*mfa.Period)
	b.clockIs("alice", -3, true)
	slow := *phone
	phone.Offset = 0
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	b.clockIs("alice", 0, false)
	// What the phone would have shown is none of the window any more.
	var clock *mfa.ClockError
	if err := b.VerifyTOTP(t.Context(), "alice", slow.Code(1)); !errors.As(err, &clock) {
		t.Fatal(err)
	}
}

// TestSec_MF03_ProvisionalWindow tries every step around each provisional offset: accepted are those from one before the
// phone's clock to one after ours, and one of them settles which it is.
func TestSec_MF03_ProvisionalWindow(t *testing.T) {
	for d := -7; d <= -1; d++ {
		first, last, stored := d-1, 1, d
		switch d {
		case -7:
			last = d + 1
		case -1:
			first, stored = -1, 0
		}
		accepted := 0
		for step := -12; step <= 6; step++ {
			b := newBench(t)
			phone := b.late("alice", d)
			b.pass(24 * time.Hour)
			err := b.VerifyTOTP(t.Context(), "alice", phone.Code(step))
			if want := first <= step && step <= last; want != (err == nil) {
				t.Fatalf("offset %d, the code of %d: %v", d, step, err)
			}
			switch {
			case err != nil:
				b.clockIs("alice", stored, -6 <= d && d <= -2)
				continue
			case d == -7 || d == -1:
				b.clockIs("alice", stored, false) // one code moves nothing
			case step >= -1:
				b.clockIs("alice", 0, false)
			default:
				b.clockIs("alice", step, false)
			}
			accepted++
			b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(step)), mfa.ErrReplayed)
		}
		if accepted != last-first+1 || accepted > 9 {
			t.Fatalf("offset %d: %d steps are accepted", d, accepted)
		}
	}
}

// Codes that are too old or wrong settle nothing; the burnt ones stay burnt.
func TestSec_MF04_OnlyAnAcceptedCodeSettles(t *testing.T) {
	b := newBench(t)
	phone := b.late("alice", -3)
	b.pass(time.Hour)
	old := phone.Code(-8)
	var clock *mfa.ClockError
	if err := b.VerifyTOTP(t.Context(), "alice", old); !errors.As(err, &clock) || clock.Offset != -8*mfa.Period {
		t.Fatal(err)
	}
	b.is(b.VerifyTOTP(t.Context(), "alice", old), mfa.ErrReplayed)
	b.is(b.VerifyTOTP(t.Context(), "alice", wrong(phone)), mfa.ErrInvalidCode)
	b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(2)), mfa.ErrInvalidCode)
	b.clockIs("alice", -3, true)
	b.pass(time.Minute)
	b.restart()
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	b.clockIs("alice", 0, false)
}

// A server's clock that is set back brings no used code back, and what it makes of the phone's clock is corrected by a pair.
func TestSec_MF04_ProvisionalAfterTheClockWasSetBack(t *testing.T) {
	b := newBench(t)
	e, phone := b.scan("alice")
	code, next := phone.Code(0), phone.Code(1)
	b.pass(4 * mfa.Period)
	_, err := b.VerifyEnrollment(t.Context(), owner("alice"), e.ID, code, next)
	b.must(err)
	b.confirm("alice", e)
	b.clockIs("alice", -3, true)
	for range 5 {
		b.pass(-mfa.Period)
		for _, used := range []string{code, next} {
			if err := b.VerifyTOTP(t.Context(), "alice", used); !errors.Is(err, mfa.ErrReplayed) && !errors.Is(err, mfa.ErrInvalidCode) {
				t.Fatal(err)
			}
			b.must(b.Unseal(t.Context(), "alice", "test"))
		}
	}
	b.clockIs("alice", -3, true)
	b.pass(5 * mfa.Period)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	b.pass(-time.Minute)
	b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)), mfa.ErrReplayed)
}

// A pair at sign-in that was typed slowly opens the same window, which the next code closes.
func TestSec_MF03_ASlowPairAtSignIn(t *testing.T) {
	b := newBench(t)
	phone, _ := b.enroll("alice")
	b.pass(24 * time.Hour)
	code, next := phone.Code(-4), phone.Code(-3)
	drift, err := b.VerifyPair(t.Context(), "alice", code, next)
	if want := (mfa.Drift{Offset: -3 * mfa.Period, Provisional: true}); err != nil || drift != want {
		t.Fatalf("%+v, %v", drift, err)
	}
	b.clockIs("alice", -3, true)
	b.is(b.VerifyTOTP(t.Context(), "alice", code), mfa.ErrReplayed)
	b.is(b.VerifyTOTP(t.Context(), "alice", next), mfa.ErrReplayed)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	b.clockIs("alice", 0, false)
	// And a quick one closes it too.
	b.pass(24 * time.Hour)
	for _, second := range []int{-3, 5} {
		_, err = b.VerifyPair(t.Context(), "alice", phone.Code(second-1), phone.Code(second))
		b.must(err)
	}
	b.clockIs("alice", 5, false)
}

// A backup from before the offset was settled makes no code good that was used since, whichever of the two it was.
func TestSec_MF04_ProvisionalAfterARestore(t *testing.T) {
	b := newBench(t)
	phone := b.late("alice", -5)
	b.pass(time.Hour)
	b.must(b.AfterRestore(t.Context()))
	for step := -12; step <= 1; step++ {
		if err := b.VerifyTOTP(t.Context(), "alice", phone.Code(step)); err == nil {
			t.Fatalf("the code of %d works again", step)
		}
		b.must(b.config.Store.ClearAttempts(t.Context(), "totp/alice"))
	}
	b.pass(2 * mfa.Period)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
}
