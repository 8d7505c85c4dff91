package idp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/seal"
)

// Verdict is what a check of [Examine] comes to.
type Verdict string

// The verdicts.
const (
	Fine   Verdict = "ok"
	Notice Verdict = "notice" // worth knowing; nothing must be mended
	Wrong  Verdict = "wrong"  // must be mended
)

// Finding is the result of one check.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Do      string  `json:"do,omitempty"` // what to set or to do
}

// Examination says what [Examine] looks at.
type Examination struct {
	Config  Config
	Invalid error             // why the configuration cannot be used; nil: it can
	Files   map[string]string // files that hold settings, by what they are called
}

// SecretFiles returns the files that [LoadConfig] reads settings from, by the name of the variable that names them.
func SecretFiles(getenv func(string) string) map[string]string {
	files := map[string]string{}
	for _, s := range settings() {
		if path := getenv(s.env + "_FILE"); path != "" && !strings.HasSuffix(s.env, "_FILE") {
			files[s.env+"_FILE"] = path
		}
	}
	return files
}

// Examine looks at an installation from outside: at its configuration, files, keys, database, mail, and at itself by the
// public URL. It works whether or not the provider runs, and changes nothing: it makes no file and migrates nothing.
// Whatever keeps a check from being made is a finding too.
func Examine(ctx context.Context, x Examination) []Finding {
	e := &examiner{Examination: x}
	if x.Invalid != nil {
		e.wrong("configuration", "set what it names", "%v", x.Invalid)
		return e.found
	}
	e.configuration()
	e.files()
	e.readKeyset()
	e.database(ctx)
	if e.db != nil {
		defer e.db.Close()
		e.inside(ctx)
	}
	e.mail(ctx)
	e.certificate()
	e.web(ctx)
	return e.found
}

// examiner collects findings.
type examiner struct {
	Examination
	db    *dbx.DB // nil: there is none, or it does not answer
	keys  *seal.Keys
	found []Finding
}

func (e *examiner) add(v Verdict, check, do, format string, args ...any) {
	e.found = append(e.found, Finding{Check: check, Verdict: v, Text: fmt.Sprintf(format, args...), Do: do})
}

func (e *examiner) fine(check, format string, args ...any) { e.add(Fine, check, "", format, args...) }

func (e *examiner) notice(check, do, format string, args ...any) {
	e.add(Notice, check, do, format, args...)
}

func (e *examiner) wrong(check, do, format string, args ...any) {
	e.add(Wrong, check, do, format, args...)
}

func (e *examiner) now() time.Time { return e.Config.now() }

// configuration judges what can be set and is no mistake.
func (e *examiner) configuration() {
	const check = "configuration"
	c := e.Config
	public, _ := url.Parse(c.PublicURL) // validated
	switch {
	case public.Scheme == "http" && !loopback(public.Hostname()):
		e.notice(check, "set public_url to an https URL", "passwords travel in the clear to %s: allow_insecure_http is set", c.PublicURL)
	case public.Scheme == "http":
		e.notice(check, "set public_url before others use it", "public URL %s: this machine alone can use it", c.PublicURL)
	default:
		e.fine(check, "public URL %s", c.PublicURL)
	}
}

// files looks at who may read what only the provider should. The database and the keyset have their own checks.
func (e *examiner) files() {
	for _, name := range slices.Sorted(maps.Keys(e.Files)) {
		path := e.Files[name]
		info, err := os.Stat(path)
		if err != nil {
			e.wrong("files", "name a file that is there", "%s: %v", name, err)
			continue
		}
		if info.Mode().Perm()&0o077 != 0 { // secrets that a container is handed are often such
			e.notice("files", "chmod 600 "+path+", where it holds a secret", "%s: others may read %s", name, path)
		}
	}
	path, ok := strings.CutPrefix(e.Config.DatabaseURL, "sqlite:")
	if !ok {
		return
	}
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	switch {
	case err != nil: // the database's check says so
	case info.Mode().Perm()&0o022 != 0:
		e.wrong("files", "chmod 700 "+folder, "others may write in %s and put another database there", folder)
	case info.Mode().Perm()&0o077 != 0:
		e.notice("files", "chmod 700 "+folder, "others may list %s, where the database is", folder)
	default:
		e.fine("files", "%s is its owner's alone", folder)
	}
}

// readKeyset opens the keyset.
func (e *examiner) readKeyset() {
	path := e.Config.keyset()
	keys, err := seal.Load(path)
	switch {
	case errors.Is(err, seal.ErrMissing): // the database says whether that is bad
	case err != nil:
		e.wrong("keyset", "set its mode to 0600, or restore it from a backup", "%v", err)
	default:
		e.keys = keys
		e.fine("keyset", "%s opens; keys for secrets at rest: %d", path, keys.Count())
	}
}

// database opens it and looks at the engine.
func (e *examiner) database(ctx context.Context) {
	const check = "database"
	if path, ok := strings.CutPrefix(e.Config.DatabaseURL, "sqlite:"); ok {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && e.keys == nil:
			e.notice(check, "run idp serve; where there should be one already, database_url or the folder you are in is another",
				"there is none yet at %s, and no keyset: idp serve makes both", path)
			return
		case errors.Is(err, fs.ErrNotExist):
			e.wrong(check, "idp restore, or set database_url", "there is a keyset and no database at %s", path)
			return
		case err != nil:
			e.wrong(check, "let this user read it", "%v", err)
			return
		case info.Mode().Perm()&0o077 != 0:
			e.wrong("files", "chmod 600 "+path, "others may read the database at %s", path)
			return
		}
	}
	db, err := dbx.Open(ctx, e.Config.DatabaseURL)
	if err != nil {
		e.wrong(check, "start it, or set database_url", "%v", err)
		return
	}
	e.db = db
	if db.Postgres() {
		e.postgres(ctx)
	} else {
		e.sqlite(ctx)
	}
}
