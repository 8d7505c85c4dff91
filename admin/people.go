package admin

import (
	"context"
	"errors"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/session"
)

// People returns a page of people; errors as [account.Service.People] has them. [ReadPeople]. Of whoever has a role the help desk
// gets the names alone, and only where nothing is asked about them: a list of administrators without MFA is none of its business.
func (d *Desk) People(ctx context.Context, q account.Query) (account.Page, error) {
	if err := d.read(ctx, ReadPeople, "list people"); err != nil {
		return account.Page{}, err
	}
	page, err := d.Accounts.People(ctx, q)
	if err != nil || d.by.Role != account.HelpDesk {
		return page, err
	}
	asks := q.Group != "" || q.Role != "" || q.AnyRole || q.Disabled != nil || q.WithoutMFA || q.FewCodes || q.NeverSignedIn || q.NoPassword
	seen := page.People[:0]
	for _, who := range page.People {
		switch {
		case who.Role() == "":
			seen = append(seen, who)
		case !asks:
			seen = append(seen, who.NamesOnly())
		}
	}
	page.People = seen
	return page, nil
}

// Person is everything there is to know about somebody. Secrets are not part of it.
type Person struct {
	*account.Account
	MFA      mfa.Status
	Passkeys []mfa.Credential
	Devices  []mfa.Device
	Sessions []*session.Session
	Apps     []App
}

// Person returns what there is to know about somebody, or [account.ErrNotFound]. [ReadPeople]; about somebody who has a role
// the help desk learns nothing.
func (d *Desk) Person(ctx context.Context, subject string) (*Person, error) {
	who, err := d.account(ctx, subject)
	if err != nil {
		return nil, err
	}
	p := &Person{Account: who}
	if p.MFA, err = d.MFA.Status(ctx, subject); err != nil {
		return nil, err
	}
	if d.Passkeys != nil {
		if p.Passkeys, err = d.Passkeys(ctx, subject); err != nil {
			return nil, err
		}
	}
	if p.Devices, err = d.MFA.Devices(ctx, subject, ""); err != nil {
		return nil, err
	}
	if p.Sessions, err = d.Sessions.List(ctx, subject); err != nil {
		return nil, err
	}
	p.Apps, err = d.Apps(ctx, subject)
	return p, err
}

// Account returns an account as a list has it, or [account.ErrNotFound]: see [Desk.People]. [ReadPeople].
func (d *Desk) Account(ctx context.Context, subject string) (*account.Account, error) {
	if err := d.read(ctx, ReadPeople, "read a person"); err != nil {
		return nil, err
	}
	who, err := d.Accounts.BySubject(ctx, subject)
	if err == nil && d.by.Role == account.HelpDesk && who.Role() != "" {
		who = who.NamesOnly()
	}
	return who, err
}

// account returns an account that the actor may read about.
func (d *Desk) account(ctx context.Context, subject string) (*account.Account, error) {
	const what = "read a person"
	if err := d.read(ctx, ReadPeople, what); err != nil {
		return nil, err
	}
	who, err := d.Accounts.BySubject(ctx, subject)
	if err != nil {
		return nil, err
	}
	if d.by.Role == account.HelpDesk && who.Role() != "" {
		return nil, d.refuse(ctx, ReadPeople, what, subject)
	}
	return who, nil
}

// CreatePerson makes an account. It has no password: a link lets the person choose one ([Desk.Invite]), and nobody else ever
// does. [HelpPeople]; with groups or an address that counts as verified also [WritePeople], with a role [WriteStaff]. Errors as
// [account.Service.Create] has them.
func (d *Desk) CreatePerson(ctx context.Context, n account.NewAccount) (made *account.Account, err error) {
	if n.Password != "" || n.Hashed != (account.Hashed{}) {
		return nil, errors.New("admin: people choose their passwords themselves")
	}
	const what = "create a person"
	err = d.do(ctx, HelpPeople, what, func(ctx context.Context, d *Desk) (err error) {
		if (len(n.Groups) > 0 || n.EmailVerified) && !d.May(WritePeople) || (n.Role != "" || n.Admin) && !d.May(WriteStaff) {
			return ErrForbidden
		}
		made, err = d.Accounts.Create(ctx, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// Edit is what may be changed of a person by hand. The address counts as verified only where the administrator says so.
type Edit struct {
	Version               int64 // of the account that was looked at; another one in force is [account.ErrStale]
	Username, Name, Email string
	EmailVerified         bool
	Groups                []string
}

// EditPerson changes somebody. [HelpPeople]; where groups differ or an address is declared verified, [WritePeople]. Errors as
// [account.Service.Update] has them.
func (d *Desk) EditPerson(ctx context.Context, subject string, e Edit) error {
	return d.to(ctx, HelpPeople, "edit a person", subject, func(ctx context.Context, d *Desk, who *account.Account) error {
		groups := strings.Join(who.Groups, " ") != strings.Join(sorted(e.Groups), " ")
		if (groups || e.EmailVerified && !(who.EmailVerified && who.Email == e.Email)) && !d.May(WritePeople) {
			return ErrForbidden
		}
		if who.Version != e.Version {
			return account.ErrStale
		}
		who.Username, who.Name, who.Email, who.EmailVerified, who.Groups = e.Username, e.Name, e.Email, e.EmailVerified, sorted(e.Groups)
		return d.Accounts.Update(ctx, who)
	})
}

// SetRole gives somebody a role, or takes it away with "", and ends every session, remembered device, token and one-time link: an
// administrator begins with nothing that others may have. Nobody does that to themselves: the one who is left could not undo it.
// [WriteStaff]; [account.ErrLastAdmin].
func (d *Desk) SetRole(ctx context.Context, subject string, role account.Role) error {
	return d.notSelf(ctx, WriteStaff, "set a role", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return d.Actions.SetRole(ctx, subject, role)
	})
}

// Disable keeps somebody from signing in and ends every session and token. [HelpPeople]; [account.ErrLastAdmin].
func (d *Desk) Disable(ctx context.Context, subject string) error {
	return d.notSelf(ctx, HelpPeople, "disable a person", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return d.Actions.Disable(ctx, subject)
	})
}

// Enable lets somebody sign in again. [HelpPeople].
func (d *Desk) Enable(ctx context.Context, subject string) error {
	return d.notSelf(ctx, HelpPeople, "enable a person", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return d.Accounts.Enable(ctx, subject)
	})
}

// Delete removes somebody and what is kept about them, but for the trail. [WritePeople]; [account.ErrLastAdmin].
func (d *Desk) Delete(ctx context.Context, subject string) error {
	return d.notSelf(ctx, WritePeople, "delete a person", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return d.Actions.Delete(ctx, subject)
	})
}

