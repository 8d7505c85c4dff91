package oauth_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestCodeFlow(t *testing.T) {
	both(t, func(w *world) {
		for _, client := range []string{"web", "spa"} {
			got := w.tokens(client)
			if got["token_type"] != "Bearer" || got["expires_in"] != 600.0 || got["refresh_token"] == nil || got["scope"] != "openid offline_access" {
				w.Errorf("tokens: %v", got)
			}
			id := payload(w, got["id_token"])
			if id["sub"] != "alice-1" || id["nonce"] != "n-456" || id["acr"] != "aal2" || id["aud"] != client {
				w.Errorf("ID token: %v", id)
			}
			if a := w.userinfo(got["access_token"].(string)); a.status != http.StatusOK || a.json["sub"] != "alice-1" {
				w.Errorf("userinfo: %d %s", a.status, a.body)
			}
			again := w.token(w.refreshing(client, got["refresh_token"].(string)))
			if again.status != http.StatusOK {
				w.Errorf("refresh: %d %s", again.status, again.body)
			}
		}
		if w.log.Len() > 0 {
			w.Error(w.log)
		}
	})
}

func TestSuspendedFlow(t *testing.T) {
	both(t, func(w *world) {
		w.host.auth = nil
		a := w.authorize(request("web"))
		path, id, _ := strings.Cut(a.header.Get("Location"), "=")
		if a.status != http.StatusSeeOther || path != "/login?request" {
			w.Fatalf("got %d %s %s", a.status, a.header.Get("Location"), a.body)
		}
		w.host.auth = signedIn(w.clock.Now())
		a = w.get("/oauth2/authorize?resume=" + id)
		q := a.location().Query()
		if a.status != http.StatusSeeOther || q.Get("code") == "" || q.Get("state") != "st-123" || q.Get("iss") != issuer || len(q) != 3 {
			w.Fatalf("got %d %s %s", a.status, a.header.Get("Location"), a.body)
		}
		if a = w.token(w.exchange("web", q.Get("code"))); a.status != http.StatusOK {
			w.Fatalf("got %d %s", a.status, a.body)
		}
	})
}
