package audit

import (
	"context"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// State is how the trail stands at a glance.
type State struct {
	Head    Anchor
	Waiting int       // rows that have no place in the chain yet
	Oldest  time.Time // the oldest of them; zero: none waits
}

// State looks at both ends of the chain, whose MACs must be ours, and at its newest row, which the head must tell of: a few
// rows, however long the trail is. That nothing between has been changed is for [Log.Verify]. What is wrong is a
// [*Problem]; of a chain that has not begun it is [HeadGone].
func (l *Log) State(ctx context.Context) (State, error) {
	if len(l.Key) == 0 {
		return State{}, errNoKey
	}
	h, err := l.readHead(ctx)
	if err != nil {
		return State{}, err
	}
	c, err := l.readCheckpoint(ctx)
	if err != nil {
		return State{}, err
	}
	s := State{Head: h.anchor()}
	if h.Seq > c.Seq {
		var newest row
		err := l.DB.Get(ctx, &newest, selectRows+"WHERE seq = $1", h.Seq)
		switch {
		case dbx.IsNotFound(err):
			return s, &Problem{Seq: h.Seq, What: Missing}
		case err != nil:
			return s, wrap("state", err)
		case l.origin(newest) == labelNone:
			return s, &Problem{Seq: h.Seq, ID: newest.ID, What: ofForged(newest)}
		case newest.Link != h.Link:
			return s, &Problem{Seq: h.Seq, ID: newest.ID, What: OutOfOrder}
		}
	}
	var waiting struct {
		N      int   `db:"n"`
		Oldest int64 `db:"oldest"`
	}
	err = l.DB.Get(ctx, &waiting, "SELECT COUNT(*) AS n, COALESCE(MIN(at), 0) AS oldest FROM audit WHERE seq IS NULL")
	if err == nil && waiting.N > 0 {
		s.Waiting, s.Oldest = waiting.N, time.UnixMilli(waiting.Oldest)
	}
	return s, wrap("state", err)
}

// Backlog is what a webhook's receiver has not taken yet.
type Backlog struct {
	Rows     int64
	Oldest   time.Time // zero: there is none
	Attempts int       // of the batch that is under way, so far
}

// Backlog returns how far the receiver is behind, and changes nothing.
func (w *Webhook) Backlog(ctx context.Context) (Backlog, error) {
	var d struct {
		Behind   int64 `db:"behind"`
		Attempts int   `db:"attempts"`
		Oldest   int64 `db:"oldest"`
	}
	err := w.Log.DB.Get(ctx, &d, `
		SELECT h.seq - d.seq AS behind, d.attempts, COALESCE((SELECT at FROM audit WHERE audit.seq = d.seq + 1), 0) AS oldest
		FROM audit_delivery AS d, audit_head AS h WHERE d.id = 1 AND h.id = 1`)
	if dbx.IsNotFound(err) {
		return Backlog{}, nil // nothing has been sent: it begins with the next row
	}
	if err != nil {
		return Backlog{}, wrap("backlog", err)
	}
	b := Backlog{Rows: d.Behind, Attempts: d.Attempts}
	if d.Oldest > 0 {
		b.Oldest = time.UnixMilli(d.Oldest)
	}
	return b, nil
}
