package account

import (
	"context"
	"fmt"
	"strconv"
)

// Role is what somebody may do to others.
type Role string

// The roles. What each may do is decided by whoever acts for them; this package keeps them, and asks of whoever has one a
// second factor ([Service.MFADue]).
const (
	Auditor       Role = "auditor"  // reads everything
	HelpDesk      Role = "helpdesk" // helps people who have no role
	Administrator Role = "administrator"
)

// Roles are all that there are, the greatest last.
func Roles() []Role { return []Role{Auditor, HelpDesk, Administrator} }

// check returns an [*InvalidError] for a role that there is not; "" is fine.
func (r Role) check() error {
	switch r {
	case "", Auditor, HelpDesk, Administrator:
		return nil
	}
	return &InvalidError{"role", "unknown"}
}

// lesser is what the column role holds for r.
func (r Role) lesser() Role {
	if r == Administrator {
		return ""
	}
	return r
}

// Role returns a's role, "" for none. Admin decides: a lesser role counts only where that is false, so that taking Admin
// away never leaves an administrator, whichever release of the program did it.
func (a *Account) Role() Role {
	if a.Admin {
		return Administrator
	}
	return a.role
}

// NamesOnly returns a copy with no more than who it is, which role they have, and what they are called.
func (a *Account) NamesOnly() *Account {
	return &Account{Subject: a.Subject, Username: a.Username, Name: a.Name, Admin: a.Admin, role: a.role, CreatedAt: a.CreatedAt, Version: a.Version}
}

// SetRole makes role the role of subject; "" takes any away. It voids the links of subject: whoever made one could not make it
// for somebody who has this role. It returns [*InvalidError] for one that there is not,
// [ErrNotFound], [ErrLastAdmin], and [ErrStale] when somebody else changed the account at this very moment. Whether the
// caller may do that is up to the caller.
func (s *Service) SetRole(ctx context.Context, subject string, role Role) error {
	if err := role.check(); err != nil {
		return err
	}
	err := s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		before, err := s.rowOf(ctx, subject)
		if err != nil || before.role() == role {
			return err
		}
		if before.Admin {
			if err := s.spareLastAdmin(ctx, subject); err != nil {
				return err
			}
		}
		n, err := s.cfg.DB.Exec(ctx, `
			UPDATE accounts SET admin = $3, role = $4, updated_at = $5, version = version + 1
			WHERE subject = $1 AND version = $2`,
			subject, before.Version, role == Administrator, string(role.lesser()), s.now().Unix())
		if err == nil && n == 0 {
			err = ErrStale
		}
		if err == nil {
			err = s.voidLinks(ctx, subject)
		}
		if err != nil || s.cfg.Observe == nil {
			return err
		}
		detail := map[string]string{}
		differs(detail, "role", string(before.role()), string(role))
		return s.cfg.Observe(ctx, Event{Kind: EventRoleSet, Subject: subject, Detail: detail})
	})
	if err != nil {
		return fmt.Errorf("account: set role: %w", err)
	}
	return nil
}

// role is [Account.Role] of a line of the table.
func (r *row) role() Role {
	if r.Admin {
		return Administrator
	}
	return Role(r.Role)
}

// describeRole notes a changed role in detail, and in the words of former releases whether it made an administrator.
func (a *Account) describeRole(detail map[string]string, before *row) {
	differs(detail, "admin", strconv.FormatBool(before.Admin), strconv.FormatBool(a.Admin))
	differs(detail, "role", string(before.role()), string(a.Role()))
}
