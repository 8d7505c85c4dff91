package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mileusna/useragent"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/templates"
)

const trailPath = "/admin/audit"

func trailRoutes() []Route {
	return []Route{
		{Pattern: "GET " + trailPath, Need: admin.ReadPeople, handle: (*Console).trail}, // the help desk reads about one person
		{Pattern: "GET " + trailPath + "/{id}", Need: admin.ReadPeople, handle: (*Console).trailEntry},
		{Pattern: "POST " + trailPath + "/export", Need: admin.ReadTrail, Fresh: true, handle: (*Console).exportTrail},
		{Pattern: "POST " + trailPath + "/verify", Need: admin.ReadTrail, handle: (*Console).verifyTrail},
	}
}

// trailFilter is the form above the list, as it was typed.
type trailFilter struct{ Person, Actor, Group, Action, Client, Result, Since, Until string }

// trailPage is the data of the list.
type trailPage struct {
	Filter      trailFilter
	Groups      []string
	Rows        []trailRow
	First, Next string // addresses; "": there is none
	Fields      []keptField
	May         bool // export and verify
	Report      *trailReport
	Problem     *templates.Problem
}

// trailRow is one entry as it is shown.
type trailRow struct {
	ID, URL            string
	At                 time.Time
	What               admin.Sentence
	Name               string // of a factor
	Actor, Subject     string // user names, or what stands there
	ActorID, SubjectID string // of accounts that are there; "" else
	Anonymous, Server  bool
	Client             string
	Result             string
	Bad                bool
	Repeats            bool // What says already that it was refused
	Browser, System    string
	Address            string
}

// filter returns what the address asks for.
func (v *visit) trailFilter() trailFilter {
	q := v.r.URL.Query()
	if v.r.Method == http.MethodPost {
		q = v.r.PostForm
	}
	return trailFilter{
		Person: q.Get("person"), Actor: q.Get("actor"), Group: q.Get("group"), Action: q.Get("action"), Client: q.Get("client"),
		Result: q.Get("result"), Since: q.Get("since"), Until: q.Get("until"),
	}
}

// values are f's fields that say something.
func (f trailFilter) values() url.Values {
	out := url.Values{}
	for name, value := range map[string]string{
		"person": f.Person, "actor": f.Actor, "group": f.Group, "action": f.Action, "client": f.Client, "result": f.Result, "since": f.Since, "until": f.Until,
	} {
		if value != "" {
			out.Set(name, value)
		}
	}
	return out
}

// query reads the form. A name that nobody has is looked for as it stands there: people who are gone have left their subject.
func (f trailFilter) query(ctx context.Context, c *Console) (q admin.TrailQuery, wrong *templates.Problem, err error) {
	q = admin.TrailQuery{Group: f.Group, Action: strings.TrimSpace(f.Action), Client: strings.TrimSpace(f.Client), Result: strings.TrimSpace(f.Result)}
	for _, one := range []struct {
		typed string
		to    *string
	}{{f.Person, &q.Subject}, {f.Actor, &q.Actor}} {
		*one.to = strings.TrimSpace(one.typed)
		if *one.to == "" {
			continue
		}
		who, err := c.Accounts.ByUsername(ctx, *one.to)
		switch {
		case err == nil:
			*one.to = who.Subject
		case !errors.Is(err, account.ErrNotFound):
			return q, nil, err
		}
	}
	for _, one := range []struct {
		name, typed string
		to          *time.Time
		add         time.Duration
	}{{"since", f.Since, &q.Since, 0}, {"until", f.Until, &q.Until, 24 * time.Hour}} { // the last day is a part of it
		if one.typed == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, one.typed)
		if err != nil {
			return q, &templates.Problem{ID: "problem.admin.day", Field: one.name}, nil
		}
		*one.to = day.Add(one.add)
	}
	return q, nil, nil
}

func (c *Console) trail(v *visit) { c.showTrail(v, http.StatusOK, nil, nil) }

// showTrail shows the list, with what was just found out about it.
func (c *Console) showTrail(v *visit, status int, report *trailReport, problem *templates.Problem) {
	page := trailPage{Filter: v.trailFilter(), May: v.desk.May(admin.ReadTrail), Report: report, Problem: problem}
	for _, group := range admin.TrailGroups() {
		page.Groups = append(page.Groups, group.ID)
	}
	q, wrong, err := page.Filter.query(v.r.Context(), c)
	var found admin.TrailPage
	if err == nil && wrong == nil {
		q.Cursor = v.r.URL.Query().Get("cursor")
		found, err = v.desk.Trail(v.r.Context(), q)
	}
	if errors.Is(err, admin.ErrTrailQuery) {
		wrong, err = &templates.Problem{ID: "problem.admin.trail"}, nil
	}
	if wrong != nil {
		page.Problem, status = wrong, http.StatusBadRequest
	}
	if err == nil {
		page.Rows, err = c.trailRows(v, found.Entries)
	}
	if err != nil {
		v.fail(err)
		return
	}
	values := page.Filter.values()
	if q.Cursor != "" {
		page.First = trailPath + "?" + values.Encode()
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		page.Fields = append(page.Fields, keptField{name, values.Get(name)})
	}
	if found.Next != "" {
		values.Set("cursor", found.Next)
		page.Next = trailPath + "?" + values.Encode()
	}
	v.render(status, "admin_audit", page)
}

