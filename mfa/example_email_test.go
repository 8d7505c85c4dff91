package mfa_test

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"sync"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// MailedCodes is a factor of one's own: a code by mail, good for ten minutes and once. This one keeps them in memory; a
// server has a table, and hashes what is in it.
type MailedCodes struct {
	MFA  *mfa.Service
	Send func(address, code string)

	mu     sync.Mutex
	people map[string]mailbox
}

type mailbox struct {
	address, code string
	until         time.Time
}

func (f *MailedCodes) Name() string { return "email" }

func (f *MailedCodes) Enrolled(_ context.Context, subject string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.people[subject].address != "", nil
}

func (f *MailedCodes) Reset(_ context.Context, subject string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.people, subject)
	return nil
}

// Use turns the factor on for an address that the person has proved to be theirs.
func (f *MailedCodes) Use(ctx context.Context, subject, address string) error {
	return f.MFA.Add(ctx, f.Name(), subject, address, func(context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.people[subject] = mailbox{address: address}
		return nil
	})
}

// Mail sends a code. The page's handler calls it by POST, after the password, and bounds how often.
func (f *MailedCodes) Mail(subject string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	box := mailbox{f.people[subject].address, rand.Text()[:8], time.Now().Add(10 * time.Minute)}
	f.people[subject] = box
	f.Send(box.address, box.code)
}

// Verify takes the code that was typed. Try counts it before the comparison, has people wait after the fifth wrong one,
// and looks at none after the sixtieth.
func (f *MailedCodes) Verify(ctx context.Context, subject, typed string) error {
	return f.MFA.Try(ctx, f.Name(), subject, func(context.Context) (string, bool, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		box := f.people[subject]
		if time.Now().After(box.until) || subtle.ConstantTimeCompare([]byte(box.code), []byte(typed)) != 1 {
			return "", false, nil
		}
		f.people[subject] = mailbox{address: box.address} // once
		return "", true, nil
	})
}

// A third party adds a factor: a code by mail.
func ExampleFactor() {
	ctx, inbox, service := context.Background(), "", newService(mfatest.Memory(), nil)
	mailed := &MailedCodes{MFA: service, people: map[string]mailbox{}, Send: func(_, code string) { inbox = code }}
	fmt.Println(service.Register(mailed), mailed.Use(ctx, "alice", "alice@example.com"))

	status, _ := service.Status(ctx, "alice")
	fmt.Println("enrolled:", status.Enrolled, "recovery codes:", status.CodesLeft) // time to offer a set
	mailed.Mail("alice")
	fmt.Println(mailed.Verify(ctx, "alice", "wrong"))
	fmt.Println(mailed.Verify(ctx, "alice", inbox))
	fmt.Println(mailed.Verify(ctx, "alice", inbox))
	// Output:
	// <nil> <nil>
	// enrolled: true recovery codes: 0
	// mfa: invalid code
	// <nil>
	// mfa: invalid code
}
