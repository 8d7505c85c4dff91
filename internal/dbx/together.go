package dbx

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// InOne is [DB.InTx] for a function that only writes: on PostgreSQL all of it is one statement, so one round trip and one commit.
//
// Fn is called first with a context that gathers what [DB.Exec] and [DB.Write] are given. Each Exec then answers that it touched a
// row, which is what nearly always happens. Where it turns out that one did not, nothing has been written, and fn is called again in a
// transaction, where it sees what is true; and so it is when fn reads, which cannot be gathered. Therefore fn must look only
// at whether rows were touched, not at how many, must not write to one row twice, and must have no effects but by its statements and
// [DB.AfterCommit]. Inside a transaction it joins that one.
func (db *DB) InOne(ctx context.Context, fn func(context.Context) error) error {
	if db.txOf(ctx) != nil || gatheredBy(ctx, db) != nil {
		return fn(ctx)
	}
	g := new(gathered)
	err := fn(context.WithValue(ctx, gatheredKey{db.sqlx}, g))
	if g.apart {
		return db.InTx(ctx, fn)
	}
	if err != nil {
		return err
	}
	db.forgetAhead(ctx)
	all, err := db.writeAll(ctx, g)
	if err == nil && !all {
		return db.InTx(ctx, fn)
	}
	if err != nil {
		return err
	}
	for _, fn := range g.after {
		fn()
	}
	return nil
}

// errApart is what statements answer that cannot be gathered.
var errApart = errors.New("dbx: this needs a transaction")

// gathered are the statements of an InOne, in the order in which they were asked for.
type gathered struct {
	statements []statement
	after      []func()
	apart      bool
}

type statement struct {
	query string
	args  []any
	any   bool // it may touch nothing
}

// inserts reports whether s inserts one row of given values.
func (s statement) inserts() bool { return values.MatchString(s.query) }

// conditional reports whether somebody relies on s to touch a row.
func (s statement) conditional() bool {
	return !s.any && (!s.inserts() || strings.Contains(s.query, "ON CONFLICT"))
}

type gatheredKey struct{ db *sqlx.DB }

// gatheredBy returns what gathers the statements of ctx, nil outside an InOne.
func gatheredBy(ctx context.Context, db *DB) *gathered {
	g, _ := ctx.Value(gatheredKey{db.sqlx}).(*gathered)
	return g
}

// add keeps a statement for the end of InOne. All of them see the database as it was before the first: two that concern one table
// would not see each other.
func (g *gathered) add(s statement) (int64, error) {
	clash := func(other statement) bool {
		return target(other.query) == target(s.query) && !(s.inserts() && other.inserts())
	}
	if !writes.MatchString(s.query) || strings.Contains(s.query, "RETURNING") || slices.ContainsFunc(g.statements, clash) {
		return 0, g.refuse()
	}
	g.statements = append(g.statements, s)
	return 1, nil
}

// refuse says that what was asked for cannot be gathered.
func (g *gathered) refuse() error {
	g.apart = true
	return errApart
}

// writeAll runs what was gathered, all or nothing. It reports false, and has written nothing, when one of them touched no row.
func (db *DB) writeAll(ctx context.Context, g *gathered) (all bool, err error) {
	switch {
	case len(g.statements) == 0:
		return true, nil
	case len(g.statements) == 1:
		rows, err := db.Exec(ctx, g.statements[0].query, g.statements[0].args...)
		return rows > 0 || !g.statements[0].conditional(), err
	case !db.Postgres():
		return db.writeEach(ctx, g)
	}
	var args []any
	for _, s := range g.statements {
		args = append(args, s.args...)
	}
	err = db.Get(ctx, &all, db.joint(g.statements), args...)
	if pq.As(err, pqerror.DivisionByZero) != nil || retryable(err) { // see joint
		return false, nil
	}
	return all, err
}

// errNone ends a transaction in which a statement touched no row.
var errNone = errors.New("dbx: no row")

func (db *DB) writeEach(ctx context.Context, g *gathered) (all bool, err error) {
	err = db.InTx(ctx, func(ctx context.Context) error {
		for _, s := range g.statements {
			if rows, err := db.Exec(ctx, s.query, s.args...); err != nil {
				return err
			} else if rows == 0 && s.conditional() {
				return errNone
			}
		}
		return nil
	})
	if errors.Is(err, errNone) {
		return false, nil
	}
	return err == nil, err
}

