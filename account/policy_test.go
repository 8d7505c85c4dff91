package account

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
		if got := reason(t, f.SetPolicy(ctx, Policy{MFAGrace: -1})); got != "policy.mfa_grace/negative" {
			t.Error(got)
		}
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}}))
		for _, tt := range []struct {
			p    Policy
			want string
		}{
			{Policy{SessionIdle: time.Minute}, "policy.session_idle/range"},
			{Policy{SessionIdle: 721 * time.Hour}, "policy.session_idle/range"},
			{Policy{SessionIdle: -time.Hour}, "policy.session_idle/range"},
			{Policy{SessionOverall: 30 * time.Minute}, "policy.session_overall/range"},
			{Policy{SessionOverall: 721 * time.Hour}, "policy.session_overall/range"},
			{Policy{SessionIdle: 3 * time.Hour, SessionOverall: 2 * time.Hour}, "policy.session_idle/longer"},
		} {
			if got := reason(t, f.SetPolicy(ctx, tt.p)); got != tt.want {
				t.Errorf("%+v: %s", tt.p, got)
			}
		}
		if got := reason(t, f.SetPolicy(ctx, Policy{MFARequired: "nobody"})); got != "policy.mfa_required/unknown" {
			t.Error(got)
		}
		p := Policy{MFARequired: MFAEverybody, MFARequiredGroups: []string{"staff"}, MFAGrace: 336 * time.Hour, SessionIdle: time.Hour, SessionOverall: 12 * time.Hour}
		check(t, f.SetPolicy(ctx, p))
		got, err = f.Policy(ctx)
		check(t, err)
		p.Version = 2
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// The second of two who change the policy from what they saw is told, and changes nothing.
func TestAPolicyThatSomebodyElseChanged(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		seen, err := f.Policy(ctx)
		check(t, err)
		results := make(chan error, 40)
		for i := range cap(results) {
			p := seen
			p.MFAGrace = time.Duration(i+1) * time.Hour
			go func() { results <- f.SetPolicy(ctx, p) }()
		}
		set := 0
		for range cap(results) {
			if err := <-results; err == nil {
				set++
			} else {
				want(t, err, ErrStale)
			}
		}
		now, err := f.Policy(ctx)
		check(t, err)
		if set != 1 || now.Version != seen.Version+1 {
			t.Errorf("%d were set, version %d after %d", set, now.Version, seen.Version)
		}
		check(t, f.SetPolicy(ctx, Policy{})) // whatever there is
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

func TestMFAIsDemandedOfEverybodyAndOfAdministrators(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx, grace := t.Context(), 14*24*time.Hour
		guest := f.add("guest")
		admin := f.add("root", func(n *NewAccount) { n.Admin = true })
		due := func(a *Account, p Policy) (bool, time.Time) {
			t.Helper()
			required, ends, err := f.MFADue(ctx, f.read(a.Subject), p)
			check(t, err)
			return required, ends
		}
		if required, _ := due(guest, Policy{MFAGrace: grace}); required {
			t.Error("a guest is asked under a policy for groups")
		}
		for _, p := range []Policy{{MFAGrace: grace}, {MFARequired: MFAEverybody, MFAGrace: grace}} {
			if required, ends := due(admin, p); !required || !ends.IsZero() {
				t.Errorf("an administrator: %v, %v", required, ends)
			}
		}
		if required, ends := due(guest, Policy{MFARequired: MFAEverybody, MFAGrace: grace}); !required || !ends.Equal(f.now.Add(grace)) {
			t.Errorf("everybody: %v, %v", required, ends)
		}
	})
}

func TestMayBeAsked(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		check(t, f.SetGroups(t.Context(), []Group{{Name: "staff"}}))
		admin := f.add("root", func(n *NewAccount) { n.Admin = true })
		member := f.add("ada", func(n *NewAccount) { n.Groups = []string{"staff"} })
		guest := f.add("guest")
		may := func(a *Account) bool { return f.read(a.Subject).MayBeAsked() }
		if !may(admin) || !may(member) || may(guest) {
			t.Errorf("%v %v %v", may(admin), may(member), may(guest))
		}
		for _, policy := range []string{MFAEverybody, "a word from a later release"} { // which closes
			_, err := f.cfg.DB.Exec(t.Context(), `UPDATE account_policy SET mfa_required = $1`, policy)
			check(t, err)
			if !may(guest) {
				t.Errorf("%s: a guest is not asked", policy)
			}
		}
	})
}

func TestAPolicyThatNobodyKnowsLetsNobodyBy(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for _, odd := range []string{"", "nobody", "Everybody"} {
			_, err := f.cfg.DB.Exec(t.Context(), `UPDATE account_policy SET mfa_required = $1`, odd)
			check(t, err)
			if p, err := f.Policy(t.Context()); err == nil {
				t.Errorf("%q: %+v", odd, p)
			}
		}
	})
}

func TestCodesAsked(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		a := f.add("ada")
		if at := f.read(a.Subject).CodesAskedAt; !at.IsZero() {
			t.Errorf("at first: %v", at)
		}
		check(t, f.CodesAsked(t.Context(), a.Subject))
		if at := f.read(a.Subject).CodesAskedAt; !at.Equal(f.now) {
			t.Errorf("asked at %v", at)
		}
		check(t, f.Update(t.Context(), a)) // which was read before
	})
}
