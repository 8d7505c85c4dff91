package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/internal/dbx"
	"github.com/ory/fosite"
)

// Cipher seals private keys at rest. seal.Keys is one.
type Cipher interface {
	Encrypt(plain, aad []byte) ([]byte, error)
	Decrypt(sealed, aad []byte) ([]byte, error)
}

// Config is all that a [Server] needs. Issuer, DB, Seal and Secret are required; without Interaction the server keeps
// clients, keys and grants (for a command line) and must not be mounted.
type Config struct {
	Issuer      string // the public URL, without a slash at the end
	DB          *dbx.DB
	Seal        Cipher
	Secret      func(label string) ([]byte, error) // 32 bytes, always the same for a label
	Interaction Interaction
	Cookies     cookie.Jar
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // nil: slog.Default

	// Claims returns what the scopes tell about a subject (OpenID Connect Core 1.0 section 5.4, and mfa_enrolled
	// for the scope mfa). Claims that belong to the protocol (sub, iss, acr and so on) are ignored.
	Claims func(ctx context.Context, subject string, scopes []string) (map[string]any, error)

	// Alive is asked whenever a grant is to give something: a token, or an answer to one. It returns an error that is
	// [ErrEnded] when the person is disabled or gone or must not use the client any more, when a scope's consent was
	// withdrawn, the sign-in is no longer strong enough or, with a SessionID, that session has ended; any other error
	// is a failure of ours. nil: grants end by revocation alone.
	Alive func(ctx context.Context, standing Standing) error

	// Ahead returns what Alive and Claims are going to ask about a grant of client, so that it can be read along with the grant:
	// arguments are its columns subject, client_id and session_id. The client is nil where it is not known yet. nil: nothing is
	// read ahead.
	Ahead func(client *Client) []dbx.Lookup

	// ACRValues are the values that acr_values may name, for discovery: aal1, aal2 and the aliases.
	ACRValues []string

	// ErrorPage shows an error that no client can be told; nil: a bare page.
	ErrorPage func(w http.ResponseWriter, r *http.Request, problem Problem)

	// Audit records an event, inside the transaction that it belongs to where there is one: its error undoes the
	// operation. nil: nothing is recorded.
	Audit func(ctx context.Context, event Event) error

	// ClientGone is called in the transaction that deletes a client: its error undoes that. nil: nobody wants to know.
	ClientGone func(ctx context.Context, clientID string) error

	// Address returns the IP address that r truly comes from, for limits per network; nil: that of the connection.
	Address func(r *http.Request) string

	// Outbound makes the requests whose address a client chose: jwks_uri, logout notices, logos. nil: [NewOutbound]
	// without exceptions.
	Outbound *http.Client

	// Reserved are the ids of clients that are the host's own: [Clients.Establish] alone writes them.
	Reserved []string

	// Resources are further resources of this server beside the issuer (RFC 8707), which every client may name.
	Resources []string

	// Scopes are those of the host's resources, for discovery. Clients have them from whoever registers clients by hand;
	// dynamic registration gives none of them.
	Scopes []string

	// Registration opens the endpoint of dynamic client registration (RFC 7591) to holders of an initial access token.
	Registration bool

	// RequireNonce makes every DPoP proof hold a nonce of ours (RFC 9449 section 8); false: one is offered.
	RequireNonce bool

	// KeyLife is how long a signing key signs before [Keys.Renew] replaces it; 0: until somebody rotates by hand.
	KeyLife time.Duration

	RefreshGrace time.Duration // how long a refresh token gives its successor again; 0: 60 seconds
	NoticeWait   time.Duration // how long a client may take for the notice of a sign-out, which waits for it; 0: 3 seconds, at most 8
}

// Lifetimes where a client sets none.
const (
	codeLife        = time.Minute
	accessTokenLife = 10 * time.Minute
	idTokenLife     = time.Hour
	refreshIdle     = 14 * 24 * time.Hour
	refreshLife     = 90 * 24 * time.Hour
	requestLife     = time.Hour
	refreshGrace    = time.Minute
)

// Server is the protocol. It is safe for concurrent use, and any number of replicas may share a database.
type Server struct {
	cfg      Config
	store    *store
	keys     *keyring
	clients  *Clients
	loader   *loader
	provider fosite.OAuth2Provider
	nonceKey []byte // of DPoP
	userKey  []byte // of devices' user codes
	restored int64  // Unix seconds: when the database was brought back from a backup; 0: never
	failing  failing
	refusals refusals
	noted    noted
}

