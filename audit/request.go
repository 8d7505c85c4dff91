package audit

import (
	"context"
	"maps"
)

// Request is where an event came from. The outermost handler puts it into the context.
type Request struct {
	ID      string // the request's, as it stands in the logs
	Address string // the client's IP address
	Agent   string // the User-Agent header
	Actor   string // subject, or name of a program, that acts when an Event names no Actor
	Client  string // client_id of the relying party that waits, when an Event names none
	Flow    string // what the events of one sign-in have in common; kept in their Detail as "flow"

	// Language is the Accept-Language header. It is for those who write to the person, and not recorded.
	Language string
}

type requestKey struct{}

// WithRequest returns ctx with the request that [Log.Record] notes.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// WithClient returns ctx with its request made one that client waits for.
func WithClient(ctx context.Context, client string) context.Context {
	r := RequestOf(ctx)
	r.Client = client
	return WithRequest(ctx, r)
}

// WithActor returns ctx with its request made by actor.
func WithActor(ctx context.Context, actor string) context.Context {
	r := RequestOf(ctx)
	r.Actor = actor
	return WithRequest(ctx, r)
}

// WithFlow returns ctx with its request made a part of the sign-in flow.
func WithFlow(ctx context.Context, flow string) context.Context {
	r := RequestOf(ctx)
	r.Flow = flow
	return WithRequest(ctx, r)
}

// RequestOf returns the request in ctx; zero outside of one.
func RequestOf(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}

// detail returns what is kept as the Detail of an event of r. The caller's map stays as it is.
func (r Request) detail(own map[string]string) map[string]string {
	if r.Flow == "" || own["flow"] != "" {
		return own
	}
	out := maps.Clone(own)
	if out == nil {
		out = make(map[string]string, 1)
	}
	out["flow"] = r.Flow
	return out
}
