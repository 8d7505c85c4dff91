// Package console is what a person sees outside a sign-in: the account's pages (profile, password, sessions, connected
// apps) and, at first start, the page that makes the first administrator. [Actions] is what an administrator does to a
// person or a client across the domains; the command line and the declarative set-up call it too.
//
// It refuses to decide who is signed in or what must be proved first: [Console.SignedIn] and [Console.Fresh], which
// package login provides, do. The second factor's settings are mfahttp's.
package console
