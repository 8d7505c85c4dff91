package mail

import (
	"context"
	"fmt"
	"time"
)

// State is how an outbox stands.
type State struct {
	Waiting int       // messages still to be sent
	Oldest  time.Time // when the oldest of them was put; zero: none waits
	Failed  int       // messages given up and not yet pruned
	Error   string    // of the latest try that failed among all of these; "": none
}

// State returns how the outbox stands, for health checks and figures.
func (o *Outbox) State(ctx context.Context) (State, error) {
	var counted struct {
		Waiting int   `db:"waiting"`
		Oldest  int64 `db:"oldest"`
		Failed  int   `db:"failed"`
	}
	err := o.DB.Get(ctx, &counted, `
		SELECT COUNT(*) - COUNT(failed_at) AS waiting, COUNT(failed_at) AS failed,
			COALESCE(MIN(CASE WHEN failed_at IS NULL THEN created_at END), 0) AS oldest
		FROM outbox`)
	if err != nil {
		return State{}, fmt.Errorf("mail: state: %w", err)
	}
	s := State{Waiting: counted.Waiting, Failed: counted.Failed}
	if counted.Waiting > 0 {
		s.Oldest = time.UnixMilli(counted.Oldest)
	}
	var last []string
	err = o.DB.Select(ctx, &last, "SELECT last_error FROM outbox WHERE last_error <> '' ORDER BY due_at DESC, id DESC LIMIT 1")
	if err != nil {
		return State{}, fmt.Errorf("mail: state: %w", err)
	}
	if len(last) > 0 {
		s.Error = last[0]
	}
	return s, nil
}

// Failure is a message that was given up. Its text is gone.
type Failure struct {
	ID, To   string
	At       time.Time // when it was put
	FailedAt time.Time // when it was given up
	Attempts int
	Error    string // of the last try
}

// Failures returns the messages given up during the last 30 days, the latest first, at most limit.
func (o *Outbox) Failures(ctx context.Context, limit int) ([]Failure, error) {
	var rows []struct {
		row
		Recipient string `db:"recipient"`
		FailedAt  int64  `db:"failed_at"`
		LastError string `db:"last_error"`
	}
	err := o.DB.Select(ctx, &rows, `
		SELECT id, recipient, attempts, created_at, failed_at, last_error FROM outbox
		WHERE failed_at IS NOT NULL ORDER BY failed_at DESC, id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("mail: failures: %w", err)
	}
	out := make([]Failure, len(rows))
	for i, r := range rows {
		out[i] = Failure{ID: r.ID, To: r.Recipient, At: time.UnixMilli(r.CreatedAt),
			FailedAt: time.UnixMilli(r.FailedAt), Attempts: r.Attempts, Error: r.LastError}
	}
	return out, nil
}

// Prune deletes the messages that were given up more than 30 days ago.
func (o *Outbox) Prune(ctx context.Context) error {
	err := o.DB.Prune(ctx, "outbox", "failed_at", "failed_at < $1", o.now().Add(-keepFailed).UnixMilli())
	if err != nil {
		return fmt.Errorf("mail: prune: %w", err)
	}
	return nil
}
