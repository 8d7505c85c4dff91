package account

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/focushq/idp/internal/dbx"
)

var (
	// ErrHasMembers refuses to delete a group that has members.
	ErrHasMembers = errors.New("account: the group has members")
	// ErrGroupNeeded refuses to delete a group whose members the policy asks for a second factor: it would ask nobody.
	ErrGroupNeeded = errors.New("account: the policy names the group")
)

// check returns an [*InvalidError] for a name or a description that a group cannot have.
func (g Group) check() error {
	if !groupName(g.Name) || !printable(g.Description) || len(g.Description) > maxName {
		return &InvalidError{"groups", "characters"}
	}
	return nil
}

// Group returns the group of that name with the number of its members, or [ErrNotFound]. Who they are say [Service.People].
func (s *Service) Group(ctx context.Context, name string) (Group, error) {
	g := Group{Name: name}
	if !groupName(name) {
		return g, ErrNotFound
	}
	var r struct {
		Description string `db:"description"`
		Members     int    `db:"members"`
	}
	err := s.cfg.DB.Get(ctx, &r, `
		SELECT description, (`+fmt.Sprintf(countMembers, "$1")+`) AS members FROM account_groups WHERE name = $1`, name)
	if dbx.IsNotFound(err) {
		return g, ErrNotFound
	}
	if err != nil {
		return g, fmt.Errorf("account: group: %w", err)
	}
	g.Description, g.Members = r.Description, r.Members
	return g, nil
}

// CreateGroup adds a group. It returns [*InvalidError], which for a name that there is already is [ErrTaken]. Names stand in
// tokens and in the settings of apps: they cannot be changed.
func (s *Service) CreateGroup(ctx context.Context, g Group) error {
	if err := g.check(); err != nil {
		return err
	}
	return s.change(ctx, groupEvent("added", g.Name), func(ctx context.Context) error {
		n, err := s.cfg.DB.Exec(ctx, `INSERT INTO account_groups (name, description) VALUES ($1, $2) ON CONFLICT DO NOTHING`, g.Name, g.Description)
		if err == nil && n == 0 {
			err = &InvalidError{"groups", "taken"}
		}
		return groupError("create", err)
	})
}

// DescribeGroup gives the group of that name another description. It returns [*InvalidError] and [ErrNotFound].
func (s *Service) DescribeGroup(ctx context.Context, g Group) error {
	if err := g.check(); err != nil {
		return err
	}
	return s.change(ctx, groupEvent("described", g.Name), func(ctx context.Context) error {
		return s.one(ctx, `UPDATE account_groups SET description = $2 WHERE name = $1`, g.Name, g.Description)
	})
}

// RedescribeGroup is [Service.DescribeGroup] for a group that still has the former description: of several who have seen that
// one is first, and the others get [ErrStale].
func (s *Service) RedescribeGroup(ctx context.Context, g Group, former string) error {
	if err := g.check(); err != nil {
		return err
	}
	return s.change(ctx, groupEvent("described", g.Name), func(ctx context.Context) error {
		n, err := s.cfg.DB.Exec(ctx, `UPDATE account_groups SET description = $2 WHERE name = $1 AND description = $3`, g.Name, g.Description, former)
		if err != nil || n > 0 {
			return groupError("describe", err)
		}
		if _, err := s.Group(ctx, g.Name); err != nil {
			return err
		}
		return ErrStale
	})
}

// DeleteGroup removes the group of that name; with its memberships only where that is said, otherwise [ErrHasMembers]. It
// returns [ErrGroupNeeded] as long as the policy names it, and [ErrNotFound]. Apps may be open to a group: whether one
// still names it is up to the caller.
func (s *Service) DeleteGroup(ctx context.Context, name string, withMembers bool) error {
	if !groupName(name) {
		return ErrNotFound
	}
	return s.change(ctx, groupEvent("removed", name), func(ctx context.Context) error {
		if err := s.takeTurn(ctx); err != nil { // or a policy that is set meanwhile could name it
			return err
		}
		policy, err := s.Policy(ctx)
		if err != nil {
			return err
		}
		if slices.Contains(policy.MFARequiredGroups, name) {
			return ErrGroupNeeded
		}
		if !withMembers {
			return s.deleteEmpty(ctx, name)
		}
		return groupError("delete", s.one(ctx, `DELETE FROM account_groups WHERE name = $1`, name))
	})
}

// deleteEmpty removes a group that nobody is in. Whoever joins at the same moment holds the group's row: a DELETE would wait
// for them and then remove their membership too, which its condition has not seen. Another name, which no group can have,
// waits likewise, and is then refused by the reference.
func (s *Service) deleteEmpty(ctx context.Context, name string) error {
	n, err := s.cfg.DB.Exec(ctx, `
		UPDATE account_groups SET name = '~' || name
		WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM account_members WHERE group_name = $1)`, name)
	if dbx.IsDangling(err) {
		return ErrHasMembers
	}
	if err != nil {
		return groupError("delete", err)
	}
	if n == 0 {
		if _, err := s.Group(ctx, name); err != nil {
			return err
		}
		return ErrHasMembers
	}
	return groupError("delete", s.one(ctx, `DELETE FROM account_groups WHERE name = '~' || $1`, name))
}

func groupEvent(what, name string) Event {
	return Event{Kind: EventGroupsSet, Detail: map[string]string{what: name}}
}

func groupError(what string, err error) error {
	var invalid *InvalidError
	if err == nil || errors.As(err, &invalid) || errors.Is(err, ErrNotFound) {
		return err
	}
	return fmt.Errorf("account: %s a group: %w", what, err)
}
