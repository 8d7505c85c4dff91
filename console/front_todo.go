package console

import (
	"cmp"
	"slices"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
)

// frontTodo is something that an administrator should look at.
type frontTodo struct {
	Level string // bad, warn, info: in that order
	Text  string // id
	Args  map[string]any
	Why   string // id of what it means, "" for nothing
	URL   string // where it can be done, "" for nowhere
	Label string // id of that link's text
}

// keyOld is the age at which a signing key that nothing renews should be replaced.
const keyOld = 180 * 24 * time.Hour

// todo lists what needs doing, the worst first. What the visitor may not do anything about is left out.
func (f *frontFacts) todo(v *visit, now time.Time) []frontTodo {
	var all []frontTodo
	add := func(n int, t frontTodo) {
		if n > 0 {
			if t.Args == nil {
				t.Args = map[string]any{}
			}
			t.Args["Count"] = n
			all = append(all, t)
		}
	}
	if f.trail != "" {
		add(1, frontTodo{Level: "bad", Text: "admin.todo.trail", Why: "admin.todo.trail_why", URL: trailPath, Label: "admin.todo.trail_do",
			Args: map[string]any{"Problem": f.trail}})
	}
	add(f.signins.Sealed, frontTodo{Level: "bad", Text: "admin.todo.sealed", Why: "admin.todo.sealed_why", URL: "/admin/people", Label: "admin.todo.people_do"})
	stuck := 0
	if f.letters.Waiting > 0 && now.Sub(f.letters.Oldest) > 15*time.Minute {
		stuck = f.letters.Waiting
	}
	letters := frontTodo{Level: "bad", Text: "admin.todo.letters", Why: "admin.todo.letters_age", URL: "/admin/mail", Label: "admin.todo.letters_do",
		Args: map[string]any{"Error": f.letters.Error, "Age": now.Sub(f.letters.Oldest)}}
	if f.letters.Error != "" {
		letters.Why = "admin.todo.letters_why"
	}
	add(stuck, letters)
	add(f.letters.Failed, frontTodo{Level: "warn", Text: "admin.todo.lost", URL: "/admin/mail", Label: "admin.todo.letters_do"})
	if len(f.apps) > 0 {
		last := f.apps[0]
		add(len(f.apps), frontTodo{Level: "warn", Text: "admin.todo.apps", Why: "admin.todo.apps_why", URL: "#apps", Label: "admin.todo.apps_do",
			Args: map[string]any{"Name": last.Client.Name, "Error": last.Words()}})
	}
	add(f.reach.Asked-f.reach.Enrolled, frontTodo{Level: "warn", Text: "admin.todo.policy", Why: "admin.todo.policy_why", URL: reached(f.reach), Label: "admin.todo.people_do"})
	add(f.now.FewCodes, frontTodo{Level: "warn", Text: "admin.todo.codes", Why: "admin.todo.codes_why", URL: listFewCodes(), Label: "admin.todo.people_do"})
	for _, key := range f.keys {
		active := time.Unix(key.ActiveAt, 0)
		switch {
		case key.State == "signing" && now.Sub(active) > keyOld:
			add(1, frontTodo{Level: "warn", Text: "admin.todo.key_old", Why: "admin.todo.key_old_why", URL: "/admin/keys", Label: "admin.todo.keys_do",
				Args: map[string]any{"Alg": key.Alg, "Age": now.Sub(active)}})
		case key.State == "waiting":
			add(1, frontTodo{Level: "info", Text: "admin.todo.key_waits", URL: "/admin/keys", Label: "admin.todo.keys_do",
				Args: map[string]any{"Alg": key.Alg, "At": active}})
		}
	}
	if f.admins == 1 && f.now.People > 1 {
		add(1, frontTodo{Level: "info", Text: "admin.todo.alone", Why: "admin.todo.alone_why", URL: "/admin/people", Label: "admin.todo.people_do"})
	}
	if v.desk.May(admin.WriteClients) && len(f.clients) == 0 {
		add(1, frontTodo{Level: "info", Text: "admin.todo.app", URL: "/admin/first", Label: "admin.todo.app_do"})
	}
	rank := map[string]int{"bad": 0, "warn": 1, "info": 2}
	slices.SortStableFunc(all, func(a, b frontTodo) int { return cmp.Compare(rank[a.Level], rank[b.Level]) })
	return all
}

// reached is the list of whom the policy asks and who has no factor yet: one of staff, and one of each group that it names. Where
// there are several it is the list of everybody without.
func reached(r account.Reach) string {
	if len(r.Lists) != 1 {
		return listWithoutMFA()
	}
	return peopleURL(r.Lists[0])
}
