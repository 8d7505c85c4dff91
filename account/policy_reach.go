package account

import (
	"context"
	"fmt"
	"strings"
)

// Reach is whom a policy asks for a second factor: what an administrator should see before it is put in force.
type Reach struct {
	Asked    int `json:"asked"`    // people who may sign in and would be asked
	Enrolled int `json:"enrolled"` // of them, those with a factor
	Because  int `json:"because"`  // those without one whom the policy in force does not ask
	// Hit are the user names of the first of these, in their order, at most [ReachNames].
	Hit []string `json:"hit"`
	// Unsettled is set for a while after an upgrade: not everybody's factors were looked at yet, and whose were not counts as
	// without.
	Unsettled bool `json:"unsettled,omitempty"`
	// Lists together have everybody who would be asked and has no factor.
	Lists []Query `json:"-"`
}

// ReachNames is how many names a [Reach] has.
const ReachNames = 20

// PolicyReach returns whom want would ask, compared with the policy in force: a few statements, however many people there are,
// which read indexes and the members of the groups that either policy names. It changes nothing. A group that does not exist
// has no members; a policy that could not be set otherwise is an [*InvalidError].
func (s *Service) PolicyReach(ctx context.Context, want Policy) (Reach, error) {
	want, err := want.tidy()
	if err != nil {
		return Reach{}, err
	}
	is, err := s.Policy(ctx)
	if err != nil {
		return Reach{}, err
	}
	var r Reach
	if want.MFARequired == MFAEverybody {
		r, err = s.reachOfEverybody(ctx, is)
	} else {
		r, err = s.reachOfGroups(ctx, want, is)
	}
	if err != nil {
		return Reach{}, fmt.Errorf("account: whom a policy asks: %w", err)
	}
	r.Lists = want.lists()
	r.Unsettled, err = s.unsettled(ctx)
	return r, err
}

// unsettled reports whether somebody's factors may never have been looked at.
func (s *Service) unsettled(ctx context.Context) (bool, error) {
	var open int
	if err := s.cfg.DB.Get(ctx, &open, `SELECT count(*) FROM account_work WHERE name = $1 AND due_at = 0`, workFactors); err != nil {
		return false, fmt.Errorf("account: whom a policy asks: %w", err)
	}
	return open > 0, nil
}

