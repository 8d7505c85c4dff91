package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// length is a duration as a form has it: a number and its unit.
type length struct{ Name, Number, Unit string }

// units are those of a length, the largest first.
var units = []struct {
	name string
	of   time.Duration
}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}}

// lengthOf writes d in the largest unit in which it is a whole number; "" for 0 where that stands for none.
func lengthOf(name string, d time.Duration, none bool) length {
	l := length{Name: name, Unit: "days"}
	if d == 0 && none {
		return l
	}
	for _, unit := range units {
		l.Unit, l.Number = unit.name, strconv.FormatInt(int64(d/unit.of), 10)
		if d%unit.of == 0 {
			break
		}
	}
	return l
}

// length reads one of the form; "" is 0. It reports whether it can be read.
func (v *visit) length(name string) (l length, d time.Duration, ok bool) {
	l = length{Name: name, Number: strings.TrimSpace(v.form(name)), Unit: v.form(name + "_unit")}
	if l.Number == "" {
		return l, 0, true
	}
	n, err := strconv.ParseInt(l.Number, 10, 32)
	for _, unit := range units {
		if unit.name == l.Unit && err == nil && n >= 0 && n <= int64(10*365*24*time.Hour/unit.of) {
			return l, time.Duration(n) * unit.of, true
		}
	}
	return l, 0, false
}

// policyPage is the data of the page of the policy, and of that which shows what another one would do.
type policyPage struct {
	Required             string // groups or everybody
	Groups               []choice
	Grace, Idle, Overall length
	Version              int64
	May                  bool
	Problem              *templates.Problem

	IdleNow, OverallNow time.Duration // in force, or what sessions have anyway

	Changes []policyChange // of the preview, as those below
	Reach   account.Reach
	Lists   []policyList // of whoever must still enrol
	Fields  []keptField
}

type choice struct {
	Name    string
	Checked bool
}

// policyList is a list of people: the members of a group, whoever has a role, or everybody.
type policyList struct {
	URL, Group string
	Role       bool
}

// policyChange is one difference. What says which, was and is are written out where they are durations.
type policyChange struct {
	What       string
	Was, Is    string
	WasD, IsD  time.Duration
	Length     bool
	WasZ, IsZ  bool // 0: what sessions have anyway
	Everything bool // Was and Is are [account.MFAGroups] or [account.MFAEverybody]
}

