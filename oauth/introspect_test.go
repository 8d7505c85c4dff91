package oauth_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// ask posts a token to introspection or revocation as a client.
func (w *world) ask(client, endpoint, token string, changes ...string) answer {
	w.Helper()
	v := url.Values{"token": {token}}
	change(v, changes)
	if w.secrets[client] == "" {
		v.Set("client_id", client)
		return w.post("/oauth2/"+endpoint, v)
	}
	return w.post("/oauth2/"+endpoint, v, "Authorization", basic(client, w.secrets[client]))
}

// wantInactive checks that a client learns nothing about a token.
func (w *world) wantInactive(what, client, token string) {
	w.Helper()
	if a := w.ask(client, "introspect", token); a.status != 200 || a.body != `{"active":false}` {
		w.Errorf("%s: %d %s", what, a.status, a.body)
	}
}

func (w *world) wantActive(what, client, token string) {
	w.Helper()
	if a := w.ask(client, "introspect", token); a.status != 200 || a.json["active"] != true {
		w.Errorf("%s: %d %s", what, a.status, a.body)
	}
}

func TestGoldenIntrospection(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
	w.client(&oauth.Client{
		ID: "job", GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}, Resources: []string{"https://api.example", "https://log.example"},
	})
	got := w.tokens("web", "scope", "openid profile email offline_access")
	golden(t, "introspection.json", still(w.ask("web", "introspect", got["access_token"].(string)).json, "jti"))
	golden(t, "introspection_refresh.json", w.ask("web", "introspect", got["refresh_token"].(string)).json)
	opaque := w.ask("opaque", "introspect", w.tokens("opaque")["access_token"].(string)).json
	golden(t, "introspection_opaque.json", still(opaque, "jti"))
	p := w.prover()
	bound := w.ask("web", "introspect", w.bound("web", p)["access_token"].(string)).json
	if key, _ := bound["cnf"].(map[string]any); key["jkt"] != p.jkt {
		t.Errorf("cnf: %v", key)
	}
	golden(t, "introspection_bound.json", still(bound, "jti", "cnf"))
	v := w.machine("job")
	v["resource"] = []string{"https://api.example", "https://log.example"}
	golden(t, "introspection_client.json", still(w.ask("job", "introspect", w.token(v).json["access_token"].(string)).json, "jti"))
	golden(t, "introspection_none.json", w.ask("web", "introspect", "x").json)
}

// What introspection says of a JWT is what the JWT says.
func TestIntrospectionAgreesWithTheToken(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["access_token"].(string)
	about := w.ask("web", "introspect", token).json
	for name, want := range payload(t, token) {
		if got := about[name]; name != "amr" && got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestTrap13_IntrospectionIsForConfidentialClients(t *testing.T) {
	both(t, func(w *world) {
		got := w.tokens("web")
		access, mine := got["access_token"].(string), w.tokens("spa")["access_token"].(string)
		ask := func(headers ...string) answer {
			return w.post("/oauth2/introspect", url.Values{"token": {access}}, headers...)
		}
		w.wantError(w.ask("spa", "introspect", mine), 401, "invalid_client") // a public client, even about its own token
		w.wantError(ask(), 401, "invalid_client")
		w.wantError(ask("Authorization", "Bearer "+access), 401, "invalid_client")
		w.wantError(ask("Authorization", basic("web", "wrong")), 401, "invalid_client")
		w.wantError(ask("Authorization", basic("web", "")), 401, "invalid_client")
		w.wantError(ask("Authorization", basic("nobody", "x")), 401, "invalid_client")
		if a := ask("Authorization", basic("nobody", "x")); a.header.Get("WWW-Authenticate") == "" {
			w.Error("no challenge")
		}
		_, set := clientKey(w)
		w.client(&oauth.Client{ID: "keyed", AuthMethod: "private_key_jwt", AuthAlg: "ES256", JWKS: set})
		w.wantError(ask("Authorization", basic("keyed", "x")), 401, "invalid_client")

		w.wantError(w.ask("web", "introspect", "-", "token", "-"), 400, "invalid_request")
		w.wantError(w.post("/oauth2/introspect?token="+access, url.Values{}, "Authorization", basic("web", w.secrets["web"])), 400, "invalid_request")
		if a := w.get("/oauth2/introspect?token=" + access); a.status != 405 {
			w.Errorf("GET: %d", a.status)
		}
		// The expiry of a refresh token is its own.
		about := w.ask("web", "introspect", got["refresh_token"].(string)).json
		if want := float64(w.clock.Now().Add(14 * 24 * time.Hour).Unix()); about["exp"] != want || about["token_type"] != nil {
			w.Errorf("refresh token: %v, want exp %v", about, want)
		}
	})
}

func TestSec_OA21_OneSeesOnesOwnTokens(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "other"})
		w.client(&oauth.Client{ID: "resource", Introspect: true, GrantTypes: []string{"client_credentials"}})
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		for _, client := range []string{"web", "opaque", "spa"} {
			got := w.tokens(client)
			access, refresh := got["access_token"].(string), got["refresh_token"].(string)
			w.wantInactive("another client's access token", "other", access)
			w.wantInactive("another client's refresh token", "other", refresh)
			w.wantActive("by permission", "resource", access)
			// A resource server would take it for an access token.
			w.wantInactive("a refresh token by permission", "resource", refresh)
			for _, hint := range []string{"access_token", "refresh_token", "id_token", "nonsense", ""} {
				if a := w.ask("resource", "introspect", access, "token_type_hint", hint); a.json["active"] != true {
					w.Errorf("hint %q: %s", hint, a.body)
				}
			}
			if client != "spa" {
				w.wantActive("its own access token", client, access)
				w.wantActive("its own refresh token", client, refresh)
			}
		}
	})
}

