package idp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
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
		return counted(got)
	}
	for _, tt := range []struct {
		name   string
		policy account.Policy
		want   idp.Reach
	}{
		{"as it is", account.Policy{}, idp.Reach{Asked: 1, Hit: []string{}}}, // an administrator, asked already
		{"a group", account.Policy{MFARequiredGroups: []string{"staff"}}, idp.Reach{Asked: 3, Enrolled: 1, Because: 1, Hit: []string{"bob"}}},
		{"everybody", account.Policy{MFARequired: account.MFAEverybody}, idp.Reach{Asked: 4, Enrolled: 1, Because: 2, Hit: []string{"bob", "carol"}}},
	} {
		if diff := cmp.Diff(tt.want, reach(tt.policy)); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
	if err := p.Accounts.SetPolicy(ctx, account.Policy{MFARequiredGroups: []string{"staff"}, MFAGrace: time.Hour}); err != nil {
		t.Fatal(err)
	}
	got := reach(account.Policy{MFARequired: account.MFAEverybody})
	if diff := cmp.Diff(idp.Reach{Asked: 4, Enrolled: 1, Because: 1, Hit: []string{"carol"}}, got); diff != "" {
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
	many := idp.Reach{Asked: 9, Because: 7, Hit: strings.Fields("a b c d e f g")}
	if want := "asks 9 people for MFA, of whom 9 must still enrol, 7 because of this change: a, b, c, d, e and 2 more"; many.String() != want {
		t.Error(many)
	}
}

// counted is a reach without its lists.
func counted(r idp.Reach) idp.Reach {
	r.Lists = nil
	return r
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
		if diff := cmp.Diff(idp.Reach{Asked: 2, Because: 2, Hit: []string{"alice", "bob"}}, counted(*last.Reach)); diff != "" {
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

// TestPolicyReachOfManyPeople counts on the wire what a look at many people asks the database for.
func TestPolicyReachOfManyPeople(t *testing.T) {
	t.Parallel()
	const people = 20_000
	address := dbxtest.PostgresURL(t)
	counted, trips := dbxtest.Wire(t, address)
	p := idptest.Start(t, func(c *idp.Config) { c.DatabaseURL = counted })
	enrol(t, p, p.AddUser("person0").Subject)
	db, err := dbx.OpenPatient(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(t.Context(), `INSERT INTO accounts (subject, username, username_key, email, email_key, email_verified, name,
			admin, disabled, compromised, profile, password, version, created_at, updated_at, password_at, mfa_due_at)
		SELECT subject || n, 'person' || n, 'person' || n, '', NULL, email_verified, name,
			admin, disabled, compromised, profile, password, version, created_at, updated_at, password_at, mfa_due_at
		FROM accounts, generate_series(1, $1 - 1) n`, people)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.PolicyReach(t.Context(), account.Policy{}); err != nil { // the first time looks at everybody's factors
		t.Fatal(err)
	}
	trips.Reset()
	reach, err := p.PolicyReach(t.Context(), account.Policy{MFARequired: account.MFAEverybody})
	if err != nil || reach.Asked != people || reach.Enrolled != 1 || reach.Because != people-1 || len(reach.Hit) != account.ReachNames {
		t.Fatalf("%d asked, %d enrolled, %d hit, %v", reach.Asked, reach.Enrolled, reach.Because, err)
	}
	// Whether lists know everybody, the policy, the counts, those asked already, the names: some are prepared first.
	if made := trips.All(); len(made) > 10 {
		t.Errorf("%d round trips: %s", len(made), strings.Join(made, "\n"))
	}
}
