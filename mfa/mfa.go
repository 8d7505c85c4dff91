package mfa

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// What does not depend on the configuration.
const (
	MaxAuthenticators = 5
	RecoveryCodeCount = 10
	FewCodes          = 3 // at this many recovery codes left, or fewer, a host says so at every sign-in
	EnrollmentLife    = 30 * time.Minute
	Period            = 30 * time.Second // of a code; RFC 6238, section 4
	Digits            = 6
)

// Owner is who enrols, and in which session: a pending enrolment is found by the same owner only.
type Owner struct{ Subject, Session string }

// Config is what a [Service] needs. Store, Cipher and Issuer are required.
type Config struct {
	Store  Store
	Cipher Cipher
	Issuer string // the name that an authenticator app shows; no ':'
	Limits Limits // zero: [DefaultLimits]

	// RememberFor is how long a remembered device stays so; zero turns remembering off, more than 30 days are refused.
	RememberFor time.Duration

	Now func() time.Time // nil: time.Now

	// Observe is called for every event, inside the store's transaction and with its context. An error undoes the
	// operation: what cannot be recorded does not happen. It may be called again when the store repeats a transaction.
	// nil: nobody is told.
	Observe func(context.Context, Event) error

	// Gate is taken around Argon2id (19 MiB of memory), be it one run or the ten of a set of codes, one after the other,
	// and released after it; share it with the password hasher. Its error is returned as it is. nil: no bound.
	Gate func(context.Context) (release func(), err error)

	// HashMemory is the memory of an Argon2id run over a recovery code, in KiB; zero: 19 MiB. It stays as it is for the life
	// of a store: codes that exist are worth nothing after a change.
	HashMemory uint32
}

// Service is a person's second factors: authenticator apps, recovery codes, remembered devices, and whatever factors of
// others it was given by [Service.Register]. It is safe for
// concurrent use, in any number of processes on one store.
type Service struct {
	config Config
	store  Store
	others []Factor
	kdf    func(code string, salt []byte) []byte
}

// New returns a Service, or an error that names the setting at fault.
func New(config Config) (*Service, error) {
	switch {
	case config.Store == nil:
		return nil, errors.New("mfa: no Store")
	case config.Cipher == nil:
		return nil, errors.New("mfa: no Cipher")
	case strings.TrimSpace(config.Issuer) != config.Issuer, config.Issuer == "",
		strings.Contains(config.Issuer, ":"), !printable(config.Issuer):
		return nil, fmt.Errorf("mfa: issuer %q: must be a printable name without ':'", config.Issuer)
	case utf8.RuneCountInString(config.Issuer) > 64:
		return nil, fmt.Errorf("mfa: issuer %q: longer than 64 characters", config.Issuer)
	case config.RememberFor < 0, config.RememberFor > 30*24*time.Hour:
		return nil, fmt.Errorf("mfa: a device can be remembered for up to 30 days, not %v", config.RememberFor)
	}
	var err error
	if config.Limits, err = config.Limits.complete(); err != nil {
		return nil, err
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Gate == nil {
		config.Gate = func(context.Context) (func(), error) { return func() {}, nil }
	}
	if config.HashMemory == 0 {
		config.HashMemory = 19 * 1024
	}
	return &Service{config: config, store: config.Store, kdf: argon(config.HashMemory)}, nil
}

// Issuer returns the name that an authenticator app shows.
func (s *Service) Issuer() string { return s.config.Issuer }

// RememberFor returns how long a device is remembered; zero: never.
func (s *Service) RememberFor() time.Duration { return s.config.RememberFor }
