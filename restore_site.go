package idp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/migrations"
	"github.com/focushq/idp/oauth"
)

// besides are what SQLite keeps beside a database file. Of another database it would be taken for this one's.
var besides = []string{"-wal", "-shm", "-journal"}

// liteSite builds in a folder beside the file, and moves the file.
func liteSite(ctx context.Context, path string, replace bool) (*site, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	_, missing := os.Stat(path)
	held, used, err := holdLite(ctx, path)
	if err != nil {
		return nil, err
	}
	free := func() {
		if held != nil {
			held.Close()
		}
	}
	if used && !replace {
		free()
		return nil, fmt.Errorf("%w: a database is at %s", ErrNotEmpty, path)
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), ".restore-*") // mode 0700
	if err != nil {
		free()
		return nil, err
	}
	built := filepath.Join(folder, "idp.db")
	return &site{
		url: "sqlite:" + built,
		take: func(context.Context) error {
			if _, err := os.Stat(built + "-wal"); err == nil {
				return errors.New("idp: the new database is still open")
			}
			if err := keepNames(built); err != nil { // the file itself
				return err
			}
			for _, suffix := range besides {
				if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			return putFile(built, path, missing == nil)
		},
		leave: func() {
			free()
			os.RemoveAll(folder)
		},
	}, nil
}

// holdLite keeps others from the file at path, if there is one, and says whether it is in use by a provider, or by whatever
// it was that wrote it.
func holdLite(ctx context.Context, path string) (held *dbx.DB, used bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		for _, suffix := range besides {
			if _, err := os.Stat(path + suffix); err == nil {
				return nil, true, nil
			}
		}
		return nil, false, nil
	}
	if err != nil || info.Size() == 0 {
		return nil, err == nil && !info.Mode().IsRegular(), err
	}
	held, err = dbx.Hold(ctx, "sqlite:"+path)
	if errors.Is(err, dbx.ErrInUse) {
		return nil, true, ErrRunning
	}
	if err != nil {
		return nil, true, nil // damaged, or none: that is what backups are for
	}
	var tables int
	if err := held.SQLX().GetContext(ctx, &tables, `SELECT COUNT(*) FROM sqlite_master`); err != nil {
		return held, true, nil
	}
	return held, tables > 0 && !unused(ctx, held), nil
}

// unused reports whether a database has our tables and nothing in them but what migrations put there.
func unused(ctx context.Context, db *dbx.DB) bool {
	keys, err := oauth.HasKeys(ctx, db)
	if err != nil || keys {
		return false
	}
	var people int
	return db.SQLX().GetContext(ctx, &people, `SELECT COUNT(*) FROM accounts`) == nil && people == 0
}

// building is the PostgreSQL schema in which a database is built.
const building = "idp_restore"

// postgresSite builds in a schema of its own, and moves the tables in one transaction.
func postgresSite(ctx context.Context, url string, replace bool) (*site, error) {
	held, err := dbx.Hold(ctx, url)
	if errors.Is(err, dbx.ErrInUse) {
		return nil, ErrRunning
	}
	if err != nil {
		return nil, err
	}
	s := &site{
		take: func(ctx context.Context) error { return moveTables(ctx, held) },
		leave: func() {
			held.SQLX().ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA IF EXISTS "+building+" CASCADE")
			held.Close()
		},
	}
	states, err := migrations.Look(ctx, held.SQLX(), migrations.Streams()...)
	if err == nil && !replace && slices.ContainsFunc(states, func(s migrations.State) bool { return s.Current > 0 }) && !unused(ctx, held) {
		err = fmt.Errorf("%w: the database has a provider's tables", ErrNotEmpty)
	}
	if err == nil {
		s.url, err = dbx.Within(url, building)
	}
	for _, query := range []string{"DROP SCHEMA IF EXISTS " + building + " CASCADE", "CREATE SCHEMA " + building} {
		if err == nil {
			_, err = held.SQLX().ExecContext(ctx, query)
		}
	}
	if err != nil {
		held.Close()
		return nil, err
	}
	return s, nil
}

// moveTables puts the tables that were built into the place of those that there are.
func moveTables(ctx context.Context, db *dbx.DB) error {
	if err := db.Alone(ctx); err != nil { // somebody has started it meanwhile
		return ErrRunning
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		tx := db.Tx(ctx)
		var built, there []string
		const query = `SELECT tablename FROM pg_tables WHERE schemaname = `
		if err := tx.SelectContext(ctx, &built, query+"$1 ORDER BY tablename", building); err != nil {
			return err
		}
		if err := tx.SelectContext(ctx, &there, query+"current_schema()"); err != nil {
			return err
		}
		there = slices.DeleteFunc(there, func(table string) bool { return !slices.Contains(built, table) && !ours(table) })
		if len(there) > 0 {
			if _, err := tx.ExecContext(ctx, `DROP TABLE "`+strings.Join(there, `", "`)+`"`); err != nil {
				return err
			}
		}
		var schema string
		if err := tx.GetContext(ctx, &schema, `SELECT quote_ident(current_schema())`); err != nil {
			return err
		}
		for _, table := range built {
			if _, err := tx.ExecContext(ctx, "ALTER TABLE "+building+`."`+table+`" SET SCHEMA `+schema); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DROP SCHEMA "+building)
		return err
	})
}

// ours reports whether a table is a provider's, also one of a newer program.
func ours(table string) bool {
	return slices.ContainsFunc(migrations.Streams(), func(stream string) bool {
		return strings.HasPrefix(table, stream+"_") || table == "schema_"+stream
	})
}
