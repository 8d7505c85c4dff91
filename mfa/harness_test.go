package mfa_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// bench is a service on a store in memory, with a clock that the test sets.
type bench struct {
	*mfa.Service
	t      *testing.T
	config mfa.Config

	mu     sync.Mutex
	now    time.Time
	events []mfa.Event
	refuse mfa.Kind // the observer refuses this kind
	hashes int
}

var errObserver = errors.New("the audit is full")

func newBench(t *testing.T, edit ...func(*mfa.Config)) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Unix(1_800_000_000, 0)} // the first second of a time step
	cipher, err := mfa.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	b.config = mfa.Config{
		Store: mfatest.Memory(), Cipher: cipher, Issuer: "Focus HQ", RememberFor: 720 * time.Hour,
		Now: b.clock, Observe: b.observe,
	}
	for _, edit := range edit {
		edit(&b.config)
	}
	b.restart()
	return b
}

// restart makes a new service on the same store, as another replica would.
func (b *bench) restart() {
	b.t.Helper()
	service, err := mfa.New(b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	service.Hasher(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.hashes++
	})
	b.Service = service
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bench) observe(_ context.Context, e mfa.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Kind == b.refuse {
		return errObserver
	}
	b.events = append(b.events, e)
	return nil
}

// kinds returns the kinds of the events since the last call.
func (b *bench) kinds() []mfa.Kind {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []mfa.Kind
	for _, e := range b.events {
		out = append(out, e.Kind)
	}
	b.events = nil
	return out
}

func (b *bench) happened(want ...mfa.Kind) {
	b.t.Helper()
	if got := b.kinds(); !slices.Equal(got, want) {
		b.t.Fatalf("events: got %v, want %v", got, want)
	}
}

func (b *bench) count(kind mfa.Kind) int {
	n := 0
	for _, k := range b.kinds() {
		if k == kind {
			n++
		}
	}
	return n
}

func owner(subject string) mfa.Owner {
	return mfa.Owner{Subject: subject, Session: subject + "'s browser"}
}

// scan begins an enrolment and returns the phone that has scanned it.
func (b *bench) scan(subject string) (*mfa.Enrollment, *mfatest.Phone) {
	b.t.Helper()
	e, err := b.Enroll(b.t.Context(), owner(subject), subject+"@example.com")
	b.must(err)
	phone, err := mfatest.Scan(e.URI)
	b.must(err)
	phone.Clock = b.clock
	return e, phone
}

// prove gives the phone's two codes.
func (b *bench) prove(subject string, e *mfa.Enrollment, phone *mfatest.Phone) mfa.Drift {
	b.t.Helper()
	drift, err := b.VerifyEnrollment(b.t.Context(), owner(subject), e.ID, phone.Code(0), phone.Code(1))
	b.must(err)
	return drift
}

// enroll turns MFA on for subject and waits until the two codes are over.
func (b *bench) enroll(subject string, offset ...time.Duration) (*mfatest.Phone, []string) {
	b.t.Helper()
	e, phone := b.scan(subject)
	for _, o := range offset {
		phone.Offset = o
	}
	b.prove(subject, e, phone)
	codes, set, err := b.NewRecoveryCodes(b.t.Context(), owner(subject), e.ID)
	b.must(err)
	_, err = b.Confirm(b.t.Context(), owner(subject), e.ID, set)
	b.must(err)
	b.pass(2 * mfa.Period)
	b.kinds()
	return phone, codes
}

// add adds a further authenticator.
func (b *bench) add(subject string) *mfatest.Phone {
	b.t.Helper()
	e, phone := b.scan(subject)
	b.prove(subject, e, phone)
	_, err := b.Confirm(b.t.Context(), owner(subject), e.ID, "")
	b.must(err)
	b.pass(2 * mfa.Period)
	b.kinds()
	return phone
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// is fails unless err is target.
func (b *bench) is(err, target error) {
	b.t.Helper()
	if !errors.Is(err, target) {
		b.t.Fatalf("got %v, want %v", err, target)
	}
}

// records returns the subject's authenticators as they are kept.
func (b *bench) records(subject string) []mfa.AuthenticatorRecord {
	b.t.Helper()
	out, err := b.config.Store.Authenticators(b.t.Context(), subject)
	b.must(err)
	return out
}

// wrong returns a code that the phone shows nowhere near.
func wrong(phone *mfatest.Phone) string {
	for n := 0; ; n++ {
		code := string([]byte{'9', '9', '9', '9', byte('0' + n/10), byte('0' + n%10)})
		if !slices.ContainsFunc(steps(-60, 60), func(s int) bool { return phone.Code(s) == code }) {
			return code
		}
	}
}

func steps(from, to int) []int {
	var out []int
	for s := from; s <= to; s++ {
		out = append(out, s)
	}
	return out
}

func throttled(t *testing.T, err error) *mfa.ThrottledError {
	t.Helper()
	var out *mfa.ThrottledError
	if !errors.As(err, &out) {
		t.Fatalf("got %v, want a wait", err)
	}
	return out
}
