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
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed */*.sql
var files embed.FS

// Streams are all streams of the provider, in the order in which they are applied.
func Streams() []string {
	return []string{"oauth", "mfa", "account", "session", "consent", "audit", "mail"}
}

// ErrNewer says that the database was made by a newer program.
var ErrNewer = errors.New("migrations: the database is newer than this program")

// State is where one stream stands.
type State struct {
	Stream          string
	Current, Target int64 // versions; 0: nothing applied yet
}

// Up applies what is missing of the given streams. Replicas that start together wait for one another on PostgreSQL and
// SQLite alike. It returns [ErrNewer], with both versions, when the database has what this program doesn't know.
func Up(ctx context.Context, db *sqlx.DB, streams ...string) error {
	for _, stream := range streams {
		provider, err := open(db, stream)
		if err != nil {
			return err
		}
		current, target, err := provider.GetVersions(ctx)
		if err != nil {
			return fmt.Errorf("migrations: %s: %w", stream, err)
		}
		if current > target {
			return fmt.Errorf("%w: %s stands at %d, the program knows %d", ErrNewer, stream, current, target)
		}
		if current == target {
			continue
		}
		if err := up(ctx, provider); err != nil {
			return fmt.Errorf("migrations: %s: %w", stream, err)
		}
	}
	return nil
}

// up tries again while another starter holds the lock or has just applied the same file.
func up(ctx context.Context, provider *goose.Provider) error {
	var err error
	for range 20 {
		if _, err = provider.Up(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(250 * time.Millisecond):
		}
		if pending, e := provider.HasPending(ctx); e == nil && !pending {
			return nil
		}
	}
	return err
}

// Status returns where the given streams stand, without changing anything but the version table.
func Status(ctx context.Context, db *sqlx.DB, streams ...string) ([]State, error) {
	var out []State
	for _, stream := range streams {
		provider, err := open(db, stream)
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

func open(db *sqlx.DB, stream string) (*goose.Provider, error) {
	folder, err := fs.Sub(files, stream)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	dialect := database.DialectSQLite3
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.DriverName() == "postgres" {
		dialect = database.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	store, err := database.NewStore(dialect, "schema_"+stream)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	options = append(options, goose.WithStore(store))
	provider, err := goose.NewProvider("", db.DB, folder, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %s: %w", stream, err)
	}
	return provider, nil
}
