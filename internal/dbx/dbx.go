package dbx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// DB is a database of either engine with its prepared statements. It is safe for concurrent use.
type DB struct {
	sqlx *sqlx.DB

	mu    sync.RWMutex
	stmts map[string]*sqlx.Stmt

	joints sync.Map // []jointText by their first query
	aheads sync.Map // []aheadText by their query

	news *news // of what other processes change

	gates  *gates // which a statement outside a transaction waits at; nil: nowhere
	pooled bool
}

// Wrap returns a DB over a handle that the caller opened and will close.
func Wrap(db *sqlx.DB) *DB {
	us, _ := db.DB.Driver().(ours)
	return &DB{sqlx: db, stmts: make(map[string]*sqlx.Stmt), news: newNews(), gates: us.gates, pooled: us.pooled}
}

// SQLX returns the handle below, for packages that take one (mfasql, migrations).
func (db *DB) SQLX() *sqlx.DB { return db.sqlx }

// Postgres reports whether the engine is PostgreSQL; otherwise it is SQLite.
func (db *DB) Postgres() bool { return db.sqlx.DriverName() == "postgres" }

// Close waits for [DB.Background] and closes the statements and the database.
func (db *DB) Close() error {
	db.news.close()
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, stmt := range db.stmts {
		stmt.Close()
	}
	clear(db.stmts)
	return db.sqlx.Close()
}

// Get reads one row into dest (a struct with db tags, or a scalar). No row is [sql.ErrNoRows].
func (db *DB) Get(ctx context.Context, dest any, query string, args ...any) error {
	if rows, ok := db.readAhead(ctx, query, args); ok {
		return rows.get(db, dest)
	}
	ctx, v, err := db.enter(ctx, !reads(query))
	if err != nil {
		return err
	}
	defer v.leave()
	stmt, err := db.prepared(ctx, query)
	if err != nil {
		return err
	}
	return stmt.GetContext(ctx, dest, args...)
}

// Select reads all rows into dest, a pointer to a slice.
func (db *DB) Select(ctx context.Context, dest any, query string, args ...any) error {
	if rows, ok := db.readAhead(ctx, query, args); ok {
		return rows.all(db, dest)
	}
	ctx, v, err := db.enter(ctx, !reads(query))
	if err != nil {
		return err
	}
	defer v.leave()
	stmt, err := db.prepared(ctx, query)
	if err != nil {
		return err
	}
	return stmt.SelectContext(ctx, dest, args...)
}

// SelectOnce is Select for a text that was put together for the occasion: it is not kept prepared, for there may be very
// many of its kind, and PostgreSQL plans it for these arguments.
func (db *DB) SelectOnce(ctx context.Context, dest any, query string, args ...any) error {
	if c := gatheredBy(ctx, db); c != nil {
		return c.refuse()
	}
	if tx := db.txOf(ctx); tx != nil {
		return tx.SelectContext(ctx, dest, query, args...)
	}
	_, v, err := db.enter(ctx, !reads(query))
	if err != nil {
		return err
	}
	defer v.leave()
	// By the caller's own context: what is put together for the occasion may take long, and be given up.
	return db.sqlx.SelectContext(ctx, dest, query, args...)
}

// Exec runs a statement and returns how many rows it touched: the answer to "was I the one?" of every conditional
// statement.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if c := gatheredBy(ctx, db); c != nil {
		return c.add(statement{query: query, args: args})
	}
	db.forgetAhead(ctx)
	ctx, v, err := db.enter(ctx, !reads(query))
	if err != nil {
		return 0, err
	}
	defer v.leave()
	stmt, err := db.prepared(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Write is [DB.Exec] for whom it makes no difference whether rows were touched: see [DB.InOne].
func (db *DB) Write(ctx context.Context, query string, args ...any) error {
	if c := gatheredBy(ctx, db); c != nil {
		_, err := c.add(statement{query, args, true})
		return err
	}
	_, err := db.Exec(ctx, query, args...)
	return err
}

// prepared returns query's statement, prepared once for the process and bound to the transaction in ctx, if any.
func (db *DB) prepared(ctx context.Context, query string) (*sqlx.Stmt, error) {
	if c := gatheredBy(ctx, db); c != nil {
		return nil, c.refuse()
	}
	db.mu.RLock()
	stmt := db.stmts[query]
	db.mu.RUnlock()
	tx := db.txOf(ctx)
	switch {
	case tx == nil && stmt == nil:
		return db.prepare(ctx, query)
	case tx == nil:
		return stmt, nil
	case stmt == nil:
		// Not through the pool while a transaction is open: with every connection taken that would wait for ever.
		tx.missed = append(tx.missed, query)
		return tx.PreparexContext(ctx, query)
	}
	return tx.StmtxContext(ctx, stmt), nil
}

func (db *DB) prepare(ctx context.Context, query string) (*sqlx.Stmt, error) {
	fresh, err := db.sqlx.PreparexContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("dbx: prepare: %w", err)
	}
	db.mu.Lock()
	stmt := db.stmts[query]
	if stmt == nil {
		db.stmts[query] = fresh
	}
	db.mu.Unlock()
	if stmt == nil {
		return fresh, nil
	}
	// Somebody else was quicker. Closed without the lock: it waits for its connection, on which a transaction may be
	// waiting for the one that needs the lock.
	return stmt, fresh.Close()
}

// IsTaken reports whether err says that a unique or primary key exists already.
func IsTaken(err error) bool {
	if pq.As(err, pqerror.UniqueViolation) != nil {
		return true
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) &&
		(lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// IsDangling reports whether err says that a row would refer to one that is not there: that one was missing or went away at
// the same moment, or it was to go while others refer to it.
func IsDangling(err error) bool {
	if pq.As(err, pqerror.ForeignKeyViolation) != nil {
		return true
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// IsBusy reports whether err says that the database had no room for the statement in time: the same request may succeed
// when it is sent again.
func IsBusy(err error) bool {
	if pq.As(err, pqerror.QueryCanceled, pqerror.LockNotAvailable, pqerror.TooManyConnections, pqerror.TRSerializationFailure,
		pqerror.TRDeadlockDetected) != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, ErrFull) {
		return true
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// IsNotFound reports whether err says that no row was there.
func IsNotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
