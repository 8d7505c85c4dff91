package idp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbxtest"
)

// begun is a provider after its first start, which takes longer than most tests.
var begun = dbxtest.Image{Make: func(folder string) error {
	cfg := Defaults()
	cfg.DatabaseURL, cfg.Log = "sqlite:"+filepath.Join(folder, "idp.db"), slog.New(slog.DiscardHandler)
	p, err := New(context.Background(), cfg)
	if err != nil {
		return err
	}
	return p.Close()
}}

// start returns a provider on an empty database, and what it logs.
func start(t *testing.T, edit ...func(*Config)) (*IdP, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	folder := t.TempDir()
	cfg := Defaults()
	cfg.DatabaseURL, cfg.HashMemory = "sqlite:"+filepath.Join(folder, "idp.db"), 64
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	for _, change := range edit {
		change(&cfg)
	}
	if cfg.Now == nil || time.Since(cfg.Now()).Abs() < time.Second { // what is in the copy happened by the real clock
		if err := begun.Copy(folder); err != nil {
			t.Fatal(err)
		}
	}
	p, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, &log
}

// ask sends a request to h as if to localhost; pairs are header fields.
func ask(h http.Handler, method, target, body string, pairs ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if !strings.Contains(target, "://") {
		r.Host = "localhost:8080"
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Header.Add(pairs[i], pairs[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestSec_HT04_ForwardedForIsBelievedFromProxiesOnly(t *testing.T) {
	tests := []struct {
		name, proxies, socket string
		headers               []string
		want                  string
	}{
		{"none", "", "192.0.2.1:99", nil, "192.0.2.1"},
		{"no proxy configured", "", "10.0.0.1:99", []string{"X-Forwarded-For", "203.0.113.9"}, "10.0.0.1"},
		{"loopback is no proxy by itself", "", "127.0.0.1:99", []string{"X-Forwarded-For", "203.0.113.9"}, "127.0.0.1"},
		{"from elsewhere", "10.0.0.0/8", "192.0.2.1:99", []string{"X-Forwarded-For", "203.0.113.9"}, "192.0.2.1"},
		{"from the proxy", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "203.0.113.9"}, "203.0.113.9"},
		{"a spoofed hop before", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "198.51.100.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"spoofed proxies", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "10.0.0.9, 203.0.113.9"}, "203.0.113.9"},
		{"repeated header", "10.0.0.0/8", "10.0.0.1:99",
			[]string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-For", "203.0.113.9"}, "203.0.113.9"},
		{"nonsense", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "203.0.113.9, unknown"}, "10.0.0.1"},
		{"with a port", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "203.0.113.9:4711"}, "203.0.113.9"},
		{"proxies with ports", "10.0.0.0/8", "10.0.0.1:99",
			[]string{"X-Forwarded-For", "198.51.100.1:80, 203.0.113.9:4711, 10.0.0.2:80"}, "203.0.113.9"},
		{"a name with a port", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "localhost:80"}, "10.0.0.1"},
		{"IPv6 with a port", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "[2001:DB8:1::9]:4711"}, "2001:db8:1::9"},
		{"IPv6 in brackets", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", "[2001:db8:1::9]"}, "2001:db8:1::9"},
		{"empty", "10.0.0.0/8", "10.0.0.1:99", []string{"X-Forwarded-For", ""}, "10.0.0.1"},
		{"other headers", "10.0.0.0/8", "10.0.0.1:99",
			[]string{"X-Real-IP", "203.0.113.9", "Forwarded", "for=203.0.113.9", "X_Forwarded_For", "203.0.113.9"}, "10.0.0.1"},
		{"IPv6", "2001:db8::/32", "[2001:db8::1]:99", []string{"X-Forwarded-For", "2001:DB8:1:0::9"}, "2001:db8:1::9"},
		{"a zone makes no other address", "", "[fe80::1%eth0]:99", nil, "fe80::1"},
		{"IPv4 in IPv6", "10.0.0.0/8", "[::ffff:10.0.0.1]:99", []string{"X-Forwarded-For", "::ffff:203.0.113.9"}, "203.0.113.9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{TrustedProxies: strings.Fields(tt.proxies)}
			p := &IdP{}
			p.proxies, _ = cfg.proxies()
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.socket
			for i := 0; i+1 < len(tt.headers); i += 2 {
				r.Header[tt.headers[i]] = append(r.Header[tt.headers[i]], tt.headers[i+1])
			}
			if got := p.address(r); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestSec_HT04_AnswersForOneHost(t *testing.T) {
	p, _ := start(t, func(c *Config) { c.PublicURL = "https://id.example" })
	tests := []struct {
		target string
		want   int
	}{
		{"https://id.example/login", http.StatusOK},
		{"https://ID.example:443/login", http.StatusOK},
		{"https://id.example:8443/login", http.StatusMisdirectedRequest},
		{"https://evil.example/login", http.StatusMisdirectedRequest},
		{"https://id.example.evil.example/login", http.StatusMisdirectedRequest},
		{"https://id.example./login", http.StatusMisdirectedRequest},
		{"https://evil.example/oauth2/token", http.StatusMisdirectedRequest},
		{"http://127.0.0.1:8080/login", http.StatusOK}, // probes and proxies on this machine
		{"https://evil.example/livez", http.StatusOK},
	}
	for _, tt := range tests {
		if got := ask(p.Handler(), "GET", tt.target, "", "X-Forwarded-Host", "id.example"); got.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.target, got.Code, tt.want)
		}
	}
	page := ask(p.Handler(), "GET", "https://evil.example/login", "").Body.String()
	if !strings.Contains(page, "misdirected_request") || strings.Contains(page, "evil.example") || !strings.Contains(page, "https://id.example") {
		t.Error(page)
	}
	found := ask(p.Handler(), "GET", "https://id.example/.well-known/openid-configuration", "", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http")
	if strings.Contains(found.Body.String(), "evil") || strings.Contains(found.Body.String(), "http:") {
		t.Error(found.Body)
	}
}

// However public_url is spelled, what is made of it and what browsers send are the same text.
func TestSec_HT04_OneSpellingOfThePublicURL(t *testing.T) {
	p, _ := start(t, func(c *Config) { c.PublicURL = "HTTPS://ID.Example:443/" })
	const origin = "https://id.example"
	for path, want := range map[string]string{
		"/.well-known/openid-configuration": `"issuer":"` + origin + `"`,
		"/.well-known/passkey-endpoints":    `"enroll":"` + origin + `/account/mfa/passkeys/add"`,
	} {
		if got := ask(p.Handler(), "GET", origin+path, ""); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", path, got.Code, got.Body, want)
		}
	}
	link, err := p.SetupLink(t.Context())
	if err != nil || !strings.HasPrefix(link, origin+"/setup?token=") {
		t.Errorf("the link %q, %v", link, err)
	}
	page := ask(p.Handler(), "GET", origin+"/login", "")
	_, rest, _ := strings.Cut(page.Body.String(), `name="form_token" value="`)
	token, _, _ := strings.Cut(rest, `"`)
	cookie, _, _ := strings.Cut(page.Header().Get("Set-Cookie"), ";")
	if !strings.HasPrefix(cookie, "__Host-") {
		t.Errorf("the cookie is %s", cookie)
	}
	for from, want := range map[string]int{origin: http.StatusUnprocessableEntity, "https://evil.example": http.StatusForbidden} {
		// As behind a proxy that writes another Host: the origin has to be known from the setting.
		got := ask(p.Handler(), "POST", "http://localhost:8080/login", "username=a&password=b&form_token="+token, "Origin", from, "Cookie", cookie)
		if got.Code != want {
			t.Errorf("a form of %s: %d, want %d", from, got.Code, want)
		}
	}
}

func TestSec_HT02_HeadersOnEveryAnswer(t *testing.T) {
	p, _ := start(t, func(c *Config) { c.PublicURL = "https://id.example" })
	tests := []struct {
		method, target, body string
		status               int
		kept                 bool // by caches
	}{
		{"GET", "https://id.example/login", "", 200, false},
		{"GET", "https://id.example/", "", 303, false},
		{"GET", "https://id.example/account", "", 303, false},
		{"GET", "https://id.example/nowhere", "", 404, false},
		{"GET", "https://id.example/static/nowhere.js", "", 404, false},
		{"POST", "https://id.example/login", "username=a", 403, false},
		{"GET", "https://id.example/oauth2/token", "", 405, false},
		{"GET", "https://evil.example/", "", 421, false},
		{"POST", "https://id.example/oauth2/token", "grant_type=authorization_code", 401, false},
		{"GET", "https://id.example/oauth2/authorize", "", 400, false},
		{"GET", "https://id.example/livez", "", 200, false},
		{"GET", "https://id.example/.well-known/openid-configuration", "", 200, true},
		{"GET", "https://id.example/oauth2/jwks", "", 200, true},
	}
	want := map[string]string{
		"Strict-Transport-Security": "max-age=31536000", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	}
	for _, tt := range tests {
		w := ask(p.Handler(), tt.method, tt.target, tt.body)
		if w.Code != tt.status {
			t.Errorf("%s %s: status %d, want %d", tt.method, tt.target, w.Code, tt.status)
		}
		want["Cross-Origin-Opener-Policy"] = "same-origin"
		if strings.HasSuffix(tt.target, "/login") || strings.Contains(tt.target, "/oauth2/") && !strings.HasSuffix(tt.target, "/jwks") {
			want["Cross-Origin-Opener-Policy"] = "unsafe-none" // an app may have opened the sign-in in a pop-up
		}
		for name, value := range want {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s %s: %s is %q", tt.method, tt.target, name, got)
			}
		}
		if got := strings.Contains(w.Header().Get("Cache-Control"), "no-store"); got == tt.kept {
			t.Errorf("%s %s: Cache-Control is %q", tt.method, tt.target, w.Header().Get("Cache-Control"))
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") && w.Code != 303 && w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: a page without Content-Security-Policy", tt.method, tt.target)
		}
		if w.Header().Get("X-Request-Id") == "" || w.Header().Get("Server") != "" {
			t.Errorf("%s %s: %v", tt.method, tt.target, w.Header())
		}
	}
	local, _ := start(t)
	if got := ask(local.Handler(), "GET", "/login", "").Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("on http://localhost: %q", got)
	}
}

