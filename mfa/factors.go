package mfa

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Authenticator is an app that makes codes.
type Authenticator struct {
	ID, Name   string
	AddedAt    time.Time
	LastUsedAt time.Time     // zero: never, since it was added
	Offset     time.Duration // the phone's clock minus ours, as far as it is allowed for
	// Offset may be slow typing instead: see [Drift]. The next accepted code settles it.
	Provisional bool
}

// Status is what a person has. Secrets are no part of it.
type Status struct {
	Enrolled       bool
	Authenticators []Authenticator // oldest first
	Factors        []FactorStatus  // the registered ones that the person has
	CodesLeft      int             // unused recovery codes
	CodesMadeAt    time.Time       // when their set was made; zero: there is none
	Devices        int             // remembered ones

	Failures       int  // wrong codes of the app in a row, each wrong pair being two
	Sealed         bool // no code of the app is looked at any more
	PairSealed     bool // no two codes are: at most one is left before the seal
	RecoverySealed bool
	// When the next code is looked at, or the next pair of codes; zero: at once, or never.
	RetryAt         time.Time
	PairRetryAt     time.Time
	RecoveryRetryAt time.Time
}

// Factor returns how the registered factor of that name stands, nil when the person has none of it.
func (s Status) Factor(name string) *FactorStatus {
	at := slices.IndexFunc(s.Factors, func(f FactorStatus) bool { return f.Name == name })
	if at < 0 {
		return nil
	}
	return &s.Factors[at]
}

// Status returns what a person has; a subject that is not known has nothing.
func (s *Service) Status(ctx context.Context, subject string) (Status, error) {
	known, err := s.store.Authenticators(ctx, subject)
	if err != nil {
		return Status{}, err
	}
	out := Status{Enrolled: true}
	if out.Factors, err = s.standings(ctx, subject); err != nil || len(known)+len(out.Factors) == 0 {
		return Status{}, err
	}
	for _, a := range known {
		out.Authenticators = append(out.Authenticators, Authenticator{
			ID: a.ID, Name: a.Name, AddedAt: a.AddedAt, LastUsedAt: a.LastUsedAt,
			Offset: time.Duration(a.Offset) * Period, Provisional: a.Provisional,
		})
	}
	codes, err := s.store.Codes(ctx, subject)
	if err != nil {
		return Status{}, err
	}
	out.CodesLeft, out.CodesMadeAt = codes.unused(), codes.CreatedAt
	devices, err := s.live(ctx, subject)
	if err != nil {
		return Status{}, err
	}
	out.Devices = len(devices)
	failures, until, err := s.store.Attempts(ctx, factorTOTP.key(subject))
	if err != nil {
		return Status{}, err
	}
	out.Failures = failures
	out.Sealed, out.RetryAt = s.refuses(factorTOTP, failures, until, 1)
	out.PairSealed, out.PairRetryAt = s.refuses(factorTOTP, failures, until, pairTries)
	if out.RecoverySealed, out.RecoveryRetryAt, err = s.standing(ctx, subject, factorRecovery); err != nil {
		return Status{}, err
	}
	return out, nil
}

// Brief is [Status] in short: what a sign-in asks each time.
type Brief struct {
	Factors     []string  // "totp" and the names of registered factors; none: the person is not enrolled
	CodesLeft   int       // unused recovery codes
	CodesMadeAt time.Time // when their set was made; zero: there is none
}

// Brief returns in short what a person has; a subject that is not known has nothing.
func (s *Service) Brief(ctx context.Context, subject string) (Brief, error) {
	held, err := s.store.Holding(ctx, subject)
	if err != nil {
		return Brief{}, err
	}
	var out Brief
	if held.Authenticators > 0 {
		out.Factors = append(out.Factors, string(factorTOTP))
	}
	for _, f := range s.others {
		enrolled, err := f.Enrolled(ctx, subject)
		if err != nil {
			return Brief{}, err
		}
		if enrolled {
			out.Factors = append(out.Factors, f.Name())
		}
	}
	if len(out.Factors) > 0 {
		out.CodesLeft, out.CodesMadeAt = held.CodesLeft, held.CodesMadeAt
	}
	return out, nil
}

