package main

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"html/template"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfahttp"
)

//go:embed pages.html
var files embed.FS

// config is what the server needs from its operator.
type config struct {
	DB     *sql.DB
	Key    []byte // 32 bytes, for secrets at rest
	Origin string // of the provider, which is its issuer
	App    string // origin of the one client
	Now    func() time.Time
}

type server struct {
	origin   string
	now      func() time.Time
	pages    *template.Template
	users    *users
	sessions *sessions

	mfa                 *mfa.Service
	challenge, settings mfahttp.Config

	oauth fosite.OAuth2Provider
	keys  keys
}

func newServer(ctx context.Context, c config) (*server, error) {
	pages, err := template.ParseFS(files, "pages.html")
	if err != nil {
		return nil, err
	}
	s := &server{origin: c.Origin, now: c.Now, pages: pages}
	s.sessions = &sessions{secure: s.secure(), byHash: map[[32]byte]session{}}
	if s.users, err = newUsers(ctx, c.DB); err != nil {
		return nil, err
	}
	if err := s.plugIn(ctx, c); err != nil {
		return nil, err
	}
	return s, s.protocol(c)
}

func (s *server) secure() bool { return strings.HasPrefix(s.origin, "https:") }

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /oauth2/jwks", s.jwks)
	mux.HandleFunc("/oauth2/auth", s.authorize)
	mux.HandleFunc("POST /oauth2/token", s.token)

	same := http.NewCrossOriginProtection().Handler
	mux.HandleFunc("GET /login", s.login)
	mux.Handle("POST /login", same(http.HandlerFunc(s.checkPassword)))
	mux.Handle("POST /logout", same(http.HandlerFunc(s.logout)))
	mux.HandleFunc("GET /{$}", s.home)

	challenge, settings := located(mfahttp.Challenge(s.challenge)), mfahttp.Settings(s.settings)
	mux.Handle("/mfa", challenge)
	mux.Handle("/mfa/", challenge)
	mux.Handle("/account/mfa", settings)
	mux.Handle("/account/mfa/", settings)
	return mux
}

// located says where tries come from, by which wrong codes are limited. Behind a proxy it has to be the address that the
// proxy saw.
func located(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			r = r.WithContext(mfa.WithAddress(r.Context(), host))
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	s.askPassword(w, r, http.StatusOK, false)
}

func (s *server) askPassword(w http.ResponseWriter, r *http.Request, status int, wrong bool) {
	s.render(w, r, status, "Sign in", "login", map[string]any{"Action": r.URL.RequestURI(), "Wrong": wrong})
}

// checkPassword is the first step. Who has passed it has a session, but gets no code and no settings before the second.
func (s *server) checkPassword(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	name := r.PostFormValue("username")
	subject, err := s.users.check(r.Context(), name, r.PostFormValue("password"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if subject == "" {
		s.askPassword(w, r, http.StatusUnprocessableEntity, true)
		return
	}
	remembered, err := mfahttp.Remembered(s.challenge, w, r, subject)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.sessions.put(w, r, session{
		ID: random(), Subject: subject, Name: name, AuthTime: s.now(), AMR: mfa.AMR(mfa.Password), Remembered: remembered,
	})
	http.Redirect(w, r, onward(r), http.StatusSeeOther)
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	s.sessions.end(r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *server) home(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "Example", "home", s.sessions.of(r))
}

func (s *server) render(w http.ResponseWriter, r *http.Request, status int, title, page string, data any) {
	var main bytes.Buffer
	if err := s.pages.ExecuteTemplate(&main, page, data); err != nil {
		log.Print(err)
	}
	s.layout(w, r, status, title, template.HTML(main.String()))
}

// layout writes a page in our look: our own, and those of package mfahttp.
func (s *server) layout(w http.ResponseWriter, _ *http.Request, status int, title string, main template.HTML) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	if err := s.pages.ExecuteTemplate(w, "layout", map[string]any{"Title": title, "Main": main}); err != nil {
		log.Print(err)
	}
}

// fail answers for what is nobody's mistake.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
	s.render(w, r, http.StatusInternalServerError, "Error", "error", nil)
}
