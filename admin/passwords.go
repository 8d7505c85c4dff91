package admin

import (
	"context"
	"errors"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/templates"
)

// ErrHasPassword refuses to invite somebody who has a password: they get a link to a new one.
var ErrHasPassword = errors.New("admin: this person has a password already")

// Where links to a password lead.
const (
	ResetPath  = "/reset/password"
	InvitePath = "/invite"
)

// LinkPath returns the page that takes a link of [account.PurposeReset] or [account.PurposeInvite].
func LinkPath(purpose string) string {
	if purpose == account.PurposeInvite {
		return InvitePath
	}
	return ResetPath
}

// SetPassword gives a person another password and ends what the old one opened: sessions but those to keep, grants,
// remembered devices. All of it or nothing: whoever else knows the old one must not stay where the person reads that it is
// changed.
func (a *Actions) SetPassword(ctx context.Context, subject, password string, keep ...string) error {
	return a.replacePassword(ctx, subject, password, false, keep, func(ctx context.Context, hashed account.Hashed) error {
		return a.Accounts.SetHashed(ctx, subject, hashed)
	})
}

// ChangePassword is [Actions.SetPassword] by the person, whose next password must be another one. Who is what proved the present
// one, if there is one: [account.ErrCredentials] when that has been replaced since.
func (a *Actions) ChangePassword(ctx context.Context, who *account.Account, password string, keep ...string) error {
	return a.replacePassword(ctx, who.Subject, password, true, keep, func(ctx context.Context, hashed account.Hashed) error {
		return a.Accounts.ReplaceHashed(ctx, who, hashed)
	})
}

func (a *Actions) replacePassword(ctx context.Context, subject, password string, another bool, keep []string,
	set func(context.Context, account.Hashed) error,
) error {
	hashed, err := a.Accounts.HashNext(ctx, subject, password, another) // outside of the transaction: hashing may have to wait
	if err != nil {
		return err
	}
	return a.Sessions.DB.InTx(ctx, func(ctx context.Context) error {
		if err := set(ctx, hashed); err != nil {
			return err
		}
		return a.endAll(ctx, subject, "password", keep...)
	})
}

// SetPasswordByLink is [Actions.SetPassword] for whoever holds a link of that purpose, all of it or nothing. Nobody is
// signed in by that: the second factor is still to be asked for. It returns whose password it is, or
// [account.ErrNotFound] for a link that is not good (any more).
func (a *Actions) SetPasswordByLink(ctx context.Context, purpose, token, password string) (subject string, err error) {
	return a.Accounts.SetPasswordByLink(ctx, purpose, token, password, func(ctx context.Context, subject string) error {
		return a.endAll(ctx, subject, "password")
	})
}

// ResetLink returns a link, good once and for an hour, to a new password for a person, and mails it to them as well where
// mail is sent. Until it is used the present password stays as it is. [account.ErrDisabled] and [account.ErrNotFound].
func (a *Actions) ResetLink(ctx context.Context, subject string) (string, error) {
	return a.link(ctx, account.PurposeReset, subject, account.ResetLife)
}

// InviteLink is [Actions.ResetLink] for the first password of somebody new, with three days' time; [ErrHasPassword].
func (a *Actions) InviteLink(ctx context.Context, subject string) (string, error) {
	who, err := a.Accounts.BySubject(ctx, subject)
	if err != nil {
		return "", err
	}
	if !who.PasswordAt.IsZero() {
		return "", ErrHasPassword
	}
	return a.link(ctx, account.PurposeInvite, subject, account.InviteLife)
}

func (a *Actions) link(ctx context.Context, purpose, subject string, life time.Duration) (link string, err error) {
	if _, err := a.Accounts.Active(ctx, subject); err != nil {
		return "", err
	}
	err = a.Sessions.DB.InTx(ctx, func(ctx context.Context) error {
		token, err := a.Accounts.NewLink(ctx, purpose, subject, life)
		if err != nil {
			return err
		}
		link = a.PublicURL + LinkPath(purpose) + "?token=" + token
		return a.Mail(ctx, subject, purpose, templates.Letter{Life: life, Link: link})
	})
	if err != nil {
		return "", err
	}
	return link, nil
}

// Compromised notes, for the given reason, that somebody else may know a person's password: everything that it opened
// ends, and the next sign-in leads to another password first.
func (a *Actions) Compromised(ctx context.Context, subject, reason string) error {
	return a.Sessions.DB.InTx(ctx, func(ctx context.Context) error {
		if err := a.Accounts.Compromise(ctx, subject, reason); err != nil {
			return err
		}
		return a.endAll(ctx, subject, "password compromised")
	})
}

// endAll is [Actions.end] with the remembered devices.
func (a *Actions) endAll(ctx context.Context, subject, cause string, keep ...string) error {
	if err := a.MFA.ForgetDevices(ctx, subject, cause); err != nil {
		return err
	}
	return a.end(ctx, subject, keep...)
}
