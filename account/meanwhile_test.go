package account

import (
	"context"
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
)

const other = "seven geese over the harbour"

// What proved who somebody is may have waited for its hash: a password that was replaced meanwhile, or an account that was disabled,
// opens no session, and sets no password either.
func TestSec_PW13_WhatWasProvedHoldsUntilTheSessionBegins(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		proved := func() *Account {
			t.Helper()
			a, err := f.Authenticate(ctx, "ada", good, "192.0.2.1")
			check(t, err)
			return a
		}
		ada := f.add("ada")
		a := proved()
		check(t, f.SignedIn(ctx, a))
		check(t, f.Disable(ctx, ada.Subject))
		want(t, f.SignedIn(ctx, a), ErrDisabledCredentials)
		check(t, f.Enable(ctx, ada.Subject))
		check(t, f.SignedIn(ctx, a))

		hashed, err := f.HashNext(ctx, ada.Subject, "a third one that is long enough", true)
		check(t, err)
		check(t, f.SetPassword(ctx, ada.Subject, other))
		want(t, f.SignedIn(ctx, a), ErrCredentials)
		want(t, f.ReplaceHashed(ctx, a, hashed), ErrCredentials)
		a, err = f.VerifyPassword(ctx, ada.Subject, other, "192.0.2.1")
		check(t, err)
		check(t, f.ReplaceHashed(ctx, a, hashed))

		check(t, f.Disable(ctx, ada.Subject))
		check(t, f.Delete(ctx, ada.Subject))
		want(t, f.SignedIn(ctx, a), ErrCredentials)
	})
}

// Of a sign-in and a change of the password at the same moment one waits for the other: the change sees the session, or the sign-in
// the change.
func TestSec_PW13_ASignInAndAChangeTakeTurns(t *testing.T) {
	f := fixtureOn(t, dbxtest.Postgres(t, "account"))
	ctx := t.Context()
	ada := f.add("ada")
	a, err := f.Authenticate(ctx, "ada", good, "192.0.2.1")
	check(t, err)
	hashed, err := f.HashNext(ctx, ada.Subject, other, true)
	check(t, err)
	signed := make(chan error, 1)
	check(t, f.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		if err := f.SetHashed(ctx, ada.Subject, hashed); err != nil {
			return err
		}
		began := make(chan struct{})
		go func() { // it sees the old password, or comes after the end: it must not succeed either way
			close(began)
			signed <- f.cfg.DB.InOne(t.Context(), func(ctx context.Context) error { return f.SignedIn(ctx, a) })
		}()
		<-began
		return nil
	}))
	want(t, <-signed, ErrCredentials)
}

// Tries of one password that is to be hashed anew do not refuse one another.
func TestRehashByAnother(t *testing.T) {
	f := onSQLite(t)
	ctx := t.Context()
	ada := f.add("ada")
	stale := func() *row {
		t.Helper()
		r, err := f.rowOf(ctx, ada.Subject)
		check(t, err)
		return r
	}
	first, second, third := stale(), stale(), stale()
	check(t, f.rehash(ctx, first, good))
	check(t, f.rehash(ctx, second, good))
	if now := f.storedHash(ada.Subject); first.Password != now || second.Password != now {
		t.Errorf("%q and %q, stored %q", first.Password, second.Password, now)
	}
	check(t, f.SetPassword(ctx, ada.Subject, other))
	want(t, f.rehash(ctx, third, good), ErrCredentials)
	_, err := f.cfg.DB.Exec(ctx, `DELETE FROM accounts WHERE subject = $1`, ada.Subject)
	check(t, err)
	want(t, f.rehash(ctx, third, good), ErrCredentials)
}
