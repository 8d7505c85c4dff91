package fill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/mfa"
)

// Config says which database is to be filled, and with how much.
type Config struct {
	Size
	DatabaseURL string
	Keyset      string                                           // a file; made when missing
	PublicURL   string                                           // "": that of [idp.Defaults]
	HashMemory  uint32                                           // KiB of the password's hash; 0: as in production
	Log         func(table string, rows int, took time.Duration) // nil: nobody is told
}

// filler is one run.
type filler struct {
	Crowd
	cfg      Config
	p        *idp.IdP
	db       *dbx.DB
	keys     *seal.Keys
	pattern  pattern
	now      time.Time
	password string
	telling  sync.Mutex
}

// Fill fills a database, which must have no people yet, and returns what it then holds. Every table is filled in a transaction of
// its own.
func Fill(ctx context.Context, cfg Config) (Crowd, error) {
	defaults := idp.Defaults()
	defaults.DatabaseURL, defaults.KeysetFile, defaults.HashMemory = cfg.DatabaseURL, cfg.Keyset, cfg.HashMemory
	defaults.Log = slog.New(slog.DiscardHandler)
	if cfg.PublicURL != "" {
		defaults.PublicURL = cfg.PublicURL
	}
	cfg.PublicURL = defaults.PublicURL
	if cfg.Clients < 1 || cfg.Sessions > cfg.People || cfg.Consents > cfg.People || cfg.Codes > cfg.Sessions || cfg.Grants > cfg.People*cfg.Clients {
		return Crowd{}, errors.New("fill: there is a client at least, sessions and consents are people's, codes are sessions', and a grant is of one person and client")
	}
	p, err := idp.New(ctx, defaults)
	if err != nil {
		return Crowd{}, err
	}
	defer p.Close()
	f := &filler{cfg: cfg, p: p, now: time.Now()}
	if f.keys, err = seal.Load(cfg.Keyset); err != nil {
		return Crowd{}, err
	}
	if f.Crowd, err = Of(cfg.Size, f.keys); err != nil {
		return Crowd{}, err
	}
	if f.db, err = dbx.OpenPatient(ctx, cfg.DatabaseURL); err != nil {
		return Crowd{}, err
	}
	defer f.db.Close()
	return f.Crowd, f.all(ctx)
}

func (f *filler) all(ctx context.Context) error {
	var there int
	if err := f.db.Get(ctx, &there, `SELECT count(*) FROM (SELECT subject FROM accounts LIMIT 1) AS first`); err != nil {
		return err
	}
	if there != 0 {
		return errors.New("fill: there are people already")
	}
	var err error
	if f.password, err = account.NewHasher(account.Params{MemoryKiB: f.cfg.HashMemory}).Hash(ctx, Password); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{f.clients, f.person, f.tables, f.trail, f.tidy} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tables fills what does not refer to each other, on PostgreSQL at the same time: one connection uses one processor.
func (f *filler) tables(ctx context.Context) error {
	parts := []func(context.Context) error{f.people, f.factors, f.browsers, f.consents, f.grants}
	failed := make([]error, len(parts))
	var group sync.WaitGroup
	for i, part := range parts {
		if !f.db.Postgres() {
			failed[i] = part(ctx)
			continue
		}
		group.Go(func() { failed[i] = part(ctx) })
	}
	group.Wait()
	return errors.Join(failed...)
}

// tell tells how it goes.
func (f *filler) tell(what string, rows int, began time.Time) {
	if f.cfg.Log == nil {
		return
	}
	f.telling.Lock()
	defer f.telling.Unlock()
	f.cfg.Log(what, rows, time.Since(began))
}

// people writes accounts and what they are found by.
func (f *filler) people(ctx context.Context) error {
	accounts, err := read(ctx, f.db, "accounts", "subject = $1", f.pattern.subject)
	if err != nil {
		return err
	}
	words, err := read(ctx, f.db, "account_words", "subject = $1", f.pattern.subject)
	if err != nil {
		return err
	}
	err = f.copies(ctx, accounts, func(add func([]any) error) error {
		for n := range f.People {
			username, full := Username(n), name(n)
			email, since := username+"@example.com", f.now.Unix()-int64(n%(1000*int(days)))
			codes := int64(0)
			if f.Enrolled(n) {
				codes = int64(f.pattern.codes)
			}
			if err := add(accounts.like(0,
				"subject", Subject(n), "username", username, "username_key", username, "email", email, "email_key", email,
				"name", full, "name_key", folded(full), "searched", username+" "+email+" "+full, "password", f.password,
				"created_at", since, "updated_at", since, "password_at", since, "signed_in_at", f.now.Unix()/hours*hours-int64(n%720)*hours,
				"mfa_enrolled", f.Enrolled(n), "codes_left", codes,
			)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return f.copies(ctx, words, func(add func([]any) error) error {
		for n := range f.People {
			for _, word := range wordsOf(n) {
				if err := add(words.like(0, "word", []byte(word), "subject", Subject(n))); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// browsers writes sessions.
func (f *filler) browsers(ctx context.Context) error {
	sessions, err := read(ctx, f.db, "sessions", "subject = $1", f.pattern.subject)
	if err != nil {
		return err
	}
	return f.copies(ctx, sessions, func(add func([]any) error) error {
		for n := range f.Sessions {
			pairs := []any{"id", text("session", n), "secret", hash(Cookie(n)), "subject", Subject(n)}
			if f.Enrolled(n) { // who gave a code as well
				pairs = append(pairs, "amr", strings.Join(mfa.AMR(mfa.Password, mfa.TOTP), " "), "factor_at", sessions.number(0, "auth_time"))
			}
			if err := add(sessions.like(0, pairs...)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *filler) consents(ctx context.Context) error {
	consents, err := read(ctx, f.db, "consents", "subject = $1", f.pattern.subject)
	if err != nil {
		return err
	}
	return f.copies(ctx, consents, func(add func([]any) error) error {
		for n := range f.Consents {
			for k := range consents.rows {
				if err := add(consents.like(k, "subject", Subject(n))); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// grants writes those with refresh tokens, which began in the last two weeks, and those whose code waits.
func (f *filler) grants(ctx context.Context) error {
	grants, err := read(ctx, f.db, "oauth_grants", "subject = $1 ORDER BY rt_gen DESC", f.pattern.subject)
	if err != nil {
		return err
	}
	if len(grants.rows) != 2 {
		return fmt.Errorf("fill: the pattern has %d grants, not 2", len(grants.rows))
	}
	return f.copies(ctx, grants, func(add func([]any) error) error {
		for n := range f.Grants {
			person := n % f.People
			id, _ := grantID("grant", n)
			code := number("spent code", n)
			since := int64(n) % (14 * days)
			pairs := []any{"id", id, "client_id", f.GrantClient(n), "subject", Subject(person), "session_id", text("session", person),
				"code_hash", code[:], "rt_seed", chain(n)}
			for _, column := range []string{"auth_time", "requested_at", "created_at", "code_expires_at", "code_used_at", "rt_rotated_at", "expires_at"} {
				pairs = append(pairs, column, grants.number(0, column)-since)
			}
			if err := add(grants.like(0, pairs...)); err != nil {
				return err
			}
		}
		for n := range f.Codes {
			id, _ := grantID("code", n)
			if err := add(grants.like(1, "id", id, "client_id", f.Client(n), "subject", Subject(n), "session_id", text("session", n),
				"code_hash", hash(Code(n)), "code_expires_at", f.now.Unix()+hours)); err != nil {
				return err
			}
		}
		return nil
	})
}
