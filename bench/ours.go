package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

const (
	secret   = "a secret of a benchmark that nobody guesses"
	password = "a long walk along the canal"
	// cheap is what the hash of a password takes in KiB where the hash itself is not what is measured.
	cheap = 64
)

// ours makes an installation in a folder of its own, on the database at databaseURL or, when that is "", on SQLite.
type ours struct {
	name, program, folder, databaseURL string
	people                             int
	hashMemory                         uint32          // KiB; 0: as it is by default. Then the program must be this one.
	server                             *dbxtest.Server // of databaseURL
	transport                          *http.Transport
}

// config is that of the installation, without the address at which it will listen.
func (o *ours) config() idp.Config {
	cfg := idp.Defaults()
	cfg.DatabaseURL, cfg.KeysetFile = o.databaseURL, filepath.Join(o.folder, "keyset.json")
	if cfg.DatabaseURL == "" {
		cfg.DatabaseURL = "sqlite:" + filepath.Join(o.folder, "idp.db")
	}
	cfg.Log, cfg.HashMemory = slog.New(slog.DiscardHandler), o.hashMemory
	return cfg
}

// prepare fills the database with clients and with people who have an authenticator, by the Go API.
func (o *ours) prepare(ctx context.Context) (*provider, error) {
	out := &provider{name: o.name, server: o.server, transport: o.transport, apps: map[string]app{}, signIn: signInAtOurs}
	p, err := idp.New(ctx, o.config())
	if err != nil {
		return nil, err
	}
	defer p.Close()
	for _, c := range []oauth.Client{
		{ID: "machine", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}, IDTokenAlg: "ES256"},
		{ID: "es256", IDTokenAlg: "ES256"},
		{ID: "trusted", IDTokenAlg: "ES256", Consent: "skip"},
		{ID: "rs256", IDTokenAlg: "RS256", AccessToken: "opaque"},
		{ID: "rs256-jwt", IDTokenAlg: "RS256"},
		{ID: "opaque", IDTokenAlg: "ES256", AccessToken: "opaque"},
	} {
		if c.GrantTypes == nil {
			c.RedirectURIs, c.Scopes, c.AccessTokenLife = []string{callback}, []string{"openid", "offline_access"}, 3600
		}
		if _, err := p.OAuth.Clients().Create(ctx, &c, secret); err != nil {
			return nil, fmt.Errorf("client %s: %w", c.ID, err)
		}
		out.apps[c.ID] = app{c.ID, secret, strings.Join(c.Scopes, " ")}
	}
	// One hash for all: they know the same password, and nobody looks whether two hashes are the same.
	hashed, err := p.Accounts.HashPassword(ctx, &account.Account{}, password)
	if err != nil {
		return nil, err
	}
	made := map[*person]string{}
	for n := range o.people {
		who := &person{name: fmt.Sprintf("person-%d", n), address: fmt.Sprintf("10.%d.%d.1", n/250, n%250)}
		a, err := p.Accounts.Create(ctx, account.NewAccount{
			Username: who.name, Email: who.name + "@example.com", EmailVerified: true, Name: who.name, Hashed: hashed,
		})
		if err != nil {
			return nil, err
		}
		made[who] = a.Subject
		out.people = append(out.people, who)
	}
	return out, o.enrol(ctx, made)
}

// enrol gives people an authenticator. Ten recovery codes each would take ten hashes, which nobody will use.
func (o *ours) enrol(ctx context.Context, people map[*person]string) error {
	cfg := o.config()
	cfg.HashMemory = cheap
	cfg.Now = func() time.Time { return time.Now().Add(-10 * period) } // the codes that prove it are not those of the load
	p, err := idp.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	for who, subject := range people {
		owner := mfa.Owner{Subject: subject}
		begun, err := p.MFA.Enroll(ctx, owner, who.name)
		if err != nil {
			return err
		}
		who.phone = mfatest.Phone{Key: strings.ReplaceAll(begun.Key, " ", "")}
		then := mfatest.Phone{Key: who.phone.Key, Clock: cfg.Now}
		_, errVerify := p.MFA.VerifyEnrollment(ctx, owner, begun.ID, then.Code(-1), then.Code(0))
		_, set, errCodes := p.MFA.NewRecoveryCodes(ctx, owner, begun.ID)
		_, errConfirm := p.MFA.Confirm(ctx, owner, begun.ID, set)
		if err := errors.Join(errVerify, errCodes, errConfirm); err != nil {
			return err
		}
	}
	return nil
}

// serve starts the installation and waits until it is ready. It returns how long that took.
func (o *ours) serve(ctx context.Context, p *provider) (time.Duration, error) {
	address, err := freeAddress()
	if err != nil {
		return 0, err
	}
	cfg := o.config()
	p.issuer = "http://" + address
	command := []string{o.program, "serve"}
	if o.hashMemory != 0 {
		command = []string{o.program, serveCheaply}
	}
	began := time.Now()
	p.process, err = launch([]string{
		"IDP_LISTEN=" + address, "IDP_PUBLIC_URL=" + p.issuer, "IDP_DATABASE_URL=" + cfg.DatabaseURL, "IDP_KEYSET_FILE=" + cfg.KeysetFile,
		"IDP_TRUSTED_PROXIES=127.0.0.1/32",
	}, command...)
	if err != nil {
		return 0, err
	}
	if err := p.process.ready(ctx, p.issuer+"/readyz"); err != nil {
		return 0, err
	}
	took := time.Since(began)
	for _, who := range p.people {
		who.browser = newBrowser(p.transport, who.address)
	}
	return took, p.discover(ctx)
}

// serveCheaply is the command of this program that serves as `idp serve` does, but for the cost of the password hash.
const serveCheaply = "serve-with-a-cheap-hash"

// serveCheap runs it until it is killed.
func serveCheap() error {
	cfg, err := idp.LoadConfig("", os.Getenv, nil)
	if err != nil {
		return err
	}
	cfg.HashMemory, cfg.Log = cheap, slog.New(slog.NewJSONHandler(os.Stderr, nil))
	p, err := idp.New(context.Background(), cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	go p.Run(context.Background())
	return (&http.Server{Addr: cfg.Listen, Handler: p.Handler(), ReadHeaderTimeout: 5 * time.Second}).ListenAndServe()
}

// signInAtOurs does what the pages ask for.
func signInAtOurs(ctx context.Context, who *person, b *browser, at *page) (_ *page, err error) {
	for range 5 {
		switch at.url.Path {
		case "/login":
			at, err = b.submit(ctx, at, "login-submit", "username", who.name, "password", password)
		case "/mfa":
			var code string
			if code, err = who.code(ctx); err == nil {
				at, err = b.submit(ctx, at, "mfa-submit", "code", code)
			}
		case "/consent":
			at, err = b.submit(ctx, at, "consent-allow")
		default:
			return at, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return at, nil
}
