package mfa

import "slices"

// Method is something that a person did to sign in.
type Method string

// The methods that [AMR] knows.
const (
	Password      Method = "password"       // pwd
	TOTP          Method = "totp"           // otp; also the two codes of an enrolment inside a sign-in
	RecoveryCode  Method = "recovery_code"  // a factor without a name of its own in RFC 8176: no otp
	Passkey       Method = "passkey"        // hwk: bound to the device
	SyncedPasskey Method = "synced_passkey" // swk: may be backed up
	Verified      Method = "verified"       // user: the passkey's device has verified the person
)

// references are the names of methods, in the order in which AMR has them. "mfa" comes last and is none.
var references = []struct {
	method Method
	value  string
}{{Password, "pwd"}, {TOTP, "otp"}, {Passkey, "hwk"}, {SyncedPasskey, "swk"}, {Verified, "user"}}

// AMR returns the Authentication Method Reference values (RFC 8176) of a sign-in in which methods were really used:
// "pwd", "otp", "hwk", "swk", "user" in this order, and "mfa" last when they are two factors or more. A remembered
// device is no method.
func AMR(methods ...Method) []string {
	did := func(m ...Method) bool {
		return slices.ContainsFunc(m, func(m Method) bool { return slices.Contains(methods, m) })
	}
	var out []string
	for _, named := range references {
		if did(named.method) {
			out = append(out, named.value)
		}
	}
	// Codes and passkeys are all things one has: two of them are still one factor. A passkey's own check of the person
	// is a second one.
	passkey := did(Passkey, SyncedPasskey)
	if did(Password) && (passkey || did(TOTP, RecoveryCode)) || passkey && did(Verified) {
		out = append(out, "mfa")
	}
	return out
}

// JoinAMR returns what two parts of one session add up to, in the order of [AMR].
func JoinAMR(before, more []string) []string {
	var out []string
	add := func(value string) {
		if slices.Contains(before, value) || slices.Contains(more, value) {
			out = append(out, value)
		}
	}
	for _, named := range references {
		add(named.value)
	}
	add("mfa")
	return out
}

// UsedRecoveryCode reports whether a recovery code is the second factor of a session with this amr: the phone may be gone.
func UsedRecoveryCode(amr []string) bool { return slices.Equal(amr, AMR(Password, RecoveryCode)) }

// ACR returns the Authentication Context Class that amr adds up to: "aal2" with two factors, else "aal1".
func ACR(amr []string) string {
	if slices.Contains(amr, "mfa") {
		return "aal2"
	}
	return "aal1"
}
