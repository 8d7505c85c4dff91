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
	queries []string
	text    string
}

// joint returns the text that runs statements. Where one of them may touch nothing, inserts are made dependent on it. Where that
// does not do, an error undoes the others: nothing else undoes a part of a statement.
func (db *DB) joint(statements []statement) string {
	known, _ := db.joints.Load(statements[0].query)
	texts, _ := known.([]jointText)
	for _, t := range texts {
		if slices.EqualFunc(t.queries, statements, func(query string, s statement) bool { return query == s.query }) {
			return t.text
		}
	}
	var conditions []string
	gate := true
	for i, s := range statements {
		if s.conditional() {
			conditions = append(conditions, "part"+strconv.Itoa(i))
		} else if !s.inserts() {
			gate = false
		}
	}
	gate = gate && len(conditions) == 1
	var parts []string
	n := 0
	for i, s := range statements {
		query := s.query
		if gate && !s.conditional() {
			query = dependent(query, conditions[0])
		}
		part := "part" + strconv.Itoa(i) + " AS (" + shifted(query, n) + " RETURNING 1)"
		if n += len(s.args); s.conditional() { // before those that depend on it
			parts = slices.Insert(parts, 0, part)
		} else {
			parts = append(parts, part)
		}
	}
	result := "TRUE"
	for _, part := range conditions {
		if gate {
			result = "EXISTS (SELECT 1 FROM " + part + ")"
		} else {
			result += " AND 1 / (SELECT COUNT(*) FROM " + part + ") < 2" // an error where it is zero
		}
	}
	made := jointText{text: "WITH " + strings.Join(parts, ", ") + " SELECT " + result}
	for _, s := range statements {
		made.queries = append(made.queries, s.query)
	}
	// Of several that put the same one together each keeps its own.
	db.joints.Store(statements[0].query, append(slices.Clone(texts), made))
	return made.text
}

// dependent returns the plain insert that is made only where there is a row of condition.
func dependent(insert, condition string) string {
	at := values.FindStringSubmatchIndex(insert)
	tail := ""
	if at[4] >= 0 {
		tail = " " + insert[at[4]:at[5]]
	}
	return insert[:at[0]] + "SELECT " + insert[at[2]:at[3]] + " WHERE EXISTS (SELECT 1 FROM " + condition + ")" + tail
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
