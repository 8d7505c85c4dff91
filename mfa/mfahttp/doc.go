// Package mfahttp is package mfa for browsers: the second step of a sign-in, enrolment, settings and the cookie of a
// remembered device, as handlers to mount beside any server's own pages.
//
//	/mfa                          Challenge: a code of the app, two of them, a passkey, or a recovery code
//	/mfa/passkey                  options for a passkey, for the script that Challenge serves beside it
//	/account/mfa                  Settings: what the person has; rename, remove, turn off, forget devices
//	/account/mfa/enrol/start      how it works; POST begins an enrolment
//	/account/mfa/enrol/scan       the QR code and the key as text
//	/account/mfa/enrol/codes      two codes, one after the other
//	/account/mfa/enrol/recovery   the recovery codes; only "Confirm" turns MFA on
//	/account/mfa/enrol/done       where to go from here
//	/account/mfa/codes            recovery codes: new ones, the first ones after a passkey, the reminder that few are left
//	/account/mfa/passkeys/add     makes a passkey; /options, /rename and /remove beside it
//
// Every change is a POST that answers with 303 or with the same page and a [Problem]; a GET makes at most pending rows.
// Only passkeys need a script: it asks the browser, and sends the page's form like any other.
// A POST that a browser sends from another origin is refused; hosts may add a form token of their own. Where tries come from
// is for the host's middleware to say ([mfa.WithAddress]): without it wrong codes are limited per person alone.
//
// The package refuses to know who is signed in and how (Config.User, Fresh), what an authorization request is (Passed,
// Waiting), how a page looks and which words it uses (Pages, which gets the structs of pages.go; [Plain] for hosts that
// have none), and when a second factor is wanted: the host decides, calls [Remembered], and redirects to /mfa or
// /account/mfa/enrol/start. SQL and secrets are package mfa's and its store's.
package mfahttp
