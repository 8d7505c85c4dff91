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

	"github.com/jmoiron/sqlx"

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
	var there []string
	if err := held.SQLX().SelectContext(ctx, &there, `SELECT name FROM sqlite_master WHERE type <> 'index' AND name NOT LIKE 'sqlite%'`); err != nil {
		return held, true, nil
	}
	if len(there) == 0 {
		return held, false, nil
	}
	states, err := migrations.Look(ctx, held.SQLX(), migrations.Streams()...)
	if err != nil {
		return held, true, nil
	}
	o, err := sortOut(states, there)
	return held, err != nil || len(o.ours) < len(there) || !unused(ctx, held), nil
}

// owned are the tables of a database, by whose they are.
type owned struct {
	ours  []string // of the versions that the database has
	newer []string // a newer program's, as far as names tell: it brought a part further than this one knows
	alike []string // others', which are called as ours would be
}

// sortOut tells whose the tables are that there are in a database whose parts stand so. A name that begins as ours do is no proof.
func sortOut(states []migrations.State, there []string) (owned, error) {
	var o owned
	var has, wants, unknown []string
	for _, s := range states {
		has = append(has, "schema_"+s.Stream)
		now, err := migrations.Tables(s.Stream, s.Current)
		if err != nil {
			return owned{}, err
		}
		then, err := migrations.Tables(s.Stream, s.Target)
		if err != nil {
			return owned{}, err
		}
		has, wants = append(has, now...), append(wants, then...)
		if s.Current > s.Target {
			unknown = append(unknown, s.Stream+"_")
		}
	}
	for _, table := range there {
		switch {
		case slices.Contains(has, table):
			o.ours = append(o.ours, table)
		case slices.Contains(wants, table):
			o.alike = append(o.alike, table)
		case slices.ContainsFunc(unknown, func(prefix string) bool { return strings.HasPrefix(table, prefix) }):
			o.newer = append(o.newer, table)
		}
	}
	return o, nil
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
		take: func(ctx context.Context) error { return moveTables(ctx, held, replace) },
		leave: func() {
			held.SQLX().ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA IF EXISTS "+building+" CASCADE")
			held.Close()
		},
	}
	if !replace {
		err = checkUnused(ctx, held)
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

// tablesIn lists the tables of a PostgreSQL schema, which is an expression.
const tablesIn = `SELECT tablename FROM pg_tables WHERE schemaname = `

// whose tells whose tables there are in a PostgreSQL database. Without replace it returns [ErrNotEmpty], with their names, where
// some would go that are perhaps none of ours.
func whose(ctx context.Context, db sqlx.QueryerContext, states []migrations.State, replace bool) (o owned, err error) {
	var there []string
	if err := sqlx.SelectContext(ctx, db, &there, tablesIn+`current_schema() ORDER BY tablename`); err != nil {
		return o, err
	}
	o, err = sortOut(states, there)
	switch {
	case err != nil || replace:
		return o, err
	case len(o.alike) > 0:
		return o, fmt.Errorf("%w: the database has others' tables: %s", ErrNotEmpty, strings.Join(o.alike, ", "))
	case len(o.newer) > 0:
		return o, fmt.Errorf("%w: the database is a newer program's, and these tables seem to be too: %s", ErrNotEmpty, strings.Join(o.newer, ", "))
	}
	return o, nil
}

// checkUnused returns [ErrNotEmpty] when somebody uses what would be replaced.
func checkUnused(ctx context.Context, db *dbx.DB) error {
	states, err := migrations.Look(ctx, db.SQLX(), migrations.Streams()...)
	if err != nil {
		return err
	}
	if _, err := whose(ctx, db.SQLX(), states, false); err != nil {
		return err
	}
	if slices.ContainsFunc(states, func(s migrations.State) bool { return s.Current > 0 }) && !unused(ctx, db) {
		return fmt.Errorf("%w: the database has a provider's tables", ErrNotEmpty)
	}
	return nil
}

// moveTables puts the tables that were built into the place of those that there are. Only with replace do others' go which are
// called as ours are, and what a newer program seems to have made.
func moveTables(ctx context.Context, db *dbx.DB, replace bool) error {
	if err := db.Alone(ctx); err != nil { // somebody has started it meanwhile
		return ErrRunning
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		tx := db.Tx(ctx)
		var built []string
		if err := tx.SelectContext(ctx, &built, tablesIn+"$1 ORDER BY tablename", building); err != nil {
			return err
		}
		states, err := migrations.LookIn(ctx, tx, migrations.Streams()...)
		if err != nil {
			return err
		}
		o, err := whose(ctx, tx, states, replace)
		if err != nil {
			return err
		}
		if gone := slices.Concat(o.ours, o.newer, o.alike); len(gone) > 0 {
			if _, err := tx.ExecContext(ctx, `DROP TABLE "`+strings.Join(gone, `", "`)+`"`); err != nil {
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
		_, err = tx.ExecContext(ctx, "DROP SCHEMA "+building)
		return err
	})
}
