package idp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/backup"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/migrations"
)

// The actions of the audit rows about backups.
const (
	EventBackup   = "backup.made"     // Detail: sha256, rows, encrypted
	EventRestored = "backup.restored" // Detail: sha256, rows, made, anchor: where the trail ended in the backup
)

var (
	// ErrExists says that a file is there already.
	ErrExists = errors.New("idp: the file exists")

	// ErrNoDatabase says that there is nothing to save.
	ErrNoDatabase = errors.New("idp: there is no database")
)

// BackupOptions say how a backup is written.
type BackupOptions struct {
	Passphrase string // "": the file holds the keys in clear
	Replace    bool   // a file that is there already
}

// BackupReport is what was written.
type BackupReport struct {
	File      string           `json:"file"`
	Made      time.Time        `json:"made"` // the moment that it is of
	Rows      int64            `json:"rows"`
	Bytes     int64            `json:"bytes"`
	SHA256    string           `json:"sha256"` // as the file ends with it
	Encrypted bool             `json:"encrypted"`
	Schemas   map[string]int64 `json:"schemas"`
	Recorded  bool             `json:"recorded"` // there is an audit row; not while the schema waits for its migration
}

// Backup writes the database that cfg names, as it is at one moment, and the keyset into the file of that name, mode 0600,
// while the provider serves or not. It migrates nothing. The file is there as a whole or not at all. Errors are
// [ErrExists], [ErrNoDatabase], [migrations.ErrNewer] and others.
func Backup(ctx context.Context, cfg Config, name string, o BackupOptions) (*BackupReport, error) {
	if _, err := os.Lstat(name); err == nil && !o.Replace {
		return nil, fmt.Errorf("%w: %s", ErrExists, name)
	}
	if path, ok := strings.CutPrefix(cfg.DatabaseURL, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoDatabase, err)
		}
	}
	db, err := dbx.OpenPatient(ctx, cfg.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	draft, err := os.CreateTemp(filepath.Dir(name), ".backup-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft.Name())
	defer draft.Close()
	m := backup.Manifest{Made: cfg.now().UTC(), Program: cfg.Version, PublicURL: cfg.PublicURL}
	report := &BackupReport{File: name, Made: m.Made, Encrypted: o.Passphrase != ""}
	report.Rows, report.SHA256, err = backup.Write(ctx, db, draft, o.Passphrase, &m, func() ([]byte, error) {
		text, err := seal.Text(cfg.keyset())
		return text, refused(err)
	})
	if err != nil {
		return nil, err
	}
	if len(m.Schemas) == 0 {
		return nil, ErrNoDatabase
	}
	info, err := draft.Stat()
	if err != nil {
		return nil, err
	}
	report.Bytes, report.Schemas = info.Size(), m.Schemas
	if err := errors.Join(draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	// On record first: a copy of everything that nobody knows of would be worse than a row about a file that is not there.
	if report.Recorded, err = cfg.recordBackup(ctx, db, report); err != nil {
		return nil, err
	}
	return report, putFile(draft.Name(), name, o.Replace)
}

// recordBackup leaves an audit row, where the schema is one that this program writes to.
func (c *Config) recordBackup(ctx context.Context, db *dbx.DB, r *BackupReport) (bool, error) {
	states, err := migrations.Look(ctx, db.SQLX(), "audit")
	if err != nil || states[0].Current != states[0].Target {
		return false, err
	}
	keys, err := seal.Load(c.keyset())
	if err != nil {
		return false, err
	}
	log, err := c.trail(db, keys)
	if err != nil {
		return false, err
	}
	return true, log.Record(ctx, audit.Event{Action: EventBackup, Detail: map[string]string{
		"sha256": r.SHA256, "rows": strconv.FormatInt(r.Rows, 10), "encrypted": strconv.FormatBool(r.Encrypted),
	}})
}

// trail returns the audit trail of a database without beginning one.
func (c *Config) trail(db *dbx.DB, keys *seal.Keys) (*audit.Log, error) {
	key, err := keys.Derive("audit")
	return &audit.Log{DB: db, Key: key, Now: c.Now}, err
}

// now is the time on the clock of the configuration.
func (c *Config) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// putFile moves a file to its name, also through a loss of power.
func putFile(from, name string, replace bool) error {
	if replace {
		if err := os.Rename(from, name); err != nil {
			return err
		}
		return keepNames(filepath.Dir(name))
	}
	// A link fails where somebody was quicker.
	if err := os.Link(from, name); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrExists, name)
	} else if err != nil {
		return err
	}
	return keepNames(filepath.Dir(name))
}

// keepNames makes what happened to a folder's names outlive a loss of power.
func keepNames(folder string) error {
	handle, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}
