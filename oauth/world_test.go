package oauth_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
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
	*testing.T
	db      *dbx.DB
	server  *oauth.Server
	mux     *http.ServeMux
	host    *host
	clock   *clock
	browser *http.Client
	log     *strings.Builder
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
	alive    error
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

func newWorld(t *testing.T) *world { return newWorldOn(t, dbxtest.SQLite(t, "oauth")) }

func newWorldOn(t *testing.T, db *dbx.DB) *world {
	t.Helper()
	w := &world{
		T: t, db: db, clock: &clock{now: time.Date(2030, 5, 6, 7, 8, 9, 250_000_000, time.UTC)}, log: &strings.Builder{},
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
		Issuer: issuer, DB: w.db, Seal: sharedSeal(w.T), Secret: sharedSeal(w.T).Derive, Interaction: w.host,
		Cookies: cookie.Jar{Secure: true}, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(&syncWriter{b: w.log}, nil)),
		Claims: func(_ context.Context, _ string, scopes []string) (map[string]any, error) {
			w.host.mu.Lock()
			defer w.host.mu.Unlock()
			w.host.asked = scopes
			return w.host.claims, nil
		},
		Alive: func(context.Context, string, string) error {
			w.host.mu.Lock()
			defer w.host.mu.Unlock()
			return w.host.alive
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
	mu sync.Mutex
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

func sharedSeal(t *testing.T) *seal.Keys {
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

func seedKeys(t *testing.T, db *dbx.DB) {
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

// transport calls a handler as if it were at the other end of a connection.
type transport struct{ http.Handler }

func (h transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	response := rec.Result()
	response.Request = r
	return response, nil
}

// newBrowser returns a browser that doesn't follow redirects.
func (w *world) newBrowser() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Transport: transport{w.mux}, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

// location returns the parsed Location.
func (a answer) location() *url.URL {
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		return &url.URL{}
	}
	return u
}

func (w *world) do(c *http.Client, r *http.Request) answer {
	w.Helper()
	response, err := c.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	a := answer{status: response.StatusCode, header: response.Header, body: string(body)}
	if strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, &a.json); err != nil {
			w.Fatalf("no JSON: %s", body)
		}
	}
	return a
}

func (w *world) get(path string) answer {
	w.Helper()
	r, _ := http.NewRequestWithContext(w.Context(), http.MethodGet, issuer+path, nil)
	return w.do(w.browser, r)
}

func (w *world) post(path string, form url.Values, headers ...string) answer {
	w.Helper()
	r, _ := http.NewRequestWithContext(w.Context(), http.MethodPost, issuer+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.do(w.browser, r)
}

// challenge is the PKCE challenge of verifier.
func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request returns the parameters of a good authorization request, with changes in pairs; "-" removes.
func request(client string, changes ...string) url.Values {
	v := url.Values{
		"client_id": {client}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid offline_access"},
		"state": {"st-123"}, "nonce": {"n-456"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	change(v, changes)
	return v
}

func change(v url.Values, changes []string) {
	for i := 0; i+1 < len(changes); i += 2 {
		if v.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			v.Del(changes[i])
		}
	}
}

func (w *world) authorize(v url.Values) answer {
	w.Helper()
	return w.get("/oauth2/authorize?" + v.Encode())
}

// code returns the code of a good authorization request.
func (w *world) code(client string, changes ...string) string {
	w.Helper()
	a := w.authorize(request(client, changes...))
	code := a.location().Query().Get("code")
	if a.status != http.StatusSeeOther || code == "" {
		w.Fatalf("no code: %d %s %s", a.status, a.header.Get("Location"), a.body)
	}
	return code
}

// exchange returns the parameters of a good code exchange.
func (w *world) exchange(client, code string, changes ...string) url.Values {
	v := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}
	w.credentials(client, v)
	change(v, changes)
	return v
}

func (w *world) refreshing(client, token string, changes ...string) url.Values {
	v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	w.credentials(client, v)
	change(v, changes)
	return v
}

// credentials authenticates: web clients by Basic are sent as such by token.
func (w *world) credentials(client string, v url.Values) { v.Set("client_id", client) }

// token posts to the token endpoint, with the secret of the client in Basic if it has one.
func (w *world) token(v url.Values) answer {
	w.Helper()
	id := v.Get("client_id")
	if w.secrets[id] == "" {
		return w.post("/oauth2/token", v)
	}
	return w.post("/oauth2/token", v, "Authorization", basic(id, w.secrets[id]))
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// tokens signs in and returns the answer of the token endpoint.
func (w *world) tokens(client string, changes ...string) map[string]any {
	w.Helper()
	a := w.token(w.exchange(client, w.code(client, changes...)))
	if a.status != http.StatusOK {
		w.Fatalf("no tokens: %d %s", a.status, a.body)
	}
	return a.json
}

func (w *world) userinfo(token string) answer {
	w.Helper()
	r, _ := http.NewRequestWithContext(w.Context(), http.MethodGet, issuer+"/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return w.do(w.browser, r)
}

// wantError checks an error of the token endpoint.
func (w *world) wantError(a answer, status int, code string) {
	w.Helper()
	if a.status != status || a.json["error"] != code {
		w.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
}

// wantRedirected checks an error that went to the client.
func (w *world) wantRedirected(a answer, code string) {
	w.Helper()
	q := a.location().Query()
	if a.status != http.StatusSeeOther || q.Get("error") != code || q.Get("iss") != issuer || q.Has("code") {
		w.Errorf("got %d %s %s, want redirect with %s", a.status, a.header.Get("Location"), a.body, code)
	}
}

// wantPage checks an error that stays here.
func (w *world) wantPage(a answer, code, parameter string) {
	w.Helper()
	if a.status < 400 || a.header.Get("Location") != "" || !strings.Contains(a.body, code) || !strings.Contains(a.body, parameter) {
		w.Errorf("got %d %s %s, want page with %s and %s", a.status, a.header.Get("Location"), a.body, code, parameter)
	}
}

// payload returns the claims of a JWT.
func payload(t testing.TB, token any) map[string]any {
	t.Helper()
	return part(t, token, 1)
}

func part(t testing.TB, token any, n int) map[string]any {
	t.Helper()
	text, _ := token.(string)
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %v", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