// Invite sends somebody a link to their first password. It returns the link only where no mail reaches them: whoever has it
// could choose the password. [HelpPeople]; [ErrHasPassword], [account.ErrDisabled].
func (d *Desk) Invite(ctx context.Context, subject string) (link string, err error) {
	return d.link(ctx, "invite a person", subject, d.InviteLink)
}

// ResetPassword sends somebody a link to another password, likewise. The present one is good until then.
func (d *Desk) ResetPassword(ctx context.Context, subject string) (link string, err error) {
	return d.link(ctx, "reset a password", subject, d.ResetLink)
}

func (d *Desk) link(ctx context.Context, what, subject string, make func(context.Context, string) (string, error)) (link string, err error) {
	err = d.notSelf(ctx, HelpPeople, what, subject, func(ctx context.Context, d *Desk, who *account.Account) (err error) {
		if link, err = make(ctx, subject); err == nil && d.Mailing && who.Email != "" {
			link = ""
		}
		return err
	})
	return link, err
}

// Compromised notes that others may know somebody's password: all that it opened ends, and the next sign-in begins with another
// one. [HelpPeople]; [ErrReason].
func (d *Desk) Compromised(ctx context.Context, subject, reason string) error {
	return d.because(ctx, "declare a password known to others", subject, reason, d.Actions.Compromised)
}

// ResetMFA takes somebody's factors, recovery codes and remembered devices away and ends every session and token. They enrol
// anew where the policy demands it. [HelpPeople]; [ErrReason].
func (d *Desk) ResetMFA(ctx context.Context, subject, reason string) error {
	return d.because(ctx, "reset MFA", subject, reason, d.Actions.ResetMFA)
}

// Unseal lets somebody's codes be looked at again after too many wrong ones. [HelpPeople]; [ErrReason], [mfa.ErrNotSealed].
func (d *Desk) Unseal(ctx context.Context, subject, reason string) error {
	return d.because(ctx, "unseal MFA", subject, reason, d.Actions.Unseal)
}

// maxReason is how many bytes of a reason the trail keeps.
const maxReason = 512

func (d *Desk) because(ctx context.Context, what, subject, reason string, fn func(ctx context.Context, subject, reason string) error) error {
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > maxReason {
		return ErrReason
	}
	return d.notSelf(ctx, HelpPeople, what, subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return fn(ctx, subject, reason)
	})
}

// EndSession ends one session of somebody's. [HelpPeople]; [session.ErrNotFound].
func (d *Desk) EndSession(ctx context.Context, subject, id string) error {
	return d.to(ctx, HelpPeople, "end a session", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return d.Actions.EndSession(ctx, subject, id)
	})
}

// EndSessions ends every session of somebody's, forgets remembered devices, and takes every token back. [HelpPeople].
func (d *Desk) EndSessions(ctx context.Context, subject string) error {
	return d.to(ctx, HelpPeople, "end all sessions", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		if err := d.Actions.EndSessions(ctx, subject); err != nil {
			return err
		}
		return d.OAuth.RevokeSubject(ctx, subject)
	})
}

// ForgetDevice makes one remembered device of somebody's ask for a code again. [HelpPeople]; [mfa.ErrNotFound].
func (d *Desk) ForgetDevice(ctx context.Context, subject, id string) error {
	return d.to(ctx, HelpPeople, "forget a device", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return d.MFA.ForgetDevice(ctx, subject, id)
	})
}

// ForgetDevices makes all of them do so. [HelpPeople].
func (d *Desk) ForgetDevices(ctx context.Context, subject string) error {
	return d.to(ctx, HelpPeople, "forget all devices", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return d.MFA.ForgetDevices(ctx, subject, "by an administrator")
	})
}

// Disconnect takes back what somebody allowed to an app, and its tokens. [HelpPeople].
func (d *Desk) Disconnect(ctx context.Context, subject, client string) error {
	return d.to(ctx, HelpPeople, "disconnect an app", subject, func(ctx context.Context, d *Desk, _ *account.Account) error {
		return d.Actions.Disconnect(ctx, subject, client)
	})
}
