package mfa

import (
	"errors"
	"time"
)

// Credential is something of a registered factor that a person has several of, as a page lists it: a passkey.
type Credential struct {
	ID, Name   string
	AddedAt    time.Time
	LastUsedAt time.Time // zero: never
	Synced     bool      // it may be on several devices of the person
	First      bool      // it turned MFA on: nothing was enrolled when it was added
}

// MaxCredentials is how many of a kind a person may have.
const MaxCredentials = 10

// The answers of a factor that works by ceremonies, which are two requests: one for the options, one with the browser's
// answer. They stand here so that pages can tell them apart without knowing who does the cryptography.
var (
	// ErrCeremony says that the ceremony is over (its time, or one answer), or was begun for somebody else or something
	// else: the page begins another one.
	ErrCeremony = errors.New("mfa: no such ceremony")
	// ErrMalformedResponse says that the response is no answer of a browser at all; the ceremony goes on.
	ErrMalformedResponse = errors.New("mfa: malformed response")
	// ErrRefused says that a new credential is not acceptable: of another origin or challenge, or contradicting itself.
	ErrRefused = errors.New("mfa: credential refused")
	// ErrTaken says that the credential is kept already, of this person or another one.
	ErrTaken = errors.New("mfa: credential known already")
	// ErrUnknown says that nobody has the credential of a sign-in, any more.
	ErrUnknown = errors.New("mfa: unknown credential")
	// ErrInUse says that a credential has worked before, was not the first, or is not all that the person has: it can't be
	// abandoned.
	ErrInUse = errors.New("mfa: credential in use")
	// ErrCloned says that a credential's counter did not move on: there may be a copy. It comes with [ErrInvalidCode].
	ErrCloned = errors.New("mfa: counter went back")
)
