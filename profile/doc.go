// Package profile is what a person sees of their own account outside a sign-in: name, password, sessions, connected apps
// and, at first start, the page that makes the first administrator.
//
// It refuses to decide who is signed in or what must be proved first: [Pages.SignedIn] and [Pages.Fresh], which package
// login provides, do. What changes several domains at once is package admin's; the second factor's settings are mfahttp's;
// administrators' pages are the console's.
package profile
