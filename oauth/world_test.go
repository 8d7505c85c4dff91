package oauth_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/oauth"
	"github.com/ory/fosite"
)

const (
	issuer   = "https://id.example.com"
	callback = "https://app.example/callback"
	verifier = "0123456789012345678901234567890123456789abc"
)

// world is a server without a network, its host and its clock.
type world struct {
	testing.TB
	db      *dbx.DB
	server  *oauth.Server
	mux     *http.ServeMux
	host    *host
	clock   *clock
	browser *http.Client
	log     *strings.Builder
	logging *sync.Mutex // of all servers of this world
	secrets map[string]string
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// host plays the sign-in pages and the directory of people.
type host struct {
	mu       sync.Mutex
	auth     *oauth.Authentication // nil: a page comes first
	err      error
	judge    func(*oauth.Request) error // instead of err
	alive    error
	standing func(oauth.Standing) error // instead of alive
	auditErr error
	claims   map[string]any
	events   []oauth.Event
	last     *oauth.Request
	logout   oauth.LogoutHint
	asked    []string // scopes that Claims was asked for
}

func (h *host) Authenticate(w http.ResponseWriter, r *http.Request, req *oauth.Request) (*oauth.Authentication, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = req
	if h.judge != nil {
		if err := h.judge(req); err != nil {
			return nil, err
		}
	}
	if h.err != nil {
		return nil, h.err
	}
	if h.auth == nil {
		if slices.Contains(req.Prompt(), "none") {
			return nil, fosite.ErrLoginRequired
		}
		id, err := req.Suspend(r.Context(), w)
		if err != nil {
			return nil, err
		}
		http.Redirect(w, r, "/login?request="+id, http.StatusSeeOther)
		return nil, nil
	}
	auth := *h.auth
	if auth.Scopes == nil {
		auth.Scopes = req.Scopes()
	}
	return &auth, nil
}

func (h *host) EndSession(w http.ResponseWriter, r *http.Request, hint oauth.LogoutHint) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logout = hint
	if !hint.Valid && r.Method == http.MethodGet {
		w.Write([]byte("sign out?"))
		return nil
	}
	if target := hint.Target(); target != "" {
		http.Redirect(w, r, target, http.StatusSeeOther)
		return nil
	}
	w.Write([]byte("signed out"))
	return nil
}

func (h *host) set(change func(*host)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *host) count(kind string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// both runs fn on either engine.
func both(t *testing.T, fn func(w *world)) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) { fn(newWorldOn(t, db)) }, "oauth")
}

func newWorld(t *testing.T) *world { return newWorldOn(t, sqliteWorld(t)) }

func sqliteWorld(t testing.TB) *dbx.DB { return dbxtest.SQLite(t, "oauth") }

func newWorldOn(t testing.TB, db *dbx.DB) *world {
	t.Helper()
	w := &world{
		TB: t, db: db, clock: &clock{now: time.Date(2030, 5, 6, 7, 8, 9, 250_000_000, time.UTC)}, log: &strings.Builder{},
		logging: new(sync.Mutex),
		secrets: map[string]string{},
	}
	w.host = &host{auth: signedIn(w.clock.Now().Add(-time.Minute))}
	seedKeys(t, db)
	w.server, w.mux = w.start(w.config())
	w.browser = w.newBrowser()
	w.client(&oauth.Client{ID: "web", Name: "Web"})
	w.client(&oauth.Client{ID: "spa", AuthMethod: "none"})
	return w
}

func signedIn(at time.Time) *oauth.Authentication {
	return &oauth.Authentication{
		Subject: "alice-1", AuthTime: at, AMR: []string{"pwd", "otp", "mfa"}, ACR: "aal2", SessionID: "sid-1",
	}
}

func (w *world) config() oauth.Config {
	return oauth.Config{
		Issuer: issuer, DB: w.db, Seal: sharedSeal(w), Secret: sharedSeal(w).Derive, Interaction: w.host,
		Cookies: cookie.Jar{Secure: true}, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(&syncWriter{w.logging, w.log}, nil)),
		Claims: func(_ context.Context, _ string, scopes []string) (map[string]any, error) {
			w.host.mu.Lock()
			defer w.host.mu.Unlock()
			w.host.asked = scopes
			return w.host.claims, nil
		},
		Alive: func(_ context.Context, s oauth.Standing) error {
			w.host.mu.Lock()
			alive, standing := w.host.alive, w.host.standing
			w.host.mu.Unlock()
			if standing != nil {
				return standing(s)
			}
			return alive
		},
		ACRValues: []string{"aal1", "aal2", "https://refeds.org/profile/mfa"},
		Audit: func(_ context.Context, e oauth.Event) error {
			w.host.mu.Lock()
			defer w.host.mu.Unlock()
			if w.host.auditErr != nil {
				return w.host.auditErr
			}
			w.host.events = append(w.host.events, e)
			return nil
		},
	}
}

func (w *world) start(cfg oauth.Config) (*oauth.Server, *http.ServeMux) {
	w.Helper()
	server, err := oauth.New(w.Context(), cfg)
	if err != nil {
		w.Fatal(err)
	}
	mux := http.NewServeMux()
	server.Mount(mux)
	return server, mux
}

type syncWriter struct {
	mu *sync.Mutex
	b  *strings.Builder
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// keyRow is a row of oauth_keys. Making RSA keys is slow, so that all worlds of a process share theirs.
type keyRow struct {
	KID       string `db:"kid"`
	Alg       string `db:"alg"`
	Serial    int64  `db:"serial"`
	Private   []byte `db:"private"`
	CreatedAt int64  `db:"created_at"`
	ActiveAt  int64  `db:"active_at"`
}

var shared struct {
	sync.Mutex
	seal *seal.Keys
	rows []keyRow
}

func sharedSeal(t testing.TB) *seal.Keys {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.seal == nil {
		var err error
		if shared.seal, err = seal.Random(); err != nil {
			t.Fatal(err)
		}
	}
	return shared.seal
}

func seedKeys(t testing.TB, db *dbx.DB) {
	t.Helper()
	keys := sharedSeal(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.rows == nil {
		first := dbxtest.SQLite(t, "oauth")
		long := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		_, err := oauth.New(t.Context(), oauth.Config{
			Issuer: issuer, DB: first, Seal: keys, Secret: keys.Derive, Now: func() time.Time { return long },
		})
		if err != nil {
			t.Fatal(err)
		}
		err = first.Select(t.Context(), &shared.rows, `SELECT kid, alg, serial, private, created_at, active_at FROM oauth_keys`)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range shared.rows {
		_, err := db.Exec(t.Context(), `INSERT INTO oauth_keys (kid, alg, serial, private, created_at, active_at)
			VALUES ($1, $2, $3, $4, $5, $6)`, k.KID, k.Alg, k.Serial, k.Private, k.CreatedAt, k.ActiveAt)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// client registers a client with everything allowed that c leaves open.
func (w *world) client(c *oauth.Client) {
	w.Helper()
	if c.RedirectURIs == nil {
		c.RedirectURIs = []string{callback}
	}
	if c.PostLogoutRedirectURIs == nil {
		c.PostLogoutRedirectURIs = []string{"https://app.example/bye"}
	}
	if c.Scopes == nil {
		c.Scopes = []string{"openid", "profile", "email", "mfa", "offline_access"}
	}
	secret, err := w.server.Clients().Create(w.Context(), c, "")
	if err != nil {
		w.Fatal(err)
	}
	w.secrets[c.ID] = secret
}
