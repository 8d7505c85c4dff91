package dbx

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
)

// ExecWith runs a conditional statement and, where it touched a row, what along writes, both or neither. It returns how many
// rows the statement touched. Outside a transaction it is one statement when along writes nothing, and on PostgreSQL also when it
// does nothing but insert rows by texts that end with VALUES ($1, …), and perhaps ON CONFLICT …: one round trip and one commit instead of four. Anything else
// takes a transaction.
//
// Along gets a context for its statements. It must have no effects but by them and [DB.AfterCommit]: it may be called without its
// rows being kept, and again.
func (db *DB) ExecWith(ctx context.Context, along func(context.Context) error, query string, args ...any) (int64, error) {
	if db.txOf(ctx) == nil && companionsOf(ctx, db) == nil {
		c := new(companions)
		err := along(context.WithValue(ctx, companionsKey{db.sqlx}, c))
		switch {
		case c.apart:
		case err != nil:
			return 0, err
		case db.Postgres() || len(c.inserts) == 0:
			return db.execTogether(ctx, c, query, args)
		}
	}
	var rows int64
	err := db.InTx(ctx, func(ctx context.Context) (err error) {
		if rows, err = db.Exec(ctx, query, args...); err != nil || rows == 0 {
			return err
		}
		return along(ctx)
	})
	return rows, err
}

// errApart says that what runs along is more than the inserts that fit into one statement.
var errApart = errors.New("dbx: this needs a transaction")

// companions are the inserts that go along with a statement, in the order in which they were asked for.
type companions struct {
	inserts []insertion
	after   []func()
	apart   bool
}

type insertion struct {
	query string
	args  []any
}

type companionsKey struct{ db *sqlx.DB }

// companionsOf returns what gathers the inserts of ctx, nil outside an ExecWith.
func companionsOf(ctx context.Context, db *DB) *companions {
	c, _ := ctx.Value(companionsKey{db.sqlx}).(*companions)
	return c
}

// add keeps an insert for the statement to come.
func (c *companions) add(query string, args []any) (int64, error) {
	if !values.MatchString(query) {
		return 0, c.refuse()
	}
	c.inserts = append(c.inserts, insertion{query, args})
	return 1, nil
}

// refuse says that what was asked for cannot go along.
func (c *companions) refuse() error {
	c.apart = true
	return errApart
}

func (db *DB) execTogether(ctx context.Context, c *companions, query string, args []any) (rows int64, err error) {
	db.forgetAhead(ctx)
	if len(c.inserts) == 0 {
		rows, err = db.Exec(ctx, query, args...)
	} else {
		all := slices.Clone(args)
		for _, i := range c.inserts {
			all = append(all, i.args...)
		}
		err = db.Get(ctx, &rows, db.joint(query, len(args), c.inserts), all...)
	}
	if err != nil || rows == 0 {
		return 0, err
	}
	for _, fn := range c.after {
		fn()
	}
	return rows, nil
}

// joint returns the text that runs query, which has n arguments, and the inserts where it touched a row.
func (db *DB) joint(query string, n int, inserts []insertion) string {
	key := query
	for _, i := range inserts {
		key += "\x00" + i.query
	}
	if text, ok := db.joints.Load(key); ok {
		return text.(string)
	}
	var b strings.Builder
	b.WriteString("WITH touched AS (" + query + " RETURNING 1)")
	for at, i := range inserts {
		parts := values.FindStringSubmatchIndex(i.query)
		tail := ""
		if parts[4] >= 0 {
			tail = i.query[parts[4]:parts[5]]
		}
		b.WriteString(", along" + strconv.Itoa(at) + " AS (" + i.query[:parts[0]] +
			"SELECT " + shifted(i.query[parts[2]:parts[3]], n) + " WHERE EXISTS (SELECT 1 FROM touched) " +
			shifted(tail, n) + ")")
		n += len(i.args)
	}
	b.WriteString(" SELECT COUNT(*) FROM touched")
	text, _ := db.joints.LoadOrStore(key, b.String())
	return text.(string)
}

// values is the end of an insert of one row, which has parameters only.
var values = regexp.MustCompile(`(?s)VALUES\s*\(((?:\$\d+,\s*)*\$\d+)\)\s*(ON CONFLICT .*)?$`)

var parameter = regexp.MustCompile(`\$\d+`)

// shifted returns text with by added to the numbers of its parameters.
func shifted(text string, by int) string {
	return parameter.ReplaceAllStringFunc(text, func(p string) string {
		n, _ := strconv.Atoi(p[1:]) // digits, by the pattern
		return "$" + strconv.Itoa(n+by)
	})
}
