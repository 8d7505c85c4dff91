package account

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGroups(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}, {Name: "ops", Description: "Operations"}}))
		a := f.add("ada", func(n *NewAccount) { n.Groups = []string{"staff", "ops"} })
		f.add("bob", func(n *NewAccount) { n.Groups = []string{"staff"} })
		groups, err := f.ListGroups(ctx)
		check(t, err)
		want := []Group{{Name: "ops", Description: "Operations", Members: 1}, {Name: "staff", Members: 2}}
		if diff := cmp.Diff(want, groups); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		check(t, f.SetGroups(ctx, []Group{{Name: "staff", Description: "All"}, {Name: "board"}}))
		if got := f.read(a.Subject).Groups; !cmp.Equal(got, []string{"staff"}) {
			t.Errorf("ada is in %v", got)
		}
		for _, name := range []string{"", "a b", "a,b", "é", "a\n", strings.Repeat("x", 65)} {
			if got := reason(t, f.SetGroups(ctx, []Group{{Name: name}})); got != "groups/characters" {
				t.Errorf("%q: %q", name, got)
			}
		}
	})
}

func TestPolicy(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		got, err := f.Policy(ctx)
		check(t, err)
		if len(got.MFARequiredGroups) != 0 || got.MFAGrace != 0 {
			t.Errorf("at first: %+v", got)
		}
		if got := reason(t, f.SetPolicy(ctx, Policy{MFARequiredGroups: []string{"staff"}})); got != "groups/unknown" {
			t.Error(got)
		}
		if got := reason(t, f.SetPolicy(ctx, Policy{MFAGrace: -1})); got != "policy/format" {
			t.Error(got)
		}
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}}))
		p := Policy{MFARequiredGroups: []string{"staff"}, MFAGrace: 336 * time.Hour}
		check(t, f.SetPolicy(ctx, p))
		got, err = f.Policy(ctx)
		check(t, err)
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestMFADue(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx, start := t.Context(), f.now
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}, {Name: "guests"}}))
		a := f.add("ada", func(n *NewAccount) { n.Groups = []string{"staff"} })
		const day = 24 * time.Hour
		tests := []struct {
			name     string
			at       time.Duration
			groups   []string
			grace    time.Duration
			required bool
			ends     time.Duration
		}{
			{"no policy", 0, nil, 0, false, 0},
			{"another group's policy", 0, []string{"guests"}, 14 * day, false, 0},
			{"the first sign-in sets the date", 0, []string{"staff"}, 14 * day, true, 14 * day},
			{"later ones keep it", 5 * day, []string{"guests", "staff"}, 14 * day, true, 14 * day},
			{"a longer grace does not put it off", 5 * day, []string{"staff"}, 30 * day, true, 14 * day},
			{"a shorter one brings it forward", 5 * day, []string{"staff"}, day, true, 6 * day},
			{"none at all", 5 * day, []string{"staff"}, 0, true, 5 * day},
			{"it passes", 20 * day, []string{"staff"}, 14 * day, true, 14 * day},
		}
		for _, tt := range tests {
			f.now = start.Add(tt.at)
			for _, account := range []*Account{f.read(a.Subject), f.read(a.Subject)} {
				required, ends, err := f.MFADue(ctx, account, Policy{MFARequiredGroups: tt.groups, MFAGrace: tt.grace})
				check(t, err)
				if required != tt.required || required && !ends.Equal(start.Add(tt.ends)) {
					t.Errorf("%s: %v, %v", tt.name, required, ends.Sub(start))
				}
			}
		}
	})
}
