package mfa_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// newService returns a service as an example needs it. A server keeps its key, and its store, for ever.
func newService(store mfa.Store, now func() time.Time) *mfa.Service {
	cipher, err := mfa.NewCipher([]byte("32 bytes from a file of mode 600"))
	if err != nil {
		log.Fatal(err)
	}
	service, err := mfa.New(mfa.Config{Store: store, Cipher: cipher, Issuer: "Acme", Now: now})
	if err != nil {
		log.Fatal(err)
	}
	return service
}

// enroll sets up a phone for alice and returns it with her recovery codes. Each step is a page of its own.
func enroll(ctx context.Context, service *mfa.Service, now func() time.Time) (*mfatest.Phone, []string) {
	alice := mfa.Owner{Subject: "alice", Session: "the session's id"}
	enrollment, err := service.Enroll(ctx, alice, "alice@example.com")
	if err != nil {
		log.Fatal(err)
	}
	phone, err := mfatest.Scan(enrollment.URI) // a page shows mfa.QR(enrollment.URI)
	if err != nil {
		log.Fatal(err)
	}
	phone.Clock = now
	if _, err := service.VerifyEnrollment(ctx, alice, enrollment.ID, phone.Code(0), phone.Code(1)); err != nil {
		log.Fatal(err)
	}
	codes, set, err := service.NewRecoveryCodes(ctx, alice, enrollment.ID)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := service.Confirm(ctx, alice, enrollment.ID, set); err != nil {
		log.Fatal(err)
	}
	return phone, codes
}

// Enrol, and sign in with a code a minute later.
func Example() {
	ctx, clock := context.Background(), time.Unix(1_800_000_000, 0)
	now := func() time.Time { return clock }
	service := newService(mfatest.Memory(), now)
	phone, _ := enroll(ctx, service, now)

	clock = clock.Add(time.Minute)
	fmt.Println(service.VerifyTOTP(ctx, "alice", phone.Code(0)))
	fmt.Println(service.VerifyTOTP(ctx, "alice", phone.Code(0)))
	err := service.VerifyTOTP(ctx, "alice", "not a code")
	fmt.Println(errors.Is(err, mfa.ErrMalformedCode))
	fmt.Println(mfa.AMR(mfa.Password, mfa.TOTP))
	// Output:
	// <nil>
	// mfa: code already used
	// true
	// [pwd otp mfa]
}

// A recovery code is typed in whatever way, and works once.
func ExampleService_VerifyRecoveryCode() {
	ctx := context.Background()
	service := newService(mfatest.Memory(), nil)
	_, codes := enroll(ctx, service, nil)

	left, err := service.VerifyRecoveryCode(ctx, "alice", " "+codes[7])
	fmt.Println(left, err)
	_, err = service.VerifyRecoveryCode(ctx, "alice", codes[7])
	tries, _ := mfa.TriesLeft(err)
	fmt.Println(err, "- tries left:", tries)
	fmt.Println(mfa.AMR(mfa.Password, mfa.RecoveryCode))
	// Output:
	// 9 <nil>
	// mfa: invalid code - tries left: 4
	// [pwd mfa]
}

// auditedStore is a store of one's own. This one adds to another; a whole one, made of maps, stands in
// example_store_test.go, and runs in its tests:
//
//	mfatest.RunStore(t, func(t *testing.T) mfa.Store { return newStore(t) })
type auditedStore struct {
	mfa.Store
	steps int
}

// AdvanceStep has to be one conditional statement, such as UPDATE … WHERE last_step < $1. Reading first and writing
// then would let the same code in twice.
func (s *auditedStore) AdvanceStep(ctx context.Context, subject, id string, a mfa.Advance) (bool, error) {
	won, err := s.Store.AdvanceStep(ctx, subject, id, a)
	if won {
		s.steps++
	}
	return won, err
}

// Bring a store of your own.
func ExampleStore() {
	ctx, clock := context.Background(), time.Unix(1_800_000_000, 0)
	now := func() time.Time { return clock }
	store := &auditedStore{Store: mfatest.Memory()}
	service := newService(store, now)
	phone, _ := enroll(ctx, service, now)

	clock = clock.Add(time.Minute)
	for range 3 {
		service.VerifyTOTP(ctx, "alice", phone.Code(0))
	}
	fmt.Println("codes accepted:", store.steps)
	// Output:
	// codes accepted: 1
}
