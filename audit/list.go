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
	Actions                                []string  // any of these; at most 50
	Notable                                bool      // not what happens by itself many times a day; it needs a Subject
	Since, Until                           time.Time // from the first, before the second
	Before                                 string    // cursor: the ID of the last entry of the page before
	Limit                                  int       // 0: 50; at most 500
}

// notable is true of rows that [Filter.Notable] keeps. The index audit_notable has the very same condition.
const notable = `subject <> '' AND action NOT IN ('oauth.token_issued', 'oauth.token_revoked', 'oauth.logout_noticed', ` +
	`'oauth.logout_notice_failed', 'mfa.device_used', 'sign_in.asked')`

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
		where, args = f.among(where, args)
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
	if f.Subject != "" { // of one person there are few rows
		where, args = f.among(where, args)
	}
	arms := [][]string{where}
	if f.Actor != "" && f.Subject == "" {
		// What somebody did to others and to themselves, each by its index: most rows are of the second kind, and one index
		// less is kept for them. The actor is the first argument.
		arms = split(arms, "actor <> subject", "subject = $1")
	}
	if f.Subject == "" && len(f.Actions) > 0 { // each by its index, whatever lies between them
		var each []string
		for _, action := range f.Actions {
			args = append(args, action)
			each = append(each, "action = $"+strconv.Itoa(len(args)))
		}
		arms = split(arms, each...)
	}
	if len(arms) == 1 {
		return arm(arms[0]) + page, args
	}
	var text strings.Builder
	for i, conditions := range arms {
		if i > 0 {
			text.WriteString(" UNION ALL ")
		}
		text.WriteString("SELECT " + columns + ", seq FROM (" + arm(conditions) + page + ") AS arm" + strconv.Itoa(i))
	}
	return text.String() + page, args
}

// among adds the condition that the action is one of several.
func (f Filter) among(where []string, args []any) ([]string, []any) {
	if len(f.Actions) == 0 {
		return where, args
	}
	var places []string
	for _, action := range f.Actions {
		args = append(args, action)
		places = append(places, "$"+strconv.Itoa(len(args)))
	}
	return append(where, "action IN ("+strings.Join(places, ", ")+")"), args
}

// split makes of each arm one with each of the further conditions.
func split(arms [][]string, further ...string) (out [][]string) {
	for _, arm := range arms {
		for _, condition := range further {
			out = append(out, append(arm[:len(arm):len(arm)], condition))
		}
	}
	return out
}

func arm(where []string) string {
	if len(where) == 0 {
		return selectRows
	}
	return selectRows + "WHERE " + strings.Join(where, " AND ")
}

// conditions returns f's fields but the cursor. An id begins with its time, so that the primary key finds a period.
func (f Filter) conditions() (where []string, args []any) {
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	for _, c := range []struct{ condition, value string }{
		{"actor =", f.Actor}, {"action =", f.Action}, {"subject =", f.Subject}, {"client <> '' AND client =", f.Client},
		{"result <> '' AND result =", f.Result},
	} {
		if c.value != "" {
			add(c.condition, c.value)
		}
	}
	if f.Notable {
		where = append(where, notable)
	}
	if f.Since.After(time.Unix(0, 0)) {
		add("id >=", firstID(f.Since.Truncate(time.Millisecond)))
	}
	if !f.Until.IsZero() && f.Until.Before(time.Unix(1<<33, 0)) { // nanoseconds end in 2262
		add("id <", firstID(f.Until.Truncate(time.Millisecond)))
	}
	return where, args
}
