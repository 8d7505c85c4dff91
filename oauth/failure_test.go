package oauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/focushq/idp/oauth"
)

// A database that fails is told as such, and nothing is half done.
func TestDatabaseFailures(t *testing.T) {
	for name, table := range map[string]string{"grants": "oauth_grants", "clients": "oauth_clients"} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world) {
				code, got := w.code("web"), w.tokens("web")
				hide, show := "ALTER TABLE "+table+" RENAME TO hidden", "ALTER TABLE hidden RENAME TO "+table
				exec := func(statement string) {
					if _, err := w.db.SQLX().Exec(statement); err != nil {
						w.Fatal(err)
					}
				}
				exec(hide)
				w.server, w.mux = w.start(w.config()) // it remembers no client
				w.browser = w.newBrowser()
				w.wantError(w.token(w.exchange("web", code)), 503, "temporarily_unavailable")
				w.wantError(w.token(w.refreshing("web", got["refresh_token"].(string))), 503, "temporarily_unavailable")
				w.wantError(w.userinfo(got["access_token"].(string)), 503, "temporarily_unavailable")
				if table == "oauth_grants" {
					w.wantRedirected(w.authorize(request("web")), "temporarily_unavailable")
				} else {
					w.wantPage(w.authorize(request("web")), "temporarily_unavailable", "")
				}
				exec(show)
				if a := w.token(w.exchange("web", code)); a.status != 200 {
					w.Errorf("code: %s", a.body)
				}
				if a := w.token(w.refreshing("web", got["refresh_token"].(string))); a.status != 200 {
					w.Errorf("refresh: %s", a.body)
				}
				if text := w.log.String(); strings.Count(text, "level=ERROR") != 4 {
					w.Errorf("log: %s", text)
				}
			})
		})
	}
}

func TestErrorPageIsTheHosts(t *testing.T) {
	w := newWorld(t)
	var got oauth.Problem
	cfg := w.config()
	cfg.ErrorPage = func(rw http.ResponseWriter, _ *http.Request, p oauth.Problem) {
		got = p
		rw.WriteHeader(p.Status)
	}
	_, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	if a := w.authorize(request("web", "redirect_uri", "https://evil.example/")); a.status != 400 || got.Code != "invalid_request" ||
		got.Parameter != "redirect_uri" || got.Description == "" {
		t.Errorf("%d %+v", a.status, got)
	}
}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	for path, methods := range map[string][]string{
		"/oauth2/authorize": {"HEAD", "PUT", "DELETE"}, "/oauth2/token": {"GET", "HEAD", "PUT"}, "/oauth2/logout": {"HEAD", "PUT"},
		"/oauth2/userinfo": {"PUT"}, "/oauth2/jwks": {"POST"},
	} {
		for _, method := range methods {
			r, _ := http.NewRequest(method, issuer+path, nil)
			if a := w.do(w.browser, r); a.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, a.status)
			}
		}
	}
}
