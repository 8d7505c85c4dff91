package oauth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

func TestSec_OA22_RevocationEndsTheWholeGrant(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		_, replica := w.start(w.config())
		events := 0
		for _, client := range []string{"web", "opaque", "spa"} {
			for _, hint := range []string{"-", "access_token", "refresh_token", "nonsense"} {
				for _, kind := range []string{"access_token", "refresh_token", "first refresh_token"} {
					got := w.tokens(client)
					token, _ := got[kind].(string)
					if token == "" { // a refresh token of any generation will do
						token = got["refresh_token"].(string)
						again := w.token(w.refreshing(client, token)).json
						got = w.token(w.refreshing(client, again["refresh_token"].(string))).json
					}
					other := w.tokens(client)
					if a := w.ask(client, "revoke", token, "token_type_hint", hint); a.status != 200 || a.body != "" || a.header.Get("Cache-Control") != "no-store" {
						w.Errorf("%s, %s: %d %s", client, kind, a.status, a.body)
					}
					events++
					here := w.mux
					w.mux, w.browser = replica, nil // at once, on the other replica
					w.browser = w.newBrowser()
					if a := w.userinfo(got["access_token"].(string)); a.status != 401 {
						w.Errorf("%s, %s: the access token lives: %d", client, kind, a.status)
					}
					w.wantError(w.token(w.refreshing(client, got["refresh_token"].(string))), 400, "invalid_grant")
					if client != "spa" {
						w.wantInactive("revoked", client, got["access_token"].(string))
						w.wantInactive("revoked", client, got["refresh_token"].(string))
					}
					if a := w.userinfo(other["access_token"].(string)); a.status != 200 {
						w.Errorf("%s, %s: another grant has ended too", client, kind)
					}
					w.mux = here
					w.browser = w.newBrowser()
					if a := w.ask(client, "revoke", token); a.status != 200 {
						w.Errorf("again: %d", a.status)
					}
				}
			}
		}
		if n := w.host.count(oauth.EventTokenRevoked); n != events {
			w.Errorf("%d events, want %d", n, events)
		}
	})
}

