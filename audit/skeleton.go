package audit

import (
	"context"
	"errors"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

var errSkeleton = errors.New("audit: being written")

// Log is the audit trail.
type Log struct {
	DB  *dbx.DB
	Now func() time.Time
}

// Event is what happened.
type Event struct {
	Action, Actor, Subject, Client, Result string // Actor "": the request's
	Detail                                 map[string]string
}

// Entry is a recorded event.
type Entry struct {
	ID string
	At time.Time
	Event
	Request Request
}

// Request is where an event came from.
type Request struct{ ID, Address, Agent, Actor string }

// Filter narrows List; zero fields do not.
type Filter struct {
	Action, Actor, Subject, Client, Result string
	Since, Until                           time.Time
	Before                                 string // cursor: the last ID of the page before
	Limit                                  int    // zero: 50
}

func (l *Log) Record(ctx context.Context, e Event) error           { return errSkeleton }
func (l *Log) List(ctx context.Context, f Filter) ([]Entry, error) { return nil, errSkeleton }
func WithRequest(ctx context.Context, r Request) context.Context   { return ctx }
func RequestOf(ctx context.Context) Request                        { return Request{} }
