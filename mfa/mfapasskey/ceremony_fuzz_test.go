package mfapasskey_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
)

// FuzzCeremonies comes back with arbitrary names of ceremonies, and with a right answer: nothing is proved by it.
func FuzzCeremonies(f *testing.F) {
	w := newWorld(f, dbxtest.SQLiteURL)
	d, _ := w.add("alice")
	asked, verifying, err := w.BeginVerify(f.Context(), "alice")
	w.must(err)
	made, _, err := w.BeginAdd(f.Context(), browser("bob"), "bob")
	w.must(err)
	answer, created := d.Get(asked), d.Create(made)
	for _, text := range []string{"", verifying + " ", strings.ToLower(verifying), strings.Repeat("A", 200), "' OR 1=1 --", "\x00", "\xff"} {
		f.Add(text, "Laptop")
	}
	f.Fuzz(func(t *testing.T, ceremony, name string) {
		if ceremony == verifying {
			return
		}
		_, err := w.FinishVerify(t.Context(), "alice", ceremony, answer)
		subject, _, err2 := w.FinishSignIn(t.Context(), ceremony, answer, nil)
		_, err3 := w.FinishAdd(t.Context(), browser("bob"), ceremony, name, created)
		for _, err := range []error{err, err2, err3} {
			if !errors.Is(err, mfa.ErrCeremony) && !errors.Is(err, mfa.ErrName) {
				t.Errorf("%q: %v", ceremony, err)
			}
		}
		if subject != "" {
			t.Errorf("%q signs %s in", ceremony, subject)
		}
	})
}
