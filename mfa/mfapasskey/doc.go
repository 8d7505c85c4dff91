// Package mfapasskey is a factor of package mfa: passkeys (WebAuthn Level 3), as a second factor and alone. It keeps
// them in the tables of the migration stream "mfa", beside those of mfasql, and registers itself with the mfa.Service.
//
// # Ceremonies
//
// Each is two requests of a page. Begin returns the options for navigator.credentials as JSON, and the identifier of a
// ceremony, which the page sends back with the browser's answer (JSON, as PublicKeyCredential.toJSON makes it):
//
//	options, ceremony, err := passkeys.BeginAdd(ctx, owner, "alice@example.com")
//	passkey, err := passkeys.FinishAdd(ctx, owner, ceremony, name, response)
//
// Package mfahttp has such pages, for which a *Service is a mfahttp.Passkeys.
//
// BeginVerify and FinishVerify do that for the second factor of somebody whose password was right; BeginSignIn and
// FinishSignIn for somebody who is not known yet, whose device has then to verify the person. A ceremony is good for
// five minutes, for one answer, for whom it was begun for. Begin keeps a row: call it by POST, and bound how often a
// stranger may.
//
// # The first factor and recovery codes
//
// A passkey counts at once: a person who has nothing else is enrolled, and MFA is on. Then they need recovery codes as
// much as with an app. After FinishAdd, when Status(…).CodesLeft is 0, show the page of recovery codes:
//
//	codes, set, err := service.NewRecoveryCodes(ctx, owner, "") // no enrolment: the factor stands already
//	err = service.ConfirmRecoveryCodes(ctx, owner, set)         // "I have kept them"
//
// Confirm has no part in it: that is for apps, whose key a person may not have scanned after all, while a passkey has
// proved itself by existing. Whoever leaves that page is enrolled without codes; a host that speaks up at every sign-in
// with mfa.FewCodes or fewer offers a set at the next one. Whoever cannot even use that passkey has no codes yet either:
// until its first use Abandon takes it away again, for whoever has the password. Who adds an app later is not asked for
// codes again (Enrollment.First is false), and removing the passkey then leaves the app and the codes.
//
// # The page of the second factor
//
// Somebody with a passkey alone has no app: VerifyTOTP is mfa.ErrNotEnrolled, Status(…).Authenticators is empty and
// Status(…).Factors names the passkey, with its waits. The methods of a second factor are mfa.Passkey or
// mfa.SyncedPasskey, next to mfa.Password; those of a sign-in hold mfa.Verified too, and no code follows it.
package mfapasskey
