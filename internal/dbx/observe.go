package dbx

import (
	"context"
	"database/sql/driver"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Observer is told of every round trip to the database when it has been answered: of the statement's name (see [Name]), or
// PREPARE, BEGIN, COMMIT or ROLLBACK, when it was sent, and what came of it. It is called by many at once, must be quick, and
// must not use the database. Arguments and results are kept from it.
type Observer func(ctx context.Context, name string, began time.Time, err error)

// through puts observe between a pool and its connections; without one the pool has the driver's own, at no cost.
func through(connector driver.Connector, observe Observer) driver.Connector {
	if observe == nil {
		return connector
	}
	return observedConnector{connector, &observing{tell: observe}}
}

// observing is an Observer with the names of the texts that were prepared: of these there are as many as the program has.
type observing struct {
	tell  Observer
	names sync.Map
}

func (o *observing) name(query string) string {
	if name, ok := o.names.Load(query); ok {
		return name.(string)
	}
	name := Name(query)
	o.names.Store(query, name)
	return name
}

// answered tells of a round trip. That a driver leaves something to database/sql is none.
func (o *observing) answered(ctx context.Context, name string, began time.Time, err error) {
	if !errors.Is(err, driver.ErrSkip) {
		o.tell(ctx, name, began, err)
	}
}

// longestName is more than a statement of five tables needs.
const longestName = 100

// Name returns a short name of a statement: what it does and with which tables, such as "UPDATE oauth_grants". A statement of
// several parts is called by the strongest of their verbs. Arguments are no part of a text, and literals get into no name.
func Name(query string) string {
	query = literals.ReplaceAllString(query, "''")
	var tables, made []string
	for _, found := range partNames.FindAllStringSubmatch(query, -1) {
		made = append(made, found[1])
	}
	for _, found := range tableNames.FindAllStringSubmatch(query, -1) {
		if name := found[1]; !slices.Contains(tables, name) && !slices.Contains(made, name) && name != "SET" {
			tables = append(tables, name)
		}
	}
	slices.Sort(tables)
	verb := "OTHER"
	var verbs []string
	for _, found := range verbNames.FindAllStringSubmatch(query, -1) {
		verbs = append(verbs, found[1])
	}
	for _, strong := range []string{"UPDATE", "DELETE", "INSERT", "SELECT"} {
		if slices.Contains(verbs, strong) {
			verb = strong
			break
		}
	}
	name := strings.Join(append([]string{verb}, tables...), " ")
	return name[:min(len(name), longestName)]
}

var (
	literals   = regexp.MustCompile(`'[^']*'`)
	verbNames  = regexp.MustCompile(`(?:^\s*|\()(UPDATE|DELETE|INSERT|SELECT)\b`)
	tableNames = regexp.MustCompile(`\b(?:FROM|INTO|JOIN|UPDATE)\s+([a-z]\w*)`)
	partNames  = regexp.MustCompile(`\b(\w+) AS (?:NOT MATERIALIZED |MATERIALIZED )?\(`) // WITH name AS (…)
)

type observedConnector struct {
	driver.Connector
	observing *observing
}

// Connect implements [driver.Connector].
func (c observedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	began := time.Now()
	conn, err := c.Connector.Connect(ctx)
	c.observing.answered(ctx, "CONNECT", began, err)
	if err != nil {
		return nil, err
	}
	return &observedConn{conn.(driverConn), c.observing}, nil
}

// driverConn is what the connections of both drivers can do.
type driverConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type observedConn struct {
	driverConn
	observing *observing
}

// CheckNamedValue implements [driver.NamedValueChecker] as far as the driver does.
func (c *observedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.driverConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *observedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	began := time.Now()
	stmt, err := c.driverConn.PrepareContext(ctx, query)
	c.observing.answered(ctx, "PREPARE", began, err)
	if err != nil {
		return nil, err
	}
	return observedStmt{stmt.(driverStmt), c.observing, c.observing.name(query)}, nil
}

// ExecContext implements [driver.ExecerContext]. Texts that were put together for the occasion come here: their names are made
// anew each time, as nobody knows how many there are.
func (c *observedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	began := time.Now()
	result, err := c.driverConn.ExecContext(ctx, query, args)
	c.observing.answered(ctx, Name(query), began, err)
	return result, err
}

// QueryContext implements [driver.QueryerContext], likewise.
func (c *observedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	began := time.Now()
	rows, err := c.driverConn.QueryContext(ctx, query, args)
	c.observing.answered(ctx, Name(query), began, err)
	return rows, err
}

// BeginTx implements [driver.ConnBeginTx].
func (c *observedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	began := time.Now()
	tx, err := c.driverConn.BeginTx(ctx, opts)
	c.observing.answered(ctx, "BEGIN", began, err)
	if err != nil {
		return nil, err
	}
	return observedTx{tx, ctx, c.observing}, nil
}

type observedTx struct {
	driver.Tx
	ctx       context.Context // of its begin: its end has none
	observing *observing
}

// Commit implements [driver.Tx].
func (t observedTx) Commit() error {
	began := time.Now()
	err := t.Tx.Commit()
	t.observing.answered(t.ctx, "COMMIT", began, err)
	return err
}

// Rollback implements [driver.Tx].
func (t observedTx) Rollback() error {
	began := time.Now()
	err := t.Tx.Rollback()
	t.observing.answered(t.ctx, "ROLLBACK", began, err)
	return err
}

// driverStmt is what the statements of both drivers can do.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type observedStmt struct {
	driverStmt
	observing *observing
	name      string
}

// ExecContext implements [driver.StmtExecContext].
func (s observedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	began := time.Now()
	result, err := s.driverStmt.ExecContext(ctx, args)
	s.observing.answered(ctx, s.name, began, err)
	return result, err
}

// QueryContext implements [driver.StmtQueryContext].
func (s observedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	began := time.Now()
	rows, err := s.driverStmt.QueryContext(ctx, args)
	s.observing.answered(ctx, s.name, began, err)
	return rows, err
}
