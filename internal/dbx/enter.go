package dbx

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// boundKey finds until when a context's statements may take.
type boundKey struct{}

// Bound returns a context whose statements are given up at until, waits for a connection included: with a database that is slow,
// or silent, a request that needs many of them still has an answer in time. It changes nothing else that the context is used for,
// and on SQLite it bounds the wait for the writer's turn alone.
func Bound(ctx context.Context, until time.Time) context.Context {
	return context.WithValue(ctx, boundKey{}, until)
}

// BoundFor is [Bound] until so long after the first statement: what comes before it, such as the body of a request that arrives
// slowly, costs the database nothing.
func BoundFor(ctx context.Context, within time.Duration) context.Context {
	return context.WithValue(ctx, boundKey{}, &budget{within: within})
}

// Settling returns ctx for what has to be written whatever became of the request: without its end, and with two seconds for
// statements where its own bound may be over.
func Settling(ctx context.Context) context.Context {
	return Bound(context.WithoutCancel(ctx), time.Now().Add(2*time.Second))
}

// budget is a bound that begins with the first statement.
type budget struct {
	within time.Duration
	begin  sync.Once
	until  time.Time
}

// end returns the end of the budget, which begins now at the latest.
func (b *budget) end() time.Time {
	b.begin.Do(func() { b.until = time.Now().Add(b.within) })
	return b.until
}

// bound returns until when a statement of ctx, which begins now, may take; zero: as long as the database lets it.
func bound(ctx context.Context) time.Time {
	var until time.Time
	switch b := ctx.Value(boundKey{}).(type) {
	case time.Time:
		until = b
	case *budget:
		until = b.end()
	}
	if end, ok := ctx.Deadline(); ok && (until.IsZero() || end.Before(until)) {
		until = end
	}
	return until
}

// steady is a context for the driver: it has a deadline, which the wire enforces, and no end. With an end database/sql and lib/pq
// start a goroutine each to wait for it, for every statement; and what they do then, cancelling a statement by a connection of its
// own and throwing this one away, is worse than milliseconds of work for somebody who has gone.
type steady struct {
	context.Context
	until time.Time
}

// Deadline implements [context.Context].
func (s steady) Deadline() (time.Time, bool) { return s.until, !s.until.IsZero() }

// Done implements [context.Context].
func (steady) Done() <-chan struct{} { return nil }

// Err implements [context.Context].
func (steady) Err() error { return nil }

// apartKey tells that somebody may wait for a context's statements with a connection in hand: it has no transaction and was made from
// one that has ([DB.Apart]), or is that of [DB.Background].
type apartKey struct{ db *sqlx.DB }

// enter waits for the right to use a connection, which the caller gives back by leaving. It returns the context for the driver.
// Inside a transaction there is nothing to wait for, nor with a handle that [Open] has not made.
func (db *DB) enter(ctx context.Context, writes bool) (context.Context, visit, error) {
	if db.gates == nil {
		return ctx, visit{}, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, visit{}, err
	}
	until := bound(ctx)
	if until.IsZero() {
		until = time.Now().Add(answerWithin)
	}
	var v visit
	if db.txOf(ctx) == nil {
		holdsOne, _ := ctx.Value(apartKey{db.sqlx}).(bool)
		var err error
		if v, err = db.gates.enter(ctx, until, writes, holdsOne); err != nil {
			return nil, visit{}, err
		}
	}
	if db.Postgres() && over(until) {
		v.leave()
		return nil, visit{}, ErrFull
	}
	return steady{ctx, until}, v, nil
}

// over reports whether there is no time left for a statement. Sent all the same, it would fail on the wire and take a connection
// along that is in order, so that whoever is late could close the pool's one by one.
func over(until time.Time) bool { return !time.Now().Before(until) }

// Pooled reports whether a pooler stands between that gives every transaction another server connection (pooler=transaction in the
// URL): then LISTEN, session locks and settings of a session do not work.
func (db *DB) Pooled() bool { return db.pooled }

// Ping returns nil when the database answers, to somebody who had to wait for a connection like everybody else.
func (db *DB) Ping(ctx context.Context) error {
	ctx, v, err := db.enter(ctx, false)
	if err != nil {
		return err
	}
	defer v.leave()
	return db.sqlx.PingContext(ctx)
}

// IsAway reports whether err says that the database cannot be reached, takes no writes at the moment, or was lost while it worked
// ([ErrUnknown]): the same request may succeed when somebody sends it again.
func IsAway(err error) bool {
	if err == nil {
		return false
	}
	if e := pq.As(err); e != nil {
		return e.Code.Class() == "08" || e.Code == pqerror.ReadOnlySQLTransaction || e.Code == pqerror.AdminShutdown ||
			e.Code == pqerror.CrashShutdown || e.Code == pqerror.CannotConnectNow || errors.Is(err, driver.ErrBadConn)
	}
	return errors.Is(err, ErrUnknown) || errors.Is(err, errAway) || lost(err)
}
