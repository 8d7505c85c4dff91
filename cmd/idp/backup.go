package main

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/focushq/idp"
	"github.com/focushq/idp/internal/backup"
	"github.com/focushq/idp/internal/seal"
)

// passphrase is the environment variable of a backup's passphrase.
const passphrase = "IDP_BACKUP_PASSPHRASE"

type backupCmd struct {
	output
	File    string `arg:"" help:"The file to write; it must not be there yet."`
	Encrypt bool   `help:"Encrypt the file under a passphrase of at least 15 characters, from standard input or IDP_BACKUP_PASSPHRASE. Where that is set, so is this."`
	Force   bool   `help:"Replace the file when it is there."`
}

// Run writes the backup, while the provider serves or not.
func (c *backupCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	o := idp.BackupOptions{Replace: c.Force}
	if c.Encrypt || a.getenv(passphrase) != "" {
		if o.Passphrase, err = a.secret(passphrase); err != nil {
			return err
		}
		if utf8.RuneCountInString(o.Passphrase) < 15 { // whoever has the file can guess as fast as they like
			return usageError("the passphrase needs 15 characters or more")
		}
	}
	r, err := idp.Backup(a, cfg, c.File, o)
	if errors.Is(err, idp.ErrExists) {
		return fmt.Errorf("%s is there already: choose another name, or give --force to replace it", c.File)
	}
	if err != nil {
		return err
	}
	if !r.Encrypted {
		fmt.Fprintln(a.err, "warning: the file holds the keys and is not encrypted: whoever reads it can be this provider. Keep it as you keep the keyset, or use --encrypt")
	}
	if !r.Recorded {
		fmt.Fprintln(a.err, "note: the audit trail does not tell of this backup: the schema waits for its migration")
	}
	if c.Output == "json" {
		return c.print(a, r, "", nil)
	}
	_, err = fmt.Fprintf(a.out, "written: %s, %d rows in %d bytes, as of %s\nsha256: %s\n", r.File, r.Rows, r.Bytes, r.Made.Format(time.RFC3339), r.SHA256)
	return err
}

type restoreCmd struct {
	output
	File    string `arg:"" help:"The file that idp backup has written."`
	Replace bool   `help:"Replace the database and the keyset that are there; all in them is lost."`
}

// Run restores the backup. Nobody else may have the database open.
func (c *restoreCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	r, err := idp.Restore(a, cfg, c.File, idp.RestoreOptions{
		Replace: c.Replace, Passphrase: func() (string, error) { return a.secret(passphrase) },
	})
	switch {
	case errors.Is(err, idp.ErrNotEmpty):
		return fmt.Errorf("%w: nothing was changed; give --replace to lose what is there", err)
	case errors.Is(err, idp.ErrRunning):
		return fmt.Errorf("%w: nothing was changed; stop it first", err)
	case errors.Is(err, backup.ErrShared):
		return fmt.Errorf("%w; or encrypt backups", err)
	case errors.Is(err, seal.ErrPassphrase):
		return errors.New("the passphrase is another one; nothing was changed")
	case err != nil:
		return err
	}
	if r.Trail != "" {
		fmt.Fprintf(a.err, "warning: the audit trail: %s: see idp audit verify\n", r.Trail)
	}
	if r.PublicURL != cfg.PublicURL {
		fmt.Fprintf(a.err, "note: that provider was %s, this one is %s: passkeys and apps know it by its URL\n", r.PublicURL, cfg.PublicURL)
	}
	if c.Output == "json" {
		return c.print(a, r, "", nil)
	}
	day := r.Made.Format(time.RFC3339)
	_, err = fmt.Fprintf(a.out, "restored: %d rows, as of %s\nanchor: %s\n\n"+
		"Every session, token, code, link, consent and remembered device has ended, and everybody makes new recovery codes.\n"+
		"What was done after %s is undone: see who was disabled or deleted since, which passwords and client\n"+
		"secrets were changed, and which signing keys were revoked, and do it again.\n", r.Rows, day, r.Anchor, day)
	return err
}