func TestSec_HT06_PanicCostsOneRequest(t *testing.T) {
	p, log := start(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /before", func(http.ResponseWriter, *http.Request) { panic("secret detail") })
	mux.HandleFunc("GET /after", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("half a page"))
		panic("secret detail")
	})
	mux.HandleFunc("GET /fine", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(p.wrap(mux))
	defer server.Close()

	response, err := http.Get(server.URL + "/before")
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	body.ReadFrom(response.Body)
	response.Body.Close()
	id := response.Header.Get("X-Request-Id")
	page := body.String()
	if response.StatusCode != 500 || id == "" || !strings.Contains(page, id) || strings.Contains(page, "secret detail") || strings.Contains(page, "goroutine") {
		t.Errorf("%d: %s", response.StatusCode, page)
	}
	if !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "secret detail") {
		t.Errorf("the log does not tell: %s", log)
	}
	if response, err := http.Get(server.URL + "/after"); err == nil {
		if _, err = body.ReadFrom(response.Body); err == nil {
			t.Error("half a page was given out as a whole one")
		}
		response.Body.Close()
	}
	response, err = http.Get(server.URL + "/fine")
	if err != nil || response.StatusCode != 200 {
		t.Fatal(err, response)
	}
	response.Body.Close()
}

func TestSec_SS10_FormWithoutItsTokenIsNotTaken(t *testing.T) {
	p, _ := start(t)
	w := ask(p.Handler(), "POST", "/login?to=%2Faccount%2Fmfa", "username=alice&password=x")
	page := w.Body.String()
	if w.Code != 403 || !strings.Contains(page, `role="alert"`) || !strings.Contains(page, `href="/login?to=%2Faccount%2Fmfa"`) {
		t.Errorf("%d: %s", w.Code, page)
	}
	// Whatever path was asked for, the way on stays here.
	page = ask(p.Handler(), "POST", "http://localhost:8080//evil.example/login", "username=alice").Body.String()
	if strings.Contains(page, `href="//evil.example`) {
		t.Error(page)
	}
}

