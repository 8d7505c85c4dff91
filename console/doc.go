// Package console is what a person sees outside a sign-in: the account page and, at first start, the page that makes the
// first administrator.
//
// It refuses to decide who is signed in or what must be proved first: [Console.SignedIn], which package login provides,
// does. The second factor's settings are mfahttp's.
package console
