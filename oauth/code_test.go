package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/go-jose/go-jose/v3"
)

func TestTrap01_PKCEDowngrade(t *testing.T) {
	both(t, func(w *world) {
		for _, client := range []string{"web", "spa"} {
			code := w.code(client)
			w.wantError(w.token(w.exchange(client, code, "code_verifier", strings.Repeat("x", 43))), 400, "invalid_grant")
			w.wantError(w.token(w.exchange(client, code, "code_verifier", "-")), 400, "invalid_grant")
			w.wantError(w.token(w.exchange(client, code)), 400, "invalid_grant")

			code = w.code(client)
			w.wantError(w.token(w.exchange(client, code, "code_verifier", "-")), 400, "invalid_grant")
			w.wantError(w.token(w.exchange(client, code, "code_verifier", "-")), 400, "invalid_grant")
		}
		code := w.code("web", "code_challenge", "-", "code_challenge_method", "-")
		w.wantError(w.token(w.exchange("web", code)), 400, "invalid_grant")
	})
}

func TestSec_OA05_AFailedVerifierBurnsTheCode(t *testing.T) {
	both(t, func(w *world) {
		code := w.code("spa")
		w.wantError(w.token(w.exchange("spa", code, "code_verifier", strings.Repeat("x", 43))), 400, "invalid_grant")
		w.wantError(w.token(w.exchange("spa", code)), 400, "invalid_grant")
	})
}

func TestSec_OA04_PKCE(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "strict", RequirePKCE: true})
	for name, changes := range map[string][]string{
		"missing":        {"code_challenge", "-", "code_challenge_method", "-"},
		"plain":          {"code_challenge_method", "plain"},
		"no method":      {"code_challenge_method", "-"},
		"method alone":   {"code_challenge", "-"},
		"short":          {"code_challenge", challenge()[1:]},
		"long":           {"code_challenge", strings.Repeat("a", 129)},
		"wrong alphabet": {"code_challenge", strings.Repeat("=", 43)},
	} {
		for _, client := range []string{"spa", "strict"} {
			t.Run(name+" "+client, func(t *testing.T) { w.wantRedirected(w.authorize(request(client, changes...)), "invalid_request") })
		}
	}
	w.code("web", "code_challenge", "-", "code_challenge_method", "-") // optional for a confidential client
}

// redeemAtOnce redeems one code many times at once and returns how often each status came.
func (w *world) redeemAtOnce(client, code string, n int) map[int]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for range n {
		wg.Go(func() {
			a := w.token(w.exchange(client, code))
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
			if a.status != http.StatusOK && a.json["error"] != "invalid_grant" {
				w.Errorf("loser: %d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	return statuses
}

func TestTrap02_ACodeGivesTokensOnce(t *testing.T) {
	both(t, func(w *world) {
		_, replica := w.start(w.config())
		var turn atomic.Int64
		mine := w.mux
		w.browser.Transport = transport{http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			[]http.Handler{mine, replica}[turn.Add(1)%2].ServeHTTP(rw, r)
		})}
		for i := range 50 {
			client := []string{"web", "spa"}[i%2]
			if got := w.redeemAtOnce(client, w.code(client), 8); got[200] != 1 || got[400] != 7 {
				w.Fatalf("code %d: %v", i, got)
			}
		}
	})
}

func TestTrap03_TheLoserIsToldInvalidGrant(t *testing.T) {
	both(t, func(w *world) {
		if got := w.redeemAtOnce("web", w.code("web"), 16); got[200] != 1 || got[400] != 15 {
			w.Fatalf("%v", got)
		}
		if strings.Contains(w.log.String(), "level=ERROR") {
			w.Error(w.log)
		}
	})
}

func TestSec_OA07_ReuseRevokesWhatTheCodeGave(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		for _, client := range []string{"web", "spa", "opaque"} {
			code := w.code(client)
			first := w.token(w.exchange(client, code)).json
			w.wantError(w.token(w.exchange(client, code)), 400, "invalid_grant")
			if a := w.userinfo(first["access_token"].(string)); a.status != 401 {
				w.Errorf("%s: access token lives: %d", client, a.status)
			}
			w.wantError(w.token(w.refreshing(client, first["refresh_token"].(string))), 400, "invalid_grant")
		}
		if n := w.host.count(oauth.EventCodeReused); n != 3 {
			w.Errorf("%d events", n)
		}
	})
}

