package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey"
)

type userCmd struct {
	Add                   userAddCmd           `cmd:"" help:"Add a person; the password comes from standard input or IDP_PASSWORD."`
	List                  userListCmd          `cmd:"" help:"List people."`
	Show                  userShowCmd          `cmd:"" help:"Show a person, with factors and sessions."`
	Sessions              userSessionsCmd      `cmd:"" help:"List where a person is signed in."`
	EndSession            userEndSessionCmd    `cmd:"" name:"end-session" help:"End one session of a person, with its tokens; what offline_access gave to apps goes on."`
	Disable               userDisableCmd       `cmd:"" help:"Keep a person from signing in; ends sessions and tokens."`
	Enable                userEnableCmd        `cmd:"" help:"Let a disabled person sign in again."`
	SetPassword           userSetPasswordCmd   `cmd:"" help:"Set a password, from standard input or IDP_PASSWORD; ends sessions and tokens."`
	ResetPassword         userResetPasswordCmd `cmd:"" name:"reset-password" help:"Print a one-time link to a new password, good for an hour; it is mailed to the person as well, where mail is sent."`
	Invite                userInviteCmd        `cmd:"" help:"Print a one-time link to the first password, good for three days; it is mailed to the person as well, where mail is sent."`
	RequirePasswordChange userRequireChangeCmd `cmd:"" name:"require-password-change" help:"Somebody else may know the password: end sessions and tokens, and have the person choose another one at the next sign-in."`
	ResetMFA              userResetMFACmd      `cmd:"" name:"reset-mfa" help:"Take a person's factors, recovery codes and devices away; ends sessions and tokens."`
	Unseal                userUnsealCmd        `cmd:"" help:"Let a person's MFA codes be looked at again after too many wrong ones."`
	Role                  userRoleCmd          `cmd:"" help:"Say what a person may do to others: auditor, helpdesk, administrator, or none."`
	Delete                userDeleteCmd        `cmd:"" help:"Delete a person."`
}

// who is the argument of commands about one person.
type who struct {
	Username string `arg:"" help:"User name or e-mail address."`
}

func (u who) find(a *app, p *idp.IdP) (*account.Account, error) {
	found, err := p.Accounts.ByUsername(a, u.Username)
	if errors.Is(err, account.ErrNotFound) {
		return nil, fmt.Errorf("there is nobody called %s", u.Username)
	}
	return found, err
}

// each runs fn on the person and says what was done.
func (u who) each(a *app, done string, fn func(*idp.IdP, *admin.Actions, *account.Account) error) error {
	return u.saying(a, func(p *idp.IdP, actions *admin.Actions, found *account.Account) (string, error) {
		return done, fn(p, actions, found)
	})
}

// saying is each for what can turn out in several ways, of which fn returns the one it was.
func (u who) saying(a *app, fn func(*idp.IdP, *admin.Actions, *account.Account) (done string, err error)) error {
	return a.with(func(p *idp.IdP, actions *admin.Actions) error {
		found, err := u.find(a, p)
		if err != nil {
			return err
		}
		done, err := fn(p, actions, found)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s: %s\n", done, found.Username)
		return nil
	})
}

type userAddCmd struct {
	who
	Email  string   `help:"E-mail address."`
	Name   string   `help:"Full name."`
	Group  []string `help:"Group; may be repeated."`
	Admin  bool     `help:"Make an administrator; the same as --role administrator."`
	Role   string   `enum:"auditor,helpdesk,administrator,-" default:"-" help:"What they may do to others: auditor (read everything), helpdesk (help people without a role), administrator." placeholder:"ROLE"`
	Invite bool     `help:"No password: print a one-time link with which the person chooses it."`
}

