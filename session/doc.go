// Package session knows which browser is signed in, as whom, since when and by which methods.
//
// A session has a public ID (the "sid" of tokens) and, apart from it, a secret of 256 bits that only the browser's
// cookie holds; the database has its SHA-256. Every change of privilege — password, second factor, proof again —
// gives a new secret, and the old one is dead at once. A session ends after 24 hours without a request and 30 days
// after the last password, unless configured otherwise; the cookie itself ends with the browser.
//
// The package also makes the form tokens that each form carries (cross-site request forgery, login included).
//
// It does not check passwords or codes, does not judge what a session's methods are worth, and redirects nobody:
// that is login's business. How long a second factor counts is not decided here either.
package session
