package admin

import (
	"context"
	"slices"
	"time"

	"github.com/focushq/idp/audit"
)

const (
	// nearby is how far from an event the others of its sign-in are: a request waits for its person an hour.
	nearby = time.Hour + time.Minute
	// most is how many entries are looked at on either side of an event.
	most = 300
)

// SignIn returns the entries of the sign-in that the entry id belongs to, oldest first: those of the same request of an app,
// and those by which the session came about that it stands on. It reads some hundred rows at most, by indexes.
// [audit.ErrNotFound].
func (a *Actions) SignIn(ctx context.Context, id string) ([]audit.Entry, error) {
	e, err := a.Audit.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	found := []audit.Entry{e}
	if e.Subject == "" && e.Client == "" {
		return found, nil
	}
	around, err := a.around(ctx, e)
	if err != nil {
		return nil, err
	}
	found = related(found, around)
	last := found[len(found)-1]
	if at, err := time.Parse(time.RFC3339, last.Detail["auth_time"]); err == nil && e.Subject != "" && at.Before(e.At.Add(-nearby)) {
		until := at
		if factor, err := time.Parse(time.RFC3339, last.Detail["factor_at"]); err == nil && factor.After(at) {
			until = factor
		}
		proofs, err := a.Audit.List(ctx, audit.Filter{
			Subject: e.Subject, Action: actionSignIn, Since: at.Add(-time.Second), Until: until.Add(nearby), Limit: most,
		})
		if err != nil {
			return nil, err
		}
		found = related(found, proofs)
	}
	return found, nil
}

// around returns what happened to the person of e, or for its app while it was not known who sits there, before and after it.
func (a *Actions) around(ctx context.Context, e audit.Entry) ([]audit.Entry, error) {
	who := audit.Filter{Subject: e.Subject, Limit: most}
	if e.Subject == "" {
		who.Client = e.Client
	}
	before, after := who, who
	before.Since, before.Before = e.At.Add(-nearby), e.ID
	after.Since, after.Until = e.At, e.At.Add(nearby)
	out, err := a.Audit.List(ctx, before)
	if err != nil {
		return nil, err
	}
	later, err := a.Audit.List(ctx, after)
	return append(out, later...), err
}

// related adds to found, whose first is the entry that was asked about, those of all that belong to the same sign-in, and
// returns them in order of time.
func related(found, all []audit.Entry) []audit.Entry {
	asked, session := found[0], ""
	flow := asked.Detail["flow"]
	for _, e := range found {
		if s := e.Detail["session"]; s != "" {
			session = s
		}
	}
	add := func(belongs func(audit.Entry) bool) {
		for _, e := range all {
			is := func(other audit.Entry) bool { return other.ID == e.ID }
			if !slices.ContainsFunc(found, is) && belongs(e) {
				found = append(found, e)
			}
		}
	}
	add(func(e audit.Entry) bool { return flow != "" && e.Detail["flow"] == flow })
	proof := time.Time{} // of the session's present proof
	for _, e := range found {
		if s := e.Detail["session"]; s != "" {
			session = s
		}
		if at, err := time.Parse(time.RFC3339, e.Detail["auth_time"]); err == nil && at.After(proof) {
			proof = at
		}
	}
	latest := slices.MaxFunc(found, byID)
	add(func(e audit.Entry) bool { // how the session came about
		in := session != "" && e.Action == actionSignIn && e.Detail["session"] == session
		return in && !e.At.Before(proof) && (flow == "" && asked.Action == actionSignIn || byID(e, latest) <= 0)
	})
	sameRequest := func(e audit.Entry) bool { // the code that was looked at, for the sign-in that it led to
		return e.Request.ID != "" && slices.ContainsFunc(found, func(other audit.Entry) bool { return other.Request.ID == e.Request.ID })
	}
	add(sameRequest)
	return slices.SortedFunc(slices.Values(found), byID)
}

func byID(a, b audit.Entry) int {
	switch {
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}
