package dbxtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/jmoiron/sqlx"
)

// Trips are the round trips that went to a database, in their order: every statement, every statement that was prepared
// there, and the begin and end of every transaction. It is safe for concurrent use.
type Trips struct {
	mu   sync.Mutex
	made []string
}

// Counted returns db once more, with its round trips counted.
func Counted(t testing.TB, db *dbx.DB) (*dbx.DB, *Trips) {
	t.Helper()
	trips := &Trips{}
	handle := sql.OpenDB(countedDriver{db.SQLX().DB, trips})
	handle.SetMaxIdleConns(8)
	t.Cleanup(func() { handle.Close() })
	return dbx.Wrap(sqlx.NewDb(handle, db.SQLX().DriverName())), trips
}

// Reset forgets the round trips so far.
func (t *Trips) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made = nil
}

// All returns the round trips since the last Reset: the text of statements, or PREPARE, BEGIN, COMMIT, ROLLBACK.
func (t *Trips) All() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.made)
}

// Writes returns those that are not a SELECT, with or without what is read ahead.
func (t *Trips) Writes() []string {
	return slices.DeleteFunc(t.All(), func(trip string) bool {
		return strings.HasPrefix(trip, "SELECT ") || strings.HasPrefix(trip, "WITH ahead AS (SELECT ")
	})
}

func (t *Trips) add(trip string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made = append(t.made, strings.Join(strings.Fields(trip), " "))
}

// countedDriver takes its connections from another pool, so that they are made and set up as always.
type countedDriver struct {
	pool  *sql.DB
	trips *Trips
}

// Connect implements [driver.Connector].
func (d countedDriver) Connect(ctx context.Context) (driver.Conn, error) {
	held, err := d.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var inner any
	if err := held.Raw(func(conn any) error { inner = conn; return nil }); err != nil {
		held.Close()
		return nil, err
	}
	// Nobody else has it until held is closed.
	return &countedConn{inner.(driverConn), held, d.trips}, nil
}

// Driver implements [driver.Connector].
func (d countedDriver) Driver() driver.Driver { return d.pool.Driver() }

// driverConn is what the connections of both drivers can do, as far as dbx needs it.
type driverConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.SessionResetter
	driver.Validator
}

// countedConn is a connection that counts. Statements that were not prepared are prepared by database/sql: dbx has none.
type countedConn struct {
	driverConn
	held  *sql.Conn
	trips *Trips
}

// Close gives the connection back.
func (c *countedConn) Close() error { return c.held.Close() }

// CheckNamedValue implements [driver.NamedValueChecker] as far as the driver does.
func (c *countedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.driverConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *countedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.trips.add("PREPARE " + query)
	stmt, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return countedStmt{stmt.(driverStmt), c.trips, query}, nil
}

// BeginTx implements [driver.ConnBeginTx].
func (c *countedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.trips.add("BEGIN")
	tx, err := c.driverConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return countedTx{tx, c.trips}, nil
}

type countedTx struct {
	driver.Tx
	trips *Trips
}

// Commit implements [driver.Tx].
func (t countedTx) Commit() error {
	t.trips.add("COMMIT")
	return t.Tx.Commit()
}

// Rollback implements [driver.Tx].
func (t countedTx) Rollback() error {
	t.trips.add("ROLLBACK")
	return t.Tx.Rollback()
}

// driverStmt is what the statements of both drivers can do.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type countedStmt struct {
	driverStmt
	trips *Trips
	query string
}

// ExecContext implements [driver.StmtExecContext].
func (s countedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.trips.add(s.query)
	return s.driverStmt.ExecContext(ctx, args)
}

// QueryContext implements [driver.StmtQueryContext].
func (s countedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.trips.add(s.query)
	return s.driverStmt.QueryContext(ctx, args)
}
