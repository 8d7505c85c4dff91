package account

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Whom a [Policy] asks for a second factor. Whoever has a role is asked under each of them.
const (
	MFAGroups    = "groups"    // the members of some groups
	MFAEverybody = "everybody" // everybody
)

// Policy says who needs a second factor, and how long a sign-in lasts.
type Policy struct {
	MFARequired       string        // [MFAGroups], which "" stands for, or [MFAEverybody]
	MFARequiredGroups []string      // whose members have to enrol, whoever else does
	MFAGrace          time.Duration // how long that may be put off, from the first sign-in under the policy
	SessionIdle       time.Duration // a session ends so long after its last request; 0: what sessions have anyway
	SessionOverall    time.Duration // and so long after the last password in any case; 0: likewise
	Version           int64         // as it was read; 0, for SetPolicy: whichever there is now
}

// Bounds of [Policy.SessionIdle] and [Policy.SessionOverall]. 30 days are the most that a session of one factor may last (NIST
// SP 800-63B-4 section 2.1.3).
const (
	MinSessionIdle    = 5 * time.Minute
	MinSessionOverall = time.Hour
	MaxSession        = 30 * 24 * time.Hour
)

// policyRow is the line of the table account_policy.
type policyRow struct {
	Required string `db:"mfa_required"`
	Groups   string `db:"mfa_required_groups"`
	Grace    int64  `db:"mfa_grace"`
	Idle     int64  `db:"session_idle"`
	Overall  int64  `db:"session_overall"`
	Version  int64  `db:"version"`
}

func (s *Service) policyRow(ctx context.Context) (r policyRow, err error) {
	err = s.cfg.DB.Get(ctx, &r, `
		SELECT mfa_required, mfa_required_groups, mfa_grace, session_idle, session_overall, version FROM account_policy WHERE id = 1`)
	if err != nil {
		return r, fmt.Errorf("account: policy: %w", err)
	}
	return r, nil
}

// Policy returns the policy in force. One that is not understood is an error: nobody gets by because of it.
func (s *Service) Policy(ctx context.Context) (Policy, error) {
	r, err := s.policyRow(ctx)
	if err != nil {
		return Policy{}, err
	}
	return r.policy()
}

// Rules is [Service.Policy] for whoever looks at every request: it may be what was in force up to a second ago, where
// [Config.Rules] remembers that, and is shared, so it must not be changed.
func (s *Service) Rules(ctx context.Context) (Policy, error) {
	if s.cfg.Rules == nil {
		return s.Policy(ctx)
	}
	return s.cfg.Rules(ctx)
}

