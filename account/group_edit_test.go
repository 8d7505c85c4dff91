package account

import (
	"errors"
	"fmt"
	"slices"
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

// A group that somebody joins while it is deleted, because nobody is in it, is either gone or has them.
func TestNobodyJoinsAGroupThatIsDeleted(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		const joiners, deleters, rounds = 30, 10, 6
		var people []*Account
		for i := range joiners {
			people = append(people, f.add(fmt.Sprintf("p%d", i), func(n *NewAccount) { n.Password = "" }))
		}
		gone := 0
		for round := range rounds {
			name := fmt.Sprintf("g%d", round)
			check(t, f.CreateGroup(ctx, Group{Name: name}))
			joined, deleted := make(chan error, joiners), make(chan error, deleters)
			start := make(chan struct{})
			for i := range deleters {
				go func() {
					if i%2 == round%2 { // some at once, some when people have joined
						<-start
					}
					deleted <- f.DeleteGroup(ctx, name, false)
				}()
			}
			for i, who := range people {
				go func() {
					if i == joiners/2 {
						close(start)
					}
					a := *who
					a.Groups = []string{name}
					err := f.Update(ctx, &a)
					if err == nil {
						*who = a
					}
					joined <- err
				}()
			}
			members, removed := 0, 0
			for range people {
				if err := <-joined; err == nil {
					members++
				} else if got := reason(t, err); got != "groups/unknown" {
					t.Errorf("joining: %v", err)
				}
			}
			for range deleters {
				if err := <-deleted; err == nil {
					removed++
				} else if !errors.Is(err, ErrHasMembers) && !errors.Is(err, ErrNotFound) {
					t.Errorf("deleting: %v", err)
				}
			}
			names, err := f.groupNames(ctx)
			check(t, err)
			there := slices.Contains(names, name)
			if removed > 1 || there == (removed == 1) || removed == 1 && members > 0 {
				t.Fatalf("%d joined, %d deleted it, there: %v", members, removed, there)
			}
			if there {
				g, err := f.Group(ctx, name)
				check(t, err)
				if g.Members != members {
					t.Errorf("%d joined, %d are members", members, g.Members)
				}
			} else {
				gone++
			}
		}
		t.Logf("%d of %d were deleted", gone, rounds)
	})
}

// A policy never names a group that is deleted at the same moment.
func TestAPolicyNamesNoGroupThatIsDeleted(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for round := range 20 {
			name := fmt.Sprintf("g%d", round)
			check(t, f.CreateGroup(ctx, Group{Name: name}))
			results := make(chan error, 2)
			go func() { results <- f.SetPolicy(ctx, Policy{MFARequiredGroups: []string{name}}) }()
			go func() { results <- f.DeleteGroup(ctx, name, true) }()
			failed := 0
			for range 2 {
				if err := <-results; err != nil {
					failed++
				}
			}
			if failed != 1 {
				t.Fatalf("%d of two failed", failed)
			}
			check(t, f.SetPolicy(ctx, Policy{}))
		}
	})
}
