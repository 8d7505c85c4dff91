package oauth_test

import (
	"math/rand/v2"
	"testing"
)

func TestSec_TK11_SecretsOfOneKindAreNoneOfAnother(t *testing.T) {
	both(t, func(w *world) {
		got := w.tokens("web")
		kinds := map[string]string{
			"code": w.code("web"), "refresh token": got["refresh_token"].(string), "access token": got["access_token"].(string),
			"ID token": got["id_token"].(string), "client secret": w.secrets["web"], "request id": w.suspend(request("web")),
		}
		for name, secret := range kinds {
			if name != "code" {
				w.wantError(w.token(w.exchange("web", secret)), 400, "invalid_grant")
			}
			if name != "refresh token" {
				w.wantError(w.token(w.refreshing("web", secret)), 400, "invalid_grant")
			}
			if a := w.userinfo(secret); name != "access token" && a.status != 401 {
				w.Errorf("%s at userinfo: %d", name, a.status)
			}
			if name != "client secret" {
				a := w.post("/oauth2/token", w.exchange("web", "x"), "Authorization", basic("web", secret))
				w.wantError(a, 401, "invalid_client")
			}
			if name != "ID token" {
				w.wantPage(w.signOut("id_token_hint", secret), "invalid_request", "id_token_hint")
			}
		}
	})
}

func TestSec_TK03_SubjectsAndResources(t *testing.T) {
	w := newWorld(t)
	w.wantError(w.token(w.exchange("web", w.code("web"), "resource", "https://api.example")), 400, "invalid_target")
	if a := w.token(w.exchange("web", w.code("web", "resource", issuer), "resource", issuer)); a.status != 200 {
		t.Errorf("our own resource: %s", a.body)
	}
	w.host.auth.Subject = "web" // a client's id: the token would be taken for the client's own
	w.wantRedirected(w.authorize(request("web")), "server_error")
}

func TestSec_OA09_AThousandStates(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		state := make([]byte, 1+random.IntN(64))
		for i := range state {
			state[i] = byte(0x20 + random.IntN(0x5F))
		}
		if got := w.authorize(request("web", "state", string(state))).location().Query(); got.Get("state") != string(state) && string(state) != "-" {
			t.Fatalf("%q came back as %q", state, got.Get("state"))
		}
	}
}
