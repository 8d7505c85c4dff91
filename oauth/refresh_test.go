package oauth_test

import (
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/google/go-cmp/cmp"
)

func TestSec_TK06_ParallelRefreshesHaveOneSuccessor(t *testing.T) {
	both(t, func(w *world) {
		for range 5 {
			token := w.tokens("web")["refresh_token"].(string)
			var mu sync.Mutex
			var wg sync.WaitGroup
			got := map[string]int{}
			for range 8 {
				wg.Go(func() {
					a := w.token(w.refreshing("web", token))
					mu.Lock()
					defer mu.Unlock()
					if a.status != 200 {
						w.Errorf("%d %s", a.status, a.body)
						return
					}
					got[a.json["refresh_token"].(string)]++
				})
			}
			wg.Wait()
			if len(got) != 1 {
				w.Fatalf("successors: %v", got)
			}
		}
	})
}

func TestSec_TK05_Grace(t *testing.T) {
	both(t, func(w *world) {
		first := w.tokens("web")["refresh_token"].(string)
		second := w.token(w.refreshing("web", first)).json["refresh_token"].(string)
		w.clock.Add(59 * time.Second)
		if got := w.token(w.refreshing("web", first)).json["refresh_token"]; got != second {
			w.Errorf("within the grace: %v", got)
		}
		w.clock.Add(2 * time.Second)
		w.wantError(w.token(w.refreshing("web", first)), 400, "invalid_grant")
		w.wantError(w.token(w.refreshing("web", second)), 400, "invalid_grant")
		w.wantError(w.token(w.refreshing("web", first)), 400, "invalid_grant")
		if n := w.host.count(oauth.EventRefreshReused); n != 1 {
			w.Errorf("%d events", n)
		}
	})
}

func TestTrap12_AnOldRefreshTokenEndsTheFamily(t *testing.T) {
	both(t, func(w *world) {
		got := w.tokens("web")
		first := got["refresh_token"].(string)
		second := w.token(w.refreshing("web", first)).json["refresh_token"].(string)
		third := w.token(w.refreshing("web", second)).json
		// The successor was used, so the first one is reuse, grace or not.
		w.wantError(w.token(w.refreshing("web", first)), 400, "invalid_grant")
		w.wantError(w.token(w.refreshing("web", third["refresh_token"].(string))), 400, "invalid_grant")
		for _, access := range []any{got["access_token"], third["access_token"]} {
			if a := w.userinfo(access.(string)); a.status != 401 {
				w.Errorf("access token lives: %d", a.status)
			}
		}
	})
}

func TestSec_TK09_RefreshTokensAreTheClients(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "other"})
		first := w.tokens("web")["refresh_token"].(string)
		second := w.token(w.refreshing("web", first)).json["refresh_token"].(string)
		third := w.token(w.refreshing("web", second)).json["refresh_token"].(string)
		for _, token := range []string{first, second, third} {
			w.wantError(w.token(w.refreshing("other", token)), 400, "invalid_grant")
			w.wantError(w.token(w.refreshing("spa", token)), 400, "invalid_grant")
		}
		if a := w.token(w.refreshing("web", third)); a.status != 200 {
			w.Errorf("another client ended the family: %s", a.body)
		}
	})
}

func TestTrap20_RefreshTokensEnd(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["refresh_token"].(string)
	begin := w.clock.Now()
	for {
		w.clock.Add(24 * time.Hour)
		a := w.token(w.refreshing("web", token))
		if a.status != 200 {
			w.wantError(a, 400, "invalid_grant")
			break
		}
		token = a.json["refresh_token"].(string)
	}
	if days := w.clock.Now().Sub(begin).Hours() / 24; days != 90 {
		t.Errorf("ended after %v days", days)
	}
	idle := w.tokens("web")["refresh_token"].(string)
	w.clock.Add(14*24*time.Hour + time.Second)
	w.wantError(w.token(w.refreshing("web", idle)), 400, "invalid_grant")
}

func TestSec_TK04_UseNeverMovesTheEnd(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "short", RefreshTokenLife: 5 * 86400, RefreshTokenIdle: 2 * 86400})
		ends := func() (end int64) {
			if err := w.db.Get(w.Context(), &end, `SELECT MAX(expires_at) FROM oauth_grants`); err != nil {
				w.Fatal(err)
			}
			return end
		}
		token := w.tokens("short")["refresh_token"].(string)
		end := ends()
		if end != w.clock.Now().Unix()+5*86400 {
			w.Errorf("the end is %d", end)
		}
		for day := 1; day < 5; day++ {
			w.clock.Add(24 * time.Hour)
			a := w.token(w.refreshing("short", token))
			if a.status != 200 || ends() != end {
				w.Fatalf("day %d: %s, end %d", day, a.body, ends())
			}
			token = a.json["refresh_token"].(string)
		}
		w.clock.Add(24*time.Hour - time.Second)
		a := w.token(w.refreshing("short", token))
		if a.status != 200 {
			w.Fatalf("a second before: %s", a.body)
		}
		w.clock.Add(time.Second)
		w.wantError(w.token(w.refreshing("short", token)), 400, "invalid_grant") // not by the grace either
		w.wantError(w.token(w.refreshing("short", a.json["refresh_token"].(string))), 400, "invalid_grant")
		idle := w.tokens("short")["refresh_token"].(string)
		w.clock.Add(2 * 24 * time.Hour)
		w.wantError(w.token(w.refreshing("short", idle)), 400, "invalid_grant")
	})
}