func TestSec_SS10_ForeignOriginIsRefused(t *testing.T) {
	p, _ := start(t)
	first := ask(p.Handler(), "GET", "/login", "")
	_, token, _ := strings.Cut(first.Body.String(), `name="form_token" value="`)
	token, _, _ = strings.Cut(token, `"`)
	cookie := strings.Split(first.Header().Get("Set-Cookie"), ";")[0]
	for _, tt := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"own page", []string{"Cookie", cookie, "Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-origin"}, 422},
		{"foreign site", []string{"Cookie", cookie, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"sibling", []string{"Cookie", cookie, "Origin", "http://localhost:9090", "Sec-Fetch-Site", "same-site"}, 403},
		{"sandbox", []string{"Cookie", cookie, "Origin", "null", "Sec-Fetch-Site", "cross-site"}, 403},
		{"no cookie", nil, 403},
	} {
		if w := ask(p.Handler(), "POST", "/login", "username=a&password=b&form_token="+token, tt.headers...); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, w.Code, tt.want)
		}
	}
}

func TestSec_DS01_BodiesAreLimited(t *testing.T) {
	p, _ := start(t)
	large := "a=" + strings.Repeat("x", bodyLimit)
	for _, tt := range []struct {
		target, body string
		want         []int
	}{
		{"/login", large, []int{413}},
		{"/login", "a=%zz", []int{400}},
		{"/account/mfa/enrol/codes", large, []int{413}},
		{"/oauth2/token", large, []int{400, 413}},
		{"/oauth2/authorize", large, []int{400, 413}},
		{"/oauth2/logout", large, []int{303, 400, 413}}, // as if nothing had been sent
	} {
		w := ask(p.Handler(), "POST", tt.target, tt.body)
		ok := false
		for _, status := range tt.want {
			ok = ok || w.Code == status
		}
		if !ok {
			t.Errorf("%s: %d, want %d", tt.target, w.Code, tt.want)
		}
	}
}

