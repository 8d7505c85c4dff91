package mfapasskey_test

import (
	"testing"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
	"github.com/focushq/idp/mfa/mfatest"
)

// proven begins an enrolment in a session of its own, up to the two codes.
func (w *world) proven(owner mfa.Owner) string {
	w.t.Helper()
	e, err := w.mfa.Enroll(w.t.Context(), owner, owner.Subject+"@example.com")
	w.must(err)
	phone, err := mfatest.Scan(e.URI)
	w.must(err)
	phone.Clock = w.clock
	_, err = w.mfa.VerifyEnrollment(w.t.Context(), owner, e.ID, phone.Code(0), phone.Code(1))
	w.must(err)
	return e.ID
}

// What somebody has begun with the password alone does not outlive the factor that turns MFA on, of whatever kind.
func TestWhatWasBegunBeforeTheFirstFactorEnds(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, row := range []struct {
			subject string
			first   func(string)
		}{
			{"alice", func(subject string) { w.add(subject) }},
			{"bob", func(subject string) { w.withApp(subject) }},
		} {
			thief := mfa.Owner{Subject: row.subject, Session: "stolen"}
			enrolment, device := w.proven(thief), passkeytest.New(t, origin)
			shown, ceremony, err := w.BeginAdd(t.Context(), thief, "account")
			w.must(err)
			row.first(row.subject)
			_, err = w.mfa.Confirm(t.Context(), thief, enrolment, "")
			w.is(err, mfa.ErrNotFound)
			_, err = w.FinishAdd(t.Context(), thief, ceremony, "", device.Create(shown))
			w.is(err, mfa.ErrCeremony)
			_, _, err = w.signIn(device)
			w.is(err, mfa.ErrUnknown)
			// What the second factor stood before is not touched by one more.
			further := w.proven(browser(row.subject))
			w.add(row.subject)
			_, err = w.mfa.Confirm(t.Context(), browser(row.subject), further, "")
			w.must(err)
		}
	})
}

// Of two first passkeys at once one is kept.
func TestTwoFirstPasskeys(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		type begun struct {
			ceremony string
			answer   []byte
		}
		answers := make(chan begun, 40)
		for range 10 {
			shown, ceremony, err := w.BeginAdd(t.Context(), browser("alice"), "account")
			w.must(err)
			answer := begun{ceremony, passkeytest.New(t, origin).Create(shown)}
			for range 4 {
				answers <- answer
			}
		}
		kept := race(t, w, func(r replica) error {
			a := <-answers
			_, err := r.FinishAdd(t.Context(), browser("alice"), a.ceremony, "", a.answer)
			return err
		})
		have, err := w.Passkeys(t.Context(), "alice")
		w.must(err)
		if kept != 1 || len(have) != 1 || !have[0].First {
			t.Errorf("%d kept: %+v", kept, have)
		}
	})
}
