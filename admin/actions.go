package admin

import (
	"context"
	"errors"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/consent"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// Actions is what an administrator does to people and clients across the domains, each with its audit row. Every way to do it
// (pages, command line, declarative files) calls the same action.
type Actions struct {
	Accounts *account.Service
	Sessions *session.Manager
	Consents *consent.Store
	MFA      *mfa.Service
	OAuth    *oauth.Server
	Audit    *audit.Log
	Brands   *brand.Store

	Passkeys func(ctx context.Context, subject string) ([]mfa.Credential, error) // nil: there are none
	Sealed   func(context.Context) (int, error)                                  // counts people with a sealed factor; nil: nobody has

	// Steps tells what a person would meet at a sign-in, as package login decides it: see its Flow.Steps. Nil: nobody knows.
	Steps func(ctx context.Context, client *oauth.Client, subject string, scopes []string, passkey, remembered bool) ([]string, error)
	// Withheld says which scopes a person cannot give to an app; nil: they can give all.
	Withheld func(who *account.Account, scope string) bool

	PublicURL string // where one-time links lead
	Mailing   bool   // letters are sent, so that links reach people by themselves
	// Mail puts a letter to a person into the outbox, in the caller's transaction, if mail is sent at all.
	Mail func(ctx context.Context, subject, name string, letter templates.Letter) error
	// TryMail sends a letter to a person at once and tells how that went; [ErrNoMail], [ErrNoAddress].
	TryMail func(ctx context.Context, subject string) (mail.Trial, error)
}

// SetRole makes role the role of subject, "" for none, and ends every session, remembered device, token and one-time link, all of
// it or nothing: they begin anew with what they now may, and nobody else with what they had. [account.ErrLastAdmin].
func (a *Actions) SetRole(ctx context.Context, subject string, role account.Role) error {
	return a.Sessions.DB.InTx(ctx, func(ctx context.Context) error {
		if err := a.Accounts.SetRole(ctx, subject, role); err != nil {
			return err
		}
		return a.endAll(ctx, subject, "role")
	})
}

// Disable keeps a person from signing in and ends every session and grant.
func (a *Actions) Disable(ctx context.Context, subject string) error {
	if err := a.Accounts.Disable(ctx, subject); err != nil {
		return err
	}
	return a.end(ctx, subject)
}

// EventSessionEnded is the action of the audit row of a session that was ended, by its person or by an administrator, without
// signing out. Detail: session, its public id.
const EventSessionEnded = "session.ended"

// EndSession ends one session of a person's, with the tokens that belong to it and a notice to the apps that were used in it;
// what offline_access gave stays. [session.ErrNotFound] when the person has no session of that id, whether or not somebody
// else has.
func (a *Actions) EndSession(ctx context.Context, subject, id string) error {
	return a.Sessions.DB.InTx(ctx, func(ctx context.Context) error {
		if err := a.Sessions.EndOne(ctx, subject, id); err != nil {
			return err
		}
		return a.Audit.Record(ctx, audit.Event{Action: EventSessionEnded, Subject: subject, Detail: map[string]string{"session": id}})
	})
}

// EndSessions ends every session of a person's but those to keep, likewise, and forgets the remembered devices.
func (a *Actions) EndSessions(ctx context.Context, subject string, keep ...string) error {
	return a.Sessions.DB.InTx(ctx, func(ctx context.Context) error {
		ended, err := a.Sessions.EndAll(ctx, subject, keep...)
		if err != nil {
			return err
		}
		if err := a.MFA.ForgetDevices(ctx, subject, "sessions ended"); err != nil {
			return err
		}
		for _, id := range ended {
			event := audit.Event{Action: EventSessionEnded, Subject: subject, Detail: map[string]string{"session": id}}
			if err := a.Audit.Record(ctx, event); err != nil {
				return err
			}
		}
		return nil
	})
}

// Disconnect takes back what a person allowed to a client, and every token that it got.
func (a *Actions) Disconnect(ctx context.Context, subject, client string) error {
	if err := a.Consents.Revoke(ctx, subject, client); err != nil {
		return err
	}
	return a.OAuth.RevokeClient(ctx, subject, client)
}

// ResetMFA takes a person's factors, recovery codes and devices away, for the given reason, and ends every session and
// grant, also of somebody who had no factor, whom no mail tells. The person enrols anew at the next sign-in where the policy
// demands it.
func (a *Actions) ResetMFA(ctx context.Context, subject, reason string) error {
	if err := a.MFA.Reset(ctx, subject, reason); err != nil {
		return err
	}
	return a.end(ctx, subject)
}

// Unseal lets a person's codes be looked at again after too many wrong ones, for the given reason. [mfa.ErrNotSealed]
// says that none was wrong.
func (a *Actions) Unseal(ctx context.Context, subject, reason string) error {
	return a.MFA.Unseal(ctx, subject, reason)
}

// Deleted is the reason of the reset that is a part of [Actions.Delete].
const Deleted = "account deleted"

// Delete removes a person and everything kept about them, but for the audit log. It may be called again when it failed
// in between: the account goes last.
func (a *Actions) Delete(ctx context.Context, subject string) error {
	// Disabled first: nothing new begins while the rest goes, and the last administrator is refused here.
	if err := a.Disable(ctx, subject); err != nil {
		return err
	}
	if err := a.MFA.Reset(ctx, subject, Deleted); err != nil {
		return err
	}
	if err := a.Consents.RevokeAll(ctx, subject); err != nil {
		return err
	}
	return a.Accounts.Delete(ctx, subject)
}

// DeleteClient removes a client with everything that was granted to it, and what people decided about it: a later client
// of that id asks them anew. It returns [oauth.ErrNotFound] when there is none, and may be called again when it failed in
// between.
func (a *Actions) DeleteClient(ctx context.Context, id string) error {
	deleted := a.OAuth.Clients().Delete(ctx, id)
	if deleted != nil && !errors.Is(deleted, oauth.ErrNotFound) {
		return deleted
	}
	// After the client, when nobody is asked about it any more.
	if err := a.Consents.RevokeClient(ctx, id); err != nil {
		return err
	}
	return deleted
}

// End ends every session of a person's and every token, those of offline_access too, because somebody else may have some of
// them. It joins the transaction of ctx.
func (a *Actions) End(ctx context.Context, subject string) error { return a.end(ctx, subject) }

func (a *Actions) end(ctx context.Context, subject string, keep ...string) error {
	if _, err := a.Sessions.EndAll(ctx, subject, keep...); err != nil {
		return err
	}
	return a.OAuth.RevokeSubject(ctx, subject)
}
