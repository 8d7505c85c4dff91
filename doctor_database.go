package idp

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/focushq/idp/migrations"
	"github.com/focushq/idp/oauth"
)

// Free space of a disk, in bytes, below which somebody should know and below which a provider stops soon.
const (
	lowSpace = 1 << 30
	noSpace  = 100 << 20
)

// sqlite looks at the file's engine and at the disk.
func (e *examiner) sqlite(ctx context.Context) {
	path := strings.TrimPrefix(e.Config.DatabaseURL, "sqlite:")
	var version string
	if err := e.db.Get(ctx, &version, `SELECT sqlite_version()`); err != nil {
		e.wrong("database", "restore it from a backup", "%s does not answer: %v", path, err)
		return
	}
	e.fine("database", "SQLite %s at %s", version, path)
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &disk); err != nil {
		e.notice("space", "", "the free space at %s is not known: %v", path, err)
		return
	}
	free := uint64(disk.Bavail) * uint64(disk.Bsize)
	switch {
	case free < noSpace:
		e.wrong("space", "make room", "%s free at %s", size(free), path)
	case free < lowSpace:
		e.notice("space", "make room", "%s free at %s", size(free), path)
	default:
		e.fine("space", "%s free at %s", size(free), path)
	}
}

func size(bytes uint64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%d MB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
}

// postgres looks at the server: whether what it has acknowledged stays, and whether its clock is ours.
func (e *examiner) postgres(ctx context.Context) {
	var server struct {
		Version string `db:"version"`
		Name    string `db:"name"`
		Bytes   int64  `db:"bytes"`
		Fsync   string `db:"fsync"`
		Pages   string `db:"pages"`
		Commit  string `db:"commit"`
	}
	err := e.db.Get(ctx, &server, `SELECT current_setting('server_version') AS version, current_database() AS name,
		pg_database_size(current_database()) AS bytes, current_setting('fsync') AS fsync,
		current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commit`)
	if err != nil {
		e.wrong("database", "see the server's log", "it does not answer: %v", err)
		return
	}
	e.fine("database", "PostgreSQL %s, %s, %s", server.Version, server.Name, size(uint64(server.Bytes)))
	for _, setting := range []struct{ name, value string }{
		{"fsync", server.Fsync}, {"full_page_writes", server.Pages}, {"synchronous_commit", server.Commit},
	} {
		if setting.value == "off" {
			e.wrong("durability", "set "+setting.name+" = on in PostgreSQL",
				"%s is off: after a crash codes and tokens that were used are good again", setting.name)
		}
	}
	offset, err := databaseOffset(ctx, e.db, e.now)
	switch {
	case err != nil:
		e.notice("clock", "", "%v", err)
	case offset.beyondDoubt() != 0:
		e.wrong("clock", "synchronise the time on both (NTP)", "this machine's clock is %s", describeOffset(offset.by))
	default:
		e.fine("clock", "the database's is this machine's")
	}
}

// inside looks at what is in the database.
func (e *examiner) inside(ctx context.Context) {
	if !e.schema(ctx) {
		return
	}
	if e.keys == nil {
		e.noKeyset(ctx)
		return
	}
	for _, check := range []func(context.Context){e.writable, e.signingKeys, e.trail, e.webhook, e.people, e.outbox, e.backups} {
		check(ctx)
	}
}

// schema reports whether it is the one of this program: what is in another one cannot be looked at.
func (e *examiner) schema(ctx context.Context) bool {
	const check = "schema"
	states, err := migrations.Look(ctx, e.db.SQLX(), migrations.Streams()...)
	if err != nil {
		e.wrong(check, "see idp migrate status", "%v", err)
		return false
	}
	var behind []string
	for _, s := range states {
		switch {
		case s.Current > s.Target:
			e.wrong(check, "run the newer program, or restore a backup of before", "a newer program made it: %s stands at %d, this one knows %d", s.Stream, s.Current, s.Target)
			return false
		case s.Current < s.Target:
			behind = append(behind, fmt.Sprintf("%s %d of %d", s.Stream, s.Current, s.Target))
		}
	}
	if len(behind) > 0 {
		e.notice(check, "idp backup, then idp migrate up or idp serve", "older than this program, so nothing in it was looked at: %s", strings.Join(behind, ", "))
		return false
	}
	e.fine(check, "up to date")
	return true
}

// noKeyset says whether it is missed.
func (e *examiner) noKeyset(ctx context.Context) {
	used, err := oauth.HasKeys(ctx, e.db)
	switch {
	case err != nil:
		e.wrong("keyset", "", "%v", err)
	case used:
		for _, f := range e.found {
			if f.Check == "keyset" {
				return // it is there and cannot be used, which has been said
			}
		}
		e.wrong("keyset", "restore it from a backup, or set keyset_file", "%s is missing, and the database holds secrets that only it opens", e.Config.keyset())
	default:
		e.notice("keyset", "run idp serve", "there is none yet at %s: idp serve makes it", e.Config.keyset())
	}
}

// errUndo takes a trial back.
var errUndo = errors.New("idp: a trial")

// writable writes, and takes it back.
func (e *examiner) writable(ctx context.Context) {
	err := e.db.InTx(ctx, func(ctx context.Context) error {
		if _, err := e.db.Exec(ctx, `UPDATE account_policy SET turns = turns WHERE id = 1`); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		e.fine("writing", "it can be written to")
		return
	}
	e.wrong("writing", "see that it is no standby, and that there is room", "it cannot be written to: %v", err)
}
