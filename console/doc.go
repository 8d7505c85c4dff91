// Package console is the administrators' pages at /admin: people, groups, clients, policy, keys, the trail.
//
// Each page is a [Route] of the table in routes.go, which says what its visitor must be allowed to do and how fresh their
// proof must be; its handler reads a form, asks the [admin.Desk] to do something, and renders a page of templates or sends
// the browser on. Who may do what is the Desk's decision, also where a page has asked before.
//
// The console is a client of its own provider: people get in by an authorization code (OpenID Connect Core section 3.1), with
// both factors, and its sessions are its own, short, and end with the provider's.
package console
