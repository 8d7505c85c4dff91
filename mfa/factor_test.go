package mfa_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
)

// token is a factor of others: who has it shows its word.
type token struct {
	name string
	have map[string]string
	err  error
}

func (f *token) Name() string { return f.name }

func (f *token) Enrolled(_ context.Context, subject string) (bool, error) {
	return f.have[subject] != "", f.err
}

func (f *token) Reset(_ context.Context, subject string) error {
	delete(f.have, subject)
	return f.err
}

// give makes the token subject's.
func (f *token) give(subject string) func(context.Context) error {
	return func(context.Context) error { f.have[subject] = "word"; return nil }
}

func (f *token) take(subject string) func(context.Context) error {
	return func(context.Context) error { delete(f.have, subject); return nil }
}

func (b *bench) withToken() *token {
	b.t.Helper()
	f := &token{name: "token", have: map[string]string{}}
	b.must(b.Register(f))
	return f
}

func show(f *token, subject, word string) func(context.Context) (string, bool, error) {
	return func(context.Context) (string, bool, error) { return "", f.have[subject] == word, nil }
}

func TestNamesOfFactors(t *testing.T) {
	b := newBench(t)
	b.withToken()
	for _, bad := range []string{"", "token", "totp", "recovery", "network", "Token", "to ken", "a/b", "ü", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if err := b.Register(&token{name: bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	called := func(context.Context) error { t.Error("called"); return nil }
	for _, err := range []error{
		b.Try(t.Context(), "totp", "alice", func(context.Context) (string, bool, error) { return "", true, nil }),
		b.Add(t.Context(), "stranger", "alice", "", called),
		b.Drop(t.Context(), "stranger", "alice", "", called),
		b.Record(t.Context(), "stranger", "alice", "seen"),
	} {
		if err == nil {
			t.Error("a factor that nobody registered")
		}
	}
}

func TestAFactorOfOthersCounts(t *testing.T) {
	b := newBench(t)
	f := b.withToken()
	b.must(b.Add(t.Context(), "token", "alice", "My token", f.give("alice")))
	b.happened("token_added", mfa.Enrolled)
	status, err := b.Status(t.Context(), "alice")
	b.must(err)
	if !status.Enrolled || !slices.Equal(status.Factors, []mfa.FactorStatus{{Name: "token"}}) {
		t.Errorf("%+v", status)
	}

	// Recovery codes stand without an enrolment, and an app that comes later asks for none.
	_, set, err := b.NewRecoveryCodes(t.Context(), owner("alice"), "")
	b.must(err)
	b.must(b.ConfirmRecoveryCodes(t.Context(), owner("alice"), set))
	b.kinds()
	e, phone := b.scan("alice")
	if e.First {
		t.Error("the app would be the first factor")
	}
	b.prove("alice", e, phone)
	_, err = b.Confirm(t.Context(), owner("alice"), e.ID, set)
	b.is(err, mfa.ErrReplaced)
	_, err = b.Confirm(t.Context(), owner("alice"), e.ID, "")
	b.must(err)
	b.happened(mfa.AuthenticatorAdded)

	status, err = b.Status(t.Context(), "alice")
	b.must(err)
	b.must(b.Remove(t.Context(), "alice", status.Authenticators[0].ID))
	b.happened(mfa.AuthenticatorRemoved)
	b.must(b.Drop(t.Context(), "token", "alice", "My token", f.take("alice")))
	b.happened("token_removed", mfa.Disabled)
	if status, err = b.Status(t.Context(), "alice"); err != nil || status.Enrolled || status.CodesLeft != 0 {
		t.Errorf("%+v %v", status, err)
	}
	b.is(b.Disable(t.Context(), "alice"), mfa.ErrNotEnrolled)
}

func TestResetAndDisableTakeFactorsOfOthersAway(t *testing.T) {
	b := newBench(t)
	f := b.withToken()
	for _, end := range []func() error{
		func() error { return b.Disable(t.Context(), "alice") },
		func() error { return b.Reset(t.Context(), "alice", "lost") },
	} {
		b.must(b.Add(t.Context(), "token", "alice", "", f.give("alice")))
		f.err = errObserver
		b.is(end(), errObserver)
		f.err = nil
		b.must(end())
		if enrolled, err := b.Enrolled(t.Context(), "alice"); enrolled || err != nil {
			t.Errorf("still enrolled: %v", err)
		}
	}
}

// Nobody gets in because it could not be told whether they have a factor.
func TestAFactorThatFails(t *testing.T) {
	b := newBench(t)
	f := b.withToken()
	f.err = errObserver
	_, err := b.Status(t.Context(), "alice")
	b.is(err, errObserver)
	_, err = b.Enrolled(t.Context(), "alice")
	b.is(err, errObserver)
	b.is(b.Add(t.Context(), "token", "alice", "", f.give("alice")), errObserver)
	f.err = nil
	failed := errors.New("no room")
	b.is(b.Add(t.Context(), "token", "bob", "", func(context.Context) error { return failed }), failed)
	b.is(b.Drop(t.Context(), "token", "bob", "", func(context.Context) error { return mfa.ErrNotFound }), mfa.ErrNotFound)
	b.happened()
}

func TestTriesOfAFactorOfOthers(t *testing.T) {
	b := newBench(t)
	f := b.withToken()
	b.must(b.Add(t.Context(), "token", "alice", "", f.give("alice")))
	b.kinds()
	for n := range 4 {
		err := b.Try(t.Context(), "token", "alice", show(f, "alice", "wrong"))
		if left, ok := mfa.TriesLeft(err); !errors.Is(err, mfa.ErrInvalidCode) || !ok || left != 4-n {
			t.Fatalf("try %d: %v", n, err)
		}
	}
	b.kinds()
	b.is(b.Try(t.Context(), "token", "alice", func(context.Context) (string, bool, error) { return "", false, errObserver }), errObserver)
	throttled(t, b.Try(t.Context(), "token", "alice", show(f, "alice", "word"))) // the one that failed was counted
	b.happened(mfa.Throttled)
	status, err := b.Status(t.Context(), "alice")
	b.must(err)
	if !status.Factors[0].RetryAt.Equal(b.clock().Add(time.Minute)) {
		t.Errorf("%+v", status.Factors)
	}
	b.pass(time.Minute)
	b.must(b.Try(t.Context(), "token", "alice", show(f, "alice", "word")))
	b.happened("token_accepted")

	for range 60 {
		b.is(b.Try(t.Context(), "token", "alice", show(f, "alice", "wrong")), mfa.ErrInvalidCode)
		b.pass(time.Hour)
	}
	if got := b.kinds(); !slices.Contains(got, mfa.Warned) || got[len(got)-1] != mfa.Sealed {
		t.Errorf("at the end: %v", got)
	}
	if wait := throttled(t, b.Try(t.Context(), "token", "alice", show(f, "alice", "word"))); !wait.Sealed {
		t.Errorf("%v", wait)
	}
	b.kinds()
	b.must(b.Unseal(t.Context(), "alice", "asked in person"))
	b.happened(mfa.Unsealed)
	b.must(b.Try(t.Context(), "token", "alice", show(f, "alice", "word")))
}

func TestRecordOfAFactorOfOthers(t *testing.T) {
	b := newBench(t)
	b.withToken()
	b.must(b.Record(t.Context(), "token", "alice", "renamed", "name", "New"))
	if e := b.events[0]; e.Kind != "token_renamed" || e.Detail["factor"] != "token" || e.Detail["name"] != "New" {
		t.Errorf("%+v", e)
	}
	b.refuse = "token_accepted"
	b.is(b.Try(t.Context(), "token", "alice", func(context.Context) (string, bool, error) { return "", true, nil }), errObserver)
}
