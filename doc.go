// Package idp assembles the identity provider: an OAuth 2.0 and OpenID Connect provider with multi-factor
// authentication, in one process on SQLite or PostgreSQL.
//
// [New] opens the database, migrates it, wires the domains and returns an [IdP]; its Handler serves everything. The
// rooms of the house:
//
//	oauth     the protocol: clients, grants, keys, tokens          login    which page comes next in a sign-in
//	mfa       second factors, recovery codes, remembered devices   profile  a person's own pages
//	account   who may sign in                                      session  which browser is signed in
//	consent   who allowed what to which client                     audit    what happened
//	admin     what administrators may do, across the domains       console  their pages
//
// mfa is a library of its own: it can be plugged into any other server (see its documentation and examples/fosite).
// ARCHITECTURE.md shows which package may import which.
package idp
