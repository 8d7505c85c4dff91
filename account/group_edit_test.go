package account

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGroupsOneByOne(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		check(t, f.CreateGroup(ctx, Group{Name: "staff", Description: "All"}))
		check(t, f.CreateGroup(ctx, Group{Name: "board"}))
		err := f.CreateGroup(ctx, Group{Name: "staff"})
		want(t, err, ErrTaken)
		for _, name := range []string{"", "a b", "é"} {
			if got := reason(t, f.CreateGroup(ctx, Group{Name: name})); got != "groups/characters" {
				t.Errorf("%q: %q", name, got)
			}
			want(t, f.DeleteGroup(ctx, name, true), ErrNotFound)
		}
		f.add("ada", func(n *NewAccount) { n.Groups = []string{"staff"} })
		f.add("bob", func(n *NewAccount) { n.Groups = []string{"staff", "board"} })
		check(t, f.DescribeGroup(ctx, Group{Name: "board", Description: "of directors"}))
		want(t, f.DescribeGroup(ctx, Group{Name: "nowhere"}), ErrNotFound)
		for _, g := range []Group{{"staff", "All", 2}, {"board", "of directors", 1}} {
			got, err := f.Group(ctx, g.Name)
			check(t, err)
			if diff := cmp.Diff(g, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		}
		_, err = f.Group(ctx, "nowhere\x00")
		want(t, err, ErrNotFound)
		want(t, f.DeleteGroup(ctx, "staff", false), ErrHasMembers)
		want(t, f.DeleteGroup(ctx, "nowhere", false), ErrNotFound)
		check(t, f.SetPolicy(ctx, Policy{MFARequiredGroups: []string{"staff"}}))
		want(t, f.DeleteGroup(ctx, "staff", true), ErrGroupNeeded)
		check(t, f.SetPolicy(ctx, Policy{}))
		check(t, f.DeleteGroup(ctx, "staff", true))
		if got := f.names(Query{Group: "staff"}); len(got) != 0 {
			t.Errorf("members of nothing: %v", got)
		}
		if got := f.names(Query{Group: "board"}); !cmp.Equal(got, []string{"bob"}) {
			t.Errorf("members of the other one: %v", got)
		}
		check(t, f.CreateGroup(ctx, Group{Name: "empty"}))
		check(t, f.DeleteGroup(ctx, "empty", false))
	})
}
