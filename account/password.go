package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxPassword is the longest password in bytes; longer ones are refused before anything is computed.
const maxPassword = 1024

// CheckPassword returns an [*InvalidError] for the field "password" when a may not have that password: too short or
// long, not printable, or built on common or personal words. There are no rules about kinds of characters. Of a,
// only the names are looked at; it need not exist yet.
func (s *Service) CheckPassword(a *Account, password string) error {
	bad := func(reason string) error { return &InvalidError{"password", reason} }
	switch {
	case password == "":
		return bad("empty")
	case len(password) > maxPassword:
		return bad("too_long")
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return bad("characters")
	}
	password = norm.NFC.String(password)
	if utf8.RuneCountInString(password) < s.cfg.MinPassword {
		return bad("too_short")
	}
	if reason := s.guessable(a, password); reason != "" {
		return bad(reason)
	}
	return nil
}

// Hashed is a password that was found acceptable, in the form that is stored. The zero value is none.
type Hashed struct{ phc string }

// HashPassword returns what [NewAccount] and [Service.SetHashed] take: for whoever makes several changes in one
// transaction, in which all others would wait for the hashes. Candidate is as for [Service.CheckPassword], whose errors
// it returns, or [ErrBusy].
func (s *Service) HashPassword(ctx context.Context, candidate *Account, password string) (Hashed, error) {
	if err := s.CheckPassword(candidate, password); err != nil {
		return Hashed{}, err
	}
	phc, err := s.cfg.Hasher.Hash(ctx, norm.NFC.String(password))
	if err != nil && !errors.Is(err, ErrBusy) {
		return Hashed{}, fmt.Errorf("account: hash: %w", err)
	}
	return Hashed{phc}, err
}

// SetPassword gives the account of subject a new password, voids its links and forgets its failed tries. It returns
// what [Service.CheckPassword] does, [ErrBusy], [ErrNotFound]; "same" is the reason when a compromised password is to be
// its own successor. Ending sessions and remembered devices is up to the caller.
func (s *Service) SetPassword(ctx context.Context, subject, password string) error {
	hashed, err := s.HashNext(ctx, subject, password, false)
	if err != nil {
		return err
	}
	return s.SetHashed(ctx, subject, hashed)
}

// HashNext is [Service.HashPassword] for the next password of the account of subject, for whoever sets it together with
// something else, in one transaction. "same" is the reason when it is the present one, and that is compromised or another
// one is wanted, as of the person themselves. [ErrNotFound] when there is no such account.
func (s *Service) HashNext(ctx context.Context, subject, password string, another bool) (Hashed, error) {
	r, err := s.rowOf(ctx, subject)
	if err != nil {
		return Hashed{}, err
	}
	a, err := r.account()
	if err != nil {
		return Hashed{}, err
	}
	hashed, err := s.HashPassword(ctx, a, password)
	if err != nil || !another && !r.Compromised {
		return hashed, err
	}
	same, _, err := s.cfg.Hasher.Verify(ctx, r.Password, norm.NFC.String(password))
	if err == nil && same {
		err = &InvalidError{"password", "same"}
	}
	if err != nil {
		return Hashed{}, err
	}
	return hashed, nil
}

// Compromise notes that somebody else may know the password of subject's account, for the given reason: its sign-ins
// lead to another password and nowhere else ([Account.Compromised]). [ErrNotFound] when there is no account, or none with
// a password. Ending sessions, devices and grants is up to the caller.
func (s *Service) Compromise(ctx context.Context, subject, reason string) error {
	event := Event{Kind: EventCompromised, Subject: subject, Detail: map[string]string{"reason": reason}}
	return s.change(ctx, event, func(ctx context.Context) error {
		return s.one(ctx, `UPDATE accounts SET compromised = TRUE WHERE subject = $1 AND password <> ''`, subject)
	})
}

// SetPasswordByLink is SetPassword for whoever holds the link, which is used up only if the password is acceptable and
// also, which may be nil and runs in the same transaction, returns nil. It returns whose it was, or [ErrNotFound] for a
// link that is not good (any more).
func (s *Service) SetPasswordByLink(ctx context.Context, purpose, token, password string,
	also func(ctx context.Context, subject string) error,
) (subject string, err error) {
	if subject, err = s.Link(ctx, purpose, token); err != nil {
		return "", err
	}
	hashed, err := s.HashNext(ctx, subject, password, false) // outside of the transaction: hashing may have to wait
	if err != nil {
		return "", err
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.UseLink(ctx, purpose, token); err != nil {
			return err
		}
		if err := s.SetHashed(ctx, subject, hashed); err != nil || also == nil {
			return err
		}
		return also(ctx, subject)
	})
	if err != nil {
		return "", err
	}
	return subject, nil
}

// SetHashed is [Service.SetPassword] with a password that [Service.HashPassword] has hashed for the same person.
func (s *Service) SetHashed(ctx context.Context, subject string, hashed Hashed) error {
	return s.setHashed(ctx, subject, hashed, "")
}

// ReplaceHashed is SetHashed for whoever has proved the password that a has, as [Service.VerifyPassword] returned it:
// [ErrCredentials] when there has been another one since.
func (s *Service) ReplaceHashed(ctx context.Context, a *Account, hashed Hashed) error {
	err := s.setHashed(ctx, a.Subject, hashed, " AND password = $4", a.passwordThen())
	if errors.Is(err, ErrNotFound) {
		return ErrCredentials
	}
	return err
}

// setHashed sets a password where also, SQL whose parameters begin with $4, holds.
func (s *Service) setHashed(ctx context.Context, subject string, hashed Hashed, also string, args ...any) error {
	if hashed == (Hashed{}) {
		return &InvalidError{"password", "empty"}
	}
	return s.change(ctx, Event{Kind: EventPasswordSet, Subject: subject}, func(ctx context.Context) error {
		if err := s.voidLinks(ctx, subject); err != nil {
			return err
		}
		if err := s.forgetTries(ctx, subject); err != nil {
			return err
		}
		return s.one(ctx, `UPDATE accounts SET password = $2, password_at = $3, compromised = FALSE WHERE subject = $1`+also,
			append([]any{subject, hashed.phc, s.now().Unix()}, args...)...)
	})
}
