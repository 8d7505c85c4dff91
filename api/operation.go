package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

// operation is one thing that the API does.
type operation struct {
	does     string // method and path below [Prefix]
	id       string
	about    string // the part of the document that it stands in
	summary  string
	text     string
	needs    []admin.Permission // scopes, all of them
	status   int                // of success; 0: 200, or 204 without a body
	limit    int64              // bytes of the body; 0: [bodyLimit]
	takes    []string           // media types of the body; nil: JSON
	gives    map[string]string  // media types of the answer, with what they are; nil: JSON
	problems []kind             // beside those that every operation has
	seen     bool               // it wants the ETag that its caller has seen, though its method does not say so
	slow     bool               // it may take minutes
	open     bool               // it describes the API: also for a signed-in browser
	known    []string           // query parameters, filled by add
	body     *huma.Schema       // of the request, likewise; nil: it takes none
}

func (o *operation) pattern() string { return methodOf(o.does) + " " + Prefix + pathOf(o.does) }

// scopes are the operation's permissions as OAuth has them.
func (o *operation) scopes() []string {
	out := make([]string, len(o.needs))
	for i, p := range o.needs {
		out[i] = string(p)
	}
	return out
}

// conditional reports whether the operation changes the state that its caller has seen.
func (o *operation) conditional() bool {
	return o.seen || slices.Contains([]string{http.MethodPut, http.MethodPatch}, methodOf(o.does))
}

// add registers an operation that fn does. An error of fn becomes the problem that [Server.problem] makes of it.
func add[I, O any](s *Server, o operation, fn func(context.Context, *call, *I) (*O, error)) {
	op := &o
	s.ops[op.pattern()] = op
	s.listed = append(s.listed, op)
	described := huma.Operation{
		Method: methodOf(op.does), Path: pathOf(op.does), OperationID: op.id, Tags: []string{op.about}, Summary: op.summary, Description: op.text,
		DefaultStatus: op.status, Responses: map[string]*huma.Response{}, SkipValidateParams: false,
		Security: []map[string][]string{{securityName: op.scopes()}},
		// The guard has read the body already.
		MaxBodyBytes: -1, BodyReadTimeout: -1,
	}
	if op.takes != nil {
		described.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
		for _, media := range op.takes {
			described.RequestBody.Content[media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
	}
	for media, what := range op.gives {
		success(&described, op).Content[media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Description: what}}
	}
	s.describeProblems(&described, op)
	huma.Register(s.api, described, func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		out, err := fn(ctx, c, in)
		if err != nil {
			return nil, s.problem(ctx, c, err)
		}
		return out, nil
	})
	op.learn(s.api.OpenAPI())
}

// success returns the answer of an operation that went well.
func success(d *huma.Operation, op *operation) *huma.Response {
	status := strconv.Itoa(max(op.status, http.StatusOK))
	if d.Responses[status] == nil {
		d.Responses[status] = &huma.Response{Description: "Done", Content: map[string]*huma.MediaType{}}
	}
	return d.Responses[status]
}

// learn reads from the document what the operation takes.
func (o *operation) learn(document *huma.OpenAPI) {
	d := operationOf(document.Paths[pathOf(o.does)], methodOf(o.does))
	for _, p := range d.Parameters {
		if p.In == "query" {
			o.known = append(o.known, p.Name)
		}
	}
	if d.RequestBody != nil && d.RequestBody.Content[mediaJSON] != nil {
		o.body = d.RequestBody.Content[mediaJSON].Schema
	}
}

func operationOf(item *huma.PathItem, method string) *huma.Operation {
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[method]
}

// callKey finds the call in a context.
type callKey struct{}

// call is one request that was let in.
type call struct {
	op     *operation
	desk   *admin.Desk
	actor  admin.Actor
	scheme string        // of the token
	access *oauth.Access // what it says
	r      *http.Request
	// status replaces the one of the answer; 0: nothing does. See [Server.settle].
	status int
}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// name is the actor's, for what is kept and counted by it: people and programs may be called alike.
func (c *call) name() string {
	if c.actor.Subject != "" {
		return "person " + c.actor.Subject
	}
	return "client " + c.actor.Client
}

// lacks returns the scopes that the operation needs and the token does not have.
func (c *call) lacks() []string {
	if c.actor.Scopes == nil {
		return nil
	}
	return slices.DeleteFunc(c.op.scopes(), func(scope string) bool { return slices.Contains(c.actor.Scopes, admin.Permission(scope)) })
}

// address returns the URL of a path of the API, each part of which stands for itself.
func (s *Server) address(parts ...string) string {
	return s.resource() + "/" + strings.Join(escaped(parts), "/")
}