func TestSec_OA21_WhatHasEndedIsInactive(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		w.client(&oauth.Client{ID: "job", GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}})
		w.client(&oauth.Client{ID: "opaquejob", AccessToken: "opaque", GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}})
		for _, client := range []string{"web", "opaque"} {
			both := func(what string, check func(what, client, token string), got map[string]any) {
				check(what, client, got["access_token"].(string))
				check(what, client, got["refresh_token"].(string))
			}
			got := w.tokens(client)
			w.host.set(func(h *host) { h.alive = oauth.ErrEnded })
			both("disabled person", w.wantInactive, got)
			w.host.set(func(h *host) { h.alive = nil })
			both("enabled again", w.wantActive, got)

			online := w.tokens(client, "scope", "openid")
			if err := w.server.RevokeSession(w.Context(), "sid-1"); err != nil {
				w.Fatal(err)
			}
			w.wantInactive("ended session", client, online["access_token"].(string))
			both("offline access", w.wantActive, got)

			again := w.token(w.refreshing(client, got["refresh_token"].(string))).json
			both("in the grace", w.wantActive, got)
			both("refreshed", w.wantActive, again)
			w.clock.Add(61 * time.Second)
			w.wantInactive("used refresh token", client, got["refresh_token"].(string))
			both("introspection of a used one has ended nothing", w.wantActive, again)
			if err := w.server.RevokeClient(w.Context(), "alice-1", client); err != nil {
				w.Fatal(err)
			}
			both("revoked grant", w.wantInactive, again)

			got = w.tokens(client)
			w.clock.Add(10 * time.Minute)
			w.wantInactive("expired", client, got["access_token"].(string))
			w.wantActive("refresh token lives on", client, got["refresh_token"].(string))
			w.clock.Add(14 * 24 * time.Hour)
			w.wantInactive("idle", client, got["refresh_token"].(string))
			w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		}
		w.client(&oauth.Client{ID: "seer", Introspect: true})
		for _, client := range []string{"job", "opaquejob"} {
			token := w.alone(client)
			w.wantActive("a client's own", "seer", token)
			before, err := w.server.Clients().Get(w.Context(), client)
			if err != nil {
				w.Fatal(err)
			}
			for name, spoil := range map[string]func(c *oauth.Client){
				"disabled": func(c *oauth.Client) { c.Disabled = true }, "scope taken": func(c *oauth.Client) { c.Scopes = []string{"log"} },
				"grant type taken": func(c *oauth.Client) {
					c.GrantTypes, c.RedirectURIs = []string{"authorization_code"}, []string{callback}
				},
			} {
				c := *before
				spoil(&c)
				w.update(&c)
				w.wantInactive(client+" "+name, "seer", token)
				w.update(before)
			}
			w.wantActive("as before", "seer", token)
			w.clock.Add(time.Second)
			if err := w.server.Clients().Delete(w.Context(), client); err != nil {
				w.Fatal(err)
			}
			w.wantInactive("deleted client", "seer", token)
			w.client(&oauth.Client{ID: client, AccessToken: before.AccessToken, GrantTypes: before.GrantTypes, Scopes: before.Scopes})
			w.wantInactive("another client of that name", "seer", token)
		}
	})
}

// update makes a client c, whatever was changed since c was read.
func (w *world) update(c *oauth.Client) {
	w.Helper()
	made := *c
	made.Version = 0
	if err := w.server.Clients().Update(w.Context(), &made); err != nil {
		w.Fatal(err)
	}
}

func TestIntrospectionUsesNothingUp(t *testing.T) {
	both(t, func(w *world) {
		first := w.tokens("web")["refresh_token"].(string)
		second := w.token(w.refreshing("web", first)).json["refresh_token"].(string)
		for range 3 {
			w.wantActive("the current one", "web", second)
			w.wantActive("the one before", "web", first)
		}
		third := w.token(w.refreshing("web", second)).json["refresh_token"].(string)
		w.wantInactive("two before", "web", first) // reuse at the token endpoint, but nobody uses it here
		w.wantActive("the current one", "web", third)
		if n := w.host.count(oauth.EventRefreshReused); n != 0 {
			w.Errorf("%d events of reuse", n)
		}
	})
}
