package idp

import (
	"slices"
	"testing"

	"github.com/focushq/idp/mfa"
)

// Whoever adds a kind of event decides whether people are told of it by mail.
func TestEveryKindIsToldOrQuiet(t *testing.T) {
	t.Parallel()
	quiet := []mfa.Kind{
		mfa.EnrollRefused, mfa.AuthenticatorRenamed, mfa.CodeAccepted, mfa.CodeRefused, mfa.CodeReplayed, mfa.ClockWrong, mfa.RecoveryRefused, mfa.Throttled,
		mfa.DeviceUsed, mfa.DeviceForgotten, mfa.DevicesForgotten, // a copied cookie is told, as is a clock that two codes moved
		mfa.Unsealable, // for administrators
	}
	for _, kind := range factorKinds(t) {
		if told := letters[kind] != ""; told == slices.Contains(quiet, kind) {
			t.Errorf("%s: told %v, and meant to be quiet %v", kind, told, !told)
		}
	}
}
