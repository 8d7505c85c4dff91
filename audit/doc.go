// Package audit keeps the trail of what happened: who did what to whom, through which client, from where, with what
// result.
//
// A record joins the transaction that is open in its context, so that a change and its record are both there or both
// not. The trail is appended to and read, never changed. The package does not know which events exist or whether
// their details are secret: its callers choose the actions, and pass no password, code, token or cookie.
package audit
