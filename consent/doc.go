// Package consent remembers what a person decided about what a client asked for: per scope, granted or declined.
//
// It does not know what a scope means, whether a client may skip the question, or how it is put; login decides and
// asks, oauth ends what was granted when a consent is revoked.
package consent