// Rename gives an authenticator another name of up to 64 characters: [ErrName], [ErrNotFound].
func (s *Service) Rename(ctx context.Context, subject, id, name string) error {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 64 || !printable(name) {
		return ErrName
	}
	return s.change(ctx, subject, func(ctx context.Context) error {
		old, err := s.authenticator(ctx, subject, id)
		if err != nil {
			return err
		}
		if renamed, err := s.store.RenameAuthenticator(ctx, subject, id, name); err != nil || !renamed {
			return cmpErr(err, ErrNotFound)
		}
		return s.emit(ctx, subject, AuthenticatorRenamed, "name", name, "before", old.Name)
	})
}

// Remove takes an authenticator away, and with it remembered devices and enrolments that were begun. With the last
// factor of any kind MFA is off: the recovery codes go too. It returns [ErrNotFound].
func (s *Service) Remove(ctx context.Context, subject, id string) error {
	return s.change(ctx, subject, func(ctx context.Context) error {
		gone, err := s.authenticator(ctx, subject, id)
		if err != nil {
			return err
		}
		if removed, err := s.store.RemoveAuthenticator(ctx, subject, id); err != nil || !removed {
			return cmpErr(err, ErrNotFound)
		}
		if err := s.emit(ctx, subject, AuthenticatorRemoved, "name", gone.Name); err != nil {
			return err
		}
		return s.dropped(ctx, subject, string(AuthenticatorRemoved))
	})
}

// Disable turns MFA off, as the person's own act: all factors, recovery codes and remembered devices go.
// [ErrNotEnrolled] says that there was nothing to turn off.
func (s *Service) Disable(ctx context.Context, subject string) error {
	return s.change(ctx, subject, func(ctx context.Context) error {
		if err := s.enrolled(ctx, subject); err != nil {
			return err
		}
		return s.removeAll(ctx, subject, Disabled)
	})
}

// Reset takes away everything that is known about a subject's factors, as an administrator's act or because the account
// is deleted. The reason goes on record, also for somebody who had none: then the event says so.
func (s *Service) Reset(ctx context.Context, subject, reason string) error {
	return s.change(ctx, subject, func(ctx context.Context) error {
		detail := []string{"reason", reason}
		switch err := s.enrolled(ctx, subject); {
		case errors.Is(err, ErrNotEnrolled):
			detail = append(detail, "enrolled", "false")
		case err != nil:
			return err
		}
		return s.removeAll(ctx, subject, WasReset, detail...)
	})
}

// Unseal forgets a subject's wrong codes, and with them seals and waits, as an administrator's act. The reason goes on
// record for each factor that had any; [ErrNotSealed] says that none had.
func (s *Service) Unseal(ctx context.Context, subject, reason string) error {
	return s.change(ctx, subject, func(ctx context.Context) error {
		unsealed := false
		for _, f := range s.counted() {
			n, _, err := s.store.Attempts(ctx, f.key(subject))
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if err := s.store.ClearAttempts(ctx, f.key(subject)); err != nil {
				return err
			}
			err = s.emit(ctx, subject, Unsealed, "factor", string(f), "cause", "administrator", "reason", reason)
			if err != nil {
				return err
			}
			unsealed = true
		}
		if !unsealed {
			return ErrNotSealed
		}
		return nil
	})
}

// change runs fn in a transaction that has this subject's factors for itself.
func (s *Service) change(ctx context.Context, subject string, fn func(context.Context) error) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.Lock(ctx, subject); err != nil {
			return err
		}
		return fn(ctx)
	})
}

// authenticator returns one of a subject's authenticators.
func (s *Service) authenticator(ctx context.Context, subject, id string) (AuthenticatorRecord, error) {
	known, err := s.store.Authenticators(ctx, subject)
	if err != nil {
		return AuthenticatorRecord{}, err
	}
	at := slices.IndexFunc(known, func(a AuthenticatorRecord) bool { return a.ID == id })
	if at < 0 {
		return AuthenticatorRecord{}, ErrNotFound
	}
	return known[at], nil
}

func (s *Service) removeAll(ctx context.Context, subject string, kind Kind, detail ...string) error {
	if err := s.clearAll(ctx, subject, string(kind)); err != nil {
		return err
	}
	if err := s.forgetDevices(ctx, subject, string(kind)); err != nil {
		return err
	}
	if err := s.store.RemoveAll(ctx, subject); err != nil {
		return err
	}
	for _, f := range s.others {
		if err := f.Reset(ctx, subject); err != nil {
			return err
		}
	}
	return s.emit(ctx, subject, kind, detail...)
}

func (s *Service) clearAll(ctx context.Context, subject, cause string) error {
	for _, f := range s.counted() {
		if err := s.clear(ctx, subject, f, cause); err != nil {
			return err
		}
	}
	return nil
}
