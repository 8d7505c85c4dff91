package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/pressly/goose/v3/lock"
)

// An index of a table that may have rows is built while others write to it. Files say so in PostgreSQL's words: CREATE INDEX
// CONCURRENTLY IF NOT EXISTS, below "-- +goose NO TRANSACTION", as PostgreSQL builds no index so within one. Nothing else stands in
// such a file: what was done of it before it was interrupted is done again.

var concurrent = regexp.MustCompile(`\bINDEX CONCURRENTLY IF NOT EXISTS (\w+)`)

// concurrently returns the indexes that the files of a folder build so.
func concurrently(folder fs.FS) (names []string, err error) {
	files, err := fs.Glob(folder, "*.sql")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := fs.ReadFile(folder, file)
		if err != nil {
			return nil, err
		}
		for _, found := range concurrent.FindAllSubmatch(text, -1) {
			names = append(names, string(found[1]))
		}
	}
	return names, nil
}

// plain is a folder as SQLite reads it, which has one writer at a time and hence no word for it: a file is a transaction there.
type plain struct{ fs.FS }

var plainly = strings.NewReplacer("-- +goose NO TRANSACTION\n", "", "INDEX CONCURRENTLY ", "INDEX ")

// Open implements [fs.FS].
func (p plain) Open(name string) (fs.File, error) {
	file, err := p.FS.Open(name)
	if err != nil || path.Ext(name) != ".sql" {
		return file, err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return plainFile{file, strings.NewReader(plainly.Replace(string(text)))}, nil
}

type plainFile struct {
	fs.File
	text io.Reader
}

// Read implements [fs.File].
func (f plainFile) Read(p []byte) (int, error) { return f.text.Read(p) }

// mending is the lock of starters on PostgreSQL. Who gets it first removes what an interrupted build has left: an index that
// counts as existing and is kept up to date, but is not complete and never used. Without the lock it might be one that
// another starter is just building.
type mending struct {
	lock.SessionLocker
	indexes []string
}

// SessionLock implements [lock.SessionLocker].
func (m mending) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if err := m.SessionLocker.SessionLock(ctx, conn); err != nil {
		return err
	}
	if err := m.mend(ctx, conn); err != nil {
		return errors.Join(fmt.Errorf("remove an incomplete index: %w", err), m.SessionUnlock(context.WithoutCancel(ctx), conn))
	}
	return nil
}

func (m mending) mend(ctx context.Context, conn *sql.Conn) error {
	for _, name := range m.indexes {
		var incomplete bool
		err := conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
			JOIN pg_namespace ON pg_namespace.oid = relnamespace
			WHERE relname = $1 AND nspname = current_schema() AND NOT indisvalid)`, name).Scan(&incomplete)
		if err == nil && incomplete {
			_, err = conn.ExecContext(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
