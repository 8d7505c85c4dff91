package account

import (
	"strings"
	"testing"

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
