package account

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/focushq/idp/internal/dbx"
)

// Create makes an account. It returns [*InvalidError] for a value that is not acceptable or taken.
func (s *Service) Create(ctx context.Context, n NewAccount) (*Account, error) {
	a, hashed, err := s.prepare(ctx, n)
	if err != nil {
		return nil, err
	}
	return s.create(ctx, a, hashed)
}

// CreateByLink makes an account for whoever holds the link that names none, the first administrator's for example,
// and uses the link up. It returns [ErrNotFound] for a link that is not good (any more).
func (s *Service) CreateByLink(ctx context.Context, purpose, token string, n NewAccount) (*Account, error) {
	subject, err := s.Link(ctx, purpose, token)
	if err == nil && subject != "" {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	a, hashed, err := s.prepare(ctx, n) // outside of the transaction: hashing may have to wait
	if err != nil {
		return nil, err
	}
	var made *Account
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.UseLink(ctx, purpose, token); err != nil {
			return err
		}
		made, err = s.create(ctx, a, hashed)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// blank is an account that there is not yet.
func (s *Service) blank() *Account {
	return &Account{Subject: rand.Text(), CreatedAt: s.now(), UpdatedAt: s.now(), Version: 1}
}

// prepare checks n and hashes its password.
func (s *Service) prepare(ctx context.Context, n NewAccount) (*Account, Hashed, error) {
	a := s.blank()
	a.Username, a.Email, a.Name, a.EmailVerified = n.Username, n.Email, n.Name, n.EmailVerified
	a.Admin, a.role, a.Groups, a.Profile = n.Admin || n.Role == Administrator, n.Role.lesser(), n.Groups, n.Profile
	if err := n.Role.check(); err != nil {
		return nil, Hashed{}, err
	}
	if a.Admin && a.role != "" { // two roles at once
		return nil, Hashed{}, &InvalidError{"role", "unknown"}
	}
	if err := a.tidy(); err != nil {
		return nil, Hashed{}, err
	}
	if n.Password == "" {
		return a, n.Hashed, nil
	}
	hashed, err := s.HashPassword(ctx, a, n.Password)
	return a, hashed, err
}

// tidy brings a's values into the form in which they are stored, or says which of them cannot be.
func (a *Account) tidy() (err error) {
	if a.Email, err = checkEmail(a.Email); err != nil {
		return err
	}
	if a.Username, err = checkUsername(a.Username, a.Email); err != nil {
		return err
	}
	if a.Name, err = checkName(a.Name); err != nil {
		return err
	}
	a.EmailVerified = a.EmailVerified && a.Email != ""
	a.Groups = slices.Compact(slices.Sorted(slices.Values(a.Groups)))
	return checkProfile(a.Profile)
}

func (s *Service) create(ctx context.Context, a *Account, hashed Hashed) (*Account, error) {
	profile, err := encodeProfile(a.Profile)
	if err != nil {
		return nil, err
	}
	event := Event{Kind: EventCreated, Subject: a.Subject}
	if a.Role() != "" {
		event.Detail = map[string]string{"role": string(a.Role())}
	}
	err = s.change(ctx, event, func(ctx context.Context) error {
		passwordAt := int64(0)
		if hashed != (Hashed{}) {
			passwordAt = a.CreatedAt.Unix()
		}
		// Not an error of the database: on PostgreSQL that would spoil a transaction around this one.
		n, err := s.cfg.DB.Exec(ctx, `
			INSERT INTO accounts (subject, username, username_key, email, email_key, email_verified, name, admin,
				disabled, profile, password, version, created_at, updated_at, password_at, mfa_due_at, role, name_key, searched)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, $9, $10, 1, $11, $11, $12, 0, $13, $14, $15) ON CONFLICT DO NOTHING`,
			a.Subject, a.Username, Canonical(a.Username), a.Email, emailKey(a.Email), a.EmailVerified, a.Name, a.Admin,
			profile, hashed.phc, a.CreatedAt.Unix(), passwordAt, string(a.role), nameKey(a.Name), searched(a.Username, a.Email, a.Name))
		if err != nil {
			return err
		}
		if n == 0 {
			return s.taken(ctx, a)
		}
		if err := s.addWords(ctx, a.Subject, wordsOf(a.Username, a.Email, a.Name)); err != nil {
			return err
		}
		return s.setMembership(ctx, a.Subject, a.Groups)
	})
	if err != nil {
		return nil, fmt.Errorf("account: create: %w", err)
	}
	return s.BySubject(ctx, a.Subject)
}

// Update stores what was changed in a, which was read from this service: names, e-mail address, Admin, groups and profile.
// A changed e-mail address is unverified until [Service.VerifyEmail]. It returns [ErrStale] when somebody else
// changed the account since, [*InvalidError] for a value, [ErrLastAdmin].
func (s *Service) Update(ctx context.Context, a *Account) error {
	next := *a
	if err := next.tidy(); err != nil {
		return err
	}
	profile, err := encodeProfile(next.Profile)
	if err != nil {
		return err
	}
	detail := map[string]string{}
	err = s.change(ctx, Event{Kind: EventUpdated, Subject: a.Subject, Detail: detail}, func(ctx context.Context) error {
		before, err := s.rowOf(ctx, a.Subject)
		if err != nil {
			return err
		}
		if before.Admin && !next.Admin {
			if err := s.spareLastAdmin(ctx, a.Subject); err != nil {
				return err
			}
		}
		if err := s.taken(ctx, &next); err != nil {
			return err
		}
		next.EmailVerified = next.EmailVerified && Canonical(before.Email) == Canonical(next.Email)
		clear(detail) // of a try that met another transaction
		next.describe(detail, before, profile)
		n, err := s.cfg.DB.Exec(ctx, `
			UPDATE accounts SET username = $3, username_key = $4, email = $5, email_key = $6, email_verified = $7,
				name = $8, admin = $9, role = CASE WHEN $9 THEN '' ELSE role END, profile = $10, updated_at = $11,
				version = version + 1, name_key = $12, searched = $13
			WHERE subject = $1 AND version = $2`,
			a.Subject, a.Version, next.Username, Canonical(next.Username), next.Email, emailKey(next.Email),
			next.EmailVerified, next.Name, next.Admin, profile, s.now().Unix(), nameKey(next.Name),
			searched(next.Username, next.Email, next.Name))
		if dbx.IsTaken(err) { // by somebody who was quicker since taken looked
			return &InvalidError{"username", "taken"}
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrStale
		}
		if before.Admin != next.Admin { // as SetRole does
			if err := s.voidLinks(ctx, a.Subject); err != nil {
				return err
			}
		}
		if err := s.addressChanged(ctx, before.Email, &next); err != nil {
			return err
		}
		if before.Searched != searched(next.Username, next.Email, next.Name) {
			if err := s.setWords(ctx, a.Subject, wordsOf(next.Username, next.Email, next.Name)); err != nil {
				return err
			}
		}
		return s.setMembership(ctx, a.Subject, next.Groups)
	})
	if err != nil {
		return fmt.Errorf("account: update: %w", err)
	}
	if next.Version, next.UpdatedAt = a.Version+1, s.now(); next.Admin {
		next.role = ""
	}
	*a = next
	return nil
}

// describe notes how a differs from what was before, which a log may keep: names and addresses are no business of it.
func (a *Account) describe(detail map[string]string, before *row, profile string) {
	fields, was, is := []string{}, strings.Fields(before.Groups), strings.Join(a.Groups, " ")
	slices.Sort(was) // not every database sorts as we do
	groups := strings.Join(was, " ")
	for _, f := range []struct {
		name string
		same bool
	}{
		{"username", a.Username == before.Username}, {"email", a.Email == before.Email}, {"name", a.Name == before.Name},
		{"email_verified", a.EmailVerified == before.EmailVerified}, {"admin", a.Admin == before.Admin},
		{"groups", groups == is}, {"profile", profile == before.Profile},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	if len(fields) > 0 {
		detail["fields"] = strings.Join(fields, " ")
	}
	a.describeRole(detail, before)
	differs(detail, "groups", groups, is)
}

// addressChanged tells the observer of an e-mail address that was replaced or removed.
func (s *Service) addressChanged(ctx context.Context, former string, a *Account) error {
	if former == "" || Canonical(former) == Canonical(a.Email) || s.cfg.Observe == nil {
		return nil
	}
	return s.cfg.Observe(ctx, Event{Kind: EventEmailChanged, Subject: a.Subject, Former: former})
}

// VerifyEmail notes that the person of subject reads the address email; [ErrNotFound] when it isn't theirs (any
// more).
func (s *Service) VerifyEmail(ctx context.Context, subject, email string) error {
	return s.change(ctx, Event{Kind: EventEmailVerified, Subject: subject}, func(ctx context.Context) error {
		return s.one(ctx, `
			UPDATE accounts SET email_verified = TRUE, updated_at = $3, version = version + 1
			WHERE subject = $1 AND email_key = $2`, subject, Canonical(email), s.now().Unix())
	})
}

// Disable keeps the account of subject from being used and voids its links. Ending sessions and tokens is up to the
// caller.
func (s *Service) Disable(ctx context.Context, subject string) error {
	return s.change(ctx, Event{Kind: EventDisabled, Subject: subject}, func(ctx context.Context) error {
		if err := s.spareLastAdmin(ctx, subject); err != nil {
			return err
		}
		if err := s.voidLinks(ctx, subject); err != nil {
			return err
		}
		return s.one(ctx, `
			UPDATE accounts SET disabled = TRUE, updated_at = $2, version = version + 1 WHERE subject = $1`,
			subject, s.now().Unix())
	})
}

// Enable takes Disable back. Nothing else does.
func (s *Service) Enable(ctx context.Context, subject string) error {
	return s.change(ctx, Event{Kind: EventEnabled, Subject: subject}, func(ctx context.Context) error {
		return s.one(ctx, `
			UPDATE accounts SET disabled = FALSE, updated_at = $2, version = version + 1 WHERE subject = $1`,
			subject, s.now().Unix())
	})
}

// Delete removes the account of subject with everything that this package knows of it. The subject is never used
// again.
func (s *Service) Delete(ctx context.Context, subject string) error {
	return s.change(ctx, Event{Kind: EventDeleted, Subject: subject}, func(ctx context.Context) error {
		if err := s.spareLastAdmin(ctx, subject); err != nil {
			return err
		}
		if err := s.voidLinks(ctx, subject); err != nil {
			return err
		}
		if err := s.forgetTries(ctx, subject); err != nil {
			return err
		}
		return s.one(ctx, `DELETE FROM accounts WHERE subject = $1`, subject)
	})
}

// spareLastAdmin returns [ErrLastAdmin] when subject is the only administrator who may sign in. It first takes its
// turn: two administrators who demote each other at the same moment must not both see the other one.
func (s *Service) spareLastAdmin(ctx context.Context, subject string) error {
	if err := s.takeTurn(ctx); err != nil {
		return err
	}
	var admins []string
	err := s.cfg.DB.Select(ctx, &admins, `SELECT subject FROM accounts WHERE admin AND NOT disabled`)
	if err == nil && len(admins) == 1 && admins[0] == subject {
		return ErrLastAdmin
	}
	return err
}

// takeTurn makes whoever else takes a turn wait until this transaction ends, and waits for theirs.
func (s *Service) takeTurn(ctx context.Context) error {
	_, err := s.cfg.DB.Exec(ctx, `UPDATE account_policy SET turns = turns + 1 WHERE id = 1`)
	return err
}

// taken says which of a's names another account has; nil when none.
func (s *Service) taken(ctx context.Context, a *Account) error {
	var others []struct {
		UsernameKey string `db:"username_key"`
	}
	err := s.cfg.DB.Select(ctx, &others, `
		SELECT username_key FROM accounts WHERE subject <> $1 AND (username_key = $2 OR email_key = $3)`,
		a.Subject, Canonical(a.Username), Canonical(a.Email))
	switch {
	case err != nil || len(others) == 0:
		return err
	case others[0].UsernameKey == Canonical(a.Username):
		return &InvalidError{"username", "taken"}
	}
	return &InvalidError{"email", "taken"}
}

// one runs a statement that must touch the one account it names.
func (s *Service) one(ctx context.Context, query string, args ...any) error {
	n, err := s.cfg.DB.Exec(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("account: change: %w", err)
	}
	if n == 0 {
		return ErrNotFound
	}
	return nil
}

// emailKey is NULL for no address: a unique column may hold that more than once.
func emailKey(email string) *string {
	if email == "" {
		return nil
	}
	key := Canonical(email)
	return &key
}

func encodeProfile(profile map[string]any) (string, error) {
	if profile == nil {
		profile = map[string]any{}
	}
	text, err := json.Marshal(profile)
	if err != nil {
		return "", &InvalidError{"profile", "type"}
	}
	return string(text), nil
}