func TestSec_HT05_OnePathOneDecision(t *testing.T) {
	p, _ := start(t)
	for _, path := range []string{
		"//account", "/./account", "/login/../account", "/account/", "/account;x", "/ACCOUNT", "/account/..;/account",
		"/%61ccount/sessions", "/account%2fsessions", "/account%2e", "/account./mfa",
	} {
		w := ask(p.Handler(), "GET", "http://localhost:8080"+path, "")
		if w.Code == http.StatusOK || w.Code >= 500 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestSec_HT03_DeclaredMethodsOnly(t *testing.T) {
	p, _ := start(t)
	for _, tt := range []struct{ method, target, allow string }{
		{"GET", "/account/sessions/end", "POST"},
		{"OPTIONS", "/login", "GET, POST"},
		{"TRACE", "/account", "GET"},
	} {
		w := ask(p.nothingWith(t), tt.method, tt.target, "")
		if w.Code != 405 || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q", tt.method, tt.target, w.Code, w.Header().Get("Allow"))
		}
	}
	registering, _ := start(t, func(c *Config) { c.DynamicRegistration = true })
	for _, tt := range []struct {
		p                     *IdP
		method, target, allow string
		status                int
	}{
		{p, "GET", "/oauth2/token", "POST, OPTIONS", 405},
		{p, "GET", "/oauth2/introspect", "POST", 405},
		{p, "OPTIONS", "/oauth2/introspect", "POST", 405},
		{p, "PUT", "/oauth2/userinfo", "GET, POST, OPTIONS", 405},
		{p, "PUT", "/oauth2/jwks", "GET, OPTIONS", 405},
		{p, "POST", "/oauth2/register", "", 404},
		{p, "GET", "/oauth2/nowhere", "", 404},
		{p, "GET", "/.well-known/webfinger", "", 404},
		{registering, "PATCH", "/oauth2/register/x", "GET, PUT, DELETE", 405},
		{registering, "GET", "/oauth2/register", "POST", 405},
	} {
		w := ask(tt.p.Handler(), tt.method, tt.target, "")
		var told map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told["error"] == "" || w.Code != tt.status ||
			w.Header().Get("Allow") != tt.allow || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s %s: %d %v %s", tt.method, tt.target, w.Code, w.Header(), w.Body)
		}
	}
	for _, path := range []string{"/oauth2/authorize", "/oauth2/logout"} { // people see these
		if w := ask(p.Handler(), "GET", path, ""); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	if w := ask(p.Handler(), "GET", "/oauth2/jwks", ""); w.Header().Get("Set-Cookie") != "" {
		t.Errorf("what caches keep has a cookie: %v", w.Header())
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "FROBNICATE"} {
		if w := ask(p.Handler(), method, "/login", ""); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s /login: %d", method, w.Code)
		}
	}
	if w := ask(p.Handler(), "GET", "/login", "", "Origin", "https://evil.example"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("a page is open to foreign scripts")
	}
}