func (c *Console) policy(v *visit) {
	p, err := v.desk.Policy(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	c.policyForm(v, http.StatusOK, c.policyPage(p), nil)
}

func (c *Console) policyPage(p account.Policy) policyPage {
	page := policyPage{
		Required: p.MFARequired, Grace: lengthOf("grace", p.MFAGrace, false), Idle: lengthOf("idle", p.SessionIdle, true),
		Overall: lengthOf("overall", p.SessionOverall, true), Version: p.Version,
		IdleNow: session.DefaultIdle, OverallNow: session.DefaultOverall,
	}
	if p.SessionIdle > 0 {
		page.IdleNow = p.SessionIdle
	}
	if p.SessionOverall > 0 {
		page.OverallNow = p.SessionOverall
	}
	for _, name := range p.MFARequiredGroups {
		page.Groups = append(page.Groups, choice{name, true})
	}
	return page
}

// policyForm shows the form with all groups to choose from.
func (c *Console) policyForm(v *visit, status int, page policyPage, problem *templates.Problem) {
	groups, err := v.desk.Groups(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	for _, g := range groups {
		if !slices.ContainsFunc(page.Groups, func(one choice) bool { return one.Name == g.Name }) {
			page.Groups = append(page.Groups, choice{Name: g.Name})
		}
	}
	slices.SortFunc(page.Groups, func(a, b choice) int { return strings.Compare(a.Name, b.Name) })
	page.May, page.Problem = v.desk.May(admin.WriteSettings), problem
	v.render(status, "admin_policy", page)
}

// typedPolicy reads the form. What cannot be read is told, with the page that keeps it.
func (c *Console) typedPolicy(v *visit) (p account.Policy, page policyPage, problem *templates.Problem) {
	p.MFARequired, p.MFARequiredGroups = v.form("required"), v.r.PostForm["groups"]
	p.Version, _ = strconv.ParseInt(v.form("version"), 10, 64)
	var lengths [3]length
	for i, one := range []struct {
		name string
		to   *time.Duration
	}{{"grace", &p.MFAGrace}, {"idle", &p.SessionIdle}, {"overall", &p.SessionOverall}} {
		ok := false
		if lengths[i], *one.to, ok = v.length(one.name); !ok && problem == nil {
			problem = &templates.Problem{ID: "problem.admin.length", Field: one.name}
		}
	}
	page = c.policyPage(p)
	page.Grace, page.Idle, page.Overall = lengths[0], lengths[1], lengths[2]
	return p, page, problem
}

// policyFields are the names of the form's inputs, and of the domain's refusals where these are called otherwise.
var policyFields = map[string]string{
	"policy.mfa_required": "required", "policy.mfa_grace": "grace", "policy.session_idle": "idle", "policy.session_overall": "overall",
}

// policyProblem is the sentence for what the domain refuses.
func policyProblem(err error) *templates.Problem {
	p := problem(err)
	if p != nil && policyFields[p.Field] != "" {
		p.Field = policyFields[p.Field]
	}
	return p
}

// previewPolicy shows whom another policy would ask before it is put in force.
func (c *Console) previewPolicy(v *visit) {
	want, page, wrong := c.typedPolicy(v)
	if wrong != nil {
		c.policyForm(v, http.StatusUnprocessableEntity, page, wrong)
		return
	}
	is, err := v.desk.Policy(v.r.Context())
	if err == nil {
		page.Reach, err = v.desk.PolicyPreview(v.r.Context(), want)
	}
	if wrong := policyProblem(err); wrong != nil {
		c.policyForm(v, status(err), page, wrong)
		return
	}
	if err != nil {
		v.fail(err)
		return
	}
	if want.Version != is.Version {
		c.stalePolicy(v, page, is, want)
		return
	}
	page.Changes = policyChanges(is, want)
	for _, list := range page.Reach.Lists {
		page.Lists = append(page.Lists, policyList{peopleURL(list), list.Group, list.AnyRole})
	}
	for _, name := range []string{"required", "groups", "version", "grace", "grace_unit", "idle", "idle_unit", "overall", "overall_unit"} {
		for _, value := range v.r.PostForm[name] {
			page.Fields = append(page.Fields, keptField{name, value})
		}
	}
	v.render(http.StatusOK, "admin_policy_preview", page)
}

func policyChanges(is, want account.Policy) []policyChange {
	var all []policyChange
	required := func(p account.Policy) string {
		if p.MFARequired == "" {
			return account.MFAGroups
		}
		return p.MFARequired
	}
	if required(is) != required(want) {
		all = append(all, policyChange{What: "required", Was: required(is), Is: required(want), Everything: true})
	}
	names := func(p account.Policy) string {
		return strings.Join(slices.Sorted(slices.Values(p.MFARequiredGroups)), ", ")
	}
	if names(is) != names(want) {
		all = append(all, policyChange{What: "groups", Was: names(is), Is: names(want)})
	}
	for _, one := range []struct {
		what    string
		was, is time.Duration
		zero    bool
	}{{"grace", is.MFAGrace, want.MFAGrace, false}, {"idle", is.SessionIdle, want.SessionIdle, true}, {"overall", is.SessionOverall, want.SessionOverall, true}} {
		if one.was != one.is {
			all = append(all, policyChange{What: one.what, Length: true, WasD: one.was, IsD: one.is, WasZ: one.zero && one.was == 0, IsZ: one.zero && one.is == 0})
		}
	}
	return all
}

// stalePolicy shows what was typed, with what it says now where that differs: somebody else was quicker. The preview says it
// again before anything is saved over that.
func (c *Console) stalePolicy(v *visit, page policyPage, is, want account.Policy) {
	page.Version, page.Changes = is.Version, policyChanges(is, want)
	c.policyForm(v, http.StatusConflict, page, &templates.Problem{ID: "problem.admin.policy_stale"})
}

func (c *Console) setPolicy(v *visit) {
	want, page, wrong := c.typedPolicy(v)
	if wrong != nil {
		c.policyForm(v, http.StatusUnprocessableEntity, page, wrong)
		return
	}
	err := v.desk.SetPolicy(v.r.Context(), want)
	if wrong := policyProblem(err); wrong != nil {
		if now, errNow := v.desk.Policy(v.r.Context()); errNow == nil && wrong.ID == "problem.admin.stale" {
			c.stalePolicy(v, page, now, want)
			return
		}
		c.policyForm(v, status(err), page, wrong)
		return
	}
	if err != nil {
		v.fail(err)
		return
	}
	v.done(policyPath, "notice.admin.policy")
}
