package oauth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ory/fosite"
)

// maxRefusals is how many lines a minute tell why requests were refused: strangers must not fill the log.
const maxRefusals = 60

// refusal is a refused request with what whoever runs the server may know of it. The sender is told less: which part of
// its credentials was wrong helps a guesser too.
type refusal struct {
	error
	client, reason string
}

func (e *refusal) Unwrap() error { return e.error }

// because adds to err who was refused, and why; "" says nothing.
func because(err error, client, reason string) error { return &refusal{err, client, reason} }

// reasons returns who was refused and why, as far as anything in err says so. The words are ours or fosite's and hold
// nothing that was sent, but for an id that is one.
func reasons(err error) (client, reason string) {
	for ; err != nil; err = errors.Unwrap(err) {
		switch e := err.(type) {
		case *refusal:
			if clientIDForm.MatchString(e.client) {
				client = e.client
			}
			if e.reason != "" {
				reason = e.reason
			}
		case *faultError:
			reason = e.text
		case *fosite.RFC6749Error:
			if reason == "" {
				reason = e.HintField
			}
		default:
			if err == ErrEnded || err == errLost {
				reason = err.Error()
			}
		}
	}
	return client, reason
}

// refusals counts the lines of the current minute.
type refusals struct {
	mu            sync.Mutex
	minute        time.Time
	lines, hidden int
}

// take reports whether there is room for a line, and how many the last minute had none for.
func (r *refusals) take(now time.Time) (ok bool, hidden int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(r.minute) {
		hidden, r.minute, r.lines, r.hidden = r.hidden, minute, 0, 0
	}
	if ok = r.lines < maxRefusals; ok {
		r.lines++
	} else {
		r.hidden++
	}
	return ok, hidden
}

// logRefusal tells the log why a client or what it brought was not taken: the answer says too little to find the mistake.
func (s *Server) logRefusal(ctx context.Context, code string, err error) {
	switch code {
	case "invalid_client", "invalid_grant", "invalid_dpop_proof":
	default:
		return // the answer names the parameter
	}
	ok, hidden := s.refusals.take(s.cfg.Now())
	if hidden > 0 {
		s.cfg.Log.WarnContext(ctx, "oauth: more requests were refused than the log tells of", "number", hidden)
	}
	if ok {
		client, reason := reasons(err)
		s.cfg.Log.InfoContext(ctx, "oauth: request refused", "code", code, "client", client, "reason", reason)
	}
}