func TestSec_TK05_ARevokedGrantHasNoGrace(t *testing.T) {
	both(t, func(w *world) {
		first := w.tokens("web")["refresh_token"].(string)
		if a := w.token(w.refreshing("web", first)); a.status != 200 {
			w.Fatal(a.body)
		}
		// Revoked before, and revoked while the request is on its way to its answer.
		w.host.set(func(h *host) {
			h.standing = func(oauth.Standing) error { return w.server.RevokeClient(w.Context(), "alice-1", "web") }
		})
		w.wantError(w.token(w.refreshing("web", first)), 400, "invalid_grant")
		w.host.set(func(h *host) { h.standing = nil })
		w.wantError(w.token(w.refreshing("web", first)), 400, "invalid_grant")
		if n := w.host.count(oauth.EventRefreshReused); n != 0 {
			w.Errorf("%d events of reuse", n)
		}
	})
}

func TestSec_TK08_TheHostIsToldWhatTheGrantStandsOn(t *testing.T) {
	both(t, func(w *world) {
		var got []oauth.Standing
		w.host.set(func(h *host) {
			h.standing = func(s oauth.Standing) error {
				got = append(got, s)
				return nil
			}
		})
		online, offline := w.tokens("web", "scope", "openid email"), w.tokens("spa")
		w.token(w.refreshing("spa", offline["refresh_token"].(string), "scope", "openid"))
		w.userinfo(online["access_token"].(string))
		w.userinfo(offline["access_token"].(string))
		w.ask("web", "introspect", offline["access_token"].(string))
		want := []oauth.Standing{
			{SessionID: "sid-1", Scopes: []string{"openid", "email"}}, {SessionID: "sid-1", Scopes: []string{"openid", "offline_access"}},
			{Scopes: []string{"openid", "offline_access"}},
			{SessionID: "sid-1", Scopes: []string{"openid", "email"}, Looking: true},
			{Scopes: []string{"openid", "offline_access"}, Looking: true}, {Scopes: []string{"openid", "offline_access"}, Looking: true},
		}
		for i := range want {
			want[i].Subject, want[i].ACR, want[i].AMR = "alice-1", "aal2", []string{"pwd", "otp", "mfa"}
			want[i].AuthTime = w.host.auth.AuthTime.Truncate(time.Second).Local()
		}
		for i := range got {
			if got[i].Client == nil {
				w.Error("no client")
			}
			got[i].Client = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.Error(diff)
		}
	})
}

func TestTrap11_RefreshedTokensAreNew(t *testing.T) {
	both(t, func(w *world) {
		got := w.tokens("web")
		firstAccess, firstID := payload(w, got["access_token"]), payload(w, got["id_token"])
		w.clock.Add(5 * time.Minute)
		again := w.token(w.refreshing("web", got["refresh_token"].(string), "nonce", "injected"))
		access, id := payload(w, again.json["access_token"]), payload(w, again.json["id_token"])
		for name, pair := range map[string][2]map[string]any{"access": {firstAccess, access}, "ID": {firstID, id}} {
			if pair[1]["iat"].(float64)-pair[0]["iat"].(float64) != 300 || pair[1]["exp"].(float64)-pair[0]["exp"].(float64) != 300 {
				w.Errorf("%s token: %v then %v", name, pair[0], pair[1])
			}
			for _, claim := range []string{"iss", "sub", "aud", "acr", "amr", "auth_time"} {
				if diff := cmp.Diff(pair[0][claim], pair[1][claim]); diff != "" {
					w.Errorf("%s token, %s: %s", name, claim, diff)
				}
			}
		}
		if access["jti"] == firstAccess["jti"] || id["nonce"] != nil || id["at_hash"] == firstID["at_hash"] {
			w.Errorf("access %v, ID %v", access, id)
		}
	})
}

func TestTrap29_RefreshNarrowsTheScope(t *testing.T) {
	both(t, func(w *world) {
		got := w.tokens("web", "scope", "openid email profile offline_access")
		token := got["refresh_token"].(string)
		w.wantError(w.token(w.refreshing("web", token, "scope", "openid mfa")), 400, "invalid_scope")
		w.wantError(w.token(w.refreshing("web", token, "scope", "OPENID")), 400, "invalid_scope")
		narrow := w.token(w.refreshing("web", token, "scope", "openid email")).json
		if narrow["scope"] != "openid email" || payload(w, narrow["access_token"])["scope"] != "openid email" {
			w.Errorf("narrowed: %v", narrow)
		}
		full := w.token(w.refreshing("web", narrow["refresh_token"].(string))).json
		if full["scope"] != "openid email profile offline_access" {
			w.Errorf("full again: %v", full["scope"])
		}
	})
}

