// Package focushq is Focus HQ, the demo's web application: an OpenID Connect relying party with pages of its own.
//
// It signs people in through an identity provider (authorization code, PKCE, state, nonce and iss), links to that
// provider's MFA settings, shows what the tokens say, and keeps one page for sign-ins with two factors. Everything
// works without JavaScript.
//
// It talks to the provider by the public protocol alone and imports none of its packages: what it shows any relying
// party can do. Sessions live in memory and end with the process.
package focushq
