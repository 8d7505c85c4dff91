package oauth_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

const bye = "https://app.example/bye"

// signOut visits the logout endpoint with the given parameters.
func (w *world) signOut(pairs ...string) answer {
	w.Helper()
	v := url.Values{}
	change(v, pairs)
	return w.get("/oauth2/logout?" + v.Encode())
}

func TestSec_OA17_Logout(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "back", BackchannelLogoutURI: "https://app.example/backchannel"})
	token := w.tokens("back")["id_token"].(string)
	if payload(t, token)["sid"] != "sid-1" {
		t.Error("no sid for a client with a logout URI")
	}
	w.clock.Add(48 * time.Hour) // expired hints are good
	state := `"<>&%#{} +`
	a := w.signOut("id_token_hint", token, "post_logout_redirect_uri", bye, "state", state)
	if u := a.location(); a.status != 303 || u.Query().Get("state") != state || len(u.Query()) != 1 || !strings.HasPrefix(u.String(), bye+"?") {
		t.Errorf("%d %s", a.status, a.header.Get("Location"))
	}
	if h := w.host.logout; !h.Valid || h.Subject != "alice-1" || h.SessionID != "sid-1" || h.Client.ID != "back" {
		t.Errorf("%+v", h)
	}
	if a = w.signOut("id_token_hint", token, "post_logout_redirect_uri", bye); a.header.Get("Location") != bye {
		t.Errorf("no state: %s", a.header.Get("Location"))
	}
	for _, pairs := range [][]string{{}, {"state", "x"}} {
		if a = w.signOut(pairs...); a.body != "sign out?" || w.host.logout.Valid {
			t.Errorf("%v: %d %s", pairs, a.status, a.body)
		}
	}
	if a = w.signOut("id_token_hint", token); a.body != "signed out" {
		t.Errorf("hint alone: %d %s", a.status, a.body)
	}

	// The confirming form comes back with the same parameters.
	a = w.signOut("client_id", "back", "post_logout_redirect_uri", bye, "state", state)
	if a.body != "sign out?" {
		t.Errorf("client_id alone: %d %s", a.status, a.body)
	}
	a = w.post("/oauth2/logout?"+w.host.logout.Query, url.Values{"logout": {"everywhere"}})
	if u := a.location(); a.status != 303 || u.Query().Get("state") != state {
		t.Errorf("confirmed: %d %s", a.status, a.header.Get("Location"))
	}
}

func TestLogoutsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["id_token"].(string)
	parts := strings.Split(token, ".")
	none := "eyJhbGciOiJub25lIn0." + parts[1] + "."
	for name, c := range map[string]struct {
		parameter string
		pairs     []string
	}{
		"unregistered URI":  {"post_logout_redirect_uri", []string{"id_token_hint", token, "post_logout_redirect_uri", "https://evil.example/"}},
		"query added":       {"post_logout_redirect_uri", []string{"id_token_hint", token, "post_logout_redirect_uri", bye + "?foo=bar"}},
		"hint without alg":  {"id_token_hint", []string{"id_token_hint", none, "post_logout_redirect_uri", bye}},
		"foreign signature": {"id_token_hint", []string{"id_token_hint", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), "post_logout_redirect_uri", bye}},
		"no hint":           {"id_token_hint", []string{"post_logout_redirect_uri", bye}},
		"garbage":           {"id_token_hint", []string{"id_token_hint", "x"}},
		"other client":      {"client_id", []string{"id_token_hint", token, "client_id", "spa"}},
		"unknown client":    {"client_id", []string{"client_id", "nobody"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.wantPage(w.signOut(c.pairs...), "invalid_", c.parameter)
		})
	}
}
