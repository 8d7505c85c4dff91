package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/templates"
)

// bulkMost is how many people one form is about: a page of the list.
const bulkMost = 50

// bulkDeed is something that is done to several people.
type bulkDeed struct {
	id    string
	need  admin.Permission
	group bool // of a group
	do    func(ctx context.Context, v *visit, subject string) (link string, err error)
}

func bulkDeeds() []bulkDeed {
	plain := func(fn func(d *admin.Desk, ctx context.Context, subject string) error) func(context.Context, *visit, string) (string, error) {
		return func(ctx context.Context, v *visit, subject string) (string, error) {
			return "", fn(v.desk, ctx, subject)
		}
	}
	member := func(in bool) func(context.Context, *visit, string) (string, error) {
		return func(ctx context.Context, v *visit, subject string) (string, error) {
			return "", v.desk.SetMember(ctx, subject, v.form("group"), in)
		}
	}
	return []bulkDeed{
		{id: "invite", need: admin.HelpPeople, do: func(ctx context.Context, v *visit, subject string) (string, error) {
			return v.desk.Invite(ctx, subject)
		}},
		{id: "disable", need: admin.HelpPeople, do: plain((*admin.Desk).Disable)},
		{id: "enable", need: admin.HelpPeople, do: plain((*admin.Desk).Enable)},
		{id: "end_sessions", need: admin.HelpPeople, do: plain((*admin.Desk).EndSessions)},
		{id: "reset_password", need: admin.HelpPeople, do: func(ctx context.Context, v *visit, subject string) (string, error) {
			return v.desk.ResetPassword(ctx, subject)
		}},
		{id: "add", need: admin.WritePeople, group: true, do: member(true)},
		{id: "remove", need: admin.WritePeople, group: true, do: member(false)},
		{id: "delete", need: admin.WritePeople, do: plain((*admin.Desk).Delete)},
	}
}

// bulkPage is the data of the page that asks before, and of the one that tells afterwards.
type bulkPage struct {
	Deed, Group string
	Groups      []string // to choose from, where the deed is about one
	People      []bulkRow
	AskCount    bool // how many they are is to be typed
	Done, Not   int
	After       bool
	Links       bool // some of them are to be handed over
	Problem     *templates.Problem
}

type bulkRow struct {
	Subject, Username, Name, Email, URL string
	Role                                account.Role
	Link                                string
	Problem                             *templates.Problem
}

// chosen returns the deed and the people that values name; otherwise it has been answered.
func (v *visit) chosen(id string, subjects []string) (bulkDeed, bulkPage, bool) {
	i := slices.IndexFunc(bulkDeeds(), func(b bulkDeed) bool { return b.id == id })
	subjects = slices.Compact(slices.Sorted(slices.Values(subjects)))
	var err error
	switch {
	case i < 0:
		err = errChooseDeed
	case len(subjects) == 0:
		err = errChoosePeople
	case len(subjects) > bulkMost:
		err = errTooMany
	default:
		err = v.desk.Check(v.r.Context(), bulkDeeds()[i].need, "bulk "+bulkDeeds()[i].id)
	}
	if err != nil {
		v.notChosen(err)
		return bulkDeed{}, bulkPage{}, false
	}
	b := bulkDeeds()[i]
	page := bulkPage{Deed: b.id, AskCount: b.id == "delete"}
	for _, subject := range subjects {
		who, err := v.desk.Account(v.r.Context(), subject)
		if errors.Is(err, account.ErrNotFound) {
			continue // somebody else was quicker
		}
		if err != nil {
			v.fail(err)
			return b, page, false
		}
		page.People = append(page.People, bulkRow{
			Subject: who.Subject, Username: who.Username, Name: who.Name, Email: who.Email, URL: personPath(who.Subject), Role: who.Role(),
		})
	}
	if len(page.People) == 0 {
		v.missing()
		return b, page, false
	}
	slices.SortFunc(page.People, func(a, b bulkRow) int {
		return strings.Compare(account.Canonical(a.Username), account.Canonical(b.Username))
	})
	if b.group {
		if page.Groups, err = v.groupNames(); err != nil {
			v.fail(err)
			return b, page, false
		}
	}
	return b, page, true
}

// notChosen answers who has to choose once more: the way on is the list.
func (v *visit) notChosen(err error) {
	p := peopleProblem(err)
	if p == nil {
		v.fail(err)
		return
	}
	v.render(status(err), "admin_message", problemPage{templates.Message{
		Title: "admin.not_done.title", Text: "admin.not_done.text", Link: peoplePath, Label: "admin.people.back",
	}, p})
}

func (c *Console) showBulk(v *visit) {
	query := v.r.URL.Query()
	if _, page, ok := v.chosen(query.Get("do"), query["s"]); ok {
		page.Group = query.Get("group")
		v.render(http.StatusOK, "admin_people_bulk", page)
	}
}

func (c *Console) bulk(v *visit) {
	if !v.only("do", "s", "group", "count") {
		return
	}
	b, page, ok := v.chosen(v.form("do"), v.r.PostForm["s"])
	if !ok {
		return
	}
	page.Group = v.form("group")
	var err error
	switch {
	case b.group && !slices.Contains(page.Groups, page.Group):
		err = errChooseGroup
	case page.AskCount && strings.TrimSpace(v.form("count")) != strconv.Itoa(len(page.People)):
		err = errCount
	}
	if err != nil {
		page.Problem = problem(err)
		v.render(status(err), "admin_people_bulk", page)
		return
	}
	page.After = true
	page.run(v, b)
	v.render(http.StatusOK, "admin_people_bulk", page)
}

// run does it to one after the other, each by itself.
func (page *bulkPage) run(v *visit, b bulkDeed) {
	for i := range page.People {
		row := &page.People[i]
		var err error
		row.Link, err = b.do(v.r.Context(), v, row.Subject)
		if err == nil {
			page.Done++
			page.Links = page.Links || row.Link != ""
			continue
		}
		page.Not++
		if row.Problem = lineProblem(err); row.Problem.ID == "problem.unknown" {
			v.c.Fail(&answer{header: http.Header{}}, v.r, err) // for the log: the others' results are the answer
		}
	}
}
