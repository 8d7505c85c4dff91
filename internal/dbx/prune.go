package dbx

import (
	"context"
	"fmt"
	"time"
)

const (
	pruneBatch = 500              // rows that one statement of Prune deletes
	pruneShare = 20 * time.Second // how long an unhurried Prune is at one table; the next round goes on
	pruneRest  = time.Second      // the longest pause between two batches
)

type unhurriedKey struct{}

// Unhurried returns a context for work in the background: under it [DB.Prune] rests between its batches and returns after 20
// seconds, whether or not rows are left, so that a mountain in one table neither keeps requests waiting nor the other tables.
func Unhurried(ctx context.Context) context.Context {
	return context.WithValue(ctx, unhurriedKey{}, true)
}

// Rest pauses work that took so long, for about as long again and a second at most: what needs the disk, or SQLite's only
// writer, comes in between, and replicas that began at the same moment drift apart. It does so only under [Unhurried] and
// outside transactions, which would keep others waiting meanwhile. Its error is that of a context that ended.
func (db *DB) Rest(ctx context.Context, took time.Duration) error {
	if ctx.Value(unhurriedKey{}) == nil || db.txOf(ctx) != nil {
		return nil
	}
	pause := time.NewTimer(min(took/2+jitter(took), pruneRest))
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-pause.C:
		return nil
	}
}

// Prune deletes the rows of table for which where holds, those first whose column by is least, some at a time: a statement has
// only seconds, and nobody shall wait long for another. An index must begin with by, after what where compares with =. Table, by
// and where are constants of the caller, never input; args are those of where. Any number of replicas may prune one table: each
// takes other rows, and what one leaves behind when it dies is the next one's.
func (db *DB) Prune(ctx context.Context, table, by, where string, args ...any) error {
	query := `DELETE FROM ` + table + ` WHERE ` + db.Some(table, by, where, pruneBatch)
	began := time.Now()
	for {
		batch := time.Now()
		rows, err := db.Exec(ctx, query, args...)
		if err != nil || rows < pruneBatch {
			return err
		}
		if ctx.Value(unhurriedKey{}) != nil && db.txOf(ctx) == nil && time.Since(began) > pruneShare {
			return nil
		}
		if err := db.Rest(ctx, time.Since(batch)); err != nil {
			return err
		}
	}
}

// Some returns the condition that holds for up to limit of the rows of table for which where does, those first whose column by is
// least. On PostgreSQL it locks them, and leaves out those that somebody else has locked. It is for a DELETE or an UPDATE
// of the same table, where it stands alone.
func (db *DB) Some(table, by, where string, limit int) string {
	// By place: it is unique in every table, and needs no index. The order keeps the planner to the index: it would go through
	// the whole table when it guesses that there are many. An array is made once; what stands behind IN may be run again for
	// each row, and then finds other ones.
	if db.Postgres() {
		return fmt.Sprintf(`ctid = ANY (ARRAY(SELECT ctid FROM %[1]s WHERE %[3]s ORDER BY %[2]s LIMIT %[4]d FOR UPDATE SKIP LOCKED))`,
			table, by, where, limit)
	}
	return fmt.Sprintf(`rowid IN (SELECT rowid FROM %[1]s WHERE %[3]s ORDER BY %[2]s LIMIT %[4]d)`, table, by, where, limit)
}
