package oauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v3"
)

// TestRefusedMetadata: oidcc-redirect-uri-regfrag, oidcc-registration-sector-bad and their like.
func TestRefusedMetadata(t *testing.T) {
	w := newWorld(t)
	_, public := clientKey(t)
	private, _ := clientKey(t)
	token, _ := w.openRegistration(map[string]string{
		"https://app.example/sector": `["https://elsewhere.example/cb"]`, "https://app.example/text": `hello`,
		"https://app.example/long": strings.Repeat(" ", 70<<10) + "[]",
	})
	for _, row := range []struct {
		name, field string
		change      fields
	}{
		{"oidcc-redirect-uri-regfrag", "redirect_uris", fields{"redirect_uris": []string{callback + "#x"}}},
		{"no redirect URI", "redirect_uris", fields{"redirect_uris": []string{}}},
		{"not a list", "redirect_uris", fields{"redirect_uris": callback}},
		{"web on loopback", "redirect_uris", fields{"application_type": "web", "redirect_uris": []string{"http://127.0.0.1/cb"}}},
		{"web with a scheme of its own", "redirect_uris", fields{"application_type": "web", "redirect_uris": []string{"com.example.app:/cb"}}},
		{"oidcc-3rd-party-init-login", "initiate_login_uri", fields{"initiate_login_uri": "http://127.0.0.1/login"}},
		{"oidcc-registration-sector-bad", "sector_identifier_uri", fields{"sector_identifier_uri": "https://app.example/sector"}},
		{"sector: no list", "sector_identifier_uri", fields{"sector_identifier_uri": "https://app.example/text"}},
		{"sector: too long", "sector_identifier_uri", fields{"sector_identifier_uri": "https://app.example/long"}},
		{"sector: not there", "sector_identifier_uri", fields{"sector_identifier_uri": "https://app.example/none"}},
		{"pairwise", "subject_type", fields{"subject_type": "pairwise"}},
		{"method", "token_endpoint_auth_method", fields{"token_endpoint_auth_method": "client_secret_jwt"}},
		{"token alg", "id_token_signed_response_alg", fields{"id_token_signed_response_alg": "none"}},
		{"userinfo alg", "userinfo_signed_response_alg", fields{"userinfo_signed_response_alg": "HS256"}},
		{"assertion alg", "token_endpoint_auth_signing_alg", fields{
			"token_endpoint_auth_method": "private_key_jwt", "jwks": public, "token_endpoint_auth_signing_alg": "HS256"}},
		{"implicit", "response_types", fields{"response_types": []string{"id_token"}}},
		{"code without its grant", "response_types", fields{"grant_types": []string{"refresh_token"}}},
		{"grant", "grant_types", fields{"grant_types": []string{"password"}, "response_types": nil}},
		{"public with client_credentials", "grant_types", fields{
			"token_endpoint_auth_method": "none", "grant_types": []string{"client_credentials"}, "response_types": []string{}}},
		{"no keys", "jwks", fields{"token_endpoint_auth_method": "private_key_jwt"}},
		{"two sorts of keys", "jwks", fields{"jwks": public, "jwks_uri": "https://app.example/jwks"}},
		{"a private key", "jwks", fields{"jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private, KeyID: "k"}}}}},
		{"no key set", "jwks", fields{"jwks": "x"}},
		{"scope", "scope", fields{"scope": "openid admin"}},
		{"logo", "logo_uri", fields{"logo_uri": "javascript:alert(1)"}},
		{"policy", "policy_uri", fields{"policy_uri": "http://app.example/"}},
		{"terms", "tos_uri", fields{"tos_uri": "https://u:p@app.example/"}},
		{"name", "client_name", fields{"client_name": "a\u202eb"}},
		{"a name with what nobody sees", "client_name", fields{"client_name": "Acme\u200b"}},
		{"a name with an Arabic mark", "client_name", fields{"client_name": "Acme\u061c"}},
		{"FAPI by RS256", "token_endpoint_auth_signing_alg", fields{"token_endpoint_auth_method": "private_key_jwt",
			"jwks_uri": "https://app.example/jwks", "token_endpoint_auth_signing_alg": "RS256", "dpop_bound_access_tokens": true}},
		{"front channel elsewhere", "frontchannel_logout_uri", fields{"frontchannel_logout_uri": "https://elsewhere.example/fc"}},
		{"back channel", "backchannel_logout_uri", fields{"backchannel_logout_uri": "http://app.example/bc"}},
		{"max age", "default_max_age", fields{"default_max_age": -1}},
		{"kind", "application_type", fields{"application_type": "service"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := w.manage(http.MethodPost, "/oauth2/register", token, asked(row.change))
			code := "invalid_client_metadata"
			if row.field == "redirect_uris" && row.name != "not a list" {
				code = "invalid_redirect_uri"
			}
			if a.status != 400 || a.json["error"] != code || !strings.HasPrefix(text(a.json["error_description"]), row.field+":") {
				t.Errorf("got %d %s", a.status, a.body)
			}
		})
	}
	for _, body := range []string{"", "[]", "x", `{"a":1}{}`, `{"client_name":"` + strings.Repeat("x", 70<<10) + `"}`} {
		if a := w.manage(http.MethodPost, "/oauth2/register", token, body); a.status != 400 {
			t.Errorf("%.20q: %d", body, a.status)
		}
	}
	a := w.post("/oauth2/register", request("web"), "Authorization", "Bearer "+token)
	w.wantError(a, 400, "invalid_request")
	if all, err := w.server.Clients().List(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("registered all the same: %v %v", all, err)
	}
}

// TestAcceptedMetadata: what the dynamic modules of the conformance suite register, and what others do.
func TestAcceptedMetadata(t *testing.T) {
	w := newWorld(t)
	key, set := clientKey(t)
	keys, _ := json.Marshal(set)
	token, _ := w.openRegistration(map[string]string{
		"https://app.example/sector": `["` + callback + `","https://app.example/more"]`, "https://app.example/jwks": string(keys),
	})
	t.Run("oidcc-redirect-uri-query-OK", func(t *testing.T) {
		got := w.registers(token, asked(fields{"redirect_uris": []string{callback + "?foo=bar"}}))
		a := w.authorize(request(text(got["client_id"]), "redirect_uri", callback+"?foo=bar"))
		if q := a.location().Query(); q.Get("foo") != "bar" || q.Get("code") == "" {
			t.Errorf("got %s", a.header.Get("Location"))
		}
		for _, other := range []string{callback, callback + "?foo=baz", callback + "?foo=bar&x=y"} { // -query-mismatch, -query-added
			w.wantPage(w.authorize(request(text(got["client_id"]), "redirect_uri", other)), "invalid_request", "redirect_uri")
		}
	})
	t.Run("oidcc-registration-sector-uri", func(t *testing.T) {
		if got := w.registers(token, asked(fields{"sector_identifier_uri": "https://app.example/sector"})); got["sector_identifier_uri"] == nil {
			t.Error(got)
		}
	})
	t.Run("oidcc-registration-jwks-uri", func(t *testing.T) {
		for n, where := range []fields{{"jwks_uri": "https://app.example/jwks", "token_endpoint_auth_signing_alg": "ES256"}, {"jwks": set}} {
			got := w.registers(token, asked(where.with(fields{"token_endpoint_auth_method": "private_key_jwt"})))
			id := text(got["client_id"])
			if got["client_secret"] != nil || got["token_endpoint_auth_signing_alg"] != where["token_endpoint_auth_signing_alg"] {
				t.Error(got)
			}
			a := w.token(w.asserting(id, assertion(t, key, jose.ES256, set.Keys[0].KeyID, map[string]any{ // -client-assertion-with-iss-aud
				"iss": id, "sub": id, "aud": issuer, "jti": fmt.Sprint("r", n), "exp": w.clock.Now().Add(time.Minute).Unix(),
			})))
			if a.status != 200 {
				t.Errorf("%v: %d %s", where, a.status, a.body)
			}
		}
	})
	t.Run("oidcc-idtoken-rs256", func(t *testing.T) {
		for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
			got := w.registers(token, asked(fields{"id_token_signed_response_alg": alg}))
			if header := part(t, w.tokens(text(got["client_id"]))["id_token"], 0); header["alg"] != alg {
				t.Errorf("%s: %v", alg, header)
			}
		}
	})
	t.Run("nothing but a redirect URI", func(t *testing.T) {
		got := w.registers(token, fields{"redirect_uris": []string{callback}})
		if got["client_name"] != "app.example" || got["scope"] != "openid profile email address phone" ||
			got["token_endpoint_auth_method"] != "client_secret_basic" || fmt.Sprint(got["grant_types"]) != "[authorization_code]" {
			t.Error(got)
		}
	})
	t.Run("people are asked for offline access only by who can use it", func(t *testing.T) {
		for scope, want := range map[string]string{"": "openid profile email address phone", "openid offline_access": "openid"} {
			for _, grants := range [][]string{{"authorization_code"}, {"authorization_code", "refresh_token"}} {
				got, want := w.registers(token, asked(fields{"grant_types": grants, "scope": scope})), want
				if len(grants) > 1 {
					want += " offline_access"
				}
				if got["scope"] != want {
					t.Errorf("%v %q: %q", grants, scope, got["scope"])
				}
			}
		}
	})
	t.Run("keys of a kind that is new", func(t *testing.T) {
		text := strings.Replace(string(keys), `{"keys":[`, `{"keys":[{"kty":"LWE","kid":"n"},`, 1)
		got := w.registers(token, asked(fields{"jwks": json.RawMessage(text)}))
		if list := got["jwks"].(map[string]any)["keys"].([]any); len(list) != 1 {
			t.Error(list)
		}
	})
	t.Run("native applications", func(t *testing.T) {
		got := w.registers(token, asked(fields{
			"token_endpoint_auth_method": "none", "redirect_uris": []string{"http://127.0.0.1/cb", "com.example.app:/cb"},
		}))
		if got["application_type"] != "native" {
			t.Error(got)
		}
		a := w.authorize(request(text(got["client_id"]), "redirect_uri", "http://127.0.0.1:49152/cb"))
		if a.location().Query().Get("code") == "" {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	t.Run("no person at all", func(t *testing.T) {
		got := w.registers(token, asked(fields{"grant_types": []string{"client_credentials"}, "response_types": nil, "redirect_uris": nil}))
		if got["response_types"] != nil || got["redirect_uris"] != nil {
			t.Error(got)
		}
	})
}

func TestDefaultsOfRequests(t *testing.T) {
	w := newWorld(t)
	token, _ := w.openRegistration(nil)
	id := text(w.registers(token, asked(fields{"default_max_age": 30, "default_acr_values": []string{"aal2"}}))["client_id"])
	for _, row := range []struct {
		changes []string
		age     time.Duration
		acr     string
	}{
		{nil, 30 * time.Second, "[aal2]"},
		{[]string{"max_age", "600", "acr_values", "aal1"}, 10 * time.Minute, "[aal1]"},
	} {
		w.authorize(request(id, row.changes...))
		if got := w.host.last; got.MaxAge() != row.age || fmt.Sprint(got.ACRValues()) != row.acr {
			t.Errorf("%v: %v %v", row.changes, got.MaxAge(), got.ACRValues())
		}
	}
}

// FuzzRegistration sends arbitrary documents: they are registered or refused, and nothing fails inside.
func FuzzRegistration(f *testing.F) {
	for _, seed := range []any{
		asked(nil), asked(fields{"jwks": map[string]any{"keys": []any{map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB"}}}}),
		asked(fields{"redirect_uris": []any{nil, 1, "x:"}, "default_max_age": 1e30}), asked(fields{"client_name": "a\x00b", "scope": " openid  "}),
	} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	w := newWorldOn(f, sqliteWorld(f))
	w.openRegistration(nil)
	token, err := w.server.Clients().NewRegistrationToken(f.Context(), time.Hour, 100_000)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		here := *w
		here.TB = t
		a := here.manage(http.MethodPost, "/oauth2/register", token, body)
		if a.status != 400 && a.status != 201 && a.status != 401 { // 401: every use is taken
			t.Errorf("%d %s", a.status, a.body)
		}
		if a.status == 400 && text(a.json["error"]) == "" {
			t.Errorf("no error: %s", a.body)
		}
	})
}
