package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// person is what the directory says, with claims that it must not say.
func person() map[string]any {
	return map[string]any{
		"name": "Alice", "given_name": "", "email": "alice@example.com", "email_verified": true, "mfa_enrolled": true,
		"updated_at": 1700000000, "acr": "aal9", "sub": "mallory", "iss": "https://evil.example", "aud": "x", "exp": 1,
	}
}

func TestSec_TK13_ReservedClaims(t *testing.T) {
	w := newWorld(t)
	w.host.claims = person()
	got := w.tokens("web", "scope", "openid profile email mfa", "claims",
		`{"id_token":{"acr":null,"email":null,"sub":null,"iss":null},"userinfo":{"aud":null,"exp":null}}`)
	id := payload(t, got["id_token"])
	if id["acr"] != "aal2" || id["sub"] != "alice-1" || id["iss"] != issuer || id["aud"] != "web" || id["email"] != "alice@example.com" || id["name"] != nil {
		t.Error(id)
	}
	info := w.userinfo(got["access_token"].(string)).json
	for _, name := range []string{"acr", "iss", "aud", "exp", "given_name"} {
		if info[name] != nil {
			t.Errorf("userinfo: %v", info)
		}
	}
	if info["sub"] != "alice-1" || info["name"] != "Alice" || info["mfa_enrolled"] != true || info["email_verified"] != true {
		t.Errorf("userinfo: %v", info)
	}
}

func TestScopesDecideClaims(t *testing.T) {
	w := newWorld(t)
	w.host.claims = person()
	for scope, want := range map[string]string{
		"openid":                   "sub",
		"openid email":             "email email_verified sub",
		"openid profile":           "name sub updated_at",
		"openid mfa":               "mfa_enrolled sub",
		"openid profile email mfa": "email email_verified mfa_enrolled name sub updated_at",
	} {
		info := w.userinfo(w.tokens("web", "scope", scope)["access_token"].(string)).json
		for _, name := range strings.Fields(want) {
			if info[name] == nil {
				t.Errorf("%s: no %s", scope, name)
			}
		}
		if len(info) != len(strings.Fields(want)) {
			t.Errorf("%s: %v", scope, info)
		}
	}
}

func TestClaimsParameter(t *testing.T) {
	w := newWorld(t)
	w.host.claims = person()
	claims := `{"userinfo":{"name":{"essential":true}},"id_token":{"mfa_enrolled":null,"phone_number":null}}`
	got := w.tokens("web", "scope", "openid offline_access", "claims", claims)
	if got["scope"] != "openid offline_access" {
		t.Errorf("the claims parameter widened the scope: %v", got["scope"])
	}
	id := payload(t, got["id_token"])
	if id["mfa_enrolled"] != true || id["name"] != nil || id["email"] != nil {
		t.Error(id)
	}
	info := w.userinfo(got["access_token"].(string)).json
	if info["name"] != "Alice" || info["email"] != nil || info["mfa_enrolled"] != nil {
		t.Error(info)
	}
	again := w.token(w.refreshing("web", got["refresh_token"].(string))).json
	if id := payload(t, again["id_token"]); id["mfa_enrolled"] != true {
		t.Errorf("refreshed: %v", id)
	}
	// What the person did not grant is not told, however it is asked for.
	w.host.auth.Scopes = []string{"openid"}
	got = w.tokens("web", "scope", "openid", "claims", claims)
	if info := w.userinfo(got["access_token"].(string)).json; info["name"] != nil {
		t.Error(info)
	}
}

// A token that an app had narrowed, to hand it on, tells no more by the claims parameter of the whole.
func TestNarrowedTokensTellLess(t *testing.T) {
	both(t, func(w *world) {
		w.host.claims = person()
		claims := `{"userinfo":{"email":null,"name":null},"id_token":{"email":null}}`
		got := w.tokens("web", "scope", "openid email profile offline_access", "claims", claims)
		for scope, wants := range map[string][2]bool{ // email, name
			"": {true, true}, "openid email profile offline_access": {true, true}, "openid": {false, false}, "openid email": {true, false},
			"openid openid openid openid": {false, false},
		} {
			narrow := w.token(w.refreshing("web", got["refresh_token"].(string), "scope", scope)).json
			got["refresh_token"] = narrow["refresh_token"]
			info := w.userinfo(narrow["access_token"].(string)).json
			if (info["email"] != nil) != wants[0] || (info["name"] != nil) != wants[1] {
				w.Errorf("%q: %v", scope, info)
			}
			if id := payload(w, narrow["id_token"]); (id["email"] != nil) != wants[0] {
				w.Errorf("%q: ID token %v", scope, id)
			}
		}
		// What was asked for by the claims parameter alone is of no scope that could be taken away.
		got = w.tokens("web", "scope", "openid", "claims", claims)
		if info := w.userinfo(got["access_token"].(string)).json; info["email"] == nil || info["name"] == nil {
			w.Errorf("by the parameter alone: %v", info)
		}
	})
}

// A person who ticks nothing has refused.
func TestSec_CO04_NothingAllowedIsARefusal(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		w.host.auth.Scopes = []string{}
		w.wantRedirected(w.authorize(request("web", "scope", "profile email")), "access_denied")
		code, user := w.codes("tv", "scope", "profile")
		w.resume(user)
		w.wantError(w.poll("tv", code), 400, "access_denied")
	})
}