// Run adds the person.
func (c *userAddCmd) Run(a *app) (err error) {
	role, err := chosen(c.Role, c.Admin)
	if err != nil {
		return err
	}
	password := ""
	if !c.Invite {
		if password, err = a.secret("IDP_PASSWORD"); err != nil {
			return err
		}
	}
	return a.with(func(p *idp.IdP, actions *admin.Actions) error {
		added, err := p.Accounts.Create(a, account.NewAccount{
			Username: c.Username, Email: c.Email, Name: c.Name, Groups: c.Group, Role: role, Password: password,
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "added: %s (%s)\n", added.Username, added.Subject)
		if !c.Invite {
			return nil
		}
		return invite(a, actions, added)
	})
}

// chosen returns the role that --role and --admin name together, "" for none.
func chosen(role string, admin bool) (account.Role, error) {
	switch {
	case admin && role != "-" && role != string(account.Administrator):
		return "", usageError("--admin and --role " + role + " are two roles")
	case admin:
		return account.Administrator, nil
	case role == "-":
		return "", nil
	}
	return account.Role(role), nil
}

type userListCmd struct {
	output
	Role  string `enum:"auditor,helpdesk,administrator,any,-" default:"-" help:"Only those who have that role, or any." placeholder:"ROLE"`
	Query string `arg:"" optional:"" help:"Beginnings of words: of user names, e-mail addresses or names."`
}

// userView is a person as the command line shows them.
type userView struct {
	Subject     string     `json:"sub"`
	Username    string     `json:"username"`
	Email       string     `json:"email,omitempty"`
	Name        string     `json:"name,omitempty"`
	Groups      []string   `json:"groups"`
	Admin       bool       `json:"admin"`
	Role        string     `json:"role"` // "" for none
	Disabled    bool       `json:"disabled"`
	Compromised bool       `json:"password_compromised"`
	CreatedAt   time.Time  `json:"created_at"`
	MFAEnrolled bool       `json:"mfa_enrolled"`
	MFA         *mfaView   `json:"mfa,omitempty"`
	Sessions    []timeSpan `json:"sessions,omitempty"`
}

type mfaView struct {
	Authenticators []string `json:"authenticators"`
	Passkeys       []string `json:"passkeys"`
	CodesLeft      int      `json:"recovery_codes_left"`
	Devices        int      `json:"remembered_devices"`
	Sealed         bool     `json:"sealed"`                // the app's codes
	RecoverySealed bool     `json:"recovery_codes_sealed"` // likewise
	PasskeysSealed bool     `json:"passkeys_sealed"`
	PasskeysUnused bool     `json:"passkeys_unused"` // there are some, and passkeys are off
}

type timeSpan struct {
	ID       string    `json:"id"`
	AuthTime time.Time `json:"auth_time"`
	SeenAt   time.Time `json:"seen_at"`
	Address  string    `json:"address"`
}

func view(a *account.Account) userView {
	return userView{
		Subject: a.Subject, Username: a.Username, Email: a.Email, Name: a.Name, Groups: append([]string{}, a.Groups...),
		Admin: a.Admin, Role: string(a.Role()), Disabled: a.Disabled, Compromised: a.Compromised, CreatedAt: a.CreatedAt.UTC(),
	}
}

// Run lists everybody, a page of the database at a time.
func (c *userListCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		views, rows := []userView{}, [][]string{}
		query := account.Query{Text: c.Query, Limit: 200, AnyRole: c.Role == "any"}
		if c.Role != "any" && c.Role != "-" {
			query.Role = account.Role(c.Role)
		}
		if err := p.Accounts.IndexNames(a); err != nil { // after an upgrade, if no server has done it yet
			return err
		}
		for {
			page, err := p.Accounts.People(a, query)
			if err != nil {
				return err
			}
			subjects := make([]string, len(page.People))
			for i, person := range page.People {
				subjects[i] = person.Subject
			}
			enrolled, err := p.MFA.EnrolledAmong(a, subjects)
			if err != nil {
				return err
			}
			for _, person := range page.People {
				v := view(person)
				v.MFAEnrolled = enrolled[person.Subject]
				views = append(views, v)
				rows = append(rows, []string{v.Username, v.Email, strings.Join(v.Groups, ","), v.Role, yes(v.Disabled), yes(v.MFAEnrolled)})
			}
			if query.Cursor = page.Next; query.Cursor == "" {
				return c.print(a, views, "USERNAME\tE-MAIL\tGROUPS\tROLE\tDISABLED\tMFA", rows)
			}
		}
	})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type userShowCmd struct {
	who
	output
}