// trailRows words entries, with the names of the people whom they are about.
func (c *Console) trailRows(v *visit, entries []audit.Entry) ([]trailRow, error) {
	var subjects []string
	for _, e := range entries {
		subjects = append(subjects, e.Subject, e.Actor)
	}
	names, err := c.Accounts.Usernames(v.r.Context(), subjects)
	if err != nil {
		return nil, err
	}
	rows := make([]trailRow, 0, len(entries))
	for _, e := range entries {
		rows = append(rows, trailRowOf(e, names))
	}
	return rows, nil
}

func trailRowOf(e audit.Entry, names map[string]string) trailRow {
	browser := useragent.Parse(e.Request.Agent)
	row := trailRow{
		ID: e.ID, URL: trailPath + "/" + url.PathEscape(e.ID), At: e.At, What: admin.TrailWords(e), Name: e.Detail["name"], Actor: e.Actor, Subject: e.Subject,
		Anonymous: e.Actor == audit.Anonymous, Server: e.Actor == audit.Server, Client: e.Client, Result: e.Result,
		Browser: browser.Name, System: browser.OS, Address: e.Request.Address,
		Bad: strings.Contains(e.Action, "refused") || strings.Contains(e.Action, "reused") || e.Result == "refused" || e.Result == "forbidden" || e.Forged,
	}
	row.Repeats = strings.Contains(e.Action, "refused") && (e.Result == "" || e.Result == "refused")
	if name := names[e.Actor]; name != "" {
		row.Actor, row.ActorID = name, e.Actor
	}
	if name := names[e.Subject]; name != "" {
		row.Subject, row.SubjectID = name, e.Subject
	}
	return row
}

// trailEntryPage is the data of the page of one entry.
type trailEntryPage struct {
	trailRow
	Action    string
	Detail    []keptField
	RequestID string
	Agent     string
	Seq       int64
	MAC       string
	Forged    bool
	Explained *admin.Explanation
}

// trailEntry shows everything about one entry and, where it is a part of a sign-in, why that went the way it did.
func (c *Console) trailEntry(v *visit) {
	e, err := v.desk.TrailEntry(v.r.Context(), v.r.PathValue("id"))
	if errors.Is(err, audit.ErrNotFound) {
		v.missing()
		return
	}
	var rows []trailRow
	if err == nil {
		rows, err = c.trailRows(v, []audit.Entry{e})
	}
	if err != nil {
		v.fail(err)
		return
	}
	page := trailEntryPage{
		trailRow: rows[0], Action: e.Action, RequestID: e.Request.ID, Agent: e.Request.Agent, Seq: e.Seq, MAC: e.MAC, Forged: e.Forged,
	}
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		page.Detail = append(page.Detail, keptField{name, e.Detail[name]})
	}
	explained, ok, err := v.desk.Explain(v.r.Context(), e.ID)
	if err != nil {
		v.fail(err)
		return
	}
	if ok {
		page.Explained = &explained
	}
	v.render(http.StatusOK, "admin_audit_entry", page)
}

// exportTrail sends the entries of the list as JSON lines.
func (c *Console) exportTrail(v *visit) {
	q, wrong, err := v.trailFilter().query(v.r.Context(), c)
	if err != nil {
		v.fail(err)
		return
	}
	if wrong != nil {
		c.showTrail(v, http.StatusBadRequest, nil, wrong)
		return
	}
	out := &download{w: v.w, name: "audit-" + c.Now().UTC().Format(time.DateOnly) + ".jsonl", kind: "application/jsonl; charset=utf-8"}
	if err := v.desk.ExportTrail(v.r.Context(), out, q); err != nil {
		if out.begun {
			panic(http.ErrAbortHandler) // half a file must not look like a whole one
		}
		if errors.Is(err, admin.ErrTrailQuery) {
			c.showTrail(v, http.StatusBadRequest, nil, &templates.Problem{ID: "problem.admin.trail"})
			return
		}
		v.fail(err)
		return
	}
	out.begin() // an empty file is an answer too
}

// trailReport is what a verification found.
type trailReport struct {
	audit.Report
	Anchor string
	Found  []string // in words
}

// verifyTime is how long a verification may take: some million rows.
const verifyTime = 5 * time.Minute

// verifyTrail looks whether anything was altered. One verification runs at a time: each reads every row.
func (c *Console) verifyTrail(v *visit) {
	// It reads everything, which may take longer than other answers.
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(verifyTime))
	ctx, cancel := context.WithTimeout(v.r.Context(), verifyTime)
	defer cancel()
	report, err := v.desk.VerifyTrail(ctx)
	if errors.Is(err, admin.ErrVerifying) {
		c.showTrail(v, http.StatusServiceUnavailable, nil, &templates.Problem{ID: "problem.admin.verifying"})
		return
	}
	if err != nil {
		v.fail(err)
		return
	}
	shown := &trailReport{Report: *report, Anchor: report.Head.String()}
	for _, p := range report.Problems {
		shown.Found = append(shown.Found, p.Where()+": "+p.Words())
	}
	c.showTrail(v, http.StatusOK, shown, nil)
}
