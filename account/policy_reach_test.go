package account

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// policies are of every kind, against each other.
func policies() []Policy {
	return []Policy{
		{}, {MFARequiredGroups: []string{"board"}}, {MFARequiredGroups: []string{"staff"}}, {MFARequiredGroups: []string{"board", "staff"}},
		{MFARequiredGroups: []string{"none"}}, {MFARequired: MFAEverybody}, {MFARequired: MFAEverybody, MFARequiredGroups: []string{"board"}},
	}
}

// set puts p in force, also with a group that there is not.
func (f *fixture) set(p Policy) {
	f.t.Helper()
	if slices.Contains(p.MFARequiredGroups, "none") {
		p = Policy{}
	}
	check(f.t, f.SetPolicy(f.t.Context(), p))
}

// A reach is what one gets who asks everybody, one by one.
func TestPolicyReachIsOfEverybody(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		crowd(t, db, 800)
		f := fixtureOn(t, db)
		check(t, f.CheckFactors(t.Context(), func(_ context.Context, subjects []string) (map[string]Factors, error) {
			kept := map[string]Factors{}
			for _, subject := range subjects {
				a := f.read(subject)
				kept[subject] = Factors{a.MFAEnrolled, a.CodesLeft}
			}
			return kept, nil
		}))
		var all []*Account
		for after := ""; ; after = all[len(all)-1].Username {
			page, err := f.List(t.Context(), after, 500)
			check(t, err)
			if all = append(all, page...); len(page) == 0 {
				break
			}
		}
		slices.SortFunc(all, func(a, b *Account) int { return strings.Compare(Canonical(a.Username), Canonical(b.Username)) })
		for _, is := range policies() {
			f.set(is)
			is, err := f.Policy(t.Context())
			check(t, err)
			for _, next := range policies() {
				expected := Reach{Hit: []string{}}
				for _, a := range all {
					switch {
					case a.Disabled || !next.tidied(t).asks(a):
						continue
					case a.MFAEnrolled:
						expected.Enrolled++
					case !is.asks(a):
						if expected.Because++; len(expected.Hit) < ReachNames {
							expected.Hit = append(expected.Hit, a.Username)
						}
					}
					expected.Asked++
				}
				got, err := f.PolicyReach(t.Context(), next)
				check(t, err)
				listed := map[string]bool{}
				for _, list := range got.Lists {
					list.Limit = 200
					for _, name := range f.names(list) {
						listed[name] = true
					}
				}
				if n := expected.Asked - expected.Enrolled; len(listed) != n {
					t.Errorf("%+v after %+v: %d are on the lists, %d must enrol", next, is, len(listed), n)
				}
				got.Lists = nil
				if diff := cmp.Diff(expected, got); diff != "" {
					t.Errorf("%+v after %+v: -want +got\n%s", next, is, diff)
				}
			}
		}
		if _, err := f.PolicyReach(t.Context(), Policy{MFARequired: "some"}); reason(t, err) != "policy.mfa_required/unknown" {
			t.Error("an unknown policy reaches somebody")
		}
	}, "account")
}

func (p Policy) tidied(t *testing.T) Policy {
	p, err := p.tidy()
	check(t, err)
	return p
}

// A look is as many statements for many people as for few, and reads no table of people from one end to the other.
func TestPolicyReachReadsIndexes(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		size := 20_000
		if !db.Postgres() {
			size = 3_000 // its plans do not look at the data
		}
		crowd(t, db, size)
		counted, trips := dbxtest.Counted(t, db)
		f := fixtureOn(t, counted)
		for _, is := range policies() {
			f.set(is)
			for _, next := range policies() {
				trips.Reset()
				got, err := f.PolicyReach(t.Context(), next)
				check(t, err)
				made := slices.DeleteFunc(trips.All(), func(trip string) bool { return strings.HasPrefix(trip, "PREPARE") })
				if len(made) > 5 {
					t.Errorf("%+v after %+v: %d statements\n%s", next, is, len(made), strings.Join(made, "\n"))
				}
				for _, list := range got.Lists {
					_, err := f.People(t.Context(), list)
					check(t, err)
				}
				for _, statement := range []func() (string, params){
					func() (string, params) { return next.states(is) },
					func() (string, params) { return next.namesNow(is) },
					is.passedOver,
				} {
					query, args := statement()
					checkPlan(t, db, Query{}, query, args)
				}
			}
		}
	}, "account")
}
