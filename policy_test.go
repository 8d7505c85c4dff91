package idp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

// A policy says whom it would hit before it is in force, and looking changes nothing.
func TestPolicyReach(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	ctx := t.Context()
	staff := func(n *account.NewAccount) { n.Groups = []string{"staff"} }
	if err := p.Accounts.SetGroups(ctx, []account.Group{{Name: "staff"}}); err != nil {
		t.Fatal(err)
	}
	p.AddUser("root", func(n *account.NewAccount) { n.Admin = true })
	enrol(t, p, p.AddUser("alice", staff).Subject)
	p.AddUser("bob", staff)
	p.AddUser("carol")
	gone := p.AddUser("dan", staff)
	if err := p.Accounts.Disable(ctx, gone.Subject); err != nil {
		t.Fatal(err)
	}
	reach := func(want account.Policy) idp.Reach {
		t.Helper()
		got, err := p.PolicyReach(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, tt := range []struct {
		name   string
		policy account.Policy
		want   idp.Reach
	}{
		{"as it is", account.Policy{}, idp.Reach{Asked: 1, Hit: []string{}}}, // an administrator, asked already
		{"a group", account.Policy{MFARequiredGroups: []string{"staff"}}, idp.Reach{Asked: 3, Enrolled: 1, Hit: []string{"bob"}}},
		{"everybody", account.Policy{MFARequired: account.MFAEverybody}, idp.Reach{Asked: 4, Enrolled: 1, Hit: []string{"bob", "carol"}}},
	} {
		if diff := cmp.Diff(tt.want, reach(tt.policy)); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
	if err := p.Accounts.SetPolicy(ctx, account.Policy{MFARequiredGroups: []string{"staff"}, MFAGrace: time.Hour}); err != nil {
		t.Fatal(err)
	}
	got := reach(account.Policy{MFARequired: account.MFAEverybody})
	if diff := cmp.Diff(idp.Reach{Asked: 4, Enrolled: 1, Hit: []string{"carol"}}, got); diff != "" {
		t.Errorf("beside the group: -want +got\n%s", diff)
	}
	if want := "asks 4 people for MFA, of whom 3 must still enrol, 1 because of this change: carol"; got.String() != want {
		t.Errorf("%s", got)
	}
	if a, err := p.Accounts.ByUsername(ctx, "carol"); err != nil || !a.MFADueAt.IsZero() {
		t.Errorf("a look began somebody's grace: %+v, %v", a, err)
	}
	if _, err := p.PolicyReach(ctx, account.Policy{MFARequired: "some"}); err == nil {
		t.Error("an unknown policy reaches somebody")
	}
	many := idp.Reach{Asked: 9, Hit: strings.Fields("a b c d e f g")}
	if want := "asks 9 people for MFA, of whom 9 must still enrol, 7 because of this change: a, b, c, d, e and 2 more"; many.String() != want {
		t.Error(many)
	}
}

// A rehearsal says whom the policy will hit, the people included whom the same file adds.
func TestApplySaysWhomThePolicyHits(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	p.AddUser("alice")
	const file = "users: [{username: alice, email: alice@example.com, email_verified: true}, {username: bob}]\npolicy: {mfa_required: everybody, mfa_grace: 24h}"
	for _, dryRun := range []bool{true, false} {
		changes, err := applyTo(p, file, false, dryRun)
		if err != nil {
			t.Fatal(err)
		}
		last := changes[len(changes)-1]
		if last.What != "policy" || last.Reach == nil || strings.Join(last.Fields, " ") != "mfa_grace mfa_required" {
			t.Fatalf("dry run %v: %+v", dryRun, last)
		}
		if diff := cmp.Diff(idp.Reach{Asked: 2, Hit: []string{"alice", "bob"}}, *last.Reach); diff != "" {
			t.Errorf("dry run %v: -want +got\n%s", dryRun, diff)
		}
	}
	if changes, err := applyTo(p, file, false, false); err != nil || len(changes) != 0 {
		t.Errorf("again: %v, %v", changes, err)
	}
	for _, odd := range []string{"nobody", "Everybody", "all"} {
		if _, err := applyTo(p, "policy: {mfa_required: "+odd+"}", false, false); err == nil {
			t.Errorf("%s is a policy", odd)
		}
	}
}
