// Package oauth is the protocol side of the provider: OAuth 2.0 and OpenID Connect endpoints on ory/fosite, with the
// clients, grants, signing keys and tokens behind them.
//
// It owns the tables oauth_*. It refuses to know people, passwords, second factors and pages: whoever an End-User is
// and what they granted is the answer of one [Interaction], which package login implements; a person's claims come from
// [Config.Claims] and pages from [Config.ErrorPage].
//
// fosite parses requests and runs the code, PKCE and refresh rules. Everything that fosite leaves open or gets wrong is
// here: one grant row per authorization and one conditional statement per single use (store, grant), codes and refresh
// tokens that carry their grant (strategy), a signer by key id (keys), the filter in front (guard) and one mapping of
// errors (errors).
package oauth
