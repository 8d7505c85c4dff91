package account

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

const maxGroup = 64

// Group is a set of accounts.
type Group struct {
	Name        string // letters, digits and . _ - / : of ASCII, at most 64
	Description string
	Members     int // filled by ListGroups, ignored by SetGroups
}

// Policy says who needs a second factor.
type Policy struct {
	MFARequiredGroups []string      // members have to enrol
	MFAGrace          time.Duration // and may postpone it for so long from their first sign-in under the policy
}

// SetGroups makes groups the groups that there are: what is missing is added, descriptions are changed, others are
// removed together with the membership in them.
func (s *Service) SetGroups(ctx context.Context, groups []Group) error {
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		if !groupName(g.Name) || !printable(g.Description) || len(g.Description) > maxName {
			return &InvalidError{"groups", "characters"}
		}
		names = append(names, g.Name)
	}
	return s.change(ctx, Event{Kind: EventGroupsSet}, func(ctx context.Context) error {
		before, err := s.groupNames(ctx)
		if err != nil {
			return err
		}
		for _, name := range before {
			if slices.Contains(names, name) {
				continue
			}
			if _, err := s.cfg.DB.Exec(ctx, `DELETE FROM account_groups WHERE name = $1`, name); err != nil {
				return fmt.Errorf("account: remove a group: %w", err)
			}
		}
		for _, g := range groups {
			_, err := s.cfg.DB.Exec(ctx, `
				INSERT INTO account_groups (name, description) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET description = excluded.description`, g.Name, g.Description)
			if err != nil {
				return fmt.Errorf("account: set a group: %w", err)
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
	err := s.cfg.DB.Select(ctx, &rows, `
		SELECT name, description,
			(SELECT count(*) FROM account_members WHERE account_members.group_name = account_groups.name) AS members
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

// Policy returns the policy in force.
func (s *Service) Policy(ctx context.Context) (Policy, error) {
	var r struct {
		Groups string `db:"mfa_required_groups"`
		Grace  int64  `db:"mfa_grace"`
	}
	err := s.cfg.DB.Get(ctx, &r, `SELECT mfa_required_groups, mfa_grace FROM account_policy WHERE id = 1`)
	if err != nil {
		return Policy{}, fmt.Errorf("account: policy: %w", err)
	}
	p := Policy{MFAGrace: time.Duration(r.Grace) * time.Second}
	if err := json.Unmarshal([]byte(r.Groups), &p.MFARequiredGroups); err != nil {
		return Policy{}, fmt.Errorf("account: policy: %w", err)
	}
	return p, nil
}

// SetPolicy puts p in force at once. A group that does not exist is an [*InvalidError]: the policy would protect nobody.
func (s *Service) SetPolicy(ctx context.Context, p Policy) error {
	if p.MFAGrace < 0 {
		return &InvalidError{"policy", "format"}
	}
	required := slices.Compact(slices.Sorted(slices.Values(p.MFARequiredGroups)))
	text, err := json.Marshal(append([]string{}, required...))
	if err != nil {
		return fmt.Errorf("account: policy: %w", err)
	}
	return s.change(ctx, Event{Kind: EventPolicySet}, func(ctx context.Context) error {
		if err := s.known(ctx, required); err != nil {
			return err
		}
		return s.one(ctx, `UPDATE account_policy SET mfa_required_groups = $1, mfa_grace = $2 WHERE id = 1`,
			string(text), int64(p.MFAGrace/time.Second))
	})
}

// MFADue says whether p demands a second factor of a, and until when enrolment may be postponed. The first call under
// the policy, at a sign-in, stores that date once; afterwards a shorter grace brings it forward, a longer one does not
// put it off, nor does leaving the group for a while.
func (s *Service) MFADue(ctx context.Context, a *Account, p Policy) (required bool, graceEnds time.Time, err error) {
	required, graceEnds = s.MFAGrace(a, p)
	if !required || !a.MFADueAt.IsZero() {
		return required, graceEnds, nil
	}
	var due int64
	err = s.cfg.DB.Get(ctx, &due, `
		UPDATE accounts SET mfa_due_at = CASE WHEN mfa_due_at = 0 THEN $2 ELSE mfa_due_at END
		WHERE subject = $1 RETURNING mfa_due_at`, a.Subject, graceEnds.Unix())
	if err != nil {
		return false, time.Time{}, fmt.Errorf("account: date for enrolment: %w", err)
	}
	a.MFADueAt = at(due)
	required, graceEnds = s.MFAGrace(a, p)
	return required, graceEnds, nil
}

// MFAGrace is [Service.MFADue] for whoever only looks: it stores nothing, and a grace that has not begun is whole.
func (s *Service) MFAGrace(a *Account, p Policy) (required bool, graceEnds time.Time) {
	if !slices.ContainsFunc(a.Groups, func(name string) bool { return slices.Contains(p.MFARequiredGroups, name) }) {
		return false, time.Time{}
	}
	graceEnds = s.now().Add(p.MFAGrace)
	if !a.MFADueAt.IsZero() && a.MFADueAt.Before(graceEnds) {
		graceEnds = a.MFADueAt
	}
	return true, graceEnds
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