// String says it in one line, with the first few names.
func (r Reach) String() string {
	const few = 5
	people := "people"
	if r.Asked == 1 {
		people = "person"
	}
	text := fmt.Sprintf("asks %d %s for MFA, of whom %d must still enrol, %d because of this change", r.Asked, people, r.Asked-r.Enrolled, r.Because)
	if len(r.Hit) == 0 {
		return text
	}
	names := r.Hit[:min(few, len(r.Hit))]
	text += ": " + strings.Join(names, ", ")
	if more := r.Because - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// lists are the lists of whoever p asks and has no factor.
func (p Policy) lists() []Query {
	enabled := false
	query := Query{Disabled: &enabled, WithoutMFA: true}
	if p.MFARequired == MFAEverybody {
		return []Query{query}
	}
	role := query
	role.AnyRole = true
	all := []Query{role}
	for _, name := range p.MFARequiredGroups {
		group := query
		group.Group = name
		all = append(all, group)
	}
	return all
}

// reachOfEverybody is the reach of a policy for everybody, from counts of indexes.
func (s *Service) reachOfEverybody(ctx context.Context, is Policy) (Reach, error) {
	now, err := s.FiguresNow(ctx)
	if err != nil {
		return Reach{}, err
	}
	r := Reach{Asked: now.Enabled, Enrolled: now.Enrolled, Hit: []string{}}
	if is.MFARequired == MFAEverybody {
		return r, nil
	}
	before, err := s.reachOfGroups(ctx, is, is)
	if err != nil {
		return r, err
	}
	if r.Because = r.Asked - r.Enrolled - (before.Asked - before.Enrolled); r.Because <= 0 {
		r.Because = 0
		return r, nil
	}
	query, args := is.passedOver()
	return r, s.cfg.DB.SelectOnce(ctx, &r.Hit, query, args...)
}

// passedOver is the statement of the first names of whom p for groups does not ask, and who have no factor.
func (p Policy) passedOver() (string, params) {
	var args params
	// Along the index of user names, which holds what nearly everybody is passed over by. A planner takes each condition for true
	// of nearly everybody, and must not think of another way.
	var conditions []string
	for _, holds := range []string{"NOT disabled", "NOT mfa_enrolled", "NOT (admin OR role <> '')", "NOT " + p.member(&args, "accounts")} {
		conditions = append(conditions, "CASE WHEN "+holds+" THEN 1 END IS NOT NULL")
	}
	return "SELECT username FROM accounts" + where(conditions) + " ORDER BY username_key LIMIT " + args.add(ReachNames), args
}

// How somebody stands whom a policy for groups may ask.
const (
	reachedEnrolled = 1 + iota
	reachedBefore   // without a factor, and asked for one already
	reachedNow      // without a factor, and asked for one by this change
)

// reachOfGroups is the reach of a policy for groups. It looks at those who have a role, at the members of its groups, and at
// nobody else.
func (s *Service) reachOfGroups(ctx context.Context, want, is Policy) (Reach, error) {
	r := Reach{Hit: []string{}}
	var counted []struct {
		State int `db:"state"`
		N     int `db:"n"`
	}
	query, args := want.states(is)
	if err := s.cfg.DB.SelectOnce(ctx, &counted, query, args...); err != nil {
		return r, err
	}
	for _, c := range counted {
		if c.State > 0 {
			r.Asked += c.N
		}
		switch c.State {
		case reachedEnrolled:
			r.Enrolled = c.N
		case reachedNow:
			r.Because = c.N
		}
	}
	if r.Because == 0 {
		return r, nil
	}
	query, args = want.namesNow(is)
	return r, s.cfg.DB.SelectOnce(ctx, &r.Hit, query, args...)
}

// states is the statement of how many stand how, of those whom p for groups may ask where is is in force.
func (p Policy) states(is Policy) (string, params) {
	var args params
	return "SELECT state, count(*) AS n FROM (" + p.reached(&args, is) + ") AS reached GROUP BY state", args
}

// namesNow is the statement of the first names of those who are asked by the change alone.
func (p Policy) namesNow(is Policy) (string, params) {
	var args params
	keyed := fmt.Sprintf(`SELECT (SELECT username_key FROM accounts WHERE accounts.subject = reached.subject) AS sort_key
		FROM (%s) AS reached WHERE state = %d ORDER BY sort_key LIMIT %s`, p.reached(&args, is), reachedNow, args.add(ReachNames))
	return "SELECT (SELECT username FROM accounts WHERE username_key = sort_key) AS username FROM (" + keyed + ") AS named ORDER BY sort_key", args
}

// reached is the statement of whom p for groups may ask, with how each stands. Their accounts are looked up by the key: a join
// would have a planner read everybody.
func (p Policy) reached(args *params, is Policy) string {
	return fmt.Sprintf(`SELECT subject, (SELECT CASE WHEN disabled THEN 0 WHEN mfa_enrolled THEN %d WHEN admin OR role <> '' OR %s THEN %d ELSE %d END
		FROM accounts WHERE accounts.subject = found.subject) AS state FROM (%s) AS found`,
		reachedEnrolled, is.asksAlready(args), reachedBefore, reachedNow, p.candidates(args))
}

// candidates is the statement of whom p for groups may ask, each once: who has a role, and the members of its groups. Each
// part is in the order of its index, so that no planner reads the table instead.
func (p Policy) candidates(args *params) string {
	parts := []string{"SELECT subject FROM (SELECT subject FROM accounts WHERE admin OR role <> '' ORDER BY subject) AS staff"}
	for i, name := range p.MFARequiredGroups {
		parts = append(parts, fmt.Sprintf("SELECT subject FROM (SELECT subject FROM account_members WHERE group_name = %s ORDER BY subject) AS members_%d",
			args.add(name), i))
	}
	return strings.Join(parts, " UNION ")
}

// asksAlready is the condition that p asks whoever the row of accounts is about, whatever their role.
func (p Policy) asksAlready(args *params) string {
	if p.MFARequired == MFAEverybody {
		return "TRUE"
	}
	return p.member(args, "accounts")
}

// member is the condition that the person of a row, which has a subject, is in one of p's groups.
func (p Policy) member(args *params, of string) string {
	if len(p.MFARequiredGroups) == 0 {
		return "FALSE"
	}
	names := make([]string, len(p.MFARequiredGroups))
	for i, name := range p.MFARequiredGroups {
		names[i] = args.add(name)
	}
	return "((SELECT 1 FROM account_members AS other WHERE other.subject = " + of + ".subject AND group_name IN (" +
		strings.Join(names, ", ") + ") LIMIT 1) IS NOT NULL)"
}