func TestTrap04_NothingIsHalfDone(t *testing.T) {
	both(t, func(w *world) {
		if id := payload(w, w.tokens("web", "nonce", "n")["id_token"]); id["nonce"] != "n" {
			w.Errorf("short nonce: %v", id)
		}
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		code := w.code("opaque")
		w.host.set(func(h *host) { h.auditErr = errors.New("disk full") })
		w.wantError(w.token(w.exchange("opaque", code)), 503, "temporarily_unavailable")
		w.host.set(func(h *host) { h.auditErr = nil })
		var n int
		if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM oauth_access`); err != nil || n != 0 {
			w.Errorf("%d tokens stored, %v", n, err)
		}
		if a := w.token(w.exchange("opaque", code)); a.status != 200 {
			w.Errorf("the code is spent: %s", a.body)
		}
	})
}

func TestTrap06_ACodeLivesAMinute(t *testing.T) {
	both(t, func(w *world) {
		code := w.code("web")
		w.clock.Add(59 * time.Second)
		if a := w.token(w.exchange("web", code)); a.status != 200 {
			w.Errorf("after 59 s: %s", a.body)
		}
		code = w.code("web")
		w.clock.Add(61 * time.Second)
		w.wantError(w.token(w.exchange("web", code)), 400, "invalid_grant")
	})
}

func TestSec_OA06_ACodeIsBound(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "other"})
		code := w.code("web")
		w.wantError(w.token(w.exchange("other", code)), 400, "invalid_grant")
		if a := w.token(w.exchange("web", code)); a.status != 200 {
			w.Errorf("another client's attempt spent the code: %s", a.body)
		}
		w.wantError(w.token(w.exchange("other", code)), 400, "invalid_grant")
		if n := w.host.count(oauth.EventCodeReused); n != 0 {
			w.Error("another client's attempt revoked the grant")
		}
		code = w.code("web")
		w.host.set(func(h *host) { h.alive = oauth.ErrEnded })
		w.wantError(w.token(w.exchange("web", code)), 400, "invalid_grant")
		w.host.set(func(h *host) { h.alive = nil })
		code = w.code("web")
		if err := w.server.RevokeSubject(w.Context(), "alice-1"); err != nil {
			w.Fatal(err)
		}
		w.wantError(w.token(w.exchange("web", code)), 400, "invalid_grant")

		var stored string
		if err := w.db.Get(w.Context(), &stored, `SELECT MAX(CAST(code_hash AS TEXT)) FROM oauth_grants`); err != nil || strings.Contains(stored, code) {
			w.Errorf("the code is in the database: %v", err)
		}
	})
}

func TestTrap21_TheRedirectURIIsCompared(t *testing.T) {
	w := newWorld(t)
	for _, uri := range []string{"-", callback + "/", "https://app.example/other", ""} {
		w.wantError(w.token(w.exchange("web", w.code("web"), "redirect_uri", uri)), 400, "invalid_grant")
	}
}

func TestTrap22_NamesAreCaseSensitive(t *testing.T) {
	w := newWorld(t)
	w.wantRedirected(w.authorize(request("web", "scope", "OPENID")), "invalid_scope")
	if got := w.tokens("web", "scope", "openid Offline_access"); got["scope"] != "openid" || got["refresh_token"] != nil {
		t.Errorf("another spelling is another scope: %v", got)
	}
	w.wantRedirected(w.authorize(request("web", "response_type", "CODE")), "unsupported_response_type")
	w.wantError(w.token(w.exchange("web", w.code("web"), "grant_type", "Authorization_Code")), 400, "unsupported_grant_type")
	_, err := w.server.Clients().Create(t.Context(), &oauth.Client{ID: "x", RedirectURIs: []string{callback}, Scopes: []string{"OpenID"}}, "")
	if invalid := new(oauth.InvalidError); !errors.As(err, &invalid) || invalid.Field != "scopes" {
		t.Errorf("got %v", err)
	}
}

func TestTrap24_RepeatedParametersAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"client_id", "redirect_uri"} {
		v := request("web")
		v[name] = append(v[name], v.Get(name)) // twice the same is twice, too
		w.wantPage(w.authorize(v), "invalid_request", name)
		w.wantPage(w.post("/oauth2/authorize", v), "invalid_request", name)
	}
	for _, name := range []string{"scope", "state", "response_type", "response_mode", "nonce", "code_challenge", "unknown"} {
		v := request("web")
		v[name] = []string{"a", "a"}
		for _, a := range []answer{w.authorize(v), w.post("/oauth2/authorize", v)} {
			w.wantRedirected(a, "invalid_request")
			if got := a.location().Query().Has("state"); got != (name != "state") {
				t.Errorf("%s: state: %v", name, got)
			}
		}
		v.Set("redirect_uri", "https://evil.example/")
		w.wantPage(w.authorize(v), "invalid_request", "")
	}
	v := w.exchange("web", "x")
	v["code"] = []string{"a", "b"}
	w.wantError(w.token(v), 400, "invalid_request")
	w.wantError(w.post("/oauth2/token?grant_type=authorization_code", url.Values{"grant_type": {"refresh_token"}}), 400, "invalid_request")
}

func TestTrap26_ErrorsAreTheRFCs(t *testing.T) {
	w := newWorld(t)
	w.wantError(w.token(w.exchange("web", "x", "grant_type", "password")), 400, "unsupported_grant_type")
	w.wantError(w.token(w.exchange("web", "x", "grant_type", "-")), 400, "invalid_request")
	a := w.post("/oauth2/token", w.exchange("web", "x"), "Authorization", basic("web", "wrong"))
	w.wantError(a, 401, "invalid_client")
	if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", a.header)
	}
	token := w.tokens("web")["refresh_token"].(string)
	for _, bad := range []string{token[1:], token + "A", "A" + token[1:], token[:len(token)-1] + "A", "", "x"} {
		if bad != token {
			w.wantError(w.token(w.refreshing("web", bad)), 400, "invalid_grant")
		}
	}
	w.client(&oauth.Client{ID: "norefresh", GrantTypes: []string{"authorization_code"}})
	if got := w.tokens("norefresh"); got["refresh_token"] != nil {
		t.Error("a refresh token without the grant type")
	}
	w.wantError(w.token(w.refreshing("norefresh", token)), 400, "unauthorized_client")
}

func TestTrap34_BodiesAreLimited(t *testing.T) {
	w := newWorld(t)
	w.wantError(w.token(w.exchange("web", "x", "pad", strings.Repeat("x", 70_000))), 400, "invalid_request")
	w.wantPage(w.post("/oauth2/authorize", request("web", "pad", strings.Repeat("x", 70_000))), "invalid_request", "")
	r, _ := http.NewRequest(http.MethodPost, issuer+"/oauth2/token", strings.NewReader(`{"grant_type":"authorization_code"}`))
	r.Header.Set("Content-Type", "application/json")
	w.wantError(w.do(w.browser, r), 400, "invalid_request")
}

func TestSec_DS01_ParametersAreLimited(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "job", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}})
	v := w.machine("job")
	for i := range 64 - len(v) {
		v.Set(fmt.Sprint("pad", i), "x")
	}
	if a := w.token(v); a.status != 200 {
		t.Errorf("64 parameters: %s", a.body)
	}
	v.Set("pad", "x")
	w.wantError(w.token(v), 400, "invalid_request")
	v = w.machine("job")
	v["resource"] = slices.Repeat([]string{issuer}, 65)
	w.wantError(w.token(v), 400, "invalid_request")
	w.wantRedirected(w.authorize(request("web", "id_token_hint", strings.Repeat("x", 8193))), "invalid_request")

	// Read to the end such a token would be good: its payload is padded, and signatures are over what was sent.
	long := w.prover().proof("pad", strings.Repeat("x", 8193))
	w.wantError(w.proving(w.machine("job"), long), 400, "invalid_dpop_proof")
	key, set := clientKey(t)
	w.client(&oauth.Client{ID: "keyed", AuthMethod: "private_key_jwt", AuthAlg: "ES256", JWKS: set})
	for size, status := range map[int]int{1: 200, 8193: 400} {
		token := assertion(t, key, jose.ES256, "k1", map[string]any{
			"iss": "keyed", "sub": "keyed", "aud": issuer, "jti": fmt.Sprint("j", size),
			"exp": w.clock.Now().Add(5 * time.Minute).Unix(), "pad": strings.Repeat("x", size),
		})
		if a := w.token(w.asserting("keyed", token)); a.status != status {
			t.Errorf("an assertion padded by %d: %d %s", size, a.status, a.body)
		}
	}
}

func TestTrap37_OpenIDAlwaysGivesAnIDToken(t *testing.T) {
	w := newWorld(t)
	for scope, want := range map[string]bool{"openid": true, "offline_access openid": true, "profile": false, "profile offline_access": false} {
		got := w.tokens("web", "scope", scope)
		if (got["id_token"] != nil) != want {
			t.Errorf("%q: %v", scope, got)
		}
		if (got["refresh_token"] != nil) != strings.Contains(scope, "offline_access") {
			t.Errorf("%q: refresh token: %v", scope, got["refresh_token"])
		}
	}
}
