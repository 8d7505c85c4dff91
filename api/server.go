package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/internal/dbx"
)

// Prefix is where every path of the API begins.
const Prefix = "/api/v1"

// Config is what a [Server] works with. All fields but PerMinute and Recent are needed.
type Config struct {
	Actions   *admin.Actions
	DB        *dbx.DB
	Key       []byte // 32 secret bytes, the same on all replicas: under it answers are kept that are repeated
	PublicURL string // the API is the resource PublicURL + [Prefix] (RFC 8707)
	Now       func() time.Time
	Log       *slog.Logger

	// SignedIn returns who is signed in to the console in this browser, for the pages that describe the API. It sets no cookie.
	SignedIn func(*http.Request) (admin.Actor, bool)

	PerMinute int           // calls of one actor; 0: 600
	Recent    time.Duration // how old the sign-in of a person may be in whose name something is done; 0: 12 hours
}

// Server answers /api/v1. It is safe for concurrent use, and any number of replicas may share a database.
type Server struct {
	cfg     Config
	build   func() // makes what follows, once
	mux     *http.ServeMux
	api     huma.API
	ops     map[string]*operation // by pattern
	listed  []*operation          // in the order in which they were added
	openapi []byte                // the document
	page    []byte                // the same for people
}

// New returns a Server. Its operations and the document that describes them, megabytes, are made for the first request: most
// processes of an installation never get one.
func New(cfg Config) *Server {
	if cfg.PerMinute == 0 {
		cfg.PerMinute = 600
	}
	if cfg.Recent == 0 {
		cfg.Recent = 12 * time.Hour
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), ops: map[string]*operation{}}
	s.build = sync.OnceFunc(func() {
		s.api = huma.NewAPI(s.describe(), humago.NewAdapter(s, Prefix))
		for _, add := range []func(){
			s.addPeople, s.addHelp, s.addHoldings, s.addMany, s.addFiles, s.addGroups, s.addFigures, s.addClients, s.addPolicy, s.addKeys, s.addBranding, s.addMail, s.addTrail,
		} {
			add()
		}
		s.addDocument() // the last one: it describes the others
	})
	return s
}

// Mount registers every path of the API.
func (s *Server) Mount(mux *http.ServeMux) {
	mux.Handle(Prefix, s)
	mux.Handle(Prefix+"/", s)
	mux.HandleFunc("GET /.well-known/oauth-protected-resource"+Prefix, s.metadata)
}

// resource is the API's identifier, to which access tokens may be confined.
func (s *Server) resource() string { return s.cfg.PublicURL + Prefix }

// metadataURL is where RFC 9728 section 3.1 wants the resource's metadata.
func (s *Server) metadataURL() string {
	return s.cfg.PublicURL + "/.well-known/oauth-protected-resource" + Prefix
}

// HandleFunc registers the handler of an operation behind [Server.guard]; huma calls it.
func (s *Server) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.guard(w, r, s.ops[pattern], handler) })
}

// ServeHTTP answers a request of the API. There are no answers for other origins: browsers keep programs of other sites away.
func (s *Server) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	s.build()
	w := &begun{ResponseWriter: to}
	defer s.recovered(w, r)
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	allowed := s.allowed(r)
	if len(allowed) == 0 {
		s.write(w, r, problem(notFound, "There is no such path."))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.write(w, r, problem(methodNotAllowed, "This path takes "+strings.Join(allowed, ", ")+"."))
}

// allowed returns the methods that the path of r takes.
func (s *Server) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := *r
		other.Method = method
		if _, pattern := s.mux.Handler(&other); pattern != "" {
			methods = append(methods, method)
		}
	}
	if len(methods) > 0 {
		methods = append(methods, http.MethodOptions)
	}
	return methods
}

// Prune deletes what has expired.
func (s *Server) Prune(ctx context.Context) error {
	now := s.cfg.Now().Unix()
	if err := s.cfg.DB.Prune(ctx, "api_answers", "expires_at", "expires_at < $1", now); err != nil {
		return err
	}
	return s.cfg.DB.Prune(ctx, "api_calls", "until", "until < $1", now)
}

// methodOf and pathOf are the halves of a pattern.
func methodOf(pattern string) string { method, _, _ := strings.Cut(pattern, " "); return method }
func pathOf(pattern string) string   { _, path, _ := strings.Cut(pattern, " "); return path }
