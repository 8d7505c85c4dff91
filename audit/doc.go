// Package audit keeps the trail of what happened: who did what to whom, through which client, from where, with what
// result. It shows when somebody has tampered with it.
//
// A record joins the transaction that is open in its context, so that a change and its record are both there or both
// not. Record signs each row; Link, in the background, chains what was committed; Verify looks at all of it; Prune removes
// the beginning and leaves a proof of the rest (docs/decisions/0019). A webhook sends it elsewhere.
//
// The package does not know which events exist or whether their details are secret: its callers choose the actions, and
// pass no password, code, token or cookie. It has no key and no clock of its own, and starts nothing: who assembles it calls
// Begin before anything is recorded, and the rest from time to time.
package audit
