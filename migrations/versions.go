package migrations

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
)

// Look returns where the given streams stand, as [Status] does, and changes nothing: not even a table for the versions is
// made where there is none.
func Look(ctx context.Context, db *sqlx.DB, streams ...string) ([]State, error) {
	return look(ctx, db, files, streams)
}

// LookIn is [Look] as the transaction sees the database.
func LookIn(ctx context.Context, tx *sqlx.Tx, streams ...string) ([]State, error) {
	return look(ctx, tx, files, streams)
}

// reader is a database or a transaction of one.
type reader interface {
	DriverName() string
	SelectContext(ctx context.Context, dest any, query string, args ...any) error
}

func look(ctx context.Context, db reader, files fs.FS, streams []string) ([]State, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if db.DriverName() == "postgres" {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	}
	var tables []string
	if err := db.SelectContext(ctx, &tables, query); err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	var out []State
	var queries []string
	for _, stream := range streams {
		target, err := newest(files, stream)
		if err != nil {
			return nil, err
		}
		out = append(out, State{Stream: stream, Target: target})
		if slices.Contains(tables, "schema_"+stream) {
			queries = append(queries, fmt.Sprintf("SELECT %d AS at, COALESCE(MAX(version_id), 0) AS version FROM schema_%s", len(out)-1, stream))
		}
	}
	if len(queries) == 0 {
		return out, nil
	}
	var versions []struct {
		At      int
		Version int64
	}
	if err := db.SelectContext(ctx, &versions, strings.Join(queries, " UNION ALL ")); err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	for _, v := range versions {
		out[v.At].Current = v.Version
	}
	return out, nil
}

// UpTo brings an empty database to the versions that another one had, by stream: what was saved of that one fits into
// it. [ErrNewer] says that this program does not know them.
func UpTo(ctx context.Context, db *sqlx.DB, versions map[string]int64) error {
	if err := Known(versions); err != nil {
		return err
	}
	for _, stream := range Streams() {
		if versions[stream] == 0 {
			continue
		}
		provider, err := open(db, files, stream)
		if err != nil {
			return err
		}
		if _, err := provider.UpTo(ctx, versions[stream]); err != nil {
			return fmt.Errorf("migrations: %s: %w", stream, err)
		}
	}
	return nil
}

// Known returns [ErrNewer] when this program does not know all of versions.
func Known(versions map[string]int64) error {
	for stream, version := range versions {
		if !slices.Contains(Streams(), stream) {
			return fmt.Errorf("%w: it has a part called %q", ErrNewer, stream)
		}
		target, err := newest(files, stream)
		if err != nil {
			return err
		}
		if version > target {
			return newer(stream, version, target)
		}
	}
	return nil
}

// made and dropped are what our files say of tables.
var (
	made    = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)
	dropped = regexp.MustCompile(`(?m)^DROP TABLE (\w+)`)
)

// Tables returns the tables that a stream has at a version, in the order in which they are made: none refers to a later
// one. The table of the versions is not among them.
func Tables(stream string, version int64) ([]string, error) {
	names, err := sources(files, stream)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		if numbered(name) > version {
			break
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		for _, found := range made.FindAllStringSubmatch(up, -1) {
			out = append(out, found[1])
		}
		for _, found := range dropped.FindAllStringSubmatch(up, -1) {
			out = slices.DeleteFunc(out, func(table string) bool { return table == found[1] })
		}
	}
	return out, nil
}

// sources returns the files of a stream, the oldest first.
func sources(files fs.FS, stream string) ([]string, error) {
	names, err := fs.Glob(files, stream+"/*.sql")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("migrations: there is no part %q", stream)
	}
	slices.Sort(names) // their numbers have one width
	return names, nil
}

func newest(files fs.FS, stream string) (int64, error) {
	names, err := sources(files, stream)
	if err != nil {
		return 0, err
	}
	return numbered(names[len(names)-1]), nil
}

// numbered returns the version that a file brings.
func numbered(name string) (version int64) {
	_, file, _ := strings.Cut(name, "/")
	fmt.Sscanf(file, "%d", &version)
	return version
}