func (r policyRow) policy() (Policy, error) {
	p := Policy{
		MFARequired: r.Required, MFAGrace: seconds(r.Grace), SessionIdle: seconds(r.Idle), SessionOverall: seconds(r.Overall), Version: r.Version,
	}
	if p.MFARequired != MFAGroups && p.MFARequired != MFAEverybody {
		return Policy{}, fmt.Errorf("account: policy: MFA required of %q: unknown", p.MFARequired)
	}
	if err := json.Unmarshal([]byte(r.Groups), &p.MFARequiredGroups); err != nil {
		return Policy{}, fmt.Errorf("account: policy: %w", err)
	}
	return p, nil
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// SetPolicy puts p in force at once. It returns [*InvalidError], also for a group that does not exist: the policy would protect
// nobody; and [ErrStale] when somebody else has set another one than that of p's Version since.
func (s *Service) SetPolicy(ctx context.Context, p Policy) error {
	p, err := p.tidy()
	if err != nil {
		return err
	}
	text, err := json.Marshal(append([]string{}, p.MFARequiredGroups...))
	if err != nil {
		return fmt.Errorf("account: policy: %w", err)
	}
	detail := map[string]string{}
	return s.change(ctx, Event{Kind: EventPolicySet, Detail: detail}, func(ctx context.Context) error {
		if err := s.takeTurn(ctx); err != nil { // or a group could be deleted meanwhile
			return err
		}
		if err := s.known(ctx, p.MFARequiredGroups); err != nil {
			return err
		}
		stored, err := s.policyRow(ctx)
		if err != nil {
			return err
		}
		was, err := stored.policy()
		if err != nil {
			was = Policy{} // one that is not understood has to be replaceable
		}
		clear(detail) // of a try that met another transaction
		p.describe(detail, was)
		n, err := s.cfg.DB.Exec(ctx, `
			UPDATE account_policy SET mfa_required = $1, mfa_required_groups = $2, mfa_grace = $3, session_idle = $4,
				session_overall = $5, version = version + 1
			WHERE id = 1 AND version = $6`, p.MFARequired, string(text), int64(p.MFAGrace/time.Second),
			int64(p.SessionIdle/time.Second), int64(p.SessionOverall/time.Second), cmp.Or(p.Version, stored.Version))
		if err != nil {
			return fmt.Errorf("account: set the policy: %w", err)
		}
		if n == 0 {
			return ErrStale
		}
		return nil
	})
}

// describe notes how p differs from what was before.
func (p Policy) describe(detail map[string]string, was Policy) {
	differs(detail, "mfa_required", was.MFARequired, p.MFARequired)
	differs(detail, "mfa_required_groups", strings.Join(was.MFARequiredGroups, " "), strings.Join(p.MFARequiredGroups, " "))
	differs(detail, "mfa_grace", was.MFAGrace.String(), p.MFAGrace.String())
	differs(detail, "session_idle", was.SessionIdle.String(), p.SessionIdle.String())
	differs(detail, "session_overall", was.SessionOverall.String(), p.SessionOverall.String())
}

// tidy brings p into the form in which it is stored, or returns an [*InvalidError].
func (p Policy) tidy() (Policy, error) {
	if p.MFARequired == "" {
		p.MFARequired = MFAGroups
	}
	if p.MFARequired != MFAGroups && p.MFARequired != MFAEverybody {
		return p, &InvalidError{"policy.mfa_required", "unknown"}
	}
	if p.MFAGrace < 0 {
		return p, &InvalidError{"policy.mfa_grace", "negative"}
	}
	p.MFAGrace, p.SessionIdle, p.SessionOverall = p.MFAGrace.Truncate(time.Second), p.SessionIdle.Truncate(time.Second), p.SessionOverall.Truncate(time.Second)
	switch idle, overall := p.SessionIdle, p.SessionOverall; {
	case idle != 0 && (idle < MinSessionIdle || idle > MaxSession):
		return p, &InvalidError{"policy.session_idle", "range"}
	case overall != 0 && (overall < MinSessionOverall || overall > MaxSession):
		return p, &InvalidError{"policy.session_overall", "range"}
	case overall != 0 && idle > overall:
		return p, &InvalidError{"policy.session_idle", "longer"}
	}
	p.MFARequiredGroups = slices.Compact(slices.Sorted(slices.Values(p.MFARequiredGroups)))
	return p, nil
}

// asks reports whether p demands a second factor of a.
func (p Policy) asks(a *Account) bool {
	return a.Role() != "" || p.MFARequired == MFAEverybody ||
		slices.ContainsFunc(a.Groups, func(name string) bool { return slices.Contains(p.MFARequiredGroups, name) })
}

// MayBeAsked reports whether the policy, as it was when a was read, can demand a second factor of a. When not, there is no
// need to read it: grants are looked at often.
func (a *Account) MayBeAsked() bool { return a.askedAnyway || len(a.Groups) > 0 }

// MFADue says whether p demands a second factor of a, and until when enrolment may be postponed; that of somebody with a
// role never may. The first call under the policy, at a sign-in, stores that date once; afterwards a shorter grace brings it forward,
// a longer one does not put it off, nor does leaving the group for a while.
func (s *Service) MFADue(ctx context.Context, a *Account, p Policy) (required bool, graceEnds time.Time, err error) {
	required, graceEnds = s.MFAGrace(a, p)
	if !required || a.Role() != "" || !a.MFADueAt.IsZero() {
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
	if !p.asks(a) || a.Role() != "" {
		return a.Role() != "", time.Time{}
	}
	graceEnds = s.now().Add(p.MFAGrace)
	if !a.MFADueAt.IsZero() && a.MFADueAt.Before(graceEnds) {
		graceEnds = a.MFADueAt
	}
	return true, graceEnds
}

// CodesAsked notes that the person of subject was asked just now whether they still have their recovery codes.
func (s *Service) CodesAsked(ctx context.Context, subject string) error {
	// No new version: it does not compete with whoever edits the account meanwhile.
	return s.one(ctx, `UPDATE accounts SET codes_asked_at = $2 WHERE subject = $1`, subject, s.now().Unix())
}
