package mfapasskey

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/mfa"
)

// Name is the name of the factor, and what its events begin with: passkey_added, passkey_removed, passkey_renamed,
// passkey_accepted, passkey_refused, passkey_cloned.
const Name = "passkey"

// What does not depend on the configuration.
const (
	MaxPasskeys  = 10
	CeremonyLife = 5 * time.Minute
)

var (
	// ErrCeremony says that the ceremony is over (five minutes, or one answer), or was begun for somebody else: the page
	// begins another one.
	ErrCeremony = errors.New("mfapasskey: no such ceremony")
	// ErrMalformed says that the response is no answer of a browser at all: the ceremony goes on.
	ErrMalformed = errors.New("mfapasskey: malformed response")
	// ErrRefused says that a new passkey is not acceptable: of another origin or challenge, or contradicting itself.
	ErrRefused = errors.New("mfapasskey: passkey refused")
	// ErrTaken says that this passkey is kept already.
	ErrTaken = errors.New("mfapasskey: passkey known already")
	// ErrUnknown says that nobody has the passkey of a sign-in, any more.
	ErrUnknown = errors.New("mfapasskey: unknown passkey")
	// ErrCloned says that the passkey's counter did not move on: there may be a copy. It comes with [mfa.ErrInvalidCode].
	ErrCloned = errors.New("mfapasskey: counter went back")
)

// Config is what a [Service] needs. MFA, DB, Origin and Name are required.
type Config struct {
	MFA    *mfa.Service
	DB     *sqlx.DB         // has the stream "mfa"; the handle that mfasql has
	Origin string           // of the pages, such as https://id.example.com; its host is the relying party's ID, for ever
	Name   string           // what the browser's dialogue calls the server
	Now    func() time.Time // nil: time.Now
}

// Service is a person's passkeys. It is safe for concurrent use, in any number of processes on one database.
type Service struct{ config Config }

// Passkey is a passkey that a person has.
type Passkey struct {
	ID, Name   string
	AddedAt    time.Time
	LastUsedAt time.Time // zero: never
	Synced     bool      // it may be on several devices of the person
}

var errUnfinished = errors.New("mfapasskey: not built yet")

// New returns a Service, registered with config.MFA as a factor, or an error that names the setting at fault.
func New(config Config) (*Service, error) { return nil, errUnfinished }

// BeginAdd begins to add a passkey.
func (s *Service) BeginAdd(ctx context.Context, owner mfa.Owner, account string) (options json.RawMessage, ceremony string, err error) {
	return nil, "", errUnfinished
}

// FinishAdd keeps the passkey that the browser made.
func (s *Service) FinishAdd(ctx context.Context, owner mfa.Owner, ceremony, name string, response []byte) (Passkey, error) {
	return Passkey{}, errUnfinished
}

// BeginVerify begins to ask for one of the person's passkeys, as a second factor.
func (s *Service) BeginVerify(ctx context.Context, subject string) (options json.RawMessage, ceremony string, err error) {
	return nil, "", errUnfinished
}

// FinishVerify accepts one of the person's passkeys.
func (s *Service) FinishVerify(ctx context.Context, subject, ceremony string, response []byte) ([]mfa.Method, error) {
	return nil, errUnfinished
}

// BeginSignIn begins to ask for any passkey.
func (s *Service) BeginSignIn(ctx context.Context) (options json.RawMessage, ceremony string, err error) {
	return nil, "", errUnfinished
}

// FinishSignIn accepts a passkey and returns whose it is.
func (s *Service) FinishSignIn(ctx context.Context, ceremony string, response []byte) (subject string, methods []mfa.Method, err error) {
	return "", nil, errUnfinished
}

// Passkeys returns the person's passkeys, oldest first.
func (s *Service) Passkeys(ctx context.Context, subject string) ([]Passkey, error) {
	return nil, errUnfinished
}

// Rename gives a passkey another name of up to 64 characters: [mfa.ErrName], [mfa.ErrNotFound].
func (s *Service) Rename(ctx context.Context, subject, id, name string) error { return errUnfinished }

// Remove takes a passkey away: [mfa.ErrNotFound].
func (s *Service) Remove(ctx context.Context, subject, id string) error { return errUnfinished }
