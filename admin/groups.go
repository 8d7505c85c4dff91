package admin

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
)

// sorted returns names in order, each once.
func sorted(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// Groups returns all groups with the numbers of their members. [ReadPeople].
func (d *Desk) Groups(ctx context.Context) ([]account.Group, error) {
	if err := d.read(ctx, ReadPeople, "list groups"); err != nil {
		return nil, err
	}
	return d.Accounts.ListGroups(ctx)
}

// Group returns one, or [account.ErrNotFound]. [ReadPeople].
func (d *Desk) Group(ctx context.Context, name string) (account.Group, error) {
	if err := d.read(ctx, ReadPeople, "read a group"); err != nil {
		return account.Group{}, err
	}
	return d.Accounts.Group(ctx, name)
}

// CreateGroup adds one. [WritePeople]; errors as [account.Service.CreateGroup] has them.
func (d *Desk) CreateGroup(ctx context.Context, g account.Group) error {
	return d.do(ctx, WritePeople, "create a group", func(ctx context.Context, d *Desk) error { return d.Accounts.CreateGroup(ctx, g) })
}

// DescribeGroup gives one another description, if it has still the former one; otherwise [account.ErrStale]. [WritePeople].
func (d *Desk) DescribeGroup(ctx context.Context, name, former, description string) error {
	return d.do(ctx, WritePeople, "describe a group", func(ctx context.Context, d *Desk) error {
		return d.Accounts.RedescribeGroup(ctx, account.Group{Name: name, Description: description}, former)
	})
}

// DeleteGroup removes one, with its memberships only where that is said; those of whoever has a role want [WriteStaff].
// [WritePeople]; errors as [account.Service.DeleteGroup] has them.
func (d *Desk) DeleteGroup(ctx context.Context, name string, withMembers bool) error {
	return d.do(ctx, WritePeople, "delete a group", func(ctx context.Context, d *Desk) error {
		if withMembers && !d.May(WriteStaff) {
			staff, err := d.Accounts.People(ctx, account.Query{Group: name, AnyRole: true, Limit: 1})
			if invalid := new(account.InvalidError); errors.As(err, &invalid) {
				return account.ErrNotFound // no group has such a name
			}
			if err != nil {
				return err
			}
			if len(staff.People) > 0 {
				return ErrForbidden
			}
		}
		return d.Accounts.DeleteGroup(ctx, name, withMembers)
	})
}

// SetMember puts somebody into a group or takes them out of it; what is so already stays. [WritePeople].
func (d *Desk) SetMember(ctx context.Context, subject, group string, member bool) error {
	return d.to(ctx, WritePeople, "change a group's members", subject, func(ctx context.Context, d *Desk, who *account.Account) error {
		if slices.Contains(who.Groups, group) == member {
			return nil
		}
		without := slices.DeleteFunc(slices.Clone(who.Groups), func(name string) bool { return name == group })
		if who.Groups = without; member {
			who.Groups = sorted(append(without, group))
		}
		return d.Accounts.Update(ctx, who)
	})
}

// PreviewImport returns what [Desk.Import] would do, and does nothing. [WritePeople].
func (d *Desk) PreviewImport(ctx context.Context, people []account.Incoming) ([]account.Outcome, error) {
	if err := d.read(ctx, WritePeople, "preview an import"); err != nil {
		return nil, err
	}
	return d.Accounts.PreviewImport(ctx, people, d.mayImport)
}

// Import makes and changes people as a file says; see [account.Service.Import]. [WritePeople]. Lines about somebody whom the
// actor may not touch are refused one by one.
func (d *Desk) Import(ctx context.Context, people []account.Incoming) ([]account.Outcome, error) {
	const what = "import people"
	if err := d.do(ctx, WritePeople, what, func(ctx context.Context, d *Desk) error {
		return d.Audit.Record(ctx, audit.Event{Action: EventImported, Detail: map[string]string{"lines": strconv.Itoa(len(people))}})
	}); err != nil {
		return nil, err
	}
	return d.Accounts.Import(d.ctx(ctx), people, d.mayImport)
}

func (d *Desk) mayImport(who *account.Account) error {
	if !d.MayHelp(WritePeople, who) {
		return ErrForbidden
	}
	return nil
}

// The actions of the audit rows of what concerns many people. Detail: lines, of the file that was read; format, of the one that
// was written.
const (
	EventImported = "people.imported"
	EventExported = "people.exported"
)

// Export writes the people that q finds. [ReadPeople] and [WritePeople]: a list of everybody leaves the house.
func (d *Desk) Export(ctx context.Context, to io.Writer, format account.Format, q account.Query, columns ...string) error {
	const what = "export people"
	if err := d.read(ctx, ReadPeople, what); err != nil {
		return err
	}
	if err := d.do(ctx, WritePeople, what, func(ctx context.Context, d *Desk) error {
		return d.Audit.Record(ctx, audit.Event{Action: EventExported, Detail: map[string]string{"format": string(format)}})
	}); err != nil {
		return err
	}
	return d.Accounts.Export(ctx, to, format, q, columns...)
}

// Outcome is what became of one person of a bulk action.
type Outcome struct {
	Subject string
	Err     error // nil: done
}

// Each does the same to several people, to each in a transaction of its own: what is refused for one is done for the others.
func Each(ctx context.Context, subjects []string, fn func(ctx context.Context, subject string) error) []Outcome {
	out := make([]Outcome, 0, len(subjects))
	for _, subject := range sorted(subjects) {
		out = append(out, Outcome{subject, fn(ctx, subject)})
	}
	return out
}
