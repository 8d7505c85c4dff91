package oauth_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp/oauth"
)

func TestClientCredentials(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "jobs", GrantTypes: []string{"client_credentials"}, Scopes: []string{"openid", "profile", "mfa", "offline_access", "read", "write"}})
		a := w.token(w.machine("jobs", "scope", "write"))
		if a.status != 200 || a.json["token_type"] != "Bearer" || a.json["expires_in"] != 600.0 || a.json["scope"] != "write" ||
			a.json["refresh_token"] != nil || a.json["id_token"] != nil || a.header.Get("Cache-Control") != "no-store" {
			w.Errorf("%d %s", a.status, a.body)
		}
		claims := payload(w, a.json["access_token"])
		if claims["sub"] != "jobs" || claims["client_id"] != "jobs" || claims["aud"] != issuer || !strings.HasPrefix(claims["jti"].(string), "c.") ||
			part(w, a.json["access_token"], 0)["typ"] != "at+jwt" {
			w.Errorf("%v", claims)
		}
		for _, name := range []string{"acr", "amr", "auth_time", "sid", "cnf"} {
			if claims[name] != nil {
				w.Errorf("%s of nobody: %v", name, claims[name])
			}
		}
		if a := w.token(w.machine("jobs")); a.json["scope"] != "read write" {
			w.Errorf("all that it may have: %s", a.body)
		}
		for _, scope := range []string{"openid", "profile", "mfa", "offline_access", "other", "READ", "read openid"} {
			w.wantError(w.token(w.machine("jobs", "scope", scope)), 400, "invalid_scope")
		}
		if a := w.userinfo(claims["jti"].(string)); a.status != 401 {
			w.Errorf("userinfo of nobody: %d", a.status)
		}
		w.wantError(w.token(w.machine("web")), 400, "unauthorized_client")
		// A public client cannot be registered for it, and gets nothing if one were.
		_, err := w.db.Exec(w.Context(), `UPDATE oauth_clients SET metadata = replace(metadata, '"refresh_token"', '"client_credentials"')
			WHERE id = 'spa'`)
		if err != nil {
			w.Fatal(err)
		}
		w.wantError(w.token(w.machine("spa")), 400, "unauthorized_client")
		w.secrets["jobs"] = "wrong-secret"
		w.wantError(w.token(w.machine("jobs")), 401, "invalid_client")
		for _, table := range []string{"oauth_grants", "oauth_access"} {
			var n int
			if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM `+table); err != nil || n != 0 {
				w.Errorf("%d rows in %s, %v", n, table, err)
			}
		}
	})
}

func TestClientCredentialsOpaque(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{
			ID: "jobs", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}, AccessToken: "opaque",
			Resources: []string{"https://api.example"}, AccessTokenLife: 60,
		})
		p := w.prover()
		a := w.proving(w.machine("jobs", "resource", "https://api.example"), p.proof())
		if a.status != 200 || a.json["expires_in"] != 60.0 || strings.Contains(a.json["access_token"].(string), ".") {
			w.Fatal(a.body)
		}
		var row struct {
			Grant    string `db:"grant_id"`
			Client   string `db:"client_id"`
			Scope    string `db:"scope"`
			Audience string `db:"audience"`
			JKT      string `db:"dpop_jkt"`
			Expires  int64  `db:"expires_at"`
		}
		err := w.db.Get(w.Context(), &row, `SELECT grant_id, client_id, scope, audience, dpop_jkt, expires_at FROM oauth_access`)
		if err != nil || row.Grant != "" || row.Client != "jobs" || row.Scope != "read" || row.Audience != "https://api.example" ||
			row.JKT != p.jkt || row.Expires != w.clock.Now().Unix()+60 {
			w.Errorf("%+v %v", row, err)
		}
	})
}

// aud returns the audience of a token of the answer.
func aud(t testing.TB, a answer) []string {
	t.Helper()
	switch value := payload(t, a.json["access_token"])["aud"].(type) {
	case string:
		return []string{value}
	case []any:
		var out []string
		for _, v := range value {
			out = append(out, v.(string))
		}
		return out
	}
	return nil
}

func TestSec_TK03_ResourcesAreTheClients(t *testing.T) {
	both(t, func(w *world) {
		const api, files = "https://api.example", "https://files.example/v1"
		machine := &oauth.Client{ID: "jobs", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}, Resources: []string{api, files}}
		w.client(machine)
		ask := func(resources ...string) answer {
			v := w.machine("jobs")
			v["resource"] = resources
			return w.token(v)
		}
		for _, c := range [][]string{{}, {issuer}, {api}, {api, files}, {files, issuer}, {api, api}} {
			want := slices.Compact(slices.Clone(c))
			if len(c) == 0 {
				want = []string{issuer}
			}
			if a := ask(c...); a.status != 200 || !slices.Equal(aud(w, a), want) {
				w.Errorf("%v: %s", c, a.body)
			}
		}
		if a := ask(""); !slices.Equal(aud(w, a), []string{issuer}) { // an empty parameter counts as none
			w.Errorf("an empty one: %s", a.body)
		}
		for _, c := range [][]string{{"https://evil.example"}, {api, "https://evil.example"}, {api + "/"}, {strings.ToUpper(api)}, {api + " " + files}} {
			w.wantError(ask(c...), 400, "invalid_target")
		}
	})
}

func TestATokenWithoutScopesSaysNothingOfThem(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "jobs", GrantTypes: []string{"client_credentials"}, Scopes: []string{"openid"}})
	got := w.token(w.machine("jobs")).json
	if _, there := got["scope"]; there || got["access_token"] == nil {
		t.Errorf("answer: %v", got)
	}
	if claims := payload(t, got["access_token"]); claims["sub"] != "jobs" || claims["scope"] != nil {
		t.Errorf("token: %v", claims)
	}
	if about := w.ask("jobs", "introspect", got["access_token"].(string)).json; about["active"] != true || about["scope"] != nil {
		t.Errorf("introspection: %v", about)
	}
}

func TestSec_TK03_ResourcesAreTheGrants(t *testing.T) {
	both(t, func(w *world) {
		const api, files = "https://api.example", "https://files.example/v1"
		app := &oauth.Client{ID: "app", Resources: []string{api, files, "https://other.example"}}
		w.client(app)
		code := func(resources ...string) string {
			v := request("app")
			v["resource"] = resources
			return w.authorize(v).location().Query().Get("code")
		}
		with := func(v url.Values, resources ...string) answer {
			v["resource"] = resources
			return w.token(v)
		}
		w.wantError(with(w.exchange("app", code(api)), "https://other.example"), 400, "invalid_target")
		a := with(w.exchange("app", code(api, files)))
		if got := aud(w, a); !slices.Equal(got, []string{api, files}) {
			w.Errorf("all that was granted: %v", got)
		}
		// The access token is for one, the refresh token keeps all.
		a = with(w.refreshing("app", a.json["refresh_token"].(string)), files)
		if got := aud(w, a); !slices.Equal(got, []string{files}) {
			w.Errorf("narrowed: %v", got)
		}
		token := a.json["refresh_token"].(string)
		w.wantError(with(w.refreshing("app", token), "https://other.example"), 400, "invalid_target")
		w.wantError(with(w.refreshing("app", token), issuer), 400, "invalid_target")
		a = with(w.refreshing("app", token))
		if got := aud(w, a); !slices.Equal(got, []string{api, files}) {
			w.Errorf("all again: %v", got)
		}
		if id := payload(w, a.json["id_token"]); id["aud"] != "app" {
			w.Errorf("the ID token's: %v", id["aud"])
		}
		// A resource that was taken from the client ends what was granted with it.
		edited := *app
		edited.Resources = []string{files}
		if err := w.server.Clients().Update(w.Context(), &edited); err != nil {
			w.Fatal(err)
		}
		w.wantError(with(w.refreshing("app", a.json["refresh_token"].(string))), 400, "invalid_grant")
		// Without resources it is ours alone.
		a = w.token(w.exchange("web", w.code("web")))
		if got := aud(w, a); !slices.Equal(got, []string{issuer}) {
			w.Errorf("none named: %v", got)
		}
		w.wantError(with(w.refreshing("web", a.json["refresh_token"].(string)), api), 400, "invalid_target")
	})
}
