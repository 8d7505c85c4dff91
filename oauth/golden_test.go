package oauth_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/focushq/idp/oauth"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got any) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s (run with -update if this is meant):\n%s", name, diff)
	}
}

// still replaces what differs in each run.
func still(claims map[string]any, names ...string) map[string]any {
	for _, name := range names {
		if claims[name] != nil {
			claims[name] = "…"
		}
	}
	return claims
}

func TestGolden(t *testing.T) {
	w := newWorld(t)
	w.host.claims = person()
	w.client(&oauth.Client{ID: "back", BackchannelLogoutURI: "https://app.example/backchannel"})
	golden(t, "discovery.json", w.get("/.well-known/openid-configuration").json)
	got := w.tokens("web", "scope", "openid profile email mfa offline_access")
	golden(t, "token.json", still(w.tokens("web"), "access_token", "id_token", "refresh_token"))
	golden(t, "id_token.json", still(payload(t, got["id_token"]), "at_hash"))
	golden(t, "id_token_asked.json", still(payload(t, w.tokens("back", "claims", `{"id_token":{"mfa_enrolled":null,"email":null}}`)["id_token"]), "at_hash"))
	golden(t, "access_token.json", still(payload(t, got["access_token"]), "jti"))
	golden(t, "userinfo.json", w.userinfo(got["access_token"].(string)).json)
	again := w.token(w.refreshing("web", got["refresh_token"].(string))).json
	golden(t, "id_token_refreshed.json", still(payload(t, again["id_token"]), "at_hash"))
}

func TestSec_OA20_DiscoveryIsConfiguration(t *testing.T) {
	w := newWorld(t)
	want := w.get("/.well-known/openid-configuration")
	r, _ := http.NewRequest(http.MethodGet, issuer+"/.well-known/oauth-authorization-server", nil)
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	if got := w.do(w.browser, r); got.body != want.body || got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	for name, value := range want.json {
		path, ok := strings.CutPrefix(fmtURL(value), issuer)
		if !ok || name == "issuer" {
			continue
		}
		if a := w.get(path); a.status == 404 {
			t.Errorf("%s: %s is not there", name, path)
		}
	}
}

func fmtURL(v any) string {
	text, _ := v.(string)
	return text
}
