// Package mfa is a second factor for any server that signs people in: authenticator apps (TOTP, RFC 6238), recovery
// codes, remembered devices, and the limits without which six digits protect nobody.
//
// It refuses to know HTTP, SQL, OAuth and pages: `go list -deps` of it names none of them, and a test keeps it so. The
// host knows who is signing in and has checked the password; a [Store] keeps what is known about a subject, which is
// any text that names a person for ever.
//
// # How deep to go in
//
//   - This package alone: bring a store and pages. Package mfatest has the tests that a store has to pass.
//   - With mfa/mfasql: bring a *sqlx.DB (SQLite or PostgreSQL) and apply the migration stream "mfa".
//   - With mfa/mfahttp: mount two handlers, and say who is signed in. Its plain pages will do, or bring your own.
//
// docs/mfa-library.md has a program for each, and examples/fosite is a server with all of it.
//
// At each depth there may be factors that this package doesn't know: passkeys with mfa/mfapasskey, or a [Factor] of
// your own, of which the example is a code by mail.
//
// # Between password and session
//
// One call stands there. In the handler that has just checked the password:
//
//	status, err := service.Status(ctx, subject)
//	…
//	if status.Enrolled {
//		_, remembered, err := service.DeviceRemembered(ctx, subject, cookie)
//		if !remembered {
//			// Show the page that asks for the code; its handler calls:
//			err := service.VerifyTOTP(ctx, subject, r.FormValue("code"))
//		}
//	}
//	session.AMR = mfa.AMR(mfa.Password, mfa.TOTP) // only what was really used: a remembered device adds nothing
//
// The page chooses its sentence by the error: [ErrInvalidCode], [ErrMalformedCode], [ErrReplayed], [*ClockError] and
// [*ThrottledError] each deserve one of their own. [TriesLeft] and [RetryAt] say what is left.
//
// # Setting it up
//
// [Service.Enroll] makes a secret, [QR] draws it, [Service.VerifyEnrollment] takes two consecutive codes and measures
// the phone's clock by them, [Service.NewRecoveryCodes] makes ten codes, and only [Service.Confirm] turns MFA on. Let
// nobody do that, or remove anything, who has not just proved what they have.
//
// # What is promised
//
// Each code works once, ever, on all replicas: single use is always one conditional statement of the store. A try is
// counted before it is compared, and stays counted. What happens and its [Event] are one transaction: if the host
// cannot record it, it does not happen. Secrets are sealed to their row and subject; recovery codes and device tokens
// are kept as hashes only.
//
// # Compatibility
//
// Exported names, the meaning of errors and the stream of migrations follow semantic versioning. [Store] is the
// exception that a store's author has to know: a minor version may add a method to it, together with its test in
// mfatest. New kinds of events may appear at any time.
package mfa
