package idptest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/oauth"
)

// Password is the password of every person that [Server.AddUser] makes.
const Password = "a long walk along the canal"

// Server is a running provider.
type Server struct {
	*idp.IdP
	Issuer      string
	Clock       *Clock
	Mail        *mail.Memory // what was sent; [Server.Deliver] sends what waits
	DatabaseURL string
	HTTP        *http.Client // trusts the certificate of [StartTLS] and follows no redirect
	cfg         idp.Config
	t           testing.TB
}

// Start runs a provider until the test ends. edit may change its configuration.
func Start(t testing.TB, edit ...func(*idp.Config)) *Server { return start(t, "http", edit) }

// StartTLS is [Start] over https, with a certificate that [Server.Browser] and [Server.HTTP] trust.
func StartTLS(t testing.TB, edit ...func(*idp.Config)) *Server { return start(t, "https", edit) }

// hashMemory is what the hash of a password or a recovery code takes, in KiB: tests make thousands, and nobody guesses them.
const hashMemory = 64

// begun is a provider after its first start, from a copy of which all others go on: migrating a database and making signing
// keys takes longer than most tests.
var begun = dbxtest.Image{Make: func(folder string) error {
	cfg := idp.Defaults()
	cfg.PublicURL, cfg.Log = "http://localhost", slog.New(slog.DiscardHandler)
	settle(&cfg, folder)
	p, err := idp.New(context.Background(), cfg)
	if err != nil {
		return err
	}
	return p.Close()
}}

// settle has a provider keep its files in folder.
func settle(cfg *idp.Config, folder string) {
	cfg.DatabaseURL, cfg.KeysetFile = "sqlite:"+filepath.Join(folder, "idp.db"), filepath.Join(folder, "keyset.json")
}

// files returns where a provider keeps what it knows.
func files(cfg idp.Config) [2]string { return [2]string{cfg.DatabaseURL, cfg.KeysetFile} }

func start(t testing.TB, scheme string, edit []func(*idp.Config)) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Issuer: scheme + "://" + listener.Addr().String(), Clock: &Clock{}, Mail: &mail.Memory{}, t: t}
	folder := t.TempDir()
	cfg := idp.Defaults()
	cfg.PublicURL, cfg.Listen = s.Issuer, listener.Addr().String()
	settle(&cfg, folder)
	cfg.Now, cfg.Mail, cfg.Log = s.Clock.Now, s.Mail, slog.New(slog.DiscardHandler)
	cfg.HashMemory = hashMemory
	own := files(cfg)
	for _, change := range edit {
		change(&cfg)
	}
	if files(cfg) == own && time.Since(cfg.Now()).Abs() < time.Second { // what is in the copy happened by the real clock
		err = begun.Copy(folder)
	}
	if err != nil {
		listener.Close()
		t.Fatal(err)
	}
	s.DatabaseURL, s.cfg = cfg.DatabaseURL, cfg
	if s.IdP, err = idp.New(t.Context(), cfg); err != nil {
		listener.Close()
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Handler().ServeHTTP(w, r) }))
	server.Listener.Close()
	server.Listener = listener
	if scheme == "https" {
		server.StartTLS()
	} else {
		server.Start()
	}
	s.HTTP = server.Client()
	s.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		server.Close()
		s.Close()
	})
	return s
}

// AddUser makes a person called name with an e-mail address at example.com and [Password]; edit may change more.
func (s *Server) AddUser(name string, edit ...func(*account.NewAccount)) *account.Account {
	s.t.Helper()
	n := account.NewAccount{Username: name, Email: name + "@example.com", EmailVerified: true, Name: name, Password: Password}
	for _, change := range edit {
		change(&n)
	}
	a, err := s.Accounts.Create(context.Background(), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// Client is a registered client, ready for golang.org/x/oauth2.
type Client struct {
	oauth2.Config
	*oauth.Client
}

// AddClient registers c, by default for all scopes and without a consent page for confidential clients.
func (s *Server) AddClient(c oauth.Client) *Client {
	s.t.Helper()
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"openid", "profile", "email", "mfa", "offline_access"}
	}
	if c.Consent == "" && c.AuthMethod != "none" {
		c.Consent = "skip"
	}
	secret, err := s.OAuth.Clients().Create(context.Background(), &c, "")
	if err != nil {
		s.t.Fatal(err)
	}
	registered, err := s.OAuth.Clients().Get(context.Background(), c.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return &Client{Client: registered, Config: oauth2.Config{
		ClientID: c.ID, ClientSecret: secret, RedirectURL: c.RedirectURIs[0], Scopes: c.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: s.Issuer + "/oauth2/authorize", TokenURL: s.Issuer + "/oauth2/token"},
	}}
}

// Browser returns a browser without cookies.
func (s *Server) Browser() *Browser {
	b := NewBrowser(s.t, s.Issuer)
	b.Transport = s.HTTP.Transport
	return b
}

// Clock is a clock that stands beside the real one by an amount that a test chooses.
type Clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

// Now returns the time on this clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Add moves the clock by d.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
