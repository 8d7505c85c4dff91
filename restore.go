package idp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/backup"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/migrations"
)

var (
	// ErrNotEmpty says that there is a database or another keyset already, which a restore would replace.
	ErrNotEmpty = errors.New("idp: the place is not empty")

	// ErrRunning says that somebody else has the database open, a provider most likely.
	ErrRunning = errors.New("idp: the provider runs, or something else has the database open")
)

// RestoreOptions say what a restore may do.
type RestoreOptions struct {
	Replace    bool                   // a database and a keyset that are there already
	Passphrase func() (string, error) // called for an encrypted file
}

// RestoreReport is what was restored.
type RestoreReport struct {
	Made      time.Time    `json:"made"`    // the moment that the backup is of
	Program   string       `json:"program"` // the version that wrote it
	Engine    string       `json:"engine"`  // of the database that it was
	PublicURL string       `json:"public_url"`
	Rows      int64        `json:"rows"`
	SHA256    string       `json:"sha256"`
	Before    audit.Anchor `json:"anchor_before"` // where the trail ended in the backup
	Anchor    audit.Anchor `json:"anchor"`        // where it ends now
	Trail     string       `json:"trail"`         // what is wrong with the trail; "": nothing that was seen
}

// Restore puts a backup in the place of the database and the keyset that cfg names: an empty one, unless it may be
// replaced, which nobody else has open. It builds the database aside, brings it up to date, ends in it what must not come
// back to life, and only then puts keyset and database into their places: before that nothing has changed. The engine need not be the
// one that the backup was made of. Errors are [ErrNotEmpty], [ErrRunning], [migrations.ErrNewer], those of the file, and
// others.
func Restore(ctx context.Context, cfg Config, name string, o RestoreOptions) (*RestoreReport, error) {
	f, err := backup.Open(name, o.Passphrase)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := migrations.Known(f.Schemas); err != nil {
		return nil, err
	}
	keys, err := seal.Parse(f.Keyset)
	if err != nil {
		return nil, err
	}
	before, err := os.ReadFile(cfg.keyset())
	if err == nil && !o.Replace && !bytes.Equal(before, f.Keyset) {
		return nil, fmt.Errorf("%w: another keyset is at %s", ErrNotEmpty, cfg.keyset())
	}
	site, err := cfg.site(ctx, o.Replace)
	if err != nil {
		return nil, err
	}
	defer site.leave()
	report, err := cfg.rebuild(ctx, f, keys, site.url)
	if err != nil {
		return nil, err
	}
	// The keys first: with them in an empty place the command may be given again; the other way round the provider would find
	// a database that it cannot open.
	if err := seal.Place(cfg.keyset(), f.Keyset, o.Replace); err != nil {
		return nil, err
	}
	if err := site.take(ctx); err != nil {
		if len(before) > 0 {
			err = errors.Join(err, seal.Place(cfg.keyset(), before, true))
		}
		return nil, err
	}
	return report, nil
}

// rebuild makes the database at url of the file.
func (c Config) rebuild(ctx context.Context, f *backup.File, keys *seal.Keys, url string) (*RestoreReport, error) {
	db, err := dbx.OpenPatient(ctx, url)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	report := &RestoreReport{Made: f.Made, Program: f.Program, Engine: f.Engine, PublicURL: f.PublicURL, SHA256: f.Sum}
	if report.Rows, err = f.Load(ctx, db); err != nil {
		return nil, err
	}
	if err := migrations.Up(ctx, db.SQLX(), migrations.Streams()...); err != nil {
		return nil, err
	}
	c.DatabaseURL = url
	p, err := assemble(ctx, c, func(p *IdP, _ context.Context) error {
		p.db, p.keys = db, keys
		return nil
	})
	if err != nil {
		return nil, err
	}
	return report, p.afterRestore(ctx, report)
}

// afterRestore raises the epoch of trust: what was used or ended since the backup, and what is not known of that, is ended
// here, in one transaction with the row that tells of it.
func (p *IdP) afterRestore(ctx context.Context, r *RestoreReport) (err error) {
	if r.Before, err = p.Audit.Head(ctx); err != nil {
		if !errors.As(err, new(*audit.Problem)) {
			return err
		}
		r.Trail = err.Error() // it was so in the backup: what people need most now is a provider
	}
	ends := []func(context.Context) error{
		p.MFA.AfterRestore, p.Accounts.AfterRestore, p.Sessions.AfterRestore, p.Consents.AfterRestore, p.OAuth.AfterRestore,
		p.outbox.AfterRestore, p.Audit.AfterRestore,
	}
	if p.Passkeys != nil {
		ends = append(ends, p.Passkeys.AfterRestore)
	}
	err = p.db.InTx(ctx, func(ctx context.Context) error {
		for _, end := range ends {
			if err := end(ctx); err != nil {
				return err
			}
		}
		return p.Audit.Record(ctx, audit.Event{Action: EventRestored, Detail: map[string]string{
			"sha256": r.SHA256, "rows": strconv.FormatInt(r.Rows, 10), "made": r.Made.Format(time.RFC3339), "anchor": r.Before.String(),
		}})
	})
	if err != nil {
		return err
	}
	if _, err := p.Audit.Link(ctx); err != nil {
		if !errors.As(err, new(*audit.Problem)) {
			return err
		}
		r.Trail = err.Error()
		return nil
	}
	r.Anchor, err = p.Audit.Head(ctx)
	return err
}

// site is where a database is built and then put into its place.
type site struct {
	url   string
	take  func(context.Context) error
	leave func() // removes what is left
}

// site opens the site of the database that c names.
func (c *Config) site(ctx context.Context, replace bool) (*site, error) {
	if path, ok := strings.CutPrefix(c.DatabaseURL, "sqlite:"); ok {
		return liteSite(ctx, path, replace)
	}
	return postgresSite(ctx, c.DatabaseURL, replace)
}