func TestSec_TK08_RefreshChecksAgain(t *testing.T) {
	both(t, func(w *world) {
		change := func(c oauth.Client, edit func(*oauth.Client)) {
			edit(&c)
			c.Version = 0 // whatever was changed before
			if err := w.server.Clients().Update(w.Context(), &c); err != nil {
				w.Fatal(err)
			}
		}
		client, err := w.server.Clients().Get(w.Context(), "web")
		if err != nil {
			w.Fatal(err)
		}
		for name, c := range map[string]struct {
			spoil, mend func()
			status      int
			code        string
		}{
			"person": {
				func() { w.host.set(func(h *host) { h.alive = oauth.ErrEnded }) }, func() { w.host.set(func(h *host) { h.alive = nil }) },
				400, "invalid_grant",
			},
			"scope": {
				func() { change(*client, func(c *oauth.Client) { c.Scopes = []string{"openid"} }) }, func() { change(*client, func(*oauth.Client) {}) },
				400, "invalid_grant",
			},
			"disabled": {
				func() { change(*client, func(c *oauth.Client) { c.Disabled = true }) }, func() { change(*client, func(*oauth.Client) {}) },
				401, "invalid_client",
			},
			"application": {
				func() {
					if err := w.server.RevokeClient(w.Context(), "alice-1", "web"); err != nil {
						w.Fatal(err)
					}
				}, func() {}, 400, "invalid_grant",
			},
		} {
			token := w.tokens("web")["refresh_token"].(string)
			c.spoil()
			before := w.host.count(oauth.EventTokenRefused)
			a := w.token(w.refreshing("web", token))
			if a.status != c.status || a.json["error"] != c.code {
				w.Errorf("%s: %d %s", name, a.status, a.body)
			}
			if n := w.host.count(oauth.EventTokenRefused) - before; c.status == 400 && n != 1 {
				w.Errorf("%s: %d events", name, n)
			}
			c.mend()
		}
		token := w.tokens("web")["refresh_token"].(string)
		if err := w.server.Clients().Delete(w.Context(), "web"); err != nil {
			w.Fatal(err)
		}
		w.wantError(w.token(w.refreshing("web", token)), 401, "invalid_client")
	})
}

func TestTrap32_RefreshKeysCountInFull(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["refresh_token"].(string)
	cfg := w.config()
	cfg.Secret = func(label string) ([]byte, error) {
		key, err := sharedSeal(t).Derive(label)
		if label == "refresh-token" {
			key = append(key, 'x') // beyond the 32 bytes that fosite would look at
		}
		return key, err
	}
	good := w.mux
	_, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	w.wantError(w.token(w.refreshing("web", token)), 400, "invalid_grant")
	w.mux = good
	w.browser = w.newBrowser()
	if a := w.token(w.refreshing("web", token)); a.status != 200 {
		t.Errorf("%s", a.body)
	}
}

func TestRevokeSessionSparesOfflineAccess(t *testing.T) {
	both(t, func(w *world) {
		online, offline := w.tokens("web", "scope", "openid"), w.tokens("web")
		if err := w.server.RevokeSession(w.Context(), "sid-1"); err != nil {
			w.Fatal(err)
		}
		if a := w.userinfo(online["access_token"].(string)); a.status != 401 {
			w.Errorf("online: %d", a.status)
		}
		if a := w.userinfo(offline["access_token"].(string)); a.status != 200 {
			w.Errorf("offline: %d", a.status)
		}
	})
}

func TestRevokeClientSession(t *testing.T) {
	both(t, func(w *world) {
		mine, other := w.tokens("web", "scope", "openid"), w.tokens("spa", "scope", "openid")
		if err := w.server.RevokeClientSession(w.Context(), "web", "sid-1"); err != nil {
			w.Fatal(err)
		}
		if a := w.userinfo(mine["access_token"].(string)); a.status != 401 {
			w.Errorf("this app: %d", a.status)
		}
		if a := w.userinfo(other["access_token"].(string)); a.status != 200 {
			w.Errorf("another app: %d", a.status)
		}
	})
}

func TestSec_TK07_StateIsInTheDatabase(t *testing.T) {
	both(t, func(w *world) {
		code := w.code("web")
		first := w.token(w.exchange("web", code)).json["refresh_token"].(string)
		second := w.token(w.refreshing("web", first)).json["refresh_token"].(string)
		w.clock.Add(2 * time.Minute)
		_, w.mux = w.start(w.config()) // another replica
		w.browser = w.newBrowser()
		w.wantError(w.token(w.refreshing("web", first)), 400, "invalid_grant")
		w.wantError(w.token(w.refreshing("web", second)), 400, "invalid_grant")
		w.wantError(w.token(w.exchange("web", code)), 400, "invalid_grant")
	})
}
