package audit

import "context"

// Request is where an event came from. The outermost handler puts it into the context.
type Request struct {
	ID      string // the request's, as it stands in the logs
	Address string // the client's IP address
	Agent   string // the User-Agent header
	Actor   string // subject, or name of a program, that acts when an Event names no Actor
	Client  string // client_id of the relying party that waits, when an Event names none

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

// RequestOf returns the request in ctx; zero outside of one.
func RequestOf(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}
