package mfapasskey_test

import (
	"maps"
	"testing"
)

func TestEnrolledAmong(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.add("alice")
		w.add("alice")
		w.withApp("bob")
		got, err := w.mfa.EnrolledAmong(t.Context(), []string{"alice", "bob", "carol"})
		if want := map[string]bool{"alice": true, "bob": true}; err != nil || !maps.Equal(got, want) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	})
}
