package login

import (
	"context"
	"net/http"

	"github.com/focushq/idp/oauth"
)

// lookup is the suspended request of a step, once somebody has asked for it.
type lookup struct {
	done bool
	req  *oauth.Request
	err  error
}

type lookupKey struct{}

// Prepare returns the context in which r, a page of ours, is answered: the request that waits for it is read and validated
// once, however many ask, and what comes of a form is on record as its app's, and as a part of its sign-in.
func (f *Flow) Prepare(r *http.Request) context.Context {
	ctx := context.WithValue(r.Context(), lookupKey{}, new(lookup))
	if r.Method != http.MethodPost {
		return ctx
	}
	if req := f.waiting(r.WithContext(ctx)); req != nil {
		ctx = inFlow(ctx, req)
	}
	return ctx
}

// suspended returns the request that r's query names, nil when it names none. The errors are those of
// [oauth.Server.Suspended].
func (f *Flow) suspended(r *http.Request) (*oauth.Request, error) {
	id := r.URL.Query().Get("request")
	if id == "" {
		return nil, nil
	}
	found, prepared := r.Context().Value(lookupKey{}).(*lookup)
	if !prepared {
		return f.OAuth.Suspended(r, id)
	}
	if !found.done {
		found.req, found.err = f.OAuth.Suspended(r, id)
		found.done = true
	}
	return found.req, found.err
}

// waiting is suspended for what can do without: it returns nil when the request cannot be had. The dispatcher, or the
// page, meets the same error and shows it.
func (f *Flow) waiting(r *http.Request) *oauth.Request {
	req, err := f.suspended(r)
	if err != nil {
		return nil
	}
	return req
}
