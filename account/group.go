package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/focushq/idp/internal/dbx"
)

const maxGroup = 64

// MaxMembers is how many members are counted, for a list of groups must not read everybody.
const MaxMembers = 10_000

// countMembers counts those of a group, which is to be named, along the index. In their order there is no other way.
const countMembers = `SELECT count(*) FROM (SELECT 1 FROM account_members WHERE group_name = %s ORDER BY subject LIMIT 10001) AS counted`

// Group is a set of accounts.
type Group struct {
	Name        string // letters, digits and . _ - / : of ASCII, at most 64
	Description string
	Members     int // as read, exact up to [MaxMembers] and one more when there are more; ignored by SetGroups
}

// SetGroups makes groups the groups that there are: what is missing is added, descriptions are changed, others are
// removed together with the membership in them.
func (s *Service) SetGroups(ctx context.Context, groups []Group) error {
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		if err := g.check(); err != nil {
			return err
		}
		names = append(names, g.Name)
	}
	detail := map[string]string{}
	return s.change(ctx, Event{Kind: EventGroupsSet, Detail: detail}, func(ctx context.Context) error {
		before, err := s.ListGroups(ctx)
		if err != nil {
			return err
		}
		var added, removed, described []string
		for _, is := range before {
			if slices.Contains(names, is.Name) {
				continue
			}
			removed = append(removed, is.Name)
			if _, err := s.cfg.DB.Exec(ctx, `DELETE FROM account_groups WHERE name = $1`, is.Name); err != nil {
				return fmt.Errorf("account: remove a group: %w", err)
			}
		}
		for _, g := range groups {
			at := slices.IndexFunc(before, func(is Group) bool { return is.Name == g.Name })
			switch {
			case at < 0:
				added = append(added, g.Name)
			case before[at].Description != g.Description:
				described = append(described, g.Name)
			}
			_, err := s.cfg.DB.Exec(ctx, `
				INSERT INTO account_groups (name, description) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET description = excluded.description`, g.Name, g.Description)
			if err != nil {
				return fmt.Errorf("account: set a group: %w", err)
			}
		}
		clear(detail) // of a try that met another transaction
		for name, list := range map[string][]string{"added": added, "removed": removed, "described": described} {
			if len(list) > 0 {
				detail[name] = strings.Join(list, " ")
			}
		}
		return nil
	})
}

// ListGroups returns all groups by name, with the number of their members.
func (s *Service) ListGroups(ctx context.Context) ([]Group, error) {
	var rows []struct {
		Name        string `db:"name"`
		Description string `db:"description"`
		Members     int    `db:"members"`
	}
	err := s.cfg.DB.Select(ctx, &rows, `SELECT name, description, (`+fmt.Sprintf(countMembers, "account_groups.name")+`) AS members
		FROM account_groups ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("account: list groups: %w", err)
	}
	out := make([]Group, 0, len(rows))
	for _, r := range rows {
		out = append(out, Group(r))
	}
	return out, nil
}

// setMembership makes groups the groups of subject.
func (s *Service) setMembership(ctx context.Context, subject string, groups []string) error {
	if err := s.known(ctx, groups); err != nil {
		return err
	}
	if _, err := s.cfg.DB.Exec(ctx, `DELETE FROM account_members WHERE subject = $1`, subject); err != nil {
		return err
	}
	for _, name := range groups {
		_, err := s.cfg.DB.Exec(ctx, `INSERT INTO account_members (subject, group_name) VALUES ($1, $2)`, subject, name)
		if dbx.IsDangling(err) { // removed since known looked
			return &InvalidError{"groups", "unknown"}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// known refuses groups that do not exist.
func (s *Service) known(ctx context.Context, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	names, err := s.groupNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range groups {
		if !slices.Contains(names, name) {
			return &InvalidError{"groups", "unknown"}
		}
	}
	return nil
}

func (s *Service) groupNames(ctx context.Context) (names []string, err error) {
	if err = s.cfg.DB.Select(ctx, &names, `SELECT name FROM account_groups ORDER BY name`); err != nil {
		return nil, fmt.Errorf("account: groups: %w", err)
	}
	return names, nil
}

func groupName(name string) bool {
	return name != "" && len(name) <= maxGroup && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/:", r))
	})
}
