package console

import (
	"fmt"
	"net/http"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

func frontRoutes() []Route {
	return append([]Route{{Pattern: "GET /admin", Need: admin.ReadPeople, handle: (*Console).front}}, firstRoutes()...)
}

// frontPage is the data of the console's first page: what is to be done, then figures, each with the list that it counts.
type frontPage struct {
	Fresh    []freshStep // an installation in which nothing has been set up: what comes next
	Todo     []frontTodo
	All      bool // the visitor sees all that could be to do
	Stats    []frontStat
	Adoption *lineChart   // nil: nothing to draw yet
	Failed   *columnChart // nil: nothing failed
	Apps     []oauth.LatestProblem
	Facts    []frontFact
	Version  string
}

// freshStep is one of those that make an empty installation useful.
type freshStep struct {
	Title, Text string // ids
	URL, Label  string // Label: an id
	Done        bool
}

// frontStat is a figure and where the list is that it counts.
type frontStat struct {
	Value string
	Label string // id
	Count int    // chooses between singular and plural in the label
	URL   string // "" for no list
	Level string // warn, bad, "" for neither
}

// frontFact is a line about the installation.
type frontFact struct {
	Name, Text string // ids
	Args       map[string]any
}

// frontFacts is all that the front page asks the domains for: a number of statements that does not depend on how many people,
// clients or events there are. What the visitor may not read is not asked for.
type frontFacts struct {
	now     account.Figures
	days    []account.Figures
	never   account.Page // counts who never signed in
	reach   account.Reach
	admins  int
	clients []*oauth.Client
	keys    []oauth.KeyRow
	letters Letters
	signins admin.SignInFigures
	apps    []oauth.LatestProblem
	trail   string // what is wrong with it, "" for nothing
}

// frontDays is how far back the adoption of MFA is shown.
const frontDays = 90

func (c *Console) front(v *visit) {
	f, err := c.frontFacts(v)
	if err != nil {
		v.fail(err)
		return
	}
	page := frontPage{Todo: f.todo(v, c.Now()), All: v.desk.May(admin.ReadClients) && v.desk.May(admin.ReadSettings), Stats: f.stats(v), Facts: f.facts(v, c.Now()), Version: c.Version,
		Failed: failedChart(f.signins.Days), Apps: f.apps}
	if page.Adoption = adoption(append(f.days, f.now)); page.Adoption != nil {
		page.Stats[1].URL = "#adoption"
	}
	if v.desk.May(admin.WriteClients) && len(f.clients) == 0 && f.now.People <= 1 && f.trail == "" {
		page.Fresh = c.freshSteps()
	}
	v.render(http.StatusOK, "admin_front", page)
}

func (c *Console) frontFacts(v *visit) (f frontFacts, err error) {
	ctx, now := v.r.Context(), c.Now()
	ask := func(may admin.Permission, what func() error) {
		if err == nil && v.desk.May(may) {
			err = what()
		}
	}
	ask(admin.ReadTrail, func() error { f.trail = c.TrailProblem(); return nil })
	ask(admin.ReadPeople, func() (err error) { f.now, err = c.Accounts.FiguresNow(ctx); return })
	ask(admin.ReadPeople, func() (err error) {
		f.days, err = c.Accounts.Figures(ctx, now.AddDate(0, 0, -frontDays), now.AddDate(0, 0, -1))
		return
	})
	ask(admin.ReadPeople, func() (err error) {
		enabled := false
		f.never, err = v.desk.People(ctx, account.Query{NeverSignedIn: true, Disabled: &enabled, Limit: 1})
		return
	})
	ask(admin.ReadSettings, func() error {
		policy, err := c.Accounts.Policy(ctx)
		if err != nil {
			return err
		}
		f.reach, err = c.Accounts.PolicyReach(ctx, policy)
		return err
	})
	ask(admin.WriteStaff, func() (err error) { f.admins, err = c.Accounts.CountAdmins(ctx); return })
	ask(admin.ReadSettings, func() (err error) { f.keys, err = c.Actions.OAuth.Keys().List(ctx); return })
	ask(admin.ReadSettings, func() (err error) { f.letters, err = c.Letters(ctx); return })
	ask(admin.ReadClients, func() (err error) { f.clients, err = c.someClients(v); return })
	ask(admin.ReadPeople, func() (err error) { f.signins, err = v.desk.SignInFigures(ctx, now); return })
	ask(admin.ReadClients, func() (err error) {
		f.apps, err = c.Actions.OAuth.Clients().LatestProblems(ctx, now.AddDate(0, 0, -7), 5)
		return
	})
	return f, err
}

// someClients returns a few clients other than the console itself: whether there are any.
func (c *Console) someClients(v *visit) ([]*oauth.Client, error) {
	page, err := c.Actions.OAuth.Clients().Page(v.r.Context(), oauth.ClientQuery{Limit: 2})
	if err != nil {
		return nil, err
	}
	var own []*oauth.Client
	for _, client := range page.Clients {
		if client.ID != ClientID {
			own = append(own, client)
		}
	}
	return own, nil
}

func (c *Console) freshSteps() []freshStep {
	return []freshStep{
		{Title: "admin.fresh.you", Text: "admin.fresh.you_text", Done: true},
		{Title: "admin.fresh.app", Text: "admin.fresh.app_text", URL: "/admin/first", Label: "admin.fresh.app_do"},
		{Title: "admin.fresh.people", Text: "admin.fresh.people_text", URL: "/admin/people", Label: "admin.fresh.people_do"},
		{Title: "admin.fresh.policy", Text: "admin.fresh.policy_text", URL: "/admin/policy", Label: "admin.fresh.policy_do"},
		{Title: "admin.fresh.mail", Text: "admin.fresh.mail_text", URL: "/admin/mail", Label: "admin.fresh.mail_do", Done: c.Actions.Mailing},
	}
}

// The lists of people that figures lead to: whoever is disabled is in none of them.
func listWithoutMFA() string { return listOf(account.Query{WithoutMFA: true}) }
func listFewCodes() string   { return listOf(account.Query{FewCodes: true}) }
func listNever() string      { return listOf(account.Query{NeverSignedIn: true}) }

func listOf(q account.Query) string {
	disabled := false
	q.Disabled = &disabled
	return peopleURL(q)
}

func (f *frontFacts) stats(v *visit) []frontStat {
	without := f.now.Enabled - f.now.Enrolled
	all := []frontStat{
		{Value: number(f.now.People), Label: "admin.stat.people", Count: f.now.People, URL: "/admin/people"},
		{Value: percent(f.now.Enrolled, f.now.Enabled), Label: "admin.stat.adoption"},
		{Value: number(without), Label: "admin.stat.without", Count: without, URL: listWithoutMFA()},
		{Value: number(f.now.FewCodes), Label: "admin.stat.few", Count: f.now.FewCodes, URL: listFewCodes(), Level: warnIf(f.now.FewCodes)},
		{Value: atLeast(f.never), Label: "admin.stat.never", Count: f.never.Total, URL: listNever()},
		{Value: number(f.now.SignedIn30d), Label: "admin.stat.recent", Count: f.now.SignedIn30d, URL: listOf(account.Query{Sort: account.BySignedIn, Descending: true})},
	}
	if n := len(f.signins.Days); n > 0 {
		today := f.signins.Days[n-1].Failed()
		failed := frontStat{Value: number(today), Label: "admin.stat.failed", Count: today}
		if v.desk.May(admin.ReadTrail) {
			failed.URL = "/admin/audit"
		}
		all = append(all, failed)
	}
	if n := f.signins.Waiting; n > 0 {
		all = append(all, frontStat{Value: number(n), Label: "admin.stat.waiting", Count: n, Level: "warn"})
	}
	return all
}

// facts are lines about the installation, for whoever may read its settings.
func (f *frontFacts) facts(v *visit, now time.Time) []frontFact {
	var all []frontFact
	for _, key := range f.keys {
		if key.State == "signing" {
			all = append(all, frontFact{"admin.fact.key", "admin.fact.key_since", map[string]any{"Alg": key.Alg, "Age": now.Sub(time.Unix(key.ActiveAt, 0))}})
		}
	}
	if v.desk.May(admin.ReadSettings) {
		letters := frontFact{"admin.fact.mail", "admin.fact.mail_waiting", map[string]any{"Count": f.letters.Waiting}}
		if !v.c.Actions.Mailing {
			letters.Text = "admin.fact.mail_off"
		}
		all = append(all, letters)
	}
	return all
}

func warnIf(n int) string {
	if n > 0 {
		return "warn"
	}
	return ""
}

// number writes n with a narrow space between thousands (ISO 80000-1 section 7.3.1).
func number(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && n >= 10_000; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// atLeast writes how many people a list has, as far as they were counted.
func atLeast(p account.Page) string {
	if p.More {
		return number(p.Total) + "+"
	}
	return number(p.Total)
}

// percent writes a share in whole percent. It says 100 of all and 0 of none alone.
func percent(part, whole int) string {
	switch {
	case whole == 0:
		return "–"
	case part == whole:
		return "100 %"
	case part == 0:
		return "0 %"
	}
	return fmt.Sprintf("%d %%", min(99, max(1, (part*100+whole/2)/whole)))
}