// Run shows one person.
func (c *userShowCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		found, err := c.find(a, p)
		if err != nil {
			return err
		}
		v := view(found)
		status, err := p.MFA.Status(a, found.Subject)
		if err != nil {
			return err
		}
		v.MFAEnrolled = status.Enrolled
		v.MFA = &mfaView{Authenticators: []string{}, Passkeys: []string{}, CodesLeft: status.CodesLeft, Devices: status.Devices, Sealed: status.Sealed,
			RecoverySealed: status.RecoverySealed}
		for _, authenticator := range status.Authenticators {
			v.MFA.Authenticators = append(v.MFA.Authenticators, authenticator.Name)
		}
		if err := v.MFA.addPasskeys(a, p, found.Subject, status); err != nil {
			return err
		}
		sessions, err := p.Sessions.List(a, found.Subject)
		if err != nil {
			return err
		}
		for _, s := range sessions {
			v.Sessions = append(v.Sessions, timeSpan{s.ID, s.AuthTime.UTC(), s.SeenAt.UTC(), s.Address})
		}
		return c.print(a, v, "WHAT\tVALUE", [][]string{
			{"sub", v.Subject}, {"username", v.Username}, {"e-mail", v.Email}, {"name", v.Name},
			{"groups", strings.Join(v.Groups, ",")}, {"role", v.Role}, {"disabled", yes(v.Disabled)},
			{"password must be changed", yes(v.Compromised)},
			{"MFA", yes(v.MFAEnrolled)}, {"authenticators", strings.Join(v.MFA.Authenticators, ", ")}, {"passkeys", v.MFA.names()},
			{"recovery codes left", fmt.Sprint(v.MFA.CodesLeft)}, {"remembered devices", fmt.Sprint(v.MFA.Devices)},
			{"app codes sealed", yes(v.MFA.Sealed)}, {"recovery codes sealed", yes(v.MFA.RecoverySealed)},
			{"passkeys sealed", yes(v.MFA.PasskeysSealed)}, {"sessions", fmt.Sprint(len(v.Sessions))},
		})
	})
}

// addPasskeys adds the person's passkeys, and whether they are sealed. Their names are not known where none is taken now.
func (v *mfaView) addPasskeys(a *app, p *idp.IdP, subject string, status mfa.Status) error {
	factor := status.Factor(mfapasskey.Name)
	if factor == nil {
		return nil
	}
	v.PasskeysSealed, v.PasskeysUnused = factor.Sealed, p.Passkeys == nil
	if v.PasskeysUnused {
		return nil
	}
	passkeys, err := p.Passkeys.Passkeys(a, subject)
	for _, passkey := range passkeys {
		v.Passkeys = append(v.Passkeys, passkey.Name)
	}
	return err
}

// names lists the passkeys in a line.
func (v *mfaView) names() string {
	if v.PasskeysUnused {
		return "some, and passkeys are off"
	}
	return strings.Join(v.Passkeys, ", ")
}

type userDisableCmd struct{ who }

// Run disables the person.
func (c *userDisableCmd) Run(a *app) error {
	return c.each(a, "disabled", func(_ *idp.IdP, actions *admin.Actions, who *account.Account) error {
		return actions.Disable(a, who.Subject)
	})
}

type userEnableCmd struct{ who }

// Run enables the person.
func (c *userEnableCmd) Run(a *app) error {
	return c.each(a, "enabled", func(p *idp.IdP, _ *admin.Actions, who *account.Account) error {
		return p.Accounts.Enable(a, who.Subject)
	})
}

type userSetPasswordCmd struct{ who }

