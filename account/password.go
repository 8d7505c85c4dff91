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

// SetPassword gives the account of subject a new password, voids its links and forgets its failed tries. It returns
// what [Service.CheckPassword] does, [ErrBusy], [ErrNotFound]. Ending sessions and remembered devices is up to the
// caller.
func (s *Service) SetPassword(ctx context.Context, subject, password string) error {
	a, err := s.BySubject(ctx, subject)
	if err != nil {
		return err
	}
	hash, err := s.hash(ctx, a, password)
	if err != nil {
		return err
	}
	return s.setHash(ctx, subject, hash)
}

// SetPasswordByLink is SetPassword for whoever holds the link, which is used up only if the password is acceptable. It
// returns whose it was, or [ErrNotFound] for a link that is not good (any more).
func (s *Service) SetPasswordByLink(ctx context.Context, purpose, token, password string) (subject string, err error) {
	if subject, err = s.Link(ctx, purpose, token); err != nil {
		return "", err
	}
	a, err := s.BySubject(ctx, subject)
	if err != nil {
		return "", err
	}
	hash, err := s.hash(ctx, a, password) // outside of the transaction: hashing may have to wait
	if err != nil {
		return "", err
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.UseLink(ctx, purpose, token); err != nil {
			return err
		}
		return s.setHash(ctx, subject, hash)
	})
	if err != nil {
		return "", err
	}
	return subject, nil
}

func (s *Service) hash(ctx context.Context, a *Account, password string) (string, error) {
	if err := s.CheckPassword(a, password); err != nil {
		return "", err
	}
	hash, err := s.cfg.Hasher.Hash(ctx, norm.NFC.String(password))
	if err != nil && !errors.Is(err, ErrBusy) {
		return "", fmt.Errorf("account: hash: %w", err)
	}
	return hash, err
}

func (s *Service) setHash(ctx context.Context, subject, hash string) error {
	return s.change(ctx, Event{Kind: EventPasswordSet, Subject: subject}, func(ctx context.Context) error {
		if err := s.voidLinks(ctx, subject); err != nil {
			return err
		}
		if err := s.attempts.ClearAttempts(ctx, personKey(subject)); err != nil {
			return err
		}
		return s.one(ctx, `UPDATE accounts SET password = $2, password_at = $3 WHERE subject = $1`,
			subject, hash, s.now().Unix())
	})
}