// jointText is the text that runs these. There are as many as the program has.
type jointText struct {
	statements []statement
	text       string
}

// joint returns the text that runs statements. Where one of them may touch nothing, the others are made dependent on it. Where that
// does not do, an error undoes them: nothing else undoes a part of a statement.
func (db *DB) joint(statements []statement) string {
	known, _ := db.joints.Load(statements[0].query)
	texts, _ := known.([]jointText)
	for _, t := range texts {
		if slices.EqualFunc(t.statements, statements, alikeStatements) {
			return t.text
		}
	}
	made := jointText{text: jointly(statements)}
	for _, s := range statements {
		made.statements = append(made.statements, statement{query: s.query, any: s.any})
	}
	// Of several that put the same one together each keeps its own.
	db.joints.Store(statements[0].query, append(slices.Clone(texts), made))
	return made.text
}

func alikeStatements(a, b statement) bool { return a.query == b.query && a.any == b.any }

func jointly(statements []statement) string {
	first := slices.IndexFunc(statements, statement.conditional)
	parts := make([]string, 0, len(statements))
	touched := func(i int) string { return "1 / (SELECT COUNT(*) FROM part" + strconv.Itoa(i) + ") < 2" } // an error where it is zero
	result, free := "TRUE", false
	for i, n := 0, 0; i < len(statements); i++ {
		s := statements[i]
		query := s.query
		if first >= 0 && i != first {
			gated, ok := dependent(query, "part"+strconv.Itoa(first))
			query, free = gated, free || !ok
			if s.conditional() {
				result += " AND " + touched(i)
			}
		}
		parts = append(parts, "part"+strconv.Itoa(i)+" AS ("+shifted(query, n)+" RETURNING 1)")
		n += len(s.args)
	}
	switch {
	case first < 0:
	case free:
		result = touched(first) + " AND " + result
	default:
		result = "CASE WHEN EXISTS (SELECT 1 FROM part" + strconv.Itoa(first) + ") THEN " + result + " ELSE FALSE END"
	}
	if first > 0 { // it stands before those that depend on it
		part := parts[first]
		parts = slices.Insert(slices.Delete(parts, first, first+1), 0, part)
	}
	return "WITH " + strings.Join(parts, ", ") + " SELECT " + result
}

// dependent returns what query does only where there is a row of condition; false, and query, when it is not clear how to say that.
func dependent(query, condition string) (string, bool) {
	exists := "EXISTS (SELECT 1 FROM " + condition + ")"
	if at := values.FindStringSubmatchIndex(query); at != nil {
		tail := ""
		if at[4] >= 0 {
			tail = " " + query[at[4]:at[5]]
		}
		return query[:at[0]] + "SELECT " + query[at[2]:at[3]] + " WHERE " + exists + tail, true
	}
	// The first WHERE is the statement's own, unless a part in parentheses comes before it that has one.
	head, where, ok := strings.Cut(query, "WHERE ")
	if !ok || strings.Contains(head, "(SELECT") || strings.Contains(where, "ON CONFLICT") {
		return query, false
	}
	return head + "WHERE (" + where + ") AND " + exists, true
}

// values is the end of an insert of one row, which has parameters only.
var values = regexp.MustCompile(`(?s)VALUES\s*\(((?:\$\d+,\s*)*\$\d+)\)\s*(ON CONFLICT .*)?$`)

// writes is the beginning of a statement that can be gathered: it changes one table and returns nothing.
var writes = regexp.MustCompile(`^\s*(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)`)

// target returns which table a statement changes.
func target(query string) string { return writes.FindStringSubmatch(query)[1] }

var parameter = regexp.MustCompile(`\$\d+`)

// shifted returns text with by added to the numbers of its parameters.
func shifted(text string, by int) string {
	return parameter.ReplaceAllStringFunc(text, func(p string) string {
		n, _ := strconv.Atoi(p[1:]) // digits, by the pattern
		return "$" + strconv.Itoa(n+by)
	})
}
