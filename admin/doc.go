// Package admin is what is done to people, groups, clients, policy and keys across the domains, and who may do it.
//
// [Actions] joins the domains: what one of them ends, the others end too, in one transaction. [Desk] is the Actions in
// somebody's hands: each call decides whether this [Actor] may do this to that target, does it, and leaves an audit row. The
// console and the API have a Desk; the command line and declarative files, whose user owns the database, have the Actions.
//
// It knows no HTTP: pages are the console's, and errors are words only there.
package admin
