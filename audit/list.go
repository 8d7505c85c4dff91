package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// Filter narrows [Log.List] and [Log.Each]; a zero field does not.
type Filter struct {
	Action, Actor, Subject, Client, Result string    // exactly these
	Since, Until                           time.Time // from the first, before the second
	Before                                 string    // cursor: the ID of the last entry of the page before
	Limit                                  int       // 0: 50; at most 500
}

// List returns the entries that match f, newest first.
func (l *Log) List(ctx context.Context, f Filter) ([]Entry, error) {
	query, args := f.query()
	var rows []row
	if err := l.DB.Select(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("audit: list: %w", err)
	}
	return l.entries(rows)
}

// ErrNotFound says that no entry has that ID: it never had, or retention has removed it.
var ErrNotFound = errors.New("audit: no such entry")

// Get returns the entry of that ID, or [ErrNotFound].
func (l *Log) Get(ctx context.Context, id string) (Entry, error) {
	var r row
	err := l.DB.Get(ctx, &r, selectRows+"WHERE id = $1", id)
	if dbx.IsNotFound(err) {
		return Entry{}, ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("audit: get: %w", err)
	}
	return l.entry(r)
}

// exportBatch is how many rows Each holds in memory.
const exportBatch = 500

// Each calls fn with the entries that match f, oldest first, until fn returns an error, which it returns. It holds some
// hundred of them at a time and no transaction, so that it may take hours. f's Before and Limit don't count.
func (l *Log) Each(ctx context.Context, f Filter, fn func(Entry) error) error {
	for after := ""; ; {
		where, args := f.conditions()
		args = append(args, after, exportBatch)
		where = append(where, "id > $"+strconv.Itoa(len(args)-1))
		var rows []row
		query := selectRows + "WHERE " + strings.Join(where, " AND ") + " ORDER BY id LIMIT $" + strconv.Itoa(len(args))
		if err := l.DB.Select(ctx, &rows, query, args...); err != nil {
			return fmt.Errorf("audit: export: %w", err)
		}
		entries, err := l.entries(rows)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := fn(e); err != nil {
				return err
			}
		}
		if len(rows) < exportBatch {
			return nil
		}
		after = rows[len(rows)-1].ID
	}
}

// query returns the statement for a page of f. Its text is put together from constants only, a condition per field in
// use, so that an index is used and few different texts are ever prepared.
func (f Filter) query() (string, []any) {
	where, args := f.conditions()
	if f.Before != "" {
		args = append(args, f.Before)
		where = append(where, "id < $"+strconv.Itoa(len(args)))
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	args = append(args, min(f.Limit, 500))
	page := " ORDER BY id DESC LIMIT $" + strconv.Itoa(len(args))
	arm := func(condition string) string {
		where := where
		if condition != "" {
			where = append(where[:len(where):len(where)], condition)
		}
		if len(where) == 0 {
			return selectRows + page
		}
		return selectRows + "WHERE " + strings.Join(where, " AND ") + page
	}
	if f.Actor == "" || f.Subject != "" {
		return arm(""), args
	}
	// What somebody did to others and to themselves, each by its index: most rows are of the second kind, and one index
	// less is kept for them. The actor is the first argument.
	return "SELECT " + columns + ", seq FROM (" + arm("actor <> subject") + ") AS others UNION ALL " +
		"SELECT " + columns + ", seq FROM (" + arm("subject = $1") + ") AS own" + page, args
}

// conditions returns f's fields but the cursor. An id begins with its time, so that the primary key finds a period.
func (f Filter) conditions() (where []string, args []any) {
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	for _, c := range []struct{ condition, value string }{
		{"actor =", f.Actor}, {"action =", f.Action}, {"subject =", f.Subject}, {"client <> '' AND client =", f.Client},
		{"result =", f.Result},
	} {
		if c.value != "" {
			add(c.condition, c.value)
		}
	}
	if f.Since.After(time.Unix(0, 0)) {
		add("id >=", firstID(f.Since.Truncate(time.Millisecond)))
	}
	if !f.Until.IsZero() && f.Until.Before(time.Unix(1<<33, 0)) { // nanoseconds end in 2262
		add("id <", firstID(f.Until.Truncate(time.Millisecond)))
	}
	return where, args
}
