package oauth_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

func TestDeviceSlowsDown(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		code, user := w.codes("tv")
		for i, step := range []struct {
			after time.Duration
			want  string
		}{
			{0, "authorization_pending"}, {5 * time.Second, "authorization_pending"}, {4600 * time.Millisecond, "authorization_pending"},
			{2 * time.Second, "slow_down"}, {5 * time.Second, "slow_down"}, // 10 and 15 seconds from now on
			{15 * time.Second, "authorization_pending"}, {14 * time.Second, "slow_down"}, {20 * time.Second, "authorization_pending"},
		} {
			w.clock.Add(step.after)
			if a := w.poll("tv", code); a.json["error"] != step.want {
				w.Errorf("poll %d: %s, want %s", i, a.body, step.want)
			}
		}
		w.connect(user)
		if a := w.poll("tv", code); a.status != 200 {
			w.Errorf("%d %s", a.status, a.body)
		}
		// Of many polls at once one is in time.
		code, _ = w.codes("tv")
		var pending atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if w.poll("tv", code).json["error"] == "authorization_pending" {
					pending.Add(1)
				}
			})
		}
		wg.Wait()
		if pending.Load() != 1 {
			w.Errorf("%d polls were in time", pending.Load())
		}
	})
}

func TestDeviceCodesAreBound(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		code, user := w.codes("box")
		w.wantError(w.poll("tv", code), 400, "invalid_grant")
		w.wantError(w.poll("box", code), 400, "authorization_pending") // not counted as a poll
		w.connect(user)
		w.wantError(w.poll("tv", code), 400, "invalid_grant")
		w.wantError(w.token(w.exchange("box", code, "redirect_uri", "-", "code_verifier", "-")), 400, "invalid_grant")
		if a := w.poll("box", code); a.status != 200 {
			w.Fatalf("spent by an attempt of another client or grant type: %s", a.body)
		}
		w.wantError(w.poll("box", w.code("box")), 400, "invalid_grant") // an authorization code
		if n := w.host.count(oauth.EventCodeReused); n != 0 {
			w.Errorf("%d grants revoked", n)
		}
		code, user = w.codes("tv")
		w.connect(user)
		w.host.set(func(h *host) { h.alive = oauth.ErrEnded })
		w.wantError(w.poll("tv", code), 400, "invalid_grant")
		w.host.set(func(h *host) { h.alive = nil })
		w.wantError(w.poll("tv", code), 400, "invalid_grant")

		for column, secret := range map[string]string{"code_hash": code, "user_hash": strings.ReplaceAll(user, "-", "")} {
			var stored []byte
			w.codes("tv")
			if err := w.db.Get(w.Context(), &stored, `SELECT `+column+` FROM oauth_devices ORDER BY expires_at DESC LIMIT 1`); err != nil || len(stored) != 32 || strings.Contains(string(stored), secret) {
				w.Errorf("%s: %q, %v", column, stored, err)
			}
		}
	})
}

func TestTrap27_ADeviceCodeGivesTokensOnce(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		w.client(&oauth.Client{ID: "opaque", AuthMethod: "none", AccessToken: "opaque", GrantTypes: []string{deviceGrant, "refresh_token"}})
		_, replica := w.start(w.config())
		var turn atomic.Int64
		mine := w.mux
		w.browser.Transport = transport{http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			[]http.Handler{mine, replica}[turn.Add(1)%2].ServeHTTP(rw, r)
		})}
		code, user := w.codes("tv")
		w.connect(user)
		var given, refused atomic.Int64
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				switch a := w.poll("tv", code); {
				case a.status == 200:
					given.Add(1)
				case a.json["error"] == "invalid_grant":
					refused.Add(1)
				default:
					w.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		wg.Wait()
		if given.Load() != 1 || refused.Load() != 39 {
			w.Errorf("%d given, %d refused", given.Load(), refused.Load())
		}

		for _, client := range []string{"tv", "opaque"} {
			code, user := w.codes(client)
			w.connect(user)
			first := w.poll(client, code).json
			w.wantError(w.poll(client, code), 400, "invalid_grant")
			if a := w.userinfo(first["access_token"].(string)); a.status != 401 {
				w.Errorf("%s: the access token lives: %d", client, a.status)
			}
			w.wantError(w.token(w.refreshing(client, first["refresh_token"].(string))), 400, "invalid_grant")
		}
		if n := w.host.count(oauth.EventCodeReused); n != 3 {
			w.Errorf("%d events", n)
		}
		if strings.Contains(w.log.String(), "level=ERROR") {
			w.Error(w.log)
		}
	})
}

func TestSec_TK09_TokensOfADeviceAreBoundToItsKey(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		w.client(&oauth.Client{ID: "bound", AuthMethod: "none", DPoPBound: true, GrantTypes: []string{deviceGrant, "refresh_token"}})
		p, thief := w.prover(), w.prover()
		for _, client := range []string{"tv", "bound"} {
			code, user := w.codes(client)
			w.connect(user)
			if client == "bound" {
				w.wantError(w.poll(client, code), 400, "invalid_request")
			}
			a := w.proving(w.polling(client, code), p.proof())
			if a.status != 200 || a.json["token_type"] != "DPoP" {
				w.Fatalf("%s: %s", client, a.body)
			}
			if cnf, _ := payload(w, a.json["access_token"])["cnf"].(map[string]any); cnf["jkt"] != p.jkt {
				w.Errorf("%s: %v", client, cnf)
			}
			refresh := a.json["refresh_token"].(string)
			w.wantError(w.proving(w.refreshing(client, refresh), thief.proof()), 400, "invalid_grant")
			if a = w.proving(w.refreshing(client, refresh), p.proof()); a.status != 200 {
				w.Errorf("%s: %s", client, a.body)
			}
		}
	})
}
