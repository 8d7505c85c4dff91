package dbx

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// ErrInUse says that somebody else has the database open.
var ErrInUse = errors.New("dbx: somebody else has the database open")

// holding is the PostgreSQL advisory lock of whoever holds a database.
const holding = 7105321890331

// Hold opens a database for whoever is about to replace it: it is [ErrInUse] while another process has it open, and
// nobody but a second holder is kept away afterwards on PostgreSQL, where connections come and go; on SQLite nobody else can
// open it until it is closed. A SQLite file is then all of the database, without a log beside it.
func Hold(ctx context.Context, rawURL string) (*DB, error) {
	if !strings.HasPrefix(rawURL, "sqlite:") {
		var err error
		if rawURL, err = renamed(rawURL); err != nil {
			return nil, err
		}
	}
	db, err := open(ctx, rawURL, Options{Pool: LeastPool, soon: true}, 0)
	if IsBusy(err) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, err
	}
	// The locks are of one connection, which must not be given up.
	db.sqlx.SetMaxOpenConns(1)
	db.sqlx.SetConnMaxIdleTime(0)
	hold := db.holdSQLite
	if db.Postgres() {
		hold = db.holdPostgres
	}
	if err := hold(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func (db *DB) holdSQLite(ctx context.Context) error {
	for _, query := range []string{`PRAGMA busy_timeout = 500`, `PRAGMA locking_mode = EXCLUSIVE`} {
		if _, err := db.sqlx.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("dbx: hold: %w", err)
		}
	}
	// Leaving the write-ahead log needs a file that nobody else has open.
	var mode string
	err := db.sqlx.GetContext(ctx, &mode, `PRAGMA journal_mode = DELETE`)
	if IsBusy(err) || err == nil && mode != "delete" {
		return ErrInUse
	}
	if err != nil {
		return fmt.Errorf("dbx: hold: %w", err)
	}
	if _, err := db.sqlx.ExecContext(ctx, `BEGIN EXCLUSIVE; COMMIT`); IsBusy(err) { // the lock stays
		return ErrInUse
	} else if err != nil {
		return fmt.Errorf("dbx: hold: %w", err)
	}
	return nil
}

func (db *DB) holdPostgres(ctx context.Context) error {
	// The server notices a moment later that somebody has gone, a holder too.
	for range 50 {
		err := db.lockPostgres(ctx)
		if !errors.Is(err, ErrInUse) {
			return err
		}
		select {
		case <-ctx.Done():
			return ErrInUse
		case <-time.After(100 * time.Millisecond):
		}
	}
	return ErrInUse
}

func (db *DB) lockPostgres(ctx context.Context) error {
	if err := db.Alone(ctx); err != nil {
		return err
	}
	var alone bool
	if err := db.sqlx.GetContext(ctx, &alone, `SELECT pg_try_advisory_lock($1)`, int64(holding)); err != nil {
		return fmt.Errorf("dbx: hold: %w", err)
	}
	if !alone {
		return ErrInUse
	}
	return db.Alone(ctx)
}

// restoring is the end of the name by which holders call themselves: they are not those who are looked for.
const restoring = "-restore"

// renamed returns the URL of the same database for a holder.
func renamed(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", errors.New("dbx: the database URL is not understood") // not quoted: it may hold a password
	}
	query := u.Query()
	name := query.Get("application_name")
	if name == "" {
		name = application
	}
	query.Set("application_name", name+restoring)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// Alone returns [ErrInUse] when somebody else than holders is connected to the PostgreSQL database that db holds, by the name
// that handles of the same URL have.
func (db *DB) Alone(ctx context.Context) error {
	var others int
	err := db.sqlx.GetContext(ctx, &others, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name || $1 = current_setting('application_name')`, restoring)
	if err != nil {
		return fmt.Errorf("dbx: hold: %w", err)
	}
	if others > 0 {
		return ErrInUse
	}
	return nil
}

// Within returns the URL of the same PostgreSQL database for whoever holds it, by which tables without a schema's name are
// those of that schema.
func Within(rawURL, schema string) (string, error) {
	rawURL, err := renamed(rawURL)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", errors.New("dbx: the database URL is not understood")
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String(), nil
}
