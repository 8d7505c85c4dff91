package backup

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/migrations"
)

// Load puts what the file holds into an empty database, which it first brings to the versions of the file, in one
// transaction, and returns the number of rows. The caller brings the schema up to date afterwards. [migrations.ErrNewer] says
// that this program does not know those versions.
func (f *File) Load(ctx context.Context, db *dbx.DB) (rows int64, err error) {
	if err := migrations.UpTo(ctx, db.SQLX(), f.Schemas); err != nil {
		return 0, err
	}
	err = db.InTx(ctx, func(ctx context.Context) error {
		tx := db.Tx(ctx)
		if err := f.clear(ctx, tx); err != nil {
			return err
		}
		rows, err = f.tables(ctx, tx)
		return err
	})
	return rows, err
}

// clear removes the rows that migrations have made.
func (f *File) clear(ctx context.Context, tx *sqlx.Tx) error {
	var all []string
	for _, stream := range migrations.Streams() {
		if f.Schemas[stream] == 0 {
			continue
		}
		of, err := migrations.Tables(stream, f.Schemas[stream])
		if err != nil {
			return err
		}
		all = append(all, of...)
	}
	for _, name := range slices.Backward(all) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+name); err != nil {
			return fmt.Errorf("backup: %s: %w", name, err)
		}
	}
	return nil
}

// tables reads all tables of the file.
func (f *File) tables(ctx context.Context, tx *sqlx.Tx) (rows int64, err error) {
	for {
		var line json.RawMessage
		if err := f.json.Decode(&line); err != nil {
			return 0, damaged(err)
		}
		var end struct {
			Rows *int64 `json:"rows"`
		}
		if err := json.Unmarshal(line, &end); err == nil && end.Rows != nil {
			if *end.Rows != rows {
				return 0, ErrDamaged
			}
			return rows, nil
		}
		var t table
		if err := json.Unmarshal(line, &t); err != nil || !t.plain() {
			return 0, ErrDamaged
		}
		n, err := f.table(ctx, tx, t)
		if err != nil {
			return 0, fmt.Errorf("backup: %s: %w", t.Name, err)
		}
		rows += n
	}
}

// plain reports whether all names are such as ours: they become a part of a statement.
func (t table) plain() bool {
	for _, name := range append([]string{t.Name}, t.Columns...) {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return false
		}
	}
	return len(t.Columns) == len(t.Types) && len(t.Columns) > 0
}

// table reads the rows of one table.
func (f *File) table(ctx context.Context, tx *sqlx.Tx, t table) (n int64, err error) {
	insert, err := tx.PrepareContext(ctx, t.insert(tx.DriverName() == "postgres"))
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	for {
		var line json.RawMessage
		if err := f.json.Decode(&line); err != nil {
			return 0, damaged(err)
		}
		if bytes.HasPrefix(line, []byte("{")) {
			var end count
			if err := json.Unmarshal(line, &end); err != nil || end.Of != t.Name || end.Rows != n {
				return 0, ErrDamaged
			}
			break
		}
		cells, err := t.row(line)
		if err != nil {
			return 0, err
		}
		if _, err := insert.ExecContext(ctx, cells...); err != nil {
			return 0, err
		}
		n++
	}
	if tx.DriverName() == "postgres" {
		_, err = insert.ExecContext(ctx) // ends the COPY
	}
	return n, err
}

// insert is the statement that takes a row.
func (t table) insert(postgres bool) string {
	if postgres {
		return `COPY "` + t.Name + `" ("` + strings.Join(t.Columns, `", "`) + `") FROM STDIN`
	}
	marks := make([]string, len(t.Columns))
	for i := range marks {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	return `INSERT INTO "` + t.Name + `" ("` + strings.Join(t.Columns, `", "`) + `") VALUES (` + strings.Join(marks, ", ") + `)`
}

// row reads a line.
func (t table) row(line []byte) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil || len(raw) != len(t.Types) {
		return nil, ErrDamaged
	}
	cells := make([]any, len(raw))
	for i, kind := range t.Types {
		var err error
		if cells[i], err = read(kind, raw[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Columns[i], damaged(err))
		}
	}
	return cells, nil
}

// read returns a value as the database takes it.
func read(kind string, raw json.RawMessage) (any, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	var err error
	switch kind {
	case number:
		var v int64
		err = json.Unmarshal(raw, &v)
		return v, err
	case truth:
		var v bool
		err = json.Unmarshal(raw, &v)
		return v, err
	case octets:
		var v string
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, err
		}
		return base64.StdEncoding.DecodeString(v) // never nil, which would be NULL
	case text:
		if raw[0] == '{' {
			var v odd
			err = json.Unmarshal(raw, &v)
			return string(v.Bytes), err
		}
		var v string
		err = json.Unmarshal(raw, &v)
		return v, err
	}
	return nil, ErrDamaged
}
