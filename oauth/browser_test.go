package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

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
