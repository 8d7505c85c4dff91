package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

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

// What was used twice may be in a thief's hands: that nothing could be ended is no refusal.
func TestSec_OA07_AReuseThatCannotBeAnsweredIsAFailure(t *testing.T) {
	w := newWorld(t)
	w.television()
	code := w.code("web")
	got := w.token(w.exchange("web", code)).json
	old := w.tokens("web")["refresh_token"].(string)
	w.token(w.refreshing("web", old))
	w.clock.Add(2 * time.Minute)
	device, user := w.codes("tv")
	w.connect(user)
	w.poll("tv", device)
	exec := func(statement string) {
		if _, err := w.db.SQLX().Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TRIGGER broken BEFORE UPDATE OF revoked_at ON oauth_grants BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
	reuses := map[string]func() answer{
		"code":          func() answer { return w.token(w.exchange("web", code)) },
		"refresh token": func() answer { return w.token(w.refreshing("web", old)) },
		"device code":   func() answer { return w.poll("tv", device) },
	}
	for name, again := range reuses {
		w.log.Reset()
		w.wantError(again(), 503, "temporarily_unavailable")
		if text := w.log.String(); !strings.Contains(text, "disk full") || strings.Count(text, "level=ERROR") != 1 {
			t.Errorf("%s: log: %s", name, text)
		}
	}
	exec(`DROP TRIGGER broken`)
	for _, again := range reuses {
		w.wantError(again(), 400, "invalid_grant")
	}
	if a := w.userinfo(got["access_token"].(string)); a.status != 401 {
		t.Errorf("the thief's token: %d", a.status)
	}
}

// Whatever it is that the database interrupts, the request may come again.
func TestADatabaseThatGoesAway(t *testing.T) {
	for name, step := range map[string]func(*world){
		"exchange": func(w *world) { w.wantError(w.token(w.exchange("web", w.code("web"))), 503, "temporarily_unavailable") },
		"revocation": func(w *world) {
			token := w.tokens("web")["refresh_token"].(string)
			w.host.set(func(h *host) { h.auditErr = errors.New("gone") })
			w.wantError(w.ask("web", "revoke", token), 503, "temporarily_unavailable")
		},
		"the host's answer": func(w *world) {
			token := w.tokens("web")["access_token"].(string)
			w.host.set(func(h *host) { h.standing = func(oauth.Standing) error { return errors.New("gone") } })
			w.wantError(w.userinfo(token), 503, "temporarily_unavailable")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.host.standing = func(oauth.Standing) error { w.db.SQLX().Close(); return nil }
			if name != "exchange" {
				w.host.standing = nil
			}
			step(w)
		})
	}
	t.Run("claims", func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config()
		cfg.Claims = func(context.Context, string, []string) (map[string]any, error) { return nil, errors.New("gone") }
		_, w.mux = w.start(cfg)
		w.browser = w.newBrowser()
		w.wantError(w.userinfo(w.tokens("web")["access_token"].(string)), 503, "temporarily_unavailable")
	})
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
