package mfapasskey_test

import (
	"errors"
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
)

// FuzzAnswers sends whatever a browser may send: nothing but the device's own answer to this very ceremony is one.
// What is no answer at all costs no statement, so most tries are quick.
func FuzzAnswers(f *testing.F) {
	w := newWorld(f, dbxtest.SQLiteURL)
	d, _ := w.add("alice")
	asked, verifying, err := w.BeginVerify(f.Context(), "alice")
	w.must(err)
	_, signing, err := w.BeginSignIn(f.Context())
	w.must(err)
	made, adding, err := w.BeginAdd(f.Context(), browser("bob"), "bob")
	w.must(err)
	d.Origin = "https://id.example.org"
	f.Add(d.Get(asked))
	f.Add(d.Create(made))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`))

	refusals := []error{
		mfa.ErrMalformedResponse, mfa.ErrCeremony, mfa.ErrRefused, mfa.ErrUnknown, mfa.ErrInvalidCode,
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		_, err := w.FinishVerify(t.Context(), "alice", verifying, answer)
		subject, _, err2 := w.FinishSignIn(t.Context(), signing, answer, nil)
		_, err3 := w.FinishAdd(t.Context(), browser("bob"), adding, "", answer)
		for _, err := range []error{err, err2, err3} {
			refused := false
			for _, known := range refusals {
				refused = refused || errors.Is(err, known)
			}
			if !refused || subject != "" {
				t.Errorf("%q: %v", subject, err)
			}
		}
	})
}