// Run sets the password.
func (c *userSetPasswordCmd) Run(a *app) error {
	password, err := a.secret("IDP_PASSWORD")
	if err != nil {
		return err
	}
	return c.each(a, "password set", func(_ *idp.IdP, actions *admin.Actions, who *account.Account) error {
		return actions.SetPassword(a, who.Subject, password)
	})
}

type userResetPasswordCmd struct{ who }

// Run prints the link.
func (c *userResetPasswordCmd) Run(a *app) error {
	return c.each(a, "link made", func(_ *idp.IdP, actions *admin.Actions, who *account.Account) error {
		link, err := actions.ResetLink(a, who.Subject)
		if err == nil {
			fmt.Fprintln(a.out, "link:", link)
		}
		return err
	})
}

type userInviteCmd struct{ who }

// Run prints the link.
func (c *userInviteCmd) Run(a *app) error {
	return c.each(a, "invited", func(_ *idp.IdP, actions *admin.Actions, who *account.Account) error {
		return invite(a, actions, who)
	})
}

func invite(a *app, actions *admin.Actions, who *account.Account) error {
	link, err := actions.InviteLink(a, who.Subject)
	if err == nil {
		fmt.Fprintln(a.out, "link:", link)
	}
	return err
}

type userRequireChangeCmd struct {
	who
	because
}

// Run notes that the password is known to others.
func (c *userRequireChangeCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.each(a, "password must be changed", func(_ *idp.IdP, actions *admin.Actions, who *account.Account) error {
		err := actions.Compromised(a, who.Subject, c.Reason)
		if errors.Is(err, account.ErrNotFound) {
			return errors.New("this person has no password")
		}
		return err
	})
}

// because is the flag of commands that the person concerned is told about.
type because struct {
	Reason string `required:"" help:"Why; stands in the audit log and in the mail to the person."`
}

func (b because) check() error {
	if strings.TrimSpace(b.Reason) == "" {
		return usageError("--reason must say why")
	}
	return nil
}

type userResetMFACmd struct {
	who
	because
}

// Run resets the second factor. Sessions end also of somebody who has none: whoever asks for it may fear for them.
func (c *userResetMFACmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.saying(a, func(p *idp.IdP, actions *admin.Actions, who *account.Account) (string, error) {
		enrolled, err := p.MFA.Enrolled(a, who.Subject)
		if err != nil {
			return "", err
		}
		if err := actions.ResetMFA(a, who.Subject, c.Reason); err != nil {
			return "", err
		}
		if !enrolled {
			return "no MFA to reset, sessions ended", nil
		}
		return "MFA reset", nil
	})
}

type userUnsealCmd struct {
	who
	because
}

// Run unseals the second factor.
func (c *userUnsealCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.saying(a, func(_ *idp.IdP, actions *admin.Actions, who *account.Account) (string, error) {
		err := actions.Unseal(a, who.Subject, c.Reason)
		if errors.Is(err, mfa.ErrNotSealed) {
			return "nothing to unseal", nil
		}
		return "unsealed", err
	})
}

type userDeleteCmd struct{ who }

// Run deletes the person.
func (c *userDeleteCmd) Run(a *app) error {
	return c.each(a, "deleted", func(_ *idp.IdP, actions *admin.Actions, who *account.Account) error {
		return actions.Delete(a, who.Subject)
	})
}

type userRoleCmd struct {
	who
	Role string `arg:"" enum:"administrator,auditor,helpdesk,none" help:"administrator (everything), auditor (read everything), helpdesk (help people without a role), none."`
}

// Run gives the person that role instead of any other one.
func (c *userRoleCmd) Run(a *app) error {
	role := account.Role(c.Role)
	if c.Role == "none" {
		role = ""
	}
	return c.saying(a, func(_ *idp.IdP, actions *admin.Actions, who *account.Account) (string, error) {
		if who.Role() == role {
			return "the role is as it was", nil
		}
		return "role " + c.Role, actions.SetRole(a, who.Subject, role)
	})
}
