package backup

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/migrations"
)

// kinds are the types of our columns, by the names that the engines give them.
func kinds() map[string]string {
	return map[string]string{
		"TEXT": text, "BIGINT": number, "INT8": number, "BOOLEAN": truth, "BOOL": truth, "BYTEA": octets,
	}
}

// The types as a file names them.
const (
	text   = "text"
	number = "number"
	truth  = "truth"
	octets = "octets"
)

// table is the line before the rows of a table.
type table struct {
	Name    string   `json:"table"`
	Columns []string `json:"columns"`
	Types   []string `json:"types"`
}

// count is the line after them; the one of all tables ends the file.
type count struct {
	Of   string `json:"end"` // "": of everything
	Rows int64  `json:"rows"`
}

// Write writes what db holds at one moment to out, and the keyset that keys returns. The file is encrypted unless
// passphrase is "". Others may write to the database meanwhile, and wait for nothing. It fills in Made, Engine, Schemas and
// Keyset of m, and returns the number of rows and the file's checksum.
func Write(ctx context.Context, db *dbx.DB, out io.Writer, passphrase string, m *Manifest, keys func() ([]byte, error)) (rows int64, sum string, err error) {
	// On SQLite a transaction that is said to read alone is begun without the lock of a writer.
	tx, err := db.SQLX().BeginTxx(ctx, &sql.TxOptions{Isolation: snapshot(db), ReadOnly: true})
	if err != nil {
		return 0, "", err
	}
	defer tx.Rollback()
	tables, err := m.look(ctx, tx)
	if err != nil {
		return 0, "", err
	}
	// After the snapshot has begun: nothing in it needs a key that was made later.
	if m.Keyset, err = keys(); err != nil {
		return 0, "", err
	}
	m.Engine = engine(db)
	s, err := newSink(out, passphrase)
	if err != nil {
		return 0, "", err
	}
	if err := s.json.Encode(m); err != nil {
		return 0, "", err
	}
	for _, name := range tables {
		n, err := s.table(ctx, tx, name)
		if err != nil {
			return 0, "", fmt.Errorf("backup: %s: %w", name, err)
		}
		rows += n
	}
	if err := s.json.Encode(count{Rows: rows}); err != nil {
		return 0, "", err
	}
	sum, err = s.end()
	return rows, sum, err
}

func snapshot(db *dbx.DB) sql.IsolationLevel {
	if db.Postgres() {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault // SQLite's transactions see one state anyway
}

func engine(db *dbx.DB) string {
	if db.Postgres() {
		return "postgres"
	}
	return "sqlite"
}

// look notes the versions, which begins the snapshot, and returns the tables that belong to them.
func (m *Manifest) look(ctx context.Context, tx *sqlx.Tx) (tables []string, err error) {
	states, err := migrations.LookIn(ctx, tx, migrations.Streams()...)
	if err != nil {
		return nil, err
	}
	m.Schemas = map[string]int64{}
	for _, s := range states {
		if s.Current == 0 {
			continue
		}
		m.Schemas[s.Stream] = s.Current
		of, err := migrations.Tables(s.Stream, s.Current)
		if err != nil {
			return nil, err
		}
		tables = append(tables, of...)
	}
	return tables, migrations.Known(m.Schemas)
}

// table writes one table.
func (s *sink) table(ctx context.Context, tx *sqlx.Tx, name string) (n int64, err error) {
	columns, err := columns(ctx, tx, name)
	if err != nil {
		return 0, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+name)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	t, err := describe(name, rows)
	if err != nil {
		return 0, err
	}
	if err := s.json.Encode(t); err != nil {
		return 0, err
	}
	cells, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return 0, err
		}
		for i, kind := range t.Types {
			if cells[i], err = written(kind, cells[i]); err != nil {
				return 0, fmt.Errorf("%s: %w", t.Columns[i], err)
			}
		}
		if err := s.json.Encode(cells); err != nil {
			return 0, err
		}
		n++
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return n, s.json.Encode(count{Of: name, Rows: n})
}

// columns returns the names of a table's columns, in their order.
func columns(ctx context.Context, tx *sqlx.Tx, name string) (out []string, err error) {
	query := `SELECT name FROM pragma_table_info($1) ORDER BY cid`
	if tx.DriverName() == "postgres" {
		query = `SELECT column_name FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`
	}
	if err := tx.SelectContext(ctx, &out, query, name); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("there is no such table")
	}
	return out, nil
}

// describe returns the columns of a table.
func describe(name string, rows *sql.Rows) (t table, err error) {
	t.Name = name
	columns, err := rows.ColumnTypes()
	if err != nil {
		return t, err
	}
	for _, c := range columns {
		kind := kinds()[strings.ToUpper(c.DatabaseTypeName())]
		if kind == "" {
			return t, fmt.Errorf("%s: a column of type %s", c.Name(), c.DatabaseTypeName())
		}
		t.Columns, t.Types = append(t.Columns, c.Name()), append(t.Types, kind)
	}
	return t, nil
}

// odd is a text that is no UTF-8, which JSON does not carry.
type odd struct {
	Bytes []byte `json:"bytes"`
}

// written is a value as a file has it.
func written(kind string, value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case int64:
		if kind == truth {
			return v != 0, nil
		}
		if kind == number {
			return v, nil
		}
	case bool:
		if kind == truth {
			return v, nil
		}
	case []byte:
		if kind == octets {
			return base64.StdEncoding.EncodeToString(v), nil
		}
		return written(kind, string(v))
	case string:
		switch {
		case kind == octets:
			return base64.StdEncoding.EncodeToString([]byte(v)), nil
		case kind == text && !utf8.ValidString(v):
			return odd{[]byte(v)}, nil
		case kind == text:
			return v, nil
		}
	}
	return nil, fmt.Errorf("a %T in a column for %s", value, kind)
}
