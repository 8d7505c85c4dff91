// Package migrations owns the schema: one stream of SQL files per package that has tables, the same files on SQLite and
// PostgreSQL. A stream is applied alone, so that a stranger who takes only mfa gets only its tables.
//
// Streams go forward only, and the code runs before and after a migration: expand first, contract in a later release.
// It knows no Go type of the tables' owners.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed */*.sql
var files embed.FS

// Streams are all streams of the provider, in the order in which they are applied.
func Streams() []string {
	return []string{"oauth", "mfa", "account", "session", "consent", "audit", "mail", "console", "api", "brand"}
}

// ErrNewer says that the database was made by a newer program.
var ErrNewer = errors.New("migrations: the database is newer than this program")

// State is where one stream stands.
type State struct {
	Stream  string `json:"part"`
	Current int64  `json:"version"` // 0: nothing applied yet
	Target  int64  `json:"latest"`
}

// Up applies what is missing of the given streams. Replicas that start together wait for one another: each file is
// applied once, on either engine. It returns [ErrNewer], with both versions and before it changes anything, when the
// database has what this program doesn't know.
//
// On PostgreSQL it needs a direct connection (session locks), and one without a statement time-out for long migrations.
func Up(ctx context.Context, db *sqlx.DB, streams ...string) error {
	return upAll(ctx, db, files, streams)
}

func upAll(ctx context.Context, db *sqlx.DB, files fs.FS, streams []string) error {
	states, err := look(ctx, db, files, streams)
	if err != nil {
		return err
	}
	// Most starts find nothing to do. The library that applies files takes megabytes for its buffers, and as many round trips as
	// there are streams: it is left alone then.
	behind := states[:0]
	for _, s := range states {
		if s.Current > s.Target {
			return newer(s.Stream, s.Current, s.Target)
		}
		if s.Current < s.Target {
			behind = append(behind, s)
		}
	}
	for _, s := range behind {
		provider, err := open(db, files, s.Stream)
		if err != nil {
			return err
		}
		if err := up(ctx, db, provider, s.Stream); err != nil {
			return err
		}
	}
	return nil
}

// newer is the error of a stream that stands beyond what the program knows.
func newer(stream string, version, target int64) error {
	return fmt.Errorf("%w: %s stands at %d, the program knows %d", ErrNewer, stream, version, target)
}

// up applies one stream. A starter that loses a race on SQLite, where there is no lock to wait for, has its
// transaction refused by the unique version and looks again.
func up(ctx context.Context, db *sqlx.DB, provider *goose.Provider, stream string) error {
	for {
		at, err := pending(ctx, provider, stream)
		if at == nil {
			return err
		}
		if db.DriverName() != "postgres" {
			once := "CREATE UNIQUE INDEX IF NOT EXISTS schema_" + stream + "_once ON schema_" + stream + " (version_id)"
			if _, err := db.ExecContext(ctx, once); err != nil {
				return fmt.Errorf("migrations: %s: %w", stream, err)
			}
		}
		_, failed := provider.Up(ctx)
		if failed == nil {
			return nil
		}
		// When another starter was quicker the version has moved; otherwise the file itself is at fault.
		after, err := pending(ctx, provider, stream)
		if err != nil || after != nil && after.Current == at.Current {
			return fmt.Errorf("migrations: %s: %w", stream, failed)
		}
	}
}

// pending returns where a stream stands, nil when nothing is missing.
func pending(ctx context.Context, provider *goose.Provider, stream string) (*State, error) {
	current, target, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("migrations: %s: %w", stream, err)
	case current > target:
		return nil, newer(stream, current, target)
	case current == target:
		return nil, nil
	}
	return &State{Stream: stream, Current: current, Target: target}, nil
}

// Status returns where the given streams stand, without changing anything but the version table.
func Status(ctx context.Context, db *sqlx.DB, streams ...string) ([]State, error) {
	var out []State
	for _, stream := range streams {
		provider, err := open(db, files, stream)
		if err != nil {
			return nil, err
		}
		current, target, err := provider.GetVersions(ctx)
		if err != nil {
			return nil, fmt.Errorf("migrations: %s: %w", stream, err)
		}
		out = append(out, State{Stream: stream, Current: current, Target: target})
	}
	return out, nil
}

func open(db *sqlx.DB, files fs.FS, stream string) (*goose.Provider, error) {
	folder, err := fs.Sub(files, stream)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	dialect := database.DialectSQLite3
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.DriverName() == "postgres" {
		dialect = database.DialectPostgres
		indexes, err := concurrently(folder)
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		// It asks every second: a statement that waited for the lock would be what a concurrent build waits for.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(mending{locker, indexes}))
	} else {
		folder = plain{folder}
	}
	store, err := database.NewStore(dialect, "schema_"+stream)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	options = append(options, goose.WithStore(store))
	provider, err := goose.NewProvider(goose.DialectCustom, db.DB, folder, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %s: %w", stream, err)
	}
	return provider, nil
}