func TestSec_CO04_GrantedIsWhatThePersonAllowed(t *testing.T) {
	w := newWorld(t)
	w.host.auth.Scopes = []string{"openid", "email", "mfa", "address"}
	if got := w.tokens("web", "scope", "openid email profile"); got["scope"] != "openid email" {
		t.Error(got["scope"])
	}
	w.host.auth.Scopes = []string{"email"}
	w.wantRedirected(w.authorize(request("web")), "access_denied")
}

func TestSec_CO05_DisconnectedApplications(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		got, other := w.tokens("opaque"), w.tokens("web")
		if err := w.server.RevokeClient(w.Context(), "alice-1", "opaque"); err != nil {
			w.Fatal(err)
		}
		if a := w.userinfo(got["access_token"].(string)); a.status != 401 {
			w.Error(a.status)
		}
		w.wantError(w.token(w.refreshing("opaque", got["refresh_token"].(string))), 400, "invalid_grant")
		if a := w.userinfo(other["access_token"].(string)); a.status != 200 {
			w.Error(a.status)
		}
	})
}

func TestSec_OA21_UserInfoTakesAccessTokensOnly(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		for _, client := range []string{"web", "opaque"} {
			got := w.tokens(client)
			access := got["access_token"].(string)
			for name, token := range map[string]string{
				"ID token": got["id_token"].(string), "refresh token": got["refresh_token"].(string), "nothing": "",
				"cut": access[:len(access)-1], "longer": access + "A", "other case": strings.ToUpper(access), "code": w.code(client),
			} {
				if a := w.userinfo(token); a.status != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
					w.Errorf("%s: %d %s", name, a.status, a.body)
				}
			}
			if a := w.get("/oauth2/userinfo?access_token=" + access); a.status != 400 {
				w.Errorf("in the query: %d", a.status)
			}
			if a := w.post("/oauth2/userinfo", url.Values{"access_token": {access}}); a.status != 200 {
				w.Errorf("in the body: %d %s", a.status, a.body)
			}
			if a := w.post("/oauth2/userinfo", url.Values{"access_token": {access}}, "Authorization", "Bearer "+access); a.status != 400 {
				w.Errorf("twice: %d", a.status)
			}
			r, _ := http.NewRequest(http.MethodPost, issuer+"/oauth2/userinfo", nil)
			r.Header.Set("Authorization", "bearer "+access)
			if a := w.do(w.browser, r); a.status != 200 {
				w.Errorf("POST with header: %d %s", a.status, a.body)
			}
			w.clock.Add(10 * time.Minute)
			if a := w.userinfo(access); a.status != 401 {
				w.Errorf("expired: %d", a.status)
			}
			w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		}
		if a := w.userinfo(w.tokens("web", "scope", "profile")["access_token"].(string)); a.status != 403 || a.json["error"] != "insufficient_scope" {
			w.Errorf("without openid: %d %s", a.status, a.body)
		}
		token := w.tokens("web")["access_token"].(string)
		w.host.set(func(h *host) { h.alive = oauth.ErrEnded })
		if a := w.userinfo(token); a.status != 401 || a.json["error"] != "invalid_token" {
			w.Errorf("disabled person: %d %s", a.status, a.body)
		}
	})
}

func TestTrap08_KindsOfTokensAreNotMixed(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("web")
	if a := w.userinfo(got["id_token"].(string)); a.status != 401 {
		t.Errorf("ID token at userinfo: %d", a.status)
	}
	w.wantRedirected(w.authorize(request("web", "id_token_hint", got["access_token"].(string))), "invalid_request")
	w.wantPage(w.get("/oauth2/logout?id_token_hint="+got["access_token"].(string)), "invalid_request", "id_token_hint")
}

func TestSec_TK01_AccessTokens(t *testing.T) {
	w := newWorld(t)
	got := w.tokens("web", "scope", "openid email")
	header, claims := part(t, got["access_token"], 0), payload(t, got["access_token"])
	if header["typ"] != "at+jwt" || header["alg"] != "RS256" || header["kid"] == nil {
		t.Error(header)
	}
	for name, want := range map[string]any{
		"iss": issuer, "sub": "alice-1", "aud": issuer, "client_id": "web", "scope": "openid email", "acr": "aal2", "sid": "sid-1",
	} {
		if claims[name] != want {
			t.Errorf("%s: %v", name, claims[name])
		}
	}
	if claims["exp"].(float64)-claims["iat"].(float64) != 600 || claims["jti"] == nil || claims["auth_time"] == nil || len(claims["amr"].([]any)) != 3 {
		t.Error(claims)
	}
}

func TestSec_TK10_WholeValuesOnly(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["refresh_token"].(string)
	for i := range token {
		flipped := []byte(token)
		if flipped[i]++; flipped[i] == '[' || flipped[i] == '{' || flipped[i] == ':' || flipped[i] == '.' || flipped[i] == '`' {
			flipped[i] = 'A'
		}
		if string(flipped) != token {
			w.wantError(w.token(w.refreshing("web", string(flipped))), 400, "invalid_grant")
		}
	}
	if a := w.token(w.refreshing("web", token)); a.status != 200 {
		t.Error(a.body)
	}
}
