package idp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/api"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/consent"
	"github.com/focushq/idp/console"
	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/internal/tracing"
	"github.com/focushq/idp/login"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfahttp"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfasql"
	"github.com/focushq/idp/migrations"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/profile"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// IdP is an identity provider: its domains, and the handler that shows them to the world. It is safe for concurrent
// use, and any number of them may share one PostgreSQL database and one keyset file.
type IdP struct {
	Accounts *account.Service
	Sessions *session.Manager
	Consents *consent.Store
	Audit    *audit.Log
	MFA      *mfa.Service
	Passkeys *mfapasskey.Service // nil: passkeys are off, or browsers make none for the public URL
	OAuth    *oauth.Server
	Brand    *brand.Store

	cfg     Config
	db      *dbx.DB
	keys    *seal.Keys
	log     *slog.Logger
	now     func() time.Time
	proxies []netip.Prefix
	pages   *templates.Set
	outbox  *mail.Outbox
	mailing bool
	posted  chan struct{} // a letter waits, or somebody who wants one
	untold  atomic.Bool   // a letter was not written, as nothing is mailed
	figures *figures
	tracer  *tracing.Tracer // nil: nothing is traced
	rules   snapshot[account.Policy]
	brand   snapshot[brand.Brand]
	clock   databaseClock
	flow    *login.Flow
	console *console.Console
	api     *api.Server
	unasked error          // why there are no passkeys though nobody turned them off
	hook    *audit.Webhook // nil: the trail is sent nowhere
	alarm   alarm          // what the log last told of the trail
	handler http.Handler
}

// New opens the database that cfg names, brings it up to date, reads or makes the keys and wires everything. The
// caller calls [IdP.Close], and [IdP.Run] for the background work.
func New(ctx context.Context, cfg Config) (*IdP, error) { return assemble(ctx, cfg, (*IdP).open) }

