package dbx

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
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

// Arg is a text argument of a [Lookup]: a column of the row that is read before it, or a value.
type Arg struct{ Column, Value string }

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
				found[i].args[j] = rows.Mapper.FieldByName(row, a.Column).String()
			}
		}
	}
	return found, nil
}

// readingAhead is how the texts of GetAhead begin.
const readingAhead = "WITH ahead AS ("

// ahead returns the text of query, which has n arguments, and the lookups.
func (db *DB) ahead(query string, n int, lookups []Lookup) string {
	key := query
	for _, l := range lookups {
		key += "\x00" + l.Query
		for _, a := range l.Args {
			key += "\x01" + a.Column
		}
	}
	if text, ok := db.joints.Load(key); ok {
		return text.(string)
	}
	var b strings.Builder
	b.WriteString(readingAhead + query + ") SELECT ahead.*")
	for _, l := range lookups {
		args := make([]string, len(l.Args))
		for i, a := range l.Args {
			if args[i] = "ahead." + a.Column; a.Column == "" {
				n++
				args[i] = "$" + strconv.Itoa(n)
			}
		}
		text := parameter.ReplaceAllStringFunc(l.Query, func(p string) string {
			i, _ := strconv.Atoi(p[1:])
			return args[i-1]
		})
		b.WriteString(", (SELECT json_agg(found) FROM (" + text + ") AS found)")
	}
	b.WriteString(" FROM ahead")
	text, _ := db.joints.LoadOrStore(key, b.String())
	return text.(string)
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

// get gives the first row to dest, like [DB.Get].
func (r reading) get(db *DB, dest any) error {
	rows, err := r.rows()
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return sql.ErrNoRows
	}
	return db.fill(reflect.ValueOf(dest).Elem(), rows[0])
}

// all gives the rows to dest, like [DB.Select].
func (r reading) all(db *DB, dest any) error {
	rows, err := r.rows()
	if err != nil {
		return err
	}
	list := reflect.ValueOf(dest).Elem()
	list.Set(reflect.MakeSlice(list.Type(), len(rows), len(rows)))
	if len(rows) == 0 {
		list.SetZero() // Select leaves it nil
	}
	for i, row := range rows {
		if err := db.fill(list.Index(i), row); err != nil {
			return err
		}
	}
	return nil
}

func (r reading) rows() (rows []map[string]json.RawMessage, err error) {
	if len(r.text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(r.text, &rows); err != nil {
		return nil, fmt.Errorf("dbx: read ahead: %w", err)
	}
	return rows, nil
}

// fill gives the columns of a row to dest: a struct with db tags, or what the only column is.
func (db *DB) fill(dest reflect.Value, row map[string]json.RawMessage) error {
	if _, scans := dest.Addr().Interface().(sql.Scanner); scans || dest.Kind() != reflect.Struct {
		if len(row) != 1 {
			return errors.New("dbx: read ahead: one column is needed")
		}
		for _, value := range row {
			return setJSON(dest, value)
		}
	}
	for name, value := range row {
		info := db.sqlx.Mapper.TypeMap(dest.Type()).GetByPath(name)
		if info == nil {
			return fmt.Errorf("dbx: no field for the column %s", name)
		}
		if err := setJSON(dest.FieldByIndex(info.Index), value); err != nil {
			return fmt.Errorf("dbx: column %s: %w", name, err)
		}
	}
	return nil
}

// setJSON gives a value of json_agg to a field, as the driver would have.
func setJSON(dest reflect.Value, value json.RawMessage) error {
	field := dest.Addr().Interface()
	switch into := field.(type) {
	case *[]byte:
		var text *string // as in \x0a1b
		if err := json.Unmarshal(value, &text); err != nil || text == nil {
			*into = nil
			return err
		}
		raw, err := hex.DecodeString(strings.TrimPrefix(*text, `\x`))
		*into = raw
		return err
	case *sql.NullInt64:
		if *into = (sql.NullInt64{}); string(value) == "null" {
			return nil
		}
		into.Valid = true
		return json.Unmarshal(value, &into.Int64)
	}
	if string(value) == "null" && dest.Kind() != reflect.Pointer {
		return errors.New("it is null")
	}
	return json.Unmarshal(value, field)
}
