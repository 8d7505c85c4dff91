package dbx

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// txKey finds the open transaction of one handle in a context. The handle is part of the key so that two wrappers of
// the same database (ours and mfasql's) share a transaction, and two databases never do.
type txKey struct{ db *sqlx.DB }

// transaction is an open transaction, the statements it met that were not prepared yet, and what waits for its end.
type transaction struct {
	*sqlx.Tx
	missed []string
	after  []func()
}

func (db *DB) txOf(ctx context.Context) *transaction {
	tx, _ := ctx.Value(txKey{db.sqlx}).(*transaction)
	return tx
}

// Tx returns the transaction that rides in ctx, nil when there is none. Only InTx ends it.
func (db *DB) Tx(ctx context.Context) *sqlx.Tx {
	if tx := db.txOf(ctx); tx != nil {
		return tx.Tx
	}
	return nil
}

// InTx runs fn in a transaction that rides in its context; inside another InTx it joins that one. The transaction is
// committed when fn returns nil and rolled back otherwise, also when fn panics. On PostgreSQL fn runs again after a serialization
// failure, a deadlock, or the loss of its connection before the end was sent, so it must not have effects outside the database. An
// end whose answer was lost is [ErrUnknown], and not tried again.
func (db *DB) InTx(ctx context.Context, fn func(context.Context) error) error {
	if db.txOf(ctx) != nil || gatheredBy(ctx, db) != nil {
		return fn(ctx)
	}
	db.forgetAhead(ctx)
	for attempt := 1; ; attempt++ {
		err := db.once(ctx, fn)
		if attempt == 4 || !db.retryable(err) {
			return err
		}
		// Those who met in a deadlock would meet again if they came back at the same moment.
		select {
		case <-ctx.Done():
			return err
		case <-time.After(jitter(time.Duration(attempt) * 20 * time.Millisecond)):
		}
	}
}

// AfterCommit calls fn when the transaction of ctx has been committed, and never when it has been rolled back. Without a
// transaction it calls fn at once.
func (db *DB) AfterCommit(ctx context.Context, fn func()) {
	if tx := db.txOf(ctx); tx != nil {
		tx.after = append(tx.after, fn)
		return
	}
	if c := gatheredBy(ctx, db); c != nil {
		c.after = append(c.after, fn)
		return
	}
	fn()
}

// jitter returns a random time up to most.
func jitter(most time.Duration) time.Duration {
	var b [1]byte
	rand.Read(b[:]) // never fails
	return most * time.Duration(b[0]) / 255
}

// Apart returns ctx without its transaction: what runs under it commits by itself, whatever becomes of the
// transaction around it. Counting an attempt needs this. On SQLite, which has one writer, it must not be used for
// writing inside an open transaction.
func (db *DB) Apart(ctx context.Context) context.Context {
	ctx = context.WithValue(ctx, gatheredKey{db.sqlx}, (*gathered)(nil))
	if db.txOf(ctx) == nil {
		return ctx
	}
	ctx = context.WithValue(ctx, apartKey{db.sqlx}, true)
	return context.WithValue(ctx, txKey{db.sqlx}, (*transaction)(nil))
}

func (db *DB) once(ctx context.Context, fn func(context.Context) error) error {
	calm, v, err := db.enter(ctx, true)
	if err != nil {
		return err
	}
	defer v.leave()
	begun, err := db.sqlx.BeginTxx(calm, nil)
	if err != nil {
		return err
	}
	defer begun.Rollback() // after Commit it does nothing
	tx := &transaction{Tx: begun}
	if err := fn(context.WithValue(ctx, txKey{db.sqlx}, tx)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for _, fn := range tx.after {
		fn()
	}
	until, _ := calm.Deadline()
	for _, query := range tx.missed {
		if db.gates != nil && over(until) {
			break
		}
		db.prepare(calm, query) // the next transaction finds it; if this fails, that one tries again
	}
	return nil
}

// retryable reports whether err says that the server undid a statement, or a transaction, for the sake of another one.
func retryable(err error) bool {
	return pq.As(err, pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected) != nil
}

// retryable reports whether a transaction that ended with err has done nothing, and may succeed when it begins anew.
func (db *DB) retryable(err error) bool {
	return retryable(err) || db.gates != nil && errors.Is(err, driver.ErrBadConn) // by a connection of ours, which says so only when nothing was done
}