// assemble is New with another way to the database and the keys.
func assemble(ctx context.Context, cfg Config, open func(*IdP, context.Context) error) (*IdP, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &IdP{cfg: cfg, log: cfg.Log, now: cfg.Now, figures: newFigures(cfg.Version), posted: make(chan struct{}, 1)}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.now == nil {
		p.now = time.Now
	}
	p.proxies, _ = cfg.proxies() // validated above
	if err := p.wireTracing(ctx); err != nil {
		return nil, err
	}
	if err := open(p, ctx); err != nil {
		p.endTracing()
		return nil, err
	}
	for _, wire := range []func(context.Context) error{p.wireDomains, p.wireOAuth} {
		if err := wire(ctx); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// open opens and migrates the database and loads the keys that belong to it.
func (p *IdP) open(ctx context.Context) (err error) {
	if err := migrate(ctx, p.cfg.DatabaseURL); err != nil {
		return err
	}
	if p.db, err = dbx.OpenWith(ctx, p.cfg.DatabaseURL, dbx.Options{Pool: p.cfg.DatabasePool, Observe: p.observer()}); err != nil {
		return err
	}
	p.countPool()
	if p.keys, err = p.loadKeys(ctx); err != nil {
		p.db.Close()
	}
	return err
}

// migrate brings the schema up to date on a connection of its own, which may take longer than a request's.
func migrate(ctx context.Context, url string) error {
	db, err := dbx.OpenPatient(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	if db.Pooled() {
		return migrated(ctx, db)
	}
	return migrations.Up(ctx, db.SQLX(), migrations.Streams()...)
}

// migrated refuses a schema that is not up to date: behind a pooler nothing keeps two starters from changing it at once.
func migrated(ctx context.Context, db *dbx.DB) error {
	states, err := migrations.Look(ctx, db.SQLX(), migrations.Streams()...)
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.Current != s.Target {
			return refused(fmt.Errorf("database_url: the schema (%s: %d, the program's: %d) is not the program's, and cannot be changed "+
				"through a pooler: run `idp migrate up` with a direct connection", s.Stream, s.Current, s.Target))
		}
	}
	return nil
}

// loadKeys reads the keyset, or makes one for a database that holds nothing sealed yet. A database with secrets whose
// keyset is gone must not start: new keys would not open them, and would hide the loss.
func (p *IdP) loadKeys(ctx context.Context) (*seal.Keys, error) {
	path := p.cfg.keyset()
	keys, err := seal.Load(path)
	if !errors.Is(err, seal.ErrMissing) {
		return keys, refused(err)
	}
	used, err := oauth.HasKeys(ctx, p.db)
	if err != nil {
		return nil, err
	}
	if used {
		return nil, refused(fmt.Errorf("keyset_file: %s is missing, and the database holds secrets that only it opens: "+
			"restore it from the backup, or set keyset_file", path))
	}
	return seal.Create(path)
}

func (p *IdP) wireDomains(ctx context.Context) (err error) {
	p.wireBrand()
	if p.pages, err = templates.New(templates.Options{
		Product: p.cfg.Product, Help: p.cfg.Help, HelpURL: p.cfg.HelpURL, Brand: p.presented, Log: p.log,
	}); err != nil {
		return err
	}
	p.outbox = &mail.Outbox{DB: p.db, Cipher: p.keys, Sender: p.cfg.Mail, Now: p.now, Log: p.log}
	if p.cfg.Mail == nil && p.cfg.SMTPURL != "" {
		if p.outbox.Sender, err = mail.SMTP(p.cfg.SMTPURL, p.cfg.SMTPFrom); err != nil {
			return fmt.Errorf("smtp_url: %w", err)
		}
	}
	p.mailing = p.outbox.Sender != nil
	if err := p.wireAudit(ctx); err != nil {
		return err
	}
	p.Consents = &consent.Store{DB: p.db, Now: p.now}

	p.wireRules()
	hasher := account.NewHasher(account.Params{MemoryKiB: p.cfg.HashMemory})
	hasher.Observe = p.hashed
	hasher.Address = func(ctx context.Context) string { return audit.RequestOf(ctx).Address }
	names, err := p.keys.Derive("account names")
	if err != nil {
		return err
	}
	if p.Accounts, err = account.New(account.Config{
		DB: p.db, Hasher: hasher, Key: names, MinPassword: p.cfg.Limits.MinPassword, Words: []string{p.cfg.Product},
		Limits: account.Limits{Person: p.cfg.Limits.Password.Policy(), Address: p.cfg.Limits.Address.Policy()},
		Now:    p.now, Observe: p.accountChanged, Rules: p.rules.get,
	}); err != nil {
		return err
	}
	forms, err := p.keys.Derive("session forms")
	if err != nil {
		return err
	}
	p.Sessions = &session.Manager{
		DB: p.db, Cookies: cookie.Jar{Secure: p.cfg.secure()}, Key: forms, Now: p.now,
		Address: func(r *http.Request) string { return audit.RequestOf(r.Context()).Address },
	}
	p.Sessions.Lives = p.sessionLives
	// What was issued in a session ends with it, however that ended.
	p.Sessions.Ended = func(ctx context.Context, s session.Session) error { return p.OAuth.RevokeSession(ctx, s.ID) }
	p.MFA, err = mfa.New(mfa.Config{
		Store: mfasql.On(p.db), Cipher: p.keys, Issuer: p.cfg.MFA.Issuer, RememberFor: time.Duration(p.cfg.MFA.RememberDevice),
		Limits: p.cfg.Limits.codes(), Now: p.now, Observe: p.factorChanged, Gate: hasher.Gate, HashMemory: p.cfg.HashMemory,
	})
	if err != nil {
		return err
	}
	return p.wirePasskeys()
}

func (p *IdP) wireOAuth(ctx context.Context) (err error) {
	flow := &login.Flow{
		Accounts: p.Accounts, Sessions: p.Sessions, Consents: p.Consents, MFA: p.MFA, Audit: p.Audit, Pages: p.pages,
		Mailing: p.mailing, NewBrowser: p.newBrowser, Ahead: p.aheadOfSignIn, AheadOfFactor: p.aheadOfFactor, Levels: p.cfg.MFA.ACRAliases, Log: p.log, Now: p.now, Fail: p.fail, Withheld: withheld,
		Factor: mfahttp.Config{MFA: p.MFA, Pages: p.pages, Cookies: mfahttp.Cookies(p.Sessions.Cookies), Now: p.now, Fail: p.fail, Origin: p.cfg.PublicURL, NotFound: p.noPage},
	}
	p.offerPasskeys(flow)
	networks, err := p.cfg.outbound()
	if err != nil {
		return err
	}
	// Whatever starts first, the keys that are made then are the provider's own deed.
	if p.OAuth, err = oauth.New(audit.WithActor(ctx, audit.Server), oauth.Config{
		Issuer: p.cfg.PublicURL, DB: p.db, Seal: p.keys, Secret: p.keys.Derive, Interaction: flow,
		Cookies: p.Sessions.Cookies, Now: p.now, Log: slog.New(identified{p.log.Handler()}), Claims: p.claims, Alive: p.alive, Ahead: aheadOfGrant,
		ACRValues: p.levels(), ErrorPage: p.oauthProblem, Audit: p.oauthHappened, ClientGone: p.Consents.RevokeClient,
		Outbound: oauth.NewOutbound(networks), Registration: p.cfg.DynamicRegistration, RequireNonce: p.cfg.RequireDPoPNonce,
		KeyLife: time.Duration(p.cfg.KeyRotation), Reserved: []string{console.ClientID},
		Resources: []string{p.cfg.PublicURL + api.Prefix}, Scopes: scopes(),
		Address: func(r *http.Request) string { return audit.RequestOf(r.Context()).Address },
	}); errors.Is(err, oauth.ErrOtherKeyset) {
		return refused(err)
	} else if err != nil {
		return err
	}
	flow.OAuth, p.flow = p.OAuth, flow
	pages := &profile.Pages{
		Accounts: p.Accounts, Sessions: p.Sessions, Actions: p.Actions(), Templates: p.pages,
		SignedIn: flow.SignedIn, Fresh: flow.Fresh, FreshFactor: flow.FreshFactor, Now: p.now, Fail: p.fail, Mailing: p.mailing,
	}
	mux := http.NewServeMux()
	p.OAuth.Mount(mux)
	flow.Mount(mux)
	pages.Mount(mux)
	if err := p.mountConsole(mux); err != nil {
		return err
	}
	if err := p.mountAPI(mux); err != nil {
		return err
	}
	if p.Passkeys != nil {
		mux.HandleFunc("GET /.well-known/passkey-endpoints", p.passkeyEndpoints)
	}
	mux.Handle("GET /static/", p.pages.Static())
	mux.Handle("GET "+brand.Path+"{file}", p.Brand.Serve(p.branded, p.fail))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", p.ready)
	mux.HandleFunc("/", p.nothing(mux))
	p.handler = p.traced(p.wrap(mux), mux)
	return nil
}

// mountConsole wires the administrators' console, which is a client of this provider with a secret that every replica derives.
func (p *IdP) mountConsole(mux *http.ServeMux) error {
	key, err := p.keys.Derive("console client")
	if err != nil {
		return err
	}
	secret := base64.RawURLEncoding.EncodeToString(key)
	p.console = &console.Console{
		DB: p.db, Actions: p.Actions(), Accounts: p.Accounts, Sessions: p.Sessions, Templates: p.pages, PublicURL: p.cfg.PublicURL,
		Secret: secret, Provider: p.Handler, Now: p.now, Fail: p.fail, SignedIn: p.flow.SignedIn, Version: p.cfg.Version,
		Letters: p.letters, TrailProblem: p.trailProblem,
	}
	// Not before somebody comes: a command that was given another public_url must not lead administrators there.
	p.console.Register = func(ctx context.Context) error {
		return p.OAuth.Clients().Establish(audit.WithActor(ctx, audit.Server), console.Client(p.cfg.PublicURL), secret)
	}
	p.console.Mount(mux)
	return nil
}

// letters tells the console how mail stands.
func (p *IdP) letters(ctx context.Context) (console.Letters, error) {
	s, err := p.outbox.State(ctx)
	return console.Letters{Waiting: s.Waiting, Oldest: s.Oldest, Failed: s.Failed, Error: s.Error}, err
}

// Handler serves everything on the public listener.
func (p *IdP) Handler() http.Handler { return p.handler }

// Close sends the last traces and closes the database.
func (p *IdP) Close() error {
	p.endTracing()
	return p.db.Close()
}

// Deliver makes the links that people wait for and sends the mail that is due. Failures are tried again later and logged.
func (p *IdP) Deliver(ctx context.Context) {
	if !p.mailing {
		return
	}
	if err := p.Accounts.AnswerAsks(ctx, p.sendReset); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "links to new passwords wait", "error", err)
	}
	if err := p.outbox.Deliver(ctx); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "mail waits", "error", err)
	}
}

