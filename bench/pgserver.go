package main

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/focushq/idp/internal/dbxtest"
)

// startPostgres starts it with the settings that it has where nobody has touched them, but for the statistics of statements
// (which are off while the processor's time is measured).
func startPostgres(ctx context.Context) (*dbxtest.Server, error) {
	return dbxtest.NewServer(ctx, "shared_preload_libraries=pg_stat_statements")
}

// watch is a connection to one of the server's databases.
type watch struct{ db *sql.DB }

func newWatch(ctx context.Context, url string) (*watch, error) {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return nil, err
	}
	w := &watch{db}
	if _, err = db.ExecContext(ctx, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"); err == nil {
		err = w.count(ctx, false)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("pg_stat_statements: %w", err)
	}
	return w, nil
}

// count has the server count statements, or not.
func (w *watch) count(ctx context.Context, on bool) error {
	track := "none"
	if on {
		track = "top"
	}
	for _, statement := range []string{"ALTER SYSTEM SET pg_stat_statements.track = " + track, "SELECT pg_reload_conf()"} {
		if _, err := w.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// work is what a database server has done since some time.
type work struct {
	Statements   float64 // that clients sent
	Transactions float64 // that wrote
	WAL          float64 // bytes
	Syncs        float64 // of the WAL
}

func (a work) minus(b work) work {
	return work{a.Statements - b.Statements, a.Transactions - b.Transactions, a.WAL - b.WAL, a.Syncs - b.Syncs}
}

func (a work) per(ops float64) work {
	return work{a.Statements / ops, a.Transactions / ops, a.WAL / ops, a.Syncs / ops}
}

// done reads the counters. Those of statements, transactions and WAL are exact; idle connections tell of their syncs after ten
// seconds only (PGSTAT_IDLE_INTERVAL).
func (w *watch) done(ctx context.Context) (work, error) {
	var out work
	err := w.db.QueryRowContext(ctx, `SELECT
		(SELECT COALESCE(SUM(calls), 0) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
		CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS FLOAT8),
		pg_current_wal_insert_lsn() - '0/0',
		(SELECT wal_sync FROM pg_stat_wal)`).Scan(&out.Statements, &out.Transactions, &out.WAL, &out.Syncs)
	return out, err
}

// table is what the server's statistics say of one.
type table struct{ scans, read, live int64 } // how often it was read as a whole, how many rows of it were, how many it has

// scans returns them by name.
func (w *watch) scans(ctx context.Context) (map[string]table, error) {
	rows, err := w.db.QueryContext(ctx, "SELECT relname, seq_scan, seq_tup_read, n_live_tup FROM pg_stat_user_tables")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]table{}
	for rows.Next() {
		var name string
		var t table
		if err := rows.Scan(&name, &t.scans, &t.read, &t.live); err != nil {
			return nil, err
		}
		out[name] = t
	}
	return out, rows.Err()
}
