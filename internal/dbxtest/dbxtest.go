package dbxtest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/migrations"
)

// Each runs fn in a subtest per engine, "sqlite" and "postgres", each time with a fresh database that has the tables of
// the given streams.
func Each(t *testing.T, fn func(t *testing.T, db *dbx.DB), streams ...string) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t, streams...)) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t, streams...)) })
}

// SQLite returns a fresh database in a file of the test's own, closed when the test ends.
func SQLite(t testing.TB, streams ...string) *dbx.DB {
	t.Helper()
	return open(t, SQLiteURL(t, streams...))
}

// SQLiteURL returns the URL of a fresh SQLite database, for tests that open it more than once.
func SQLiteURL(t testing.TB, streams ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	if len(streams) > 0 {
		image, err := liteImage(t.Context(), streams)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "sqlite:" + path
}

// Postgres returns a fresh database of the process's private cluster, closed and dropped when the test ends.
func Postgres(t testing.TB, streams ...string) *dbx.DB {
	t.Helper()
	return open(t, PostgresURL(t, streams...))
}

// PostgresURL returns the URL of a fresh PostgreSQL database, for tests that start the binary or open it more than
// once. It is dropped when the test ends.
func PostgresURL(t testing.TB, streams ...string) string {
	t.Helper()
	c, err := server()
	if err != nil {
		t.Fatal(err)
	}
	name, err := c.create(t.Context(), streams)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.drop(name) })
	return c.url(name)
}

func open(t testing.TB, url string) *dbx.DB {
	t.Helper()
	db, err := dbx.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// images are the migrated SQLite files of this process by their streams: migrating is slower than copying.
var images struct {
	sync.Mutex
	bytes map[string][]byte
}

func liteImage(ctx context.Context, streams []string) ([]byte, error) {
	images.Lock()
	defer images.Unlock()
	key := strings.Join(streams, " ")
	if image := images.bytes[key]; image != nil {
		return image, nil
	}
	folder, err := os.MkdirTemp("", "idp-sqlite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "template.db")
	if err := migrate(ctx, "sqlite:"+path, streams); err != nil {
		return nil, err
	}
	image, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if images.bytes == nil {
		images.bytes = make(map[string][]byte)
	}
	images.bytes[key] = image
	return image, nil
}

// migrate applies the streams and closes the database again, so that its file or template is complete.
func migrate(ctx context.Context, url string, streams []string) error {
	db, err := dbx.Open(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	return migrations.Up(ctx, db.SQLX(), streams...)
}
