// Package account knows who may sign in: names, passwords, profile and groups, the one-time links by which a person
// gets their first or a new password, and the policy that says who needs a second factor.
//
// An unknown name, a wrong password, a disabled account and one without a password get the same answer after the same
// work. Attempts are counted before a password is looked at, per person and per network.
//
// The package knows nothing of browsers and sessions, does not check second factors (package mfa), writes no mail and
// chooses no sentence: errors name a field and a reason, the page finds the words. It keeps no audit trail; whoever
// assembles the provider observes its events, inside the transaction of each change.
package account
