package mfa

import (
	"errors"
	"fmt"
	"time"
)

// The answers that a page tells apart. Everything else is a fault of the store, the cipher or the observer.
var (
	// ErrNotEnrolled says that the person has no factor of the kind that was asked for.
	ErrNotEnrolled = errors.New("mfa: not enrolled")
	// ErrNotSealed says that there was nothing to unseal: no wrong code of the person's was counted.
	ErrNotSealed = errors.New("mfa: not sealed")
	// ErrNotFound says that this person, in this session, has no such enrolment, authenticator or device.
	ErrNotFound = errors.New("mfa: not found")
	// ErrExpired says that a pending enrolment ended: after [EnrollmentLife], or after too many wrong pairs of codes.
	ErrExpired = errors.New("mfa: enrolment expired")
	// ErrTooMany says that the person has [MaxAuthenticators] already.
	ErrTooMany = errors.New("mfa: too many authenticators")
	// ErrName says that a name is empty, longer than 64 characters or not printable.
	ErrName = errors.New("mfa: not a name")

	// ErrInvalidCode says that the code fits nothing that is accepted now. While enrolling: neither of the two fits.
	ErrInvalidCode = errors.New("mfa: invalid code")
	// ErrMalformedCode says that the text is no code at all: it was neither compared nor counted.
	ErrMalformedCode = errors.New("mfa: malformed code")
	// ErrOneLeft says that two codes were not looked at because one is left before the seal: a single one is.
	ErrOneLeft = errors.New("mfa: one code is left, not two")
	// ErrReplayed says that the code was right and has been used already.
	ErrReplayed = errors.New("mfa: code already used")

	// ErrSameCode says that both fields of a pair hold the same code.
	ErrSameCode = errors.New("mfa: the same code twice")
	// ErrSwapped says that the two codes are right and stand in the wrong order.
	ErrSwapped = errors.New("mfa: codes in the wrong order")
	// ErrNotConsecutive says that both codes are right and one or more between them were missed.
	ErrNotConsecutive = errors.New("mfa: codes are not consecutive")
	// ErrOtherEntry says that both codes come from another entry of the same person; see [OtherEntryError].
	ErrOtherEntry = errors.New("mfa: codes of another entry")
	// ErrNotProven says that the step after the two codes was asked for before they were given.
	ErrNotProven = errors.New("mfa: enrolment not proven")
	// ErrReplaced says that the recovery codes on the page are not the newest ones, or not of this enrolment.
	ErrReplaced = errors.New("mfa: recovery codes were replaced")
)

// PairError says which of two codes is wrong. It wraps [ErrMalformedCode] or, while enrolling only, [ErrInvalidCode]
// (the other one is right).
type PairError struct {
	Field string // "code1" or "code2": the one to correct
	Err   error
}

func (e *PairError) Error() string { return fmt.Sprintf("%v (%s)", e.Err, e.Field) }

// Unwrap returns what is wrong with the field.
func (e *PairError) Unwrap() error { return e.Err }

// OtherEntryError names the entry that the two codes belong to. It is an [ErrOtherEntry].
type OtherEntryError struct {
	Name      string // the authenticator's name; for an abandoned one its account
	Abandoned bool   // an enrolment that was begun and not finished: its entry may be deleted from the app
}

func (e *OtherEntryError) Error() string { return fmt.Sprintf("%v: %q", ErrOtherEntry, e.Name) }

// Unwrap returns [ErrOtherEntry].
func (e *OtherEntryError) Unwrap() error { return ErrOtherEntry }

// ClockError says that the code is right for another time. Of a single code the offset is always negative (the phone is
// slow): nothing is ever said about one that is still to come. Of two codes it has either sign.
type ClockError struct {
	Offset time.Duration // the phone's clock minus ours
}

func (e *ClockError) Error() string {
	return fmt.Sprintf("mfa: the phone's clock is off by %v", e.Offset)
}

// ThrottledError says that a code was not looked at: neither compared, nor counted, nor used up. The refusal of the very
// code that seals a factor is a sealed one as well: it was looked at and is wrong, and none comes after it.
type ThrottledError struct {
	Until  time.Time // when the next one is looked at; zero when sealed
	Sealed bool      // no code of this kind is looked at until the person or an administrator reopens it
}

func (e *ThrottledError) Error() string {
	if e.Sealed {
		return "mfa: sealed after too many wrong codes"
	}
	return "mfa: too many wrong codes, wait until " + e.Until.UTC().Format(time.RFC3339)
}

// refusal is a wrong code's error together with what it left.
type refusal struct {
	error
	left   int
	until  time.Time // zero when sealed
	sealed bool      // by this failure
}

func (e *refusal) Unwrap() []error {
	if e.sealed {
		return []error{e.error, &ThrottledError{Sealed: true}}
	}
	return []error{e.error}
}

// TriesLeft returns how many tries are left before the first wait, when err is the refusal of a code at sign-in.
func TriesLeft(err error) (int, bool) {
	var r *refusal
	if !errors.As(err, &r) {
		return 0, false
	}
	return r.left, true
}

// RetryAt returns when the next try is looked at, when err is a refusal that has to be waited after.
func RetryAt(err error) (time.Time, bool) {
	var r *refusal
	if errors.As(err, &r) {
		return r.until, !r.until.IsZero()
	}
	var t *ThrottledError
	if errors.As(err, &t) {
		return t.Until, !t.Sealed
	}
	return time.Time{}, false
}
