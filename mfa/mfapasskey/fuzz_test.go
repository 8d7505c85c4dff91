package mfapasskey_test

import (
	"errors"
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey"
)

// FuzzAnswers sends whatever a browser may send, for a person who has a passkey: nothing but its own answer is one.
func FuzzAnswers(f *testing.F) {
	w := newWorld(f, dbxtest.SQLiteURL)
	d, _ := w.add("alice")
	shown, ceremony, err := w.BeginVerify(f.Context(), "alice")
	w.must(err)
	f.Add(d.get(shown))
	shown, _, err = w.BeginAdd(f.Context(), browser("alice"), "alice")
	w.must(err)
	f.Add(newDevice(f).create(shown))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`))
	_, err = w.FinishVerify(f.Context(), "alice", ceremony, d.get(shown))
	w.is(err, mfa.ErrInvalidCode)

	f.Fuzz(func(t *testing.T, answer []byte) {
		w.t = t
		w.must(w.mfa.Unseal(t.Context(), "alice", "the next try"))
		_, verifying, err := w.BeginVerify(t.Context(), "alice")
		w.must(err)
		if _, err := w.FinishVerify(t.Context(), "alice", verifying, answer); !errors.Is(err, mfa.ErrInvalidCode) && !errors.Is(err, mfapasskey.ErrMalformed) {
			t.Errorf("second factor: %v", err)
		}
		_, signing, err := w.BeginSignIn(t.Context())
		w.must(err)
		if subject, _, err := w.FinishSignIn(t.Context(), signing, answer); err == nil || subject != "" {
			t.Errorf("sign-in as %q: %v", subject, err)
		}
		_, adding, err := w.BeginAdd(t.Context(), browser("bob"), "bob")
		w.must(err)
		if _, err := w.FinishAdd(t.Context(), browser("bob"), adding, "", answer); !errors.Is(err, mfapasskey.ErrRefused) && !errors.Is(err, mfapasskey.ErrMalformed) {
			t.Errorf("new: %v", err)
		}
	})
}
