// Package login stands between an authorization request and its answer: it decides which page comes next, shows the
// sign-in, consent and sign-out pages, and mounts the second factor's.
//
// [Next] is the whole policy, a pure function of stored facts. [Flow] loads the facts, asks Next and sends the browser
// to the step that is missing; a step writes one fact and sends the browser back, never on to another step, so any
// replica can serve any hop.
//
// It refuses to know the protocol (package oauth), how factors are verified (mfa), passwords (account) or cookies
// (session). The account and administration pages are console's.
package login
