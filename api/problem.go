package api

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/focushq/idp/audit"
)

// Media types.
const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
	mediaCSV     = "text/csv"
	mediaLines   = "application/x-ndjson"
)

// problemType is what the type of a problem begins with: a name that never changes, explained in docs/api.md.
const problemType = "urn:focushq:idp:problem:"

// Problem is an answer that says what went wrong (RFC 9457).
type Problem struct {
	Type      string       `json:"type" format:"uri" doc:"What kind of problem it is. Programs decide by this." example:"urn:focushq:idp:problem:invalid"`
	Title     string       `json:"title" doc:"The kind in words; always the same." example:"The request has a value that cannot be"`
	Status    int          `json:"status" doc:"The status of the answer." example:"422"`
	Detail    string       `json:"detail,omitempty" doc:"What it was this time, for people." example:"A value of the body is not acceptable."`
	RequestID string       `json:"request_id" doc:"Under this id the server's log has the request." example:"k3vd2qmz7w5hx4ta"`
	Errors    []FieldError `json:"errors,omitempty" nullable:"false" doc:"Which values are meant."`

	header http.Header
}

// FieldError is one value that is not acceptable.
type FieldError struct {
	Pointer   string `json:"pointer,omitempty" doc:"Where in the body, as the fragment of a JSON pointer (RFC 6901 section 6)." example:"#/email"`
	Parameter string `json:"parameter,omitempty" doc:"Or which parameter of the path, the query or the header." example:"limit"`
	Code      string `json:"code" doc:"Why; stable." example:"taken"`
	Detail    string `json:"detail,omitempty" doc:"Why, for people." example:"Somebody else has it."`
}

// Error returns the kind and what is told of it.
func (p *Problem) Error() string { return "api: " + p.Type + ": " + p.Detail }

// GetStatus returns the status of the answer, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers that belong to the answer, for huma.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType returns that of problems, for huma.
func (p *Problem) ContentType(string) string { return mediaProblem }

// with adds values that are not acceptable.
func (p *Problem) with(errs ...FieldError) *Problem {
	p.Errors = append(p.Errors, errs...)
	return p
}

// retry says after how many seconds it is worth while to try again.
func (p *Problem) retry(seconds int) *Problem {
	p.header = http.Header{"Retry-After": {strconv.Itoa(max(1, seconds))}}
	return p
}

// problem returns a problem of a kind.
func problem(k kind, detail string) *Problem {
	return &Problem{Type: problemType + k.name, Title: k.title, Status: k.status, Detail: detail}
}

// requestID returns the id under which the log has the request.
func requestID(ctx context.Context) string { return audit.RequestOf(ctx).ID }

// write answers with p.
func (s *Server) write(w http.ResponseWriter, r *http.Request, p *Problem) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	told := *p
	told.RequestID = requestID(r.Context())
	w.Header().Set("Content-Type", mediaProblem)
	w.WriteHeader(told.Status)
	if err := json.NewEncoder(w).Encode(told); err != nil {
		s.cfg.Log.DebugContext(r.Context(), "api: the caller has gone", "error", err)
	}
}

// settle makes the errors that huma finds in a request problems of ours, and gives every problem the request's id. It never
// repeats what was sent: that may be a secret in the wrong place.
func (s *Server) settle(ctx huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*Problem)
	if found, isHuma := v.(*huma.ErrorModel); isHuma {
		p, ok = refusedByHuma(found), true
	}
	if !ok {
		return v, nil
	}
	if c := callOf(ctx.Context()); c != nil {
		c.status = p.Status
	}
	told := *p
	told.RequestID = requestID(ctx.Context())
	return &told, nil
}

// refusedByHuma tells values of the body from parameters, which are wrong in another way: a program wrote those.
func refusedByHuma(found *huma.ErrorModel) *Problem {
	body, parameters := problem(invalid, "A value of the body is not acceptable."), problem(invalidParameter, "A parameter is not acceptable.")
	for _, e := range found.Errors {
		where, rest, _ := strings.Cut(e.Location, ".")
		switch where {
		case "path", "query", "header":
			parameters.with(FieldError{Parameter: rest, Code: "format", Detail: e.Message})
		default:
			body.with(FieldError{Pointer: pointer(strings.TrimPrefix(e.Location, "body")), Code: "format", Detail: e.Message})
		}
	}
	switch {
	case len(parameters.Errors) > 0:
		return parameters
	case len(body.Errors) > 0:
		return body
	case found.Status == http.StatusBadRequest:
		return problem(malformed, "The request needs a body.")
	}
	return problem(invalid, "")
}

// pointer turns a place as huma writes it, ".people[2].id", into the fragment of a JSON pointer.
func pointer(place string) string {
	place = strings.NewReplacer("~", "~0", "/", "~1").Replace(place)
	return "#" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(place)
}

// recovered answers for a handler that failed.
func (s *Server) recovered(w *begun, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.cfg.Log.ErrorContext(r.Context(), "panic", "id", requestID(r.Context()), "value", v, "stack", string(debug.Stack()))
	if w.is {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	s.write(w, r, problem(internal, ""))
}

// begun knows whether an answer has begun.
type begun struct {
	http.ResponseWriter
	is bool
}

// WriteHeader begins it.
func (w *begun) WriteHeader(status int) {
	w.is = true
	w.ResponseWriter.WriteHeader(status)
}

// Write goes on with it.
func (w *begun) Write(p []byte) (int, error) {
	w.is = true
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *begun) Unwrap() http.ResponseWriter { return w.ResponseWriter }
