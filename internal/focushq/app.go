package focushq

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
)

// Config says which provider Focus HQ relies on and where it stands itself.
type Config struct {
	Issuer       string // the provider's issuer identifier (OpenID Connect Discovery 1.0 section 3)
	ClientID     string
	ClientSecret string        // sent as client_secret_basic; "": a public client
	PublicURL    string        // of Focus HQ, an origin; PublicURL/callback is the redirect URI
	HTTPClient   *http.Client  // for the provider; nil: one that waits 10 seconds
	Mailbox      func() []Mail // what the demo sent, the oldest first; everybody may read it. nil: no /mail
	Now          func() time.Time
	Log          *slog.Logger // nil: nothing is logged
}

// Mail is a sent message as the demo mailbox shows it.
type Mail struct {
	ID      string
	At      time.Time
	To      string
	Subject string
	Text    string
}

// App is a running Focus HQ. It is safe for concurrent use.
type App struct {
	cfg      Config
	issuer   *url.URL
	public   string // without a slash at its end
	secure   bool   // public is https
	pages    pages
	sessions sessions

	discovery singleflight.Group
	found     provider
}

// New returns the application for cfg. It doesn't ask the provider yet: that may start later.
func New(cfg Config) (*App, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil || issuer.Host == "" || issuer.Scheme != "https" && issuer.Scheme != "http" {
		return nil, fmt.Errorf("focushq: the issuer %q is not a URL", cfg.Issuer)
	}
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "https" && public.Scheme != "http" ||
		strings.Trim(public.Path, "/") != "" {
		return nil, fmt.Errorf("focushq: the public URL %q is not an origin", cfg.PublicURL)
	}
	if cfg.ClientID == "" {
		return nil, errors.New("focushq: no client id")
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: 10 * time.Second}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &App{cfg: cfg, issuer: issuer, public: public.Scheme + "://" + public.Host, secure: public.Scheme == "https"}
	a.sessions.now = cfg.Now
	if a.pages, err = parsePages(); err != nil {
		return nil, err
	}
	return a, nil
}

// Handler returns all pages of Focus HQ.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("GET /profile", a.profile)
	mux.HandleFunc("GET /tokens", a.tokens)
	mux.HandleFunc("POST /tokens/refresh", a.refreshTokens)
	mux.HandleFunc("GET /sensitive", a.sensitive)
	mux.HandleFunc("POST /logout", a.logout)
	mux.HandleFunc("POST /backchannel-logout", a.backchannelLogout)
	mux.HandleFunc("GET /static/{file}", a.static)
	if a.cfg.Mailbox != nil {
		mux.HandleFunc("GET /mail", a.mailbox)
		mux.HandleFunc("GET /mail/{id}", a.mail)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, &problem{id: "not_found"}, "/") })

	sameOrigin := http.NewCrossOriginProtection()
	// Behind a proxy the Host may be another one; the origin was checked in New.
	_ = sameOrigin.AddTrustedOrigin(a.public)
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, &problem{id: "cross_origin"}, "/")
	}))
	return a.headers(sameOrigin.Handler(mux))
}

// headers sets what every answer carries. Signing out is a form whose redirects pass through the provider, and
// Chromium applies form-action to each of them.
func (a *App) headers(next http.Handler) http.Handler {
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; " +
		"form-action 'self' " + a.issuer.Scheme + "://" + a.issuer.Host
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "same-origin") // the callback's URL holds a code; no-referrer would blank Origin too
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// cookie returns a cookie that the browser sends to this host only and shows to no script.
func (a *App) cookie(name, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{Name: a.cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: a.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

func (a *App) cookieName(name string) string {
	if a.secure {
		return "__Host-focushq_" + name
	}
	return "focushq_" + name
}

func (a *App) getCookie(r *http.Request, name string) string {
	c, err := r.Cookie(a.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

func (a *App) clearCookie(w http.ResponseWriter, name string) {
	c := a.cookie(name, "", 0)
	c.MaxAge = -1
	http.SetCookie(w, c)
}
