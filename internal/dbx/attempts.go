package dbx

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Attempts counts tries in a table of the columns key (TEXT, primary key), n (BIGINT) and until (BIGINT, Unix
// seconds). It implements throttle.Counter for whoever owns the table.
type Attempts struct {
	DB    *DB
	Table string // a constant of the owner, never input
}

func (a Attempts) read() string { return "SELECT n, until FROM " + a.Table + " WHERE key = $1" }

// Lookup is what [Attempts.Attempts] will ask about that key.
func (a Attempts) Lookup(key Arg) Lookup { return Lookup{Query: a.read(), Args: []Arg{key}} }

// Attempts returns how often key was counted and until when it has to wait; zero for an unknown key.
func (a Attempts) Attempts(ctx context.Context, key string) (int, time.Time, error) {
	var row struct {
		N     int   `db:"n"`
		Until int64 `db:"until"`
	}
	err := a.DB.Get(ctx, &row, a.read(), key)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return row.N, time.Unix(row.Until, 0), err
}

// CountAttempt moves key from n to n+tries with a wait until then, and reports false when it does not stand at n any
// more.
func (a Attempts) CountAttempt(ctx context.Context, key string, n, tries int, until time.Time) (bool, error) {
	query := "UPDATE " + a.Table + " SET n = $4, until = $3 WHERE key = $1 AND n = $2"
	if n == 0 {
		query = "INSERT INTO " + a.Table + " (key, n, until) VALUES ($1, $4, $3) " +
			"ON CONFLICT (key) DO UPDATE SET n = excluded.n, until = excluded.until WHERE " + a.Table + ".n = $2"
	}
	rows, err := a.DB.Exec(ctx, query, key, n, until.Unix(), n+tries)
	return rows == 1, err
}

// GiveBack takes one try off key, and the wait that it began if it was the last one, the n-th: what succeeded is no
// failure. A wait that a later try began stays. n is 0 for a try that was not counted.
func (a Attempts) GiveBack(ctx context.Context, key string, n int, now time.Time) error {
	if n == 0 {
		return nil
	}
	if n == 1 { // nearly always it is the only one
		rows, err := a.DB.Exec(ctx, "DELETE FROM "+a.Table+" WHERE key = $1 AND n = 1", key)
		if err != nil || rows == 1 {
			return err
		}
	}
	// In this order: of many who give back at once each takes one off, and whoever takes the last off removes the row.
	_, err := a.DB.Exec(ctx, "UPDATE "+a.Table+" SET n = n - 1, until = CASE WHEN n = $2 THEN $3 ELSE until END "+
		"WHERE key = $1 AND n > 0", key, n, now.Add(-time.Minute).Unix()) // others' clocks may show a little less
	if err == nil {
		_, err = a.DB.Exec(ctx, "DELETE FROM "+a.Table+" WHERE key = $1 AND n = 0", key)
	}
	return err
}

// ClearAttempts forgets key.
func (a Attempts) ClearAttempts(ctx context.Context, key string) error {
	return a.DB.Write(ctx, "DELETE FROM "+a.Table+" WHERE key = $1", key)
}

// PruneAttempts forgets the keys whose wait ended before then.
func (a Attempts) PruneAttempts(ctx context.Context, before time.Time) error {
	return a.DB.Prune(ctx, a.Table, "until", "until < $1", before.Unix())
}
