package dbx

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jmoiron/sqlx"
)

// Lookup is a query that will be asked as soon as the row of another is known. Its answer must be the same whether it is asked then
// or with that one.
type Lookup struct {
	Query string
	Args  []Arg
}

// Arg is a text argument of a [Lookup]: a column of the row that is read before it, after a prefix, or a value. A prefix is a constant
// of the program, without apostrophes.
type Arg struct{ Prefix, Column, Value string }

// Of is the argument that stands in that column.
func Of(column string) Arg { return Arg{Column: column} }

type readingsKey struct{ db *sqlx.DB }

// readings are answers that wait to be asked for.
type readings struct {
	mu    sync.Mutex
	known []reading
}

// Ahead returns a context that keeps what [DB.GetAhead] reads ahead.
func (db *DB) Ahead(ctx context.Context) context.Context {
	return context.WithValue(ctx, readingsKey{db.sqlx}, new(readings))
}

func (db *DB) readings(ctx context.Context) *readings {
	r, _ := ctx.Value(readingsKey{db.sqlx}).(*readings)
	return r
}

// GetAhead is [DB.Get] into a struct, which on PostgreSQL brings the answers to the lookups in the same round trip: Get and
// Select of the same text and arguments by a context of the same [DB.Ahead] find their answers there, until the first write or
// transaction by such a context. Without Ahead, in a transaction, and on SQLite, it is Get.
func (db *DB) GetAhead(ctx context.Context, dest any, lookups []Lookup, query string, args ...any) error {
	if known, ok := db.readAhead(ctx, query, args); ok {
		return known.get(db, dest)
	}
	waiting := db.readings(ctx)
	if waiting == nil || len(lookups) == 0 || !db.Postgres() || db.txOf(ctx) != nil {
		return db.Get(ctx, dest, query, args...)
	}
	all := slices.Clone(args)
	for _, l := range lookups {
		for _, a := range l.Args {
			if a.Column == "" {
				all = append(all, a.Value)
			}
		}
	}
	ctx, v, err := db.enter(ctx, false)
	if err != nil {
		return err
	}
	defer v.leave()
	stmt, err := db.prepared(ctx, db.ahead(query, len(args), lookups))
	if err != nil {
		return err
	}
	rows, err := stmt.QueryxContext(ctx, all...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	found, err := scanAhead(rows, dest, lookups)
	if err == nil {
		err = rows.Err()
	}
	if err != nil {
		return err
	}
	waiting.mu.Lock()
	defer waiting.mu.Unlock()
	waiting.known = append(waiting.known, found...)
	return nil
}

// scanAhead scans the columns of a row into the fields of dest, and its last ones as answers to the lookups.
func scanAhead(rows *sqlx.Rows, dest any, lookups []Lookup) ([]reading, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	own := columns[:len(columns)-len(lookups)]
	row := reflect.Indirect(reflect.ValueOf(dest))
	into := make([]any, 0, len(columns))
	for i, path := range rows.Mapper.TraversalsByName(row.Type(), own) {
		if len(path) == 0 {
			return nil, fmt.Errorf("dbx: no field for the column %s", own[i])
		}
		into = append(into, row.FieldByIndex(path).Addr().Interface())
	}
	found := make([]reading, len(lookups))
	for i := range found {
		into = append(into, &found[i].text)
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	for i, l := range lookups {
		found[i].query, found[i].args = l.Query, make([]string, len(l.Args))
		for j, a := range l.Args {
			if found[i].args[j] = a.Value; a.Column != "" {
				found[i].args[j] = a.Prefix + rows.Mapper.FieldByName(row, a.Column).String()
			}
		}
	}
	return found, nil
}

// readingAhead is how the texts of GetAhead begin.
const readingAhead = "WITH ahead AS ("

// ahead returns the text of query, which has n arguments, and the lookups.
func (db *DB) ahead(query string, n int, lookups []Lookup) string {
	known, _ := db.aheads.Load(query)
	texts, _ := known.([]aheadText)
	for _, t := range texts {
		if slices.EqualFunc(t.lookups, lookups, alike) {
			return t.text
		}
	}
	var b strings.Builder
	b.WriteString(readingAhead + query + ") SELECT ahead.*")
	for _, l := range lookups {
		args := make([]string, len(l.Args))
		for i, a := range l.Args {
			if args[i] = "ahead." + a.Column; a.Column == "" {
				n++
				args[i] = "$" + strconv.Itoa(n)
			} else if a.Prefix != "" {
				args[i] = "('" + a.Prefix + "' || ahead." + a.Column + ")"
			}
		}
		text := parameter.ReplaceAllStringFunc(l.Query, func(p string) string {
			i, _ := strconv.Atoi(p[1:])
			return args[i-1]
		})
		b.WriteString(", (SELECT json_agg(found) FROM (" + text + ") AS found)")
	}
	b.WriteString(" FROM ahead")
	// Of several that put the same one together each keeps its own.
	db.aheads.Store(query, append(slices.Clone(texts), aheadText{lookups, b.String()}))
	return b.String()
}

// aheadText is what was put together for these lookups, whose values may be others. There are as many as the program has.
type aheadText struct {
	lookups []Lookup
	text    string
}

// alike reports whether a and b are the same part of a text.
func alike(a, b Lookup) bool {
	return a.Query == b.Query && slices.EqualFunc(a.Args, b.Args, func(a, b Arg) bool { return a.Column == b.Column && a.Prefix == b.Prefix })
}

// reading is the answer to one query, as PostgreSQL's json_agg tells it.
type reading struct {
	query string
	args  []string
	text  []byte // empty: no rows
}

// readAhead returns the answer that waits in ctx for that query.
func (db *DB) readAhead(ctx context.Context, query string, args []any) (reading, bool) {
	waiting := db.readings(ctx)
	if waiting == nil || db.txOf(ctx) != nil {
		return reading{}, false
	}
	waiting.mu.Lock()
	defer waiting.mu.Unlock()
	for _, r := range waiting.known {
		if r.query == query && r.isOf(args) {
			return r, true
		}
	}
	return reading{}, false
}

func (r reading) isOf(args []any) bool {
	return slices.EqualFunc(r.args, args, func(known string, arg any) bool { return any(known) == arg })
}

// forgetAhead forgets what waits in ctx: it may not be so any more.
func (db *DB) forgetAhead(ctx context.Context) {
	if waiting := db.readings(ctx); waiting != nil {
		waiting.mu.Lock()
		defer waiting.mu.Unlock()
		waiting.known = nil
	}
}