// sendReset mails a link to somebody who forgot their password.
func (p *IdP) sendReset(ctx context.Context, a *account.Account, language string) error {
	ctx = audit.WithRequest(ctx, audit.Request{Actor: audit.Anonymous, Language: language}) // whoever asked
	_, err := p.Actions().ResetLink(ctx, a.Subject)
	return err
}

// Notify tells clients of logouts that they have not taken yet. Failures are tried again later and logged.
func (p *IdP) Notify(ctx context.Context) {
	if err := p.OAuth.Notify(ctx); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "logout notices wait", "error", err)
	}
}

// fetchLogos copies clients' logos that are missing.
func (p *IdP) fetchLogos(ctx context.Context) {
	if err := p.OAuth.Clients().FetchLogos(ctx); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "logos wait", "error", err)
	}
}

// prune removes what has ended. Every replica does it, each its own rows.
func (p *IdP) prune(ctx context.Context) {
	ctx = dbx.Unhurried(ctx)
	domains := map[string]func(context.Context) error{
		"oauth": p.OAuth.Prune, "mfa": p.MFA.Prune, "account": p.Accounts.Prune, "session": p.Sessions.Prune,
		"mail": p.outbox.Prune, "audit": p.pruneAudit, "console": p.console.Prune, "api": p.api.Prune,
	}
	if p.Passkeys != nil {
		domains["passkeys"] = p.Passkeys.Prune
	}
	for name, prune := range domains {
		if err := prune(ctx); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "expired rows stay for now", "domain", name, "error", err)
		}
	}
}

// claims joins what the domains say about a person.
func (p *IdP) claims(ctx context.Context, subject string, scopes []string) (map[string]any, error) {
	claims, err := p.Accounts.Claims(ctx, subject, scopes)
	if err != nil {
		return nil, err
	}
	for _, scope := range scopes {
		if scope == "mfa" {
			if claims["mfa_enrolled"], err = p.MFA.Enrolled(ctx, subject); err != nil {
				return nil, err
			}
		}
	}
	return claims, nil
}

func (p *IdP) levels() []string {
	levels := []string{"aal1", "aal2"}
	for alias := range p.cfg.MFA.ACRAliases {
		levels = append(levels, alias)
	}
	return levels
}

func (p *IdP) oauthProblem(w http.ResponseWriter, r *http.Request, problem oauth.Problem) {
	if problem.Parameter == "resume" { // the app has nothing to do with that one
		view := templates.View{RequestID: audit.RequestOf(r.Context()).ID, Path: r.URL.Path}
		login.Gone(p.pages, w, r.WithContext(templates.WithView(r.Context(), view)))
		return
	}
	p.errorPage(w, r, problem.Status, problem.Code, problem.Description, problem.Parameter)
}
