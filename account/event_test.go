package account

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// What an event says of a change is what an auditor needs: which groups, which rule, who became an administrator.
func TestSec_AU01_ChangesSayWhatTheyWere(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		var last Event
		f := fixtureOn(t, db, func(c *Config) {
			c.Observe = func(_ context.Context, e Event) error { last = e; return nil }
		})
		ctx := t.Context()
		told := func(step, kind string, want map[string]string) {
			t.Helper()
			if diff := cmp.Diff(want, maps.Clone(last.Detail)); last.Kind != kind || diff != "" {
				t.Errorf("%s: %s, -want +got\n%s", step, last.Kind, diff)
			}
		}
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}, {Name: "Board"}, {Name: "ops"}}))
		told("new groups", EventGroupsSet, map[string]string{"added": "staff Board ops"})
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}, {Name: "Board", Description: "of directors"}}))
		told("fewer groups", EventGroupsSet, map[string]string{"removed": "ops", "described": "Board"})

		check(t, f.SetPolicy(ctx, Policy{MFARequiredGroups: []string{"staff"}, MFAGrace: time.Hour}))
		check(t, f.SetPolicy(ctx, Policy{MFARequired: MFAEverybody, MFARequiredGroups: []string{"staff", "Board"}, MFAGrace: time.Hour}))
		told("policy", EventPolicySet, map[string]string{
			"mfa_required": "everybody", "mfa_required_before": "groups",
			"mfa_required_groups": "Board staff", "mfa_required_groups_before": "staff",
		})

		a := f.add("ada", func(n *NewAccount) {
			n.Groups = []string{"staff", "Board"}
			n.Email = "ada@example.com"
			n.EmailVerified = true
		})
		a.Name, a.Email, a.Admin, a.Groups = "Ada", "ada@example.org", true, []string{"staff"}
		check(t, f.Update(ctx, a))
		// The event of the replaced address is not the last one. Names and addresses stay out of the log.
		told("update", EventUpdated, map[string]string{
			"fields": "email name email_verified admin groups", "admin": "true", "admin_before": "false",
			"role": "administrator", "role_before": "",
			"groups": "staff", "groups_before": "Board staff",
		})
		check(t, f.Update(ctx, a))
		told("no change", EventUpdated, map[string]string{})
	}, "account")
}

func TestHashNextWantsAnotherOne(t *testing.T) {
	f := onSQLite(t)
	a := f.add("ada")
	for _, password := range []string{good, " " + good} { // the second one is not the same
		_, err := f.HashNext(t.Context(), a.Subject, password, true)
		if got := reason(t, err); (got == "password/same") != (password == good) {
			t.Errorf("%q: %q", password, got)
		}
	}
	check(t, f.SetPassword(t.Context(), a.Subject, good)) // by an administrator, whom it tells nothing
}