// New returns a server on a migrated database. It makes the signing keys that are missing, and fails when the existing
// ones cannot be opened with cfg.Seal: another keyset would leave every token of the old keys unverifiable.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if u, err := url.Parse(cfg.Issuer); err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.Path != "" {
		return nil, fmt.Errorf("oauth: the issuer %q must be an origin such as https://id.example.com", cfg.Issuer)
	}
	if cfg.DB == nil || cfg.Seal == nil || cfg.Secret == nil {
		return nil, errors.New("oauth: Config needs DB, Seal and Secret")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.RefreshGrace == 0 {
		cfg.RefreshGrace = refreshGrace
	}
	if cfg.NoticeWait == 0 {
		cfg.NoticeWait = noticeWait
	}
	cfg.NoticeWait = min(cfg.NoticeWait, noticeLimit)
	if cfg.Outbound == nil {
		cfg.Outbound = NewOutbound(nil)
	}
	keys := map[string][]byte{"client-secret": nil, "refresh-token": nil, "dpop-nonce": nil, "device-user-code": nil}
	for label := range keys {
		var err error
		if keys[label], err = cfg.Secret(label); err != nil {
			return nil, fmt.Errorf("oauth: the key %s: %w", label, err)
		}
	}
	s := &Server{cfg: cfg, nonceKey: keys["dpop-nonce"], userKey: keys["device-user-code"]}
	s.clients = &Clients{db: cfg.DB, key: keys["client-secret"], http: cfg.Outbound, gone: cfg.ClientGone, now: cfg.Now,
		audit: s.audit, log: cfg.Log, reserved: cfg.Reserved, snapshots: newSnapshots(cfg.DB.Current)}
	cfg.DB.OnChange(changesOfClients, s.clients.snapshots.drop)
	s.keys = &keyring{db: cfg.DB, seal: cfg.Seal, life: cfg.KeyLife, now: cfg.Now, audit: s.audit}
	cfg.DB.OnChange(changesOfKeys, s.keys.drop)
	if err := s.keys.open(ctx); err != nil {
		return nil, err
	}
	if err := s.loadRestored(ctx); err != nil {
		return nil, err
	}
	s.loader = &loader{http: cfg.Outbound, now: cfg.Now, log: cfg.Log, sets: map[string]*keySet{}}
	s.store = &store{
		db: cfg.DB, clients: s.clients, refreshKey: keys["refresh-token"], grace: cfg.RefreshGrace, now: cfg.Now, audit: s.audit,
		ahead: cfg.Ahead,
	}
	s.provider = newProvider(s)
	return s, nil
}

// Mount registers the protocol's endpoints (contract section 3).
func (s *Server) Mount(mux *http.ServeMux) {
	for path, document := range map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": s.discovery, "/.well-known/oauth-authorization-server": s.discovery, "/oauth2/jwks": s.jwks,
	} {
		mux.Handle("GET "+path, anyOrigin(document))
		mux.HandleFunc("OPTIONS "+path, publicPreflight)
	}

	mux.Handle("GET /oauth2/authorize", s.page(s.authorize))
	mux.Handle("POST /oauth2/authorize", s.page(s.postedAuthorize))
	mux.Handle("GET /oauth2/logout", s.page(s.logout))
	mux.Handle("POST /oauth2/logout", s.page(s.logout))

	mux.Handle("POST /oauth2/token", s.browserAPI(s.token))
	mux.Handle("POST /oauth2/par", s.browserAPI(s.push))
	mux.Handle("POST /oauth2/device", s.browserAPI(s.deviceAuthorization))
	mux.Handle("POST /oauth2/introspect", s.api(s.introspect))
	mux.Handle("POST /oauth2/revoke", s.browserAPI(s.revoke))
	mux.Handle("GET /oauth2/userinfo", s.browserAPI(s.userinfo))
	mux.Handle("POST /oauth2/userinfo", s.browserAPI(s.userinfo))
	for _, path := range []string{"token", "userinfo", "revoke", "par", "device"} { // what browser applications call
		mux.HandleFunc("OPTIONS /oauth2/"+path, s.preflight)
	}
	s.mountRegistration(mux)
}

// Clients returns the registered relying parties.
func (s *Server) Clients() *Clients { return s.clients }

// Keys returns the signing keys.
func (s *Server) Keys() *Keys { return (*Keys)(s.keys) }

// Issuer returns the issuer's URL.
func (s *Server) Issuer() string { return s.cfg.Issuer }

// audit hands an event to the host.
func (s *Server) audit(ctx context.Context, event Event) error {
	if s.cfg.Audit == nil {
		return nil
	}
	return unavailable(s.cfg.Audit(ctx, event))
}

// clientKey finds the client of the current request in a context.
type clientKey struct{}

// ClientFrom returns the client on whose behalf [Config.Claims] or [Config.Alive] is called, nil when there is none.
func ClientFrom(ctx context.Context) *Client {
	client, _ := ctx.Value(clientKey{}).(*Client)
	return client
}

func withClient(ctx context.Context, client *Client) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}
