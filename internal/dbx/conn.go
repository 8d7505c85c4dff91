package dbx

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// ErrUnknown says that the connection was lost after a statement, or the end of a transaction, had been sent and before it was
// answered: it may have been carried out. Nothing tries that again by itself. [IsAway] knows it.
var ErrUnknown = errors.New("dbx: the connection was lost, and whether the statement was carried out is not known")

// pqConn is what a connection of lib/pq can do.
type pqConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// pqStmt is what a prepared statement of lib/pq can do, but for COPY.
type pqStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// serverConn is a connection of lib/pq with the rules for its loss. To database/sql [driver.ErrBadConn] means "nothing was done: again, by
// another connection", and lib/pq says so too when a statement was sent and the answer never came.
type serverConn struct {
	pqConn
	wire   *wire
	pooled bool // its statements may each meet another server connection: none is prepared there
	inTx   bool
	spoilt bool      // it is closed instead of being used again
	dies   time.Time // likewise, after that
}

// IsValid implements [driver.Validator].
func (c *serverConn) IsValid() bool {
	return !c.spoilt && c.pqConn.IsValid() && (c.dies.IsZero() || time.Now().Before(c.dies))
}

// ResetSession implements [driver.SessionResetter]: a connection that the server has ended meanwhile is found out before anything
// is sent by it.
func (c *serverConn) ResetSession(ctx context.Context) error {
	if !c.IsValid() || c.wire.stale() {
		return driver.ErrBadConn
	}
	return c.pqConn.ResetSession(ctx)
}

// begin is before whatever goes to the server: from now on, and until ctx's deadline, it answers.
func (c *serverConn) begin(ctx context.Context) {
	until, _ := ctx.Deadline()
	c.wire.until.set(until)
	c.wire.sent.Store(false)
	if c.wire.patience == 0 { // what was set for connecting would stay
		_ = c.wire.SetDeadline(until) // fails where the connection is lost, which the statement will tell
	}
}

// judge returns the error that database/sql and InTx draw the right conclusion from. A harmless statement may run twice.
func (c *serverConn) judge(err error, harmless bool) error {
	if err == nil {
		return nil
	}
	if pq.As(err, pqerror.ReadOnlySQLTransaction, pqerror.AdminShutdown, pqerror.CannotConnectNow) != nil {
		// The server is not, or no longer, the one that takes writes. It has done nothing.
		c.spoilt = true
		return fmt.Errorf("%w: %w", driver.ErrBadConn, err)
	}
	if !lost(err) && pq.As(err, pqerror.CrashShutdown) == nil { // after a crash nobody knows how far it came
		return err
	}
	c.spoilt = true
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && (harmless || c.inTx):
		return err // it has no effect, and the time for another try is over
	case !c.wire.sent.Load() || harmless || c.inTx: // a transaction that is not committed ends with its connection
		return fmt.Errorf("%w: %w", driver.ErrBadConn, err)
	}
	return fmt.Errorf("%w: %s", ErrUnknown, err) // not wrapped: it may hold ErrBadConn
}

// lost reports whether err says that the connection is of no use any more.
func lost(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, new(*net.OpError))
}

// reads reports whether a statement changes nothing, so that it may run twice.
func reads(query string) bool {
	query = strings.TrimLeft(query, " \t\n")
	return len(query) > 7 && strings.EqualFold(query[:6], "SELECT") || strings.HasPrefix(query, readingAhead)
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *serverConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if c.pooled {
		return unprepared{c, query}, nil
	}
	c.begin(ctx)
	inner, err := c.pqConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.judge(err, true)
	}
	if full, ok := inner.(pqStmt); ok {
		return &stmt{full, c, reads(query)}, nil
	}
	return inner, nil
}

// ExecContext implements [driver.ExecerContext].
func (c *serverConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.begin(ctx)
	result, err := c.pqConn.ExecContext(ctx, query, args)
	return result, c.judge(err, reads(query))
}

// QueryContext implements [driver.QueryerContext].
func (c *serverConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.begin(ctx)
	rows, err := c.pqConn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, c.judge(err, reads(query))
	}
	return rows, nil
}

// Ping implements [driver.Pinger].
func (c *serverConn) Ping(ctx context.Context) error {
	c.begin(ctx)
	return c.judge(c.pqConn.Ping(ctx), true)
}

// BeginTx implements [driver.ConnBeginTx].
func (c *serverConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.begin(ctx)
	inner, err := c.pqConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.judge(err, true)
	}
	c.inTx = true
	return tx{inner, c}, nil
}

type tx struct {
	driver.Tx
	conn *serverConn
}

// Commit implements [driver.Tx].
func (t tx) Commit() error {
	t.conn.inTx = false
	t.conn.begin(context.Background()) // it has time of its own: the last statement's may be over
	return t.conn.judge(t.Tx.Commit(), false)
}

// Rollback implements [driver.Tx].
func (t tx) Rollback() error {
	t.conn.inTx = false
	t.conn.begin(context.Background())
	return t.conn.judge(t.Tx.Rollback(), true)
}

type stmt struct {
	pqStmt
	conn  *serverConn
	reads bool
}

// ExecContext implements [driver.StmtExecContext].
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.conn.begin(ctx)
	result, err := s.pqStmt.ExecContext(ctx, args)
	return result, s.conn.judge(err, s.reads)
}

// QueryContext implements [driver.StmtQueryContext].
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.conn.begin(ctx)
	rows, err := s.pqStmt.QueryContext(ctx, args)
	if err != nil {
		return nil, s.conn.judge(err, s.reads)
	}
	return rows, nil
}

// unprepared looks like a prepared statement and sends its text each time, with its arguments in the same round trip.
type unprepared struct {
	conn  *serverConn
	query string
}

// Close implements [driver.Stmt].
func (unprepared) Close() error { return nil }

// NumInput implements [driver.Stmt].
func (unprepared) NumInput() int { return -1 }

// Exec implements [driver.Stmt].
func (u unprepared) Exec(args []driver.Value) (driver.Result, error) {
	return u.ExecContext(context.Background(), named(args))
}

// Query implements [driver.Stmt].
func (u unprepared) Query(args []driver.Value) (driver.Rows, error) {
	return u.QueryContext(context.Background(), named(args))
}

// ExecContext implements [driver.StmtExecContext].
func (u unprepared) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return u.conn.ExecContext(ctx, u.query, args)
}

// QueryContext implements [driver.StmtQueryContext].
func (u unprepared) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return u.conn.QueryContext(ctx, u.query, args)
}

func named(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return out
}

// Close implements [driver.Conn]. Whoever asked last had no more time; the farewell has.
func (c *serverConn) Close() error {
	c.begin(context.Background())
	return c.pqConn.Close()
}
