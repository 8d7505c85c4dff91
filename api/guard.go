package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/focushq/idp/admin"
)

// guard lets a request through to the handler of an operation: who it is, how often they called, what they may, and what they
// sent, in this order. Each step either answers or goes on.
func (s *Server) guard(w http.ResponseWriter, r *http.Request, op *operation, next http.HandlerFunc) {
	c := &call{op: op, r: r}
	if op.open && s.browser(c) {
		s.serve(w, r, c, next)
		return
	}
	for _, step := range []func(http.ResponseWriter, *http.Request, *call) *Problem{s.authenticate, s.count, s.permit, s.readQuery} {
		if p := step(w, r, c); p != nil {
			s.write(w, r, p)
			return
		}
	}
	body, p := s.readBody(w, r, c)
	if p != nil {
		s.write(w, r, p)
		return
	}
	if c.op.slow { // longer than the server lets others take; a server without these deadlines has nothing to be moved
		control, ends := http.NewResponseController(w), time.Now().Add(patience)
		_ = control.SetReadDeadline(ends)
		_ = control.SetWriteDeadline(ends)
	}
	if key := r.Header.Values("Idempotency-Key"); len(key) > 0 && r.Method == http.MethodPost {
		s.once(w, r, c, key, body, next)
		return
	}
	s.serve(w, r, c, next)
}

// patience is how long a slow operation may take.
const patience = 10 * time.Minute

// browser lets in whoever is signed in to the console: the operation describes the API and tells nothing else.
func (s *Server) browser(c *call) bool {
	if c.r.Header.Get("Authorization") != "" {
		return false
	}
	actor, ok := s.cfg.SignedIn(c.r)
	c.actor = actor
	return ok && actor.Role != ""
}

// serve runs the handler of an operation.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, c *call, next http.HandlerFunc) {
	c.desk = s.cfg.Actions.Desk(c.actor)
	next(&settled{ResponseWriter: w, call: c}, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
}

// settled writes the status that the problem has which stands in the body: huma has one status for all that it refuses.
type settled struct {
	http.ResponseWriter
	call *call
}

// WriteHeader begins the answer.
func (w *settled) WriteHeader(status int) {
	if w.call.status != 0 {
		status = w.call.status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *settled) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// readQuery refuses parameters that the operation does not have, and what comes twice: one of the two would be overlooked.
func (s *Server) readQuery(_ http.ResponseWriter, r *http.Request, c *call) *Problem {
	if unwritable(r.URL.Path) {
		return problem(notFound, "Nothing has such a name.")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem(malformed, "The query cannot be read.")
	}
	p := problem(invalidParameter, "A parameter is not one of this operation, or comes twice.")
	for name, values := range query {
		switch {
		case slices.ContainsFunc(values, unwritable):
			p.with(FieldError{Parameter: short(name), Code: "characters"})
		case !slices.Contains(c.op.known, name):
			p.with(FieldError{Parameter: short(name), Code: "unknown"})
		case len(values) > 1:
			p.with(FieldError{Parameter: name, Code: "twice"})
		}
	}
	if len(p.Errors) == 0 {
		return nil
	}
	slices.SortFunc(p.Errors, func(a, b FieldError) int { return strings.Compare(a.Parameter, b.Parameter) })
	p.Errors = p.Errors[:min(len(p.Errors), 20)]
	return p
}

// unwritable reports whether a text is none that a database takes: nothing is called so.
func unwritable(text string) bool { return !utf8.ValidString(text) || strings.ContainsRune(text, 0) }

// short cuts a name that somebody else made up, for an answer.
func short(name string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(name[:min(len(name), 64)], "\ufffd"), "\x00", "\ufffd")
}

// check is [admin.Desk.Check], which puts refusals on record, of those alone who administer something: every person has tokens of
// some app, and must not fill a trail that is kept for years.
func (s *Server) check(ctx context.Context, c *call, need admin.Permission) error {
	desk := s.cfg.Actions.Desk(c.actor)
	program := c.actor.Subject == "" && len(c.actor.Scopes) > 0
	if c.actor.Role != "" || program || desk.May(need) {
		return desk.Check(ctx, need, c.op.summary)
	}
	s.cfg.Log.DebugContext(ctx, "api: refused", "subject", c.actor.Subject, "client", c.actor.Client, "permission", string(need))
	return admin.ErrForbidden
}

// permit refuses a token that lacks a scope, and whoever may not do such things at all.
func (s *Server) permit(w http.ResponseWriter, r *http.Request, c *call) *Problem {
	if c.op.open {
		if c.actor.Role == "" && len(c.actor.Scopes) == 0 {
			return problem(forbidden, "This is for administrators.")
		}
		return nil
	}
	for _, need := range c.op.needs {
		err := s.check(r.Context(), c, need)
		if err == nil {
			continue
		}
		if lacks := c.lacks(); len(lacks) > 0 {
			s.cfg.Actions.OAuth.Challenge(w, c.scheme, `error="insufficient_scope"`, `error_description="The access token lacks a scope."`,
				`scope="`+strings.Join(c.op.scopes(), " ")+`"`, s.metadataParam())
			return problem(insufficientScope, "It needs "+strings.Join(c.op.scopes(), " ")+".")
		}
		return s.problem(r.Context(), c, err)
	}
	if c.actor.Subject != "" {
		return s.strong(w, r, c)
	}
	return nil
}