func TestSec_OA22_TokensOfClients(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "seer", Introspect: true})
		for _, kind := range []string{"jwt", "opaque"} {
			w.client(&oauth.Client{ID: kind, AccessToken: kind, GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}})
			token, other := w.alone(kind), w.alone(kind)
			before := w.host.count(oauth.EventTokenRevoked)
			for range 2 {
				if a := w.ask(kind, "revoke", token); a.status != 200 {
					w.Errorf("%s: %d %s", kind, a.status, a.body)
				}
			}
			w.wantInactive(kind, "seer", token)
			w.wantActive(kind+", another", "seer", other)
			if n := w.host.count(oauth.EventTokenRevoked) - before; n != 1 {
				w.Errorf("%s: %d events", kind, n)
			}
		}
		for _, want := range []int{1, 0} { // forgotten when it would have expired anyway
			if err := w.server.Prune(w.Context()); err != nil {
				w.Fatal(err)
			}
			var n int
			if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM oauth_revoked`); err != nil || n != want {
				w.Errorf("%d rows, want %d, %v", n, want, err)
			}
			w.clock.Add(2 * time.Hour)
		}
	})
}

func TestSec_OA22_ForeignTokensAreLeftAlone(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "other", Introspect: true})
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		w.client(&oauth.Client{ID: "job", GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}})
		w.client(&oauth.Client{ID: "opaquejob", AccessToken: "opaque", GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}})
		for _, client := range []string{"web", "opaque", "spa"} {
			got := w.tokens(client)
			for _, thief := range []string{"other", "spa", "web"} {
				if thief == client {
					continue
				}
				for _, kind := range []string{"access_token", "refresh_token"} {
					if a := w.ask(thief, "revoke", got[kind].(string)); a.status != 200 || a.body != "" {
						w.Errorf("%s's %s by %s: %d %s", client, kind, thief, a.status, a.body)
					}
				}
			}
			if a := w.userinfo(got["access_token"].(string)); a.status != 200 {
				w.Errorf("%s: another client ended its access token", client)
			}
			if a := w.token(w.refreshing(client, got["refresh_token"].(string))); a.status != 200 {
				w.Errorf("%s: another client ended its grant: %s", client, a.body)
			}
		}
		for _, client := range []string{"job", "opaquejob"} {
			token := w.alone(client)
			w.ask("web", "revoke", token)
			w.ask("spa", "revoke", token)
			w.wantActive(client, "other", token)
		}
		if n := w.host.count(oauth.EventTokenRevoked); n != 0 {
			w.Errorf("%d events", n)
		}
		got := w.tokens("web")
		for name, a := range map[string]answer{
			"wrong secret": w.post("/oauth2/revoke", w.refreshing("web", "x", "token", got["access_token"].(string)), "Authorization", basic("web", "x")),
			"no secret":    w.post("/oauth2/revoke", w.refreshing("web", "x", "token", got["access_token"].(string))),
			"nobody":       w.ask("nobody", "revoke", got["access_token"].(string)),
		} {
			if a.status != 401 || a.json["error"] != "invalid_client" {
				w.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		w.wantError(w.ask("web", "revoke", "-", "token", "-"), 400, "invalid_request")
		w.wantActive("after all of them", "web", got["access_token"].(string))
	})
}

// Somebody who is disabled today may be enabled tomorrow: what was given back must be gone then.
func TestRevocationOfAnEndedPerson(t *testing.T) {
	both(t, func(w *world) {
		got := w.tokens("web")
		w.host.set(func(h *host) { h.alive = oauth.ErrEnded })
		if a := w.ask("web", "revoke", got["access_token"].(string)); a.status != 200 {
			w.Errorf("%d %s", a.status, a.body)
		}
		w.host.set(func(h *host) { h.alive = nil })
		w.wantInactive("revoked", "web", got["access_token"].(string))
		w.wantError(w.token(w.refreshing("web", got["refresh_token"].(string))), 400, "invalid_grant")
	})
}

func TestTrap07_AFailedRevocationIsToldAsOne(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		w.client(&oauth.Client{ID: "job", GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}})
		w.client(&oauth.Client{ID: "opaquejob", AccessToken: "opaque", GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}})
		w.client(&oauth.Client{ID: "seer", Introspect: true})
		token := map[string]string{
			"web": w.tokens("web")["access_token"].(string), "opaque": w.tokens("opaque")["access_token"].(string),
			"spa": w.tokens("spa")["access_token"].(string), "job": w.alone("job"), "opaquejob": w.alone("opaquejob"),
		}
		refresh := w.tokens("web")["refresh_token"].(string)
		fails := func(what string, a answer) {
			w.Helper()
			if a.status != 503 || a.header.Get("Retry-After") == "" || a.json["error"] != "temporarily_unavailable" {
				w.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		exec := func(statement string) {
			if _, err := w.db.SQLX().Exec(statement); err != nil {
				w.Fatal(err)
			}
		}
		for table, clients := range map[string][]string{
			"oauth_grants": {"web", "opaque", "spa"}, "oauth_access": {"opaque", "opaquejob"}, "oauth_revoked": {"job"}, "oauth_clients": {"web", "spa", "job"},
		} {
			exec("ALTER TABLE " + table + " RENAME TO hidden")
			w.server, w.mux = w.start(w.config()) // it has read nothing before
			w.browser = w.newBrowser()
			for _, client := range clients {
				fails(client+" without "+table, w.ask(client, "revoke", token[client]))
				if client != "spa" { // never "inactive", which would be believed
					fails(client+" introspects without "+table, w.ask(client, "introspect", token[client]))
				}
			}
			if table == "oauth_grants" {
				fails("refresh token", w.ask("web", "revoke", refresh))
				fails("refresh token", w.ask("web", "introspect", refresh))
			}
			exec("ALTER TABLE hidden RENAME TO " + table)
		}
		// No entry in the log, no revocation.
		w.host.set(func(h *host) { h.auditErr = errors.New("full") })
		for client, token := range token {
			fails(client+" without a log", w.ask(client, "revoke", token))
		}
		fails("refresh token without a log", w.ask("web", "revoke", refresh))
		w.host.set(func(h *host) { h.auditErr = nil })
		w.wantActive("refresh token", "web", refresh)
		for client, token := range token {
			w.wantActive(client+" after the failures", "seer", token)
			if a := w.ask(client, "revoke", token); a.status != 200 {
				w.Errorf("%s: %d %s", client, a.status, a.body)
			}
			w.wantInactive(client, "seer", token)
		}
	})
}

// The host that cannot say whether somebody may still sign in has not said that they may not.
func TestIntrospectionWhenTheHostFails(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["access_token"].(string)
	w.host.set(func(h *host) { h.alive = context.DeadlineExceeded })
	if a := w.ask("web", "introspect", token); a.status < 500 || a.json["active"] != nil {
		t.Errorf("%d %s", a.status, a.body)
	}
}
