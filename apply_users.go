package idp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/focushq/idp/account"
)

// errAddress says that a user name of the file is the e-mail address of somebody called otherwise. People sign in with
// either, but the file would turn them into somebody else.
var errAddress = errors.New("this is another person's e-mail address")

// named returns the person with that user name, however it is spelled.
func (a *applying) named(ctx context.Context, username string) (*account.Account, error) {
	found, err := a.Accounts.ByUsername(ctx, username)
	if err == nil && account.Canonical(found.Username) != account.Canonical(username) {
		return nil, fmt.Errorf("%w: they are called %s", errAddress, found.Username)
	}
	return found, err
}

// hashPasswords hashes the passwords of all who are to get one, once it is known that all of them are acceptable.
func (a *applying) hashPasswords(ctx context.Context, getenv func(string) string) error {
	passwords := map[string]string{}
	for _, want := range a.d.Users {
		password, err := a.firstPassword(ctx, want, getenv)
		if err != nil {
			return fmt.Errorf("user %s: %w", want.Username, a.Explain(err))
		}
		if password != "" {
			passwords[want.Username], a.passwords[want.Username] = password, account.Hashed{}
		}
	}
	if a.dryRun {
		return nil
	}
	for _, want := range a.d.Users {
		password, ok := passwords[want.Username]
		if !ok {
			continue
		}
		hashed, err := a.Accounts.HashPassword(ctx, want.candidate(), password)
		if err != nil {
			return fmt.Errorf("user %s: %w", want.Username, a.Explain(err))
		}
		a.passwords[want.Username] = hashed
	}
	return nil
}

// firstPassword returns the password that want is to get, "" for none: whoever has one keeps it.
func (a *applying) firstPassword(ctx context.Context, want DesiredUser, getenv func(string) string) (string, error) {
	password, err := want.Password.Value(getenv)
	if err != nil || password == "" {
		if err != nil {
			err = fmt.Errorf("password: %w", err)
		}
		return "", err
	}
	was, err := a.named(ctx, want.Username)
	switch {
	case err == nil && !was.PasswordAt.IsZero():
		return "", nil
	case err != nil && !errors.Is(err, account.ErrNotFound) && !errors.Is(err, errAddress): // the file may change that
		return "", err
	}
	return password, a.Accounts.CheckPassword(want.candidate(), password)
}

// candidate is u as far as a password may not be made of it.
func (u DesiredUser) candidate() *account.Account {
	return &account.Account{Username: u.Username, Email: u.Email, Name: u.Name}
}

func (a *applying) users(ctx context.Context) error {
	// Administrators first: whoever is to take over must be one before the other one ceases to be the last.
	for _, admins := range []bool{true, false} {
		for _, want := range a.d.Users {
			if (want.role() == account.Administrator) != admins {
				continue
			}
			if err := a.user(ctx, want); err != nil {
				return fmt.Errorf("user %s: %w", want.Username, a.Explain(err))
			}
		}
	}
	return nil
}

func (a *applying) user(ctx context.Context, want DesiredUser) error {
	if err := a.known(ctx, "groups", want.Groups); err != nil {
		return err
	}
	hashed, hasPassword := a.passwords[want.Username]
	was, err := a.named(ctx, want.Username)
	if errors.Is(err, account.ErrNotFound) {
		a.note("create", "user "+want.Username)
		_, err := a.Accounts.Create(ctx, account.NewAccount{
			Username: want.Username, Email: want.Email, EmailVerified: want.EmailVerified, Name: want.Name, Groups: want.Groups,
			Role: want.role(), Profile: want.Profile, Hashed: hashed,
		})
		return err
	}
	if err != nil {
		return err
	}
	is := *was
	is.Email, is.Name, is.Groups = strings.TrimSpace(want.Email), strings.TrimSpace(want.Name), want.Groups
	is.EmailVerified, is.Profile = want.EmailVerified && is.Email != "", want.Profile
	fields := changed(was, &is)
	if len(fields) > 0 {
		if err := a.Accounts.Update(ctx, &is); err != nil {
			return err
		}
		// A new address is unverified at first, whatever is said of it at the same time.
		if want.EmailVerified && !is.EmailVerified && is.Email != "" {
			if err := a.Accounts.VerifyEmail(ctx, is.Subject, is.Email); err != nil {
				return err
			}
			is.EmailVerified = true
		}
		fields = changed(was, &is) // as stored: another spelling of the same value is no change
	}
	if was.Role() != want.role() {
		fields = append(fields, "role")
		if err := a.Actions().SetRole(ctx, is.Subject, want.role()); err != nil {
			return err
		}
	}
	if hasPassword && was.PasswordAt.IsZero() {
		fields = append(fields, "password")
		if !a.dryRun {
			err = a.Accounts.SetHashed(ctx, is.Subject, hashed)
		}
	}
	if len(fields) > 0 {
		a.note("update", "user "+want.Username, fields...)
	}
	return err
}

// changed names what differs between two states of one person.
func changed(was, is *account.Account) []string {
	return differing(map[string][2]any{
		"email": {was.Email, is.Email}, "email_verified": {was.EmailVerified, is.EmailVerified}, "name": {was.Name, is.Name},
		"groups": {sorted(was.Groups), sorted(is.Groups)}, "profile": {plain(was.Profile), plain(is.Profile)},
	})
}

func (a *applying) pruneUsers(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, u := range a.d.Users {
		found, err := a.named(ctx, u.Username)
		if err != nil {
			return err
		}
		wanted[found.Subject] = true
	}
	for after := ""; ; {
		page, err := a.Accounts.List(ctx, after, 200)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].Username
		for _, person := range page {
			if wanted[person.Subject] {
				continue
			}
			a.note("delete", "user "+person.Username)
			if err := a.Actions().Delete(ctx, person.Subject); err != nil {
				return fmt.Errorf("user %s: %w", person.Username, a.Explain(err))
			}
		}
	}
}
