package oauth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

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

// The hint is not for addresses, which logs and histories keep: what it proves goes on without it, for an hour.
func TestSec_OA17_NoTokenInTheAddress(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "back", BackchannelLogoutURI: "https://app.example/backchannel"})
		token := w.tokens("back")["id_token"].(string)
		w.post("/oauth2/logout", url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {bye}, "state": {"x"}})
		query := w.host.logout.Query
		if !w.host.logout.Valid || strings.Contains(query, "id_token_hint") || strings.Contains(query, strings.Split(token, ".")[1][:20]) ||
			strings.Contains(query, "alice") || strings.Contains(query, "sid-1") {
			w.Errorf("%+v", w.host.logout)
		}
		a := w.get("/oauth2/logout?" + query)
		if h := w.host.logout; a.location().String() != bye+"?state=x" || !h.Valid || h.Subject != "alice-1" || h.SessionID != "sid-1" || h.Client.ID != "back" {
			w.Errorf("%d %s %+v", a.status, a.header.Get("Location"), h)
		}
		v, err := url.ParseQuery(query)
		if err != nil {
			w.Fatal(err)
		}
		for name, edit := range map[string]func(string) string{
			"cut":      func(s string) string { return s[:len(s)-2] },
			"changed":  func(s string) string { return "AAAA" + s[4:] },
			"no text":  func(string) string { return "%" },
			"enormous": func(s string) string { return strings.Repeat(s, 200) },
			"too old":  func(s string) string { w.clock.Add(61 * time.Minute); return s },
		} {
			forged := url.Values{"proven": {edit(v.Get("proven"))}, "client_id": {"back"}}
			if a := w.get("/oauth2/logout?" + forged.Encode()); a.body != "sign out?" || w.host.logout.Valid || w.host.logout.Subject != "" {
				w.Errorf("%s: %d %s %+v", name, a.status, a.body, w.host.logout)
			}
			if name == "too old" {
				w.clock.Add(-61 * time.Minute)
			}
		}
		a = w.get("/oauth2/logout?" + url.Values{"proven": {v.Get("proven")}, "client_id": {"spa"}}.Encode())
		w.wantPage(a, "invalid_", "client_id")
	})
}

func TestLogoutsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["id_token"].(string)
	parts := strings.Split(token, ".")
	none := "eyJhbGciOiJub25lIn0." + parts[1] + "."
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kid, _ := part(t, token, 0)["kid"].(string)
	// Keys of another kind, and of ours, under the name of one of ours.
	foreign := forged(t, jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: stranger, KeyID: kid}}, payload(t, token))
	jwks := w.get("/oauth2/jwks").body
	confused := forged(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte(jwks), KeyID: kid}}, payload(t, token))
	for name, c := range map[string]struct {
		parameter string
		pairs     []string
	}{
		"foreign key":       {"id_token_hint", []string{"id_token_hint", foreign, "post_logout_redirect_uri", bye}},
		"key as a secret":   {"id_token_hint", []string{"id_token_hint", confused, "post_logout_redirect_uri", bye}},
		"client's own URI":  {"id_token_hint", []string{"post_logout_redirect_uri", bye, "state", "x"}},
		"upper-case URI":    {"post_logout_redirect_uri", []string{"id_token_hint", token, "post_logout_redirect_uri", "https://APP.example/bye"}},
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
			form := url.Values{}
			change(form, c.pairs)
			w.wantPage(w.post("/oauth2/logout", form), "invalid_", c.parameter)
		})
	}
}

// forged returns the claims, signed by key.
func forged(t *testing.T, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A client that hears of logouts knows by each of its ID tokens which session they are of.
func TestSIDStaysWhenTokensAreRefreshed(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "front", FrontchannelLogoutURI: "https://app.example/front"})
		for client, sid := range map[string]any{"front": "sid-1", "web": nil} {
			refresh, _ := w.tokens(client)["refresh_token"].(string)
			again := w.token(w.refreshing(client, refresh))
			if got := payload(w, again.json["id_token"])["sid"]; got != sid {
				w.Errorf("%s: sid %v", client, got)
			}
		}
	})
}

// A key that was replaced still tells whose hint it is.
func TestHintOfAReplacedKey(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["id_token"].(string)
	if _, err := w.server.Keys().Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(24 * time.Hour)
	if part(t, w.tokens("web")["id_token"], 0)["kid"] == part(t, token, 0)["kid"] {
		t.Fatal("the key was not replaced")
	}
	if a := w.signOut("id_token_hint", token, "post_logout_redirect_uri", bye); a.header.Get("Location") != bye {
		t.Errorf("%d %s", a.status, a.body)
	}
}
