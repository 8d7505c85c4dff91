package mfapasskey_test

import (
	"errors"
	"testing"

	"github.com/focushq/idp/mfa"
)

// Whoever cannot use the first passkey gets rid of it; the next one counts like a first one.
func TestAbandon(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.is(w.Abandon(t.Context(), "alice"), mfa.ErrNotFound)
		lost, first := w.add("alice")
		if !first.First {
			t.Errorf("%+v", first)
		}
		_, unseen, err := w.mfa.NewRecoveryCodes(t.Context(), browser("alice"), "") // shown and never confirmed
		w.must(err)
		w.add("bob")
		w.forget()
		w.must(w.Abandon(t.Context(), "alice"))
		w.happened("passkey_removed", mfa.Disabled)
		if enrolled, err := w.mfa.Enrolled(t.Context(), "alice"); enrolled || err != nil {
			t.Errorf("still enrolled: %v", err)
		}
		if enrolled, err := w.mfa.Enrolled(t.Context(), "bob"); !enrolled || err != nil {
			t.Errorf("another person's went too: %v", err)
		}
		_, _, err = w.signIn(lost)
		w.is(err, mfa.ErrUnknown)
		w.is(w.mfa.ConfirmRecoveryCodes(t.Context(), browser("alice"), unseen), mfa.ErrNotEnrolled)
		w.add("alice")
	})
}

// What has worked, or is not alone, stays, and all that stands beside it.
func TestNothingElseIsAbandoned(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		used, _ := w.add("used")
		w.add("used")
		_, err := w.verify("used", used)
		w.must(err)
		alone, _ := w.add("alone")
		_, _, err = w.signIn(alone)
		w.must(err)
		w.add("two")
		w.add("two")
		w.add("codes")
		w.withCodes("codes")
		w.add("app")
		w.withApp("app")
		w.forget()
		for subject, keys := range map[string]int{"used": 2, "alone": 1, "two": 2, "codes": 1, "app": 1} {
			w.is(w.Abandon(t.Context(), subject), mfa.ErrInUse)
			if left, err := w.Passkeys(t.Context(), subject); err != nil || len(left) != keys {
				t.Errorf("%s: %d left, %v", subject, len(left), err)
			}
		}
		w.happened()

		w.add("audit")
		w.refuse = "passkey_removed"
		w.is(w.Abandon(t.Context(), "audit"), errObserver)
		if left, err := w.Passkeys(t.Context(), "audit"); err != nil || len(left) != 1 {
			t.Errorf("%d left, %v", len(left), err)
		}
	})
}

// A password alone takes away what the password alone has guarded, and nothing that came after something else: neither
// when that is gone by now, nor when a backup has taken the recovery codes along.
func TestOnlyTheFirstPasskeyIsAbandoned(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		stays := func(subject string) {
			t.Helper()
			w.is(w.Abandon(t.Context(), subject), mfa.ErrInUse)
			if enrolled, err := w.mfa.Enrolled(t.Context(), subject); !enrolled || err != nil {
				t.Errorf("%s: MFA is off: %v", subject, err)
			}
		}
		withoutApp := func(subject string) {
			t.Helper()
			status, err := w.mfa.Status(t.Context(), subject)
			w.must(err)
			w.must(w.mfa.Remove(t.Context(), subject, status.Authenticators[0].ID))
		}
		d, old := w.add("changed")
		_, err := w.verify("changed", d)
		w.must(err)
		w.withApp("changed")
		w.must(w.Remove(t.Context(), "changed", old.ID))
		if _, added := w.add("changed"); added.First {
			t.Errorf("%+v", added)
		}
		withoutApp("changed")
		stays("changed")

		w.withApp("restored")
		w.add("restored")
		withoutApp("restored")
		w.add("brought back") // it may have worked since the backup
		w.must(w.mfa.AfterRestore(t.Context()))
		stays("restored")
		stays("brought back")
	})
}

// Of a use and an abandonment at the same moment one wins, on both replicas: a passkey that let somebody in stays.
func TestAbandonAgainstAUse(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for range 8 {
			d, passkey := w.add("alice")
			shown, ceremony, err := w.BeginVerify(t.Context(), "alice")
			w.must(err)
			answer := d.Get(shown)
			used := make(chan error)
			go func() {
				_, err := w.other.FinishVerify(t.Context(), "alice", ceremony, answer)
				used <- err
			}()
			abandoned := w.Abandon(t.Context(), "alice")
			accepted := <-used
			left, err := w.Passkeys(t.Context(), "alice")
			w.must(err)
			switch {
			case accepted == nil && errors.Is(abandoned, mfa.ErrInUse) && len(left) == 1:
				w.must(w.Remove(t.Context(), "alice", passkey.ID))
			case abandoned == nil && len(left) == 0 && // the ceremony went first, or the passkey under it
				(errors.Is(accepted, mfa.ErrCeremony) || errors.Is(accepted, mfa.ErrInvalidCode)):
			default:
				t.Fatalf("used: %v, abandoned: %v, %d left", accepted, abandoned, len(left))
			}
		}
	})
}