// nothingWith returns the handler of last resort beside some pages, without the guards around it.
func (p *IdP) nothingWith(*testing.T) http.Handler {
	mux := http.NewServeMux()
	none := func(http.ResponseWriter, *http.Request) {}
	for _, pattern := range []string{"GET /login", "POST /login", "POST /account/sessions/end", "GET /account"} {
		mux.HandleFunc(pattern, none)
	}
	mux.HandleFunc("/", p.nothing(mux))
	return mux
}

func TestRequestIsKnownToTheAudit(t *testing.T) {
	p, _ := start(t)
	var seen audit.Request
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x", func(_ http.ResponseWriter, r *http.Request) { seen = audit.RequestOf(r.Context()) })
	w := ask(p.wrap(mux), "GET", "/x", "", "User-Agent", "Firefox", "X-Request-Id", "mine")
	if seen.ID == "" || seen.ID == "mine" || seen.ID != w.Header().Get("X-Request-Id") || seen.Address != "192.0.2.1" || seen.Agent != "Firefox" {
		t.Errorf("%+v", seen)
	}
}

// What a busy server turned away is worth another try; what it cannot make sense of is not.
func TestFailures(t *testing.T) {
	p, log := start(t)
	for _, row := range []struct {
		err   error
		want  int
		after string
	}{
		{fmt.Errorf("mfa: %w", account.ErrBusy), http.StatusServiceUnavailable, "5"},
		{errors.New("anything"), http.StatusInternalServerError, ""},
	} {
		log.Reset()
		w := ask(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.fail(w, r, row.err) }), http.MethodPost, "/mfa", "")
		if w.Code != row.want || w.Header().Get("Retry-After") != row.after || strings.Contains(w.Body.String(), row.err.Error()) {
			t.Errorf("%v: %d, Retry-After %q\n%s", row.err, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
		if strings.Count(log.String(), row.err.Error()) != 1 {
			t.Errorf("%v: logged %s", row.err, log)
		}
	}
}
