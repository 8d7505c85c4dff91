package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
)

var (
	// ErrForbidden says that this actor may not do this, or not to this person.
	ErrForbidden = errors.New("admin: forbidden")
	// ErrSelf refuses what would lock an administrator out by accident, or what people prove more for on their own pages.
	ErrSelf = errors.New("admin: nobody does this to themselves")
	// ErrReason wants to know why.
	ErrReason = errors.New("admin: a reason is needed")
)

// EventRefused is the action of the audit row of what was not allowed. Detail: permission, and what was to be done.
const EventRefused = "admin.refused"

// Desk is the [Actions] in the hands of one [Actor]. Every call decides whether the actor may do this to that target,
// does it and records it, all in one transaction; what is refused is on record too. It is for one request.
type Desk struct {
	*Actions
	by Actor
}

// Desk returns the Actions in the hands of by.
func (a *Actions) Desk(by Actor) *Desk { return &Desk{a, by} }

// Actor returns whose hands these are.
func (d *Desk) Actor() Actor { return d.by }

// May reports whether the actor may do things of that kind at all: for pages that leave out what would be refused.
func (d *Desk) May(p Permission) bool { return d.by.May(p) }

// MayHelp reports likewise whether the actor may do to this person what the kind allows.
func (d *Desk) MayHelp(p Permission, who *account.Account) bool {
	return d.by.May(p) && (who.Role() == "" || d.by.May(WriteStaff))
}

// ctx makes what is done in it the actor's in the trail.
func (d *Desk) ctx(ctx context.Context) context.Context {
	if d.by.Client != "" {
		ctx = audit.WithClient(ctx, d.by.Client)
	}
	return audit.WithActor(ctx, d.by.name())
}

// read checks a permission for what changes nothing.
func (d *Desk) read(ctx context.Context, p Permission, what string) error {
	if d.by.May(p) {
		return nil
	}
	return d.refuse(ctx, p, what, "")
}

// Check refuses with [ErrForbidden], and records so, what the actor may not do at all: for a caller that has to say so before
// it looks at what is asked. Whom it may be done to is decided when it is done.
func (d *Desk) Check(ctx context.Context, p Permission, what string) error {
	return d.read(ctx, p, what)
}

// CheckPerson is [Desk.Check] about one person, whom the actor may perhaps not touch.
func (d *Desk) CheckPerson(ctx context.Context, p Permission, what string, who *account.Account) error {
	if d.MayHelp(p, who) {
		return nil
	}
	return d.refuse(ctx, p, what, who.Subject)
}

// do runs fn in one transaction as the actor's, if they may do things of kind p: their role is looked up again, as it may have
// been taken away since the page was shown, and fn gets the desk as it is now. What was refused is recorded apart from it.
func (d *Desk) do(ctx context.Context, p Permission, what string, fn func(context.Context, *Desk) error) error {
	err := d.Accounts.InTx(ctx, func(ctx context.Context) error {
		now, err := d.still(ctx, p)
		if err != nil {
			return err
		}
		return fn(now.ctx(ctx), now)
	})
	if errors.Is(err, ErrForbidden) {
		return d.refuse(ctx, p, what, "")
	}
	return err
}

// to is [Desk.do] to a person, who is read in that transaction: whoever has a role is for those who may touch staff.
func (d *Desk) to(ctx context.Context, p Permission, what, subject string, fn func(context.Context, *Desk, *account.Account) error) error {
	err := d.Accounts.InTx(ctx, func(ctx context.Context) error {
		now, err := d.still(ctx, p)
		if err != nil {
			return err
		}
		who, err := d.Accounts.BySubject(ctx, subject)
		if err != nil {
			return err
		}
		if !now.MayHelp(p, who) {
			return ErrForbidden
		}
		return fn(now.ctx(ctx), now, who)
	})
	if errors.Is(err, ErrForbidden) {
		return d.refuse(ctx, p, what, subject)
	}
	return err
}

// notSelf is [Desk.to] somebody else.
func (d *Desk) notSelf(ctx context.Context, p Permission, what, subject string, fn func(context.Context, *Desk, *account.Account) error) error {
	if subject == d.by.Subject {
		return ErrSelf
	}
	return d.to(ctx, p, what, subject, fn)
}

// still returns the desk with the role that a person has now, if that allows things of kind p: what is decided next, of whoever
// it is done to, is decided by that role too.
func (d *Desk) still(ctx context.Context, p Permission) (*Desk, error) {
	fresh := *d
	if d.by.Subject != "" {
		now, err := d.Accounts.Active(ctx, d.by.Subject)
		if errors.Is(err, account.ErrNotFound) || errors.Is(err, account.ErrDisabled) {
			return nil, ErrForbidden
		}
		if err != nil {
			return nil, err
		}
		fresh.by.Role = now.Role()
	}
	if !fresh.by.May(p) {
		return nil, ErrForbidden
	}
	return &fresh, nil
}

// refuse records that the actor may not, and returns [ErrForbidden].
func (d *Desk) refuse(ctx context.Context, p Permission, what, subject string) error {
	err := d.Audit.Record(d.ctx(ctx), audit.Event{
		Action: EventRefused, Subject: subject, Result: "forbidden", Detail: map[string]string{"permission": string(p), "what": what},
	})
	if err != nil {
		return fmt.Errorf("admin: what was refused is not recorded: %w", err)
	}
	return ErrForbidden
}
