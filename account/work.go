package account

import (
	"context"
	"fmt"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// The work of the table account_work: one replica at a time does it, and goes on where another one was stopped.
const (
	workWords   = "words"
	workFactors = "factors"
	workFigures = "figures"
)

// shiftLife is how long whoever has a turn may be silent: then another replica takes over.
const shiftLife = time.Minute

// shift is a replica's turn at some work.
type shift struct {
	s        *Service
	name     string
	position string // how far the work has come
	until    int64
	lost     bool // another replica has it now
}

// claim returns the turn at the named work; nil while another replica has it, and when it is not due.
func (s *Service) claim(ctx context.Context, name string) (*shift, error) {
	t := &shift{s: s, name: name, until: s.now().Add(shiftLife).Unix()}
	err := s.cfg.DB.Get(ctx, &t.position, `
		UPDATE account_work SET until = $2 WHERE name = $1 AND until <= $3 AND due_at <= $3 RETURNING position`,
		name, t.until, s.now().Unix())
	if dbx.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("account: a turn at %s: %w", name, err)
	}
	return t, nil
}

// advance notes how far the work has come, and begins a new minute. The turn is lost when another replica has taken it.
func (t *shift) advance(ctx context.Context, position string) error {
	until := t.s.now().Add(shiftLife).Unix()
	return t.write(ctx, `UPDATE account_work SET position = $3, until = $4 WHERE name = $1 AND until = $2`, until, position, until)
}

// done ends the turn: the work is due again then, or at once.
func (t *shift) done(ctx context.Context, due time.Time) error {
	dueAt := int64(0)
	if !due.IsZero() {
		dueAt = due.Unix()
	}
	return t.write(ctx, `UPDATE account_work SET position = '', until = 0, due_at = $3 WHERE name = $1 AND until = $2`, 0, dueAt)
}

func (t *shift) write(ctx context.Context, query string, until int64, args ...any) error {
	n, err := t.s.cfg.DB.Exec(ctx, query, append([]any{t.name, t.until}, args...)...)
	if err != nil {
		return fmt.Errorf("account: a turn at %s: %w", t.name, err)
	}
	t.until, t.lost = until, n == 0
	return nil
}
