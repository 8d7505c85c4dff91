package mfa_test

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// MailedCodes is a factor of one's own: six digits by mail, good for ten minutes and once. This one keeps them in memory;
// a server has a table, and hashes what is in it.
type MailedCodes struct {
	MFA  *mfa.Service
	Send func(address, code string)

	mu        sync.Mutex
	addresses map[string]string // by subject
	codes     map[string]mailedCode
}

type mailedCode struct {
	digits string
	until  time.Time
}

// Name, Enrolled and Reset are what makes it a [mfa.Factor].
func (f *MailedCodes) Name() string { return "email" }

func (f *MailedCodes) Enrolled(_ context.Context, subject string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addresses[subject] != "", nil
}

func (f *MailedCodes) Reset(_ context.Context, subject string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.addresses, subject)
	delete(f.codes, subject)
	return nil
}

// Use turns the factor on for an address that the person has proved to be theirs.
func (f *MailedCodes) Use(ctx context.Context, subject, address string) error {
	return f.MFA.Add(ctx, f.Name(), subject, address, func(context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.addresses[subject] = address
		return nil
	})
}

// Mail sends a code. The page's handler calls it by POST, after the password, and bounds how often.
func (f *MailedCodes) Mail(subject string) error {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	code := mailedCode{fmt.Sprintf("%06d", n), time.Now().Add(10 * time.Minute)}
	f.codes[subject] = code
	f.Send(f.addresses[subject], code.digits)
	return nil
}

// Verify takes the code that was typed. Try has counted it before the comparison, waits after the fifth wrong one and
// seals after the sixtieth.
func (f *MailedCodes) Verify(ctx context.Context, subject, typed string) error {
	return f.MFA.Try(ctx, f.Name(), subject, func(context.Context) (bool, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		code := f.codes[subject]
		if time.Now().After(code.until) || subtle.ConstantTimeCompare([]byte(code.digits), []byte(typed)) != 1 {
			return false, nil
		}
		delete(f.codes, subject) // once
		return true, nil
	})
}

// A third party adds a factor: a code by mail.
func ExampleFactor() {
	ctx, inbox := context.Background(), ""
	service := newService(mfatest.Memory(), nil)
	mailed := &MailedCodes{MFA: service, addresses: map[string]string{}, codes: map[string]mailedCode{}}
	mailed.Send = func(_, code string) { inbox = code }
	if err := service.Register(mailed); err != nil {
		fmt.Println(err)
	}

	fmt.Println(mailed.Use(ctx, "alice", "alice@example.com"), mailed.Mail("alice"))
	status, _ := service.Status(ctx, "alice")
	fmt.Println("enrolled:", status.Enrolled, "- recovery codes:", status.CodesLeft) // time to offer a set

	err := mailed.Verify(ctx, "alice", "no code")
	left, _ := mfa.TriesLeft(err)
	fmt.Println(errors.Is(err, mfa.ErrInvalidCode), left)
	fmt.Println(mailed.Verify(ctx, "alice", inbox))
	fmt.Println(mailed.Verify(ctx, "alice", inbox))
	// Output:
	// <nil> <nil>
	// enrolled: true - recovery codes: 0
	// true 4
	// <nil>
	// mfa: invalid code
}
