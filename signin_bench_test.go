package idp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// BenchmarkSignIn is a whole sign-in, in a browser that was never here: authorize, password, code of an authenticator app, the
// client's exchange of the code. Passwords are hashed cheaply: what is measured is all but the hash.
func BenchmarkSignIn(b *testing.B) {
	for name, database := range map[string]func(*testing.B) string{
		"SQLite":     func(*testing.B) string { return "" },
		"PostgreSQL": func(b *testing.B) string { return dbxtest.PostgresURL(b) },
	} {
		b.Run(name, func(b *testing.B) {
			url := database(b)
			s := idptest.Start(b, func(c *idp.Config) {
				if url != "" {
					c.DatabaseURL = url
				}
			})
			app := s.AddClient(oauth.Client{ID: "bench", RedirectURIs: []string{"https://bench.example/"}, IDTokenAlg: "ES256"})
			who := s.Person("alice")
			s.Clock.Add(time.Minute)
			signInOnce(b, s, who, app) // pages are parsed, statements prepared
			b.ReportAllocs()
			before := processorTime()
			for b.Loop() {
				s.Clock.Add(time.Minute) // another code
				signInOnce(b, s, who, app)
			}
			b.ReportMetric(float64((processorTime()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// processorTime returns what this process has used, with SQLite, and without PostgreSQL's processes.
func processorTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// visitor is a browser without a network.
type visitor struct {
	testing.TB
	handler http.Handler
	origin  string
	cookies map[string]string
	token   string // of the form that was seen last
}

var formTokens = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// do sends a request and follows what it is sent on to at this provider. It returns where it is sent to elsewhere.
func (v *visitor) do(method, target string, form url.Values) (elsewhere, here string) {
	v.Helper()
	for {
		var body string
		if method == http.MethodPost {
			form.Set("form_token", v.token)
			body = form.Encode()
		}
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for name, value := range v.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w := httptest.NewRecorder()
		v.handler.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			v.cookies[c.Name] = c.Value
			if c.MaxAge < 0 {
				delete(v.cookies, c.Name)
			}
		}
		to := w.Header().Get("Location")
		switch {
		case w.Code == http.StatusOK:
			if found := formTokens.FindSubmatch(w.Body.Bytes()); found != nil {
				v.token = string(found[1])
			}
			return "", target
		case w.Code != http.StatusSeeOther && w.Code != http.StatusFound:
			v.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		case !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, v.origin):
			return to, ""
		}
		method = http.MethodGet
		if target = to; strings.HasPrefix(to, "/") {
			target = v.origin + to
		}
	}
}

func signInOnce(b testing.TB, s *idptest.Server, who *idptest.Person, app *idptest.Client) {
	v := &visitor{TB: b, handler: s.Handler(), origin: s.Issuer, cookies: map[string]string{}}
	_, page := v.do(http.MethodGet, s.Issuer+"/oauth2/authorize?"+url.Values{
		"client_id": {"bench"}, "redirect_uri": {app.RedirectURL}, "response_type": {"code"}, "scope": {"openid"}, "state": {"12345678"},
		"code_challenge": {"DksyTyvjKJMTgEpPXzLiaCJ1P325hYFdr6STK5uo-WM"}, "code_challenge_method": {"S256"},
	}.Encode(), nil)
	_, page = v.do(http.MethodPost, page, url.Values{"username": {"alice"}, "password": {idptest.Password}})
	to, page := v.do(http.MethodPost, page, url.Values{"code": {who.Phone.Code(0)}})
	back, err := url.Parse(to)
	if err != nil || back.Query().Get("code") == "" {
		b.Fatalf("at %s %s", to, page)
	}
	r := httptest.NewRequest(http.MethodPost, s.Issuer+"/oauth2/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {app.RedirectURL}, "code_verifier": {proofKey},
	}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("bench", app.ClientSecret)
	w := httptest.NewRecorder()
	if v.handler.ServeHTTP(w, r); w.Code != http.StatusOK {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
}
