package mfasql

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
)

// Store is an [mfa.Store] on an SQL database. It is safe for concurrent use, in any number of processes.
type Store struct {
	db    *dbx.DB
	tries dbx.Attempts

	gathers bool // see On
}

var _ mfa.Store = (*Store)(nil)

// New returns a Store on a database that has the stream "mfa". The caller closes db. On SQLite the handle needs
// _txlock=immediate, a busy timeout, and synchronous=FULL: with less a power cut brings used codes back.
func New(db *sqlx.DB) *Store {
	wrapped := dbx.Wrap(db)
	return &Store{db: wrapped, tries: dbx.Attempts{DB: wrapped, Table: attemptsTable}}
}

// On is [New] over a database of this program, whose statements and limits it shares. Its host must not use [Store.Tx], or what
// it writes in Config.Observe would not be part of [Store.InOne].
func On(db *dbx.DB) *Store {
	return &Store{db: db, tries: dbx.Attempts{DB: db, Table: attemptsTable}, gathers: true}
}

// InOne is InTx, by one statement where it can be.
func (s *Store) InOne(ctx context.Context, fn func(context.Context) error) error {
	if !s.gathers {
		return s.db.InTx(ctx, fn)
	}
	return s.db.InOne(ctx, fn)
}

// InTx runs fn in a transaction that rides in its context, or joins the one of ctx.
func (s *Store) InTx(ctx context.Context, fn func(context.Context) error) error {
	return s.db.InTx(ctx, fn)
}

// Tx returns the transaction that rides in ctx, nil when there is none. A host writes through it what has to stand or
// fall with the change: its audit row in Config.Observe, its own tables inside InTx. On SQLite, which has one writer,
// any other handle would wait for the transaction that it is called from. Only InTx ends it.
func (s *Store) Tx(ctx context.Context) *sqlx.Tx { return s.db.Tx(ctx) }

// Lock makes other transactions that lock subject wait for the end of this one.
func (s *Store) Lock(ctx context.Context, subject string) error {
	_, err := s.db.Exec(ctx, `INSERT INTO mfa_people (subject, changes) VALUES ($1, 1)
		ON CONFLICT (subject) DO UPDATE SET changes = mfa_people.changes + 1`, subject)
	return err
}

// Attempts returns how often key was counted and until when it waits.
func (s *Store) Attempts(ctx context.Context, key string) (int, time.Time, error) {
	return s.tries.Attempts(ctx, key)
}

// CountAttempt counts tries outside of the transaction of ctx. On SQLite, which has one writer, it fails inside one. What is given
// back has time of its own.
func (s *Store) CountAttempt(ctx context.Context, key string, n, tries int, until time.Time) (bool, error) {
	if tries < 0 {
		ctx = dbx.Settling(ctx)
	}
	return s.tries.CountAttempt(s.db.Apart(ctx), key, n, tries, until)
}

// ClearAttempts forgets key.
func (s *Store) ClearAttempts(ctx context.Context, key string) error {
	return s.tries.ClearAttempts(ctx, key)
}

// ClearBelow forgets key if it stands below n.
func (s *Store) ClearBelow(ctx context.Context, key string, n int) (bool, error) {
	return s.one(ctx, `DELETE FROM `+attemptsTable+` WHERE key = $1 AND n < $2`, key, n)
}

// one reports whether a conditional statement touched its row.
func (s *Store) one(ctx context.Context, query string, args ...any) (bool, error) {
	rows, err := s.db.Exec(ctx, query, args...)
	return rows == 1, err
}

// unix is a time as it is stored; the zero time is 0.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func fromUnix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
