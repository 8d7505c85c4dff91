package oauth_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
	"github.com/google/go-cmp/cmp"
)

// plain returns claims as they look after a trip through JSON, without what no two tokens share.
func plain(t testing.TB, claims map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jti", "at_hash", "sid"} {
		if out[name] != nil {
			out[name] = oauth.Placeholder
		}
	}
	if cnf, ok := out["cnf"].(map[string]any); ok {
		cnf["jkt"] = oauth.Placeholder
	}
	return out
}

// What is shown beforehand is what is issued afterwards, claim by claim.
func TestAPreviewIsWhatIsIssued(t *testing.T) {
	both(t, func(w *world) {
		w.host.set(func(h *host) {
			h.claims = map[string]any{"name": "Alice", "email": "alice@example.com", "email_verified": true, "mfa_enrolled": true}
		})
		scopes := []string{"openid", "profile", "email", "mfa", "offline_access"}
		for _, client := range []*oauth.Client{
			{ID: "plain"}, {ID: "opaque", AccessToken: "opaque", AccessTokenLife: 60, IDTokenLife: 120}, {ID: "signed", UserinfoAlg: "RS256"},
			{ID: "hears", BackchannelLogoutURI: "https://app.example/out", IDTokenAlg: "ES256"}, {ID: "bound", DPoPBound: true},
			{ID: "online", GrantTypes: []string{"authorization_code"}}, {ID: "brief", RefreshTokenIdle: 60, RefreshTokenLife: 3600},
		} {
			w.client(client)
			w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
			got, err := w.server.Preview(w.Context(), client.ID, "alice-1", append(scopes, "admin"), oauth.Situation{AMR: []string{"pwd", "otp", "mfa"}, ACR: "aal2"})
			if err != nil {
				w.Fatal(client.ID, err)
			}
			code := w.code(client.ID, "scope", strings.Join(scopes, " "))
			prover := w.prover()
			var a answer
			if client.DPoPBound {
				a = w.proving(w.exchange(client.ID, code), prover.proof())
			} else {
				a = w.token(w.exchange(client.ID, code))
			}
			if a.status != 200 {
				w.Fatal(client.ID, a.body)
			}
			issued := a.json["access_token"].(string)
			id := plain(w, payload(w, a.json["id_token"]))
			delete(id, "nonce") // the client's own
			if diff := cmp.Diff(id, plain(w, got.IDToken)); diff != "" {
				w.Errorf("%s: ID token: %s", client.ID, diff)
			}
			var says map[string]any
			if got.Opaque {
				says = w.ask(client.ID, "introspect", issued).json
			} else {
				says = payload(w, issued)
			}
			if diff := cmp.Diff(plain(w, says), plain(w, got.AccessToken)); diff != "" {
				w.Errorf("%s: access token: %s", client.ID, diff)
			}
			if !client.DPoPBound {
				about := w.userinfo(issued)
				told := about.json
				if client.UserinfoAlg != "" {
					told = payload(w, about.body)
				}
				if diff := cmp.Diff(plain(w, told), plain(w, got.Userinfo)); diff != "" {
					w.Errorf("%s: userinfo: %s", client.ID, diff)
				}
			}
			if a.json["scope"] != strings.Join(got.Granted, " ") || !slices.Equal(got.Ignored, []string{"admin"}) {
				w.Errorf("%s: %v, %v", client.ID, got.Granted, got.Ignored)
			}
			if _, refresh := a.json["refresh_token"]; refresh != got.RefreshToken || (got.RefreshTokenIdle > 0) != refresh {
				w.Errorf("%s: refresh %v %v", client.ID, refresh, got)
			}
			if a.json["expires_in"] != got.AccessTokenLife.Seconds() || got.CodeLife != time.Minute {
				w.Errorf("%s: %v", client.ID, a.json["expires_in"])
			}
		}
	})
}

func TestPreviewOfAMachineAndRefusals(t *testing.T) {
	both(t, func(w *world) {
		w.machines("one")
		got, err := w.server.Preview(w.Context(), "one", "", nil, oauth.Situation{})
		if err != nil {
			w.Fatal(err)
		}
		if diff := cmp.Diff(plain(w, payload(w, w.with("one", w.secrets["one"]).json["access_token"])), plain(w, got.AccessToken)); diff != "" {
			w.Error(diff)
		}
		if got.IDToken != nil || got.Userinfo != nil || got.RefreshToken || got.CodeLife != 0 {
			w.Errorf("%+v", got)
		}
		for _, tt := range []struct {
			client, subject string
			scopes          []string
			field           string
		}{
			{"web", "", nil, "grant_types"}, {"spa", "", nil, "grant_types"}, {"one", "alice-1", []string{"read"}, "grant_types"},
			{"web", "alice-1", []string{"admin"}, "scopes"}, {"web", "alice-1", nil, "scopes"}, {"one", "", []string{"openid"}, "scopes"},
		} {
			var invalid *oauth.InvalidError
			_, err := w.server.Preview(w.Context(), tt.client, tt.subject, tt.scopes, oauth.Situation{ACR: "aal1"})
			if !errors.As(err, &invalid) || invalid.Field != tt.field {
				w.Errorf("%+v: %v", tt, err)
			}
		}
		if _, err := w.server.Preview(w.Context(), "gone", "alice-1", nil, oauth.Situation{}); !errors.Is(err, oauth.ErrNotFound) {
			w.Error(err)
		}
		if got, err := w.server.Preview(w.Context(), "web", "alice-1", []string{"email"}, oauth.Situation{ACR: "aal1"}); err != nil || got.IDToken != nil || got.Userinfo != nil {
			w.Errorf("without openid: %+v %v", got, err)
		}
	})
}

// Nothing is written, nothing is signed, and what is shown opens nothing.
func TestSec_AD03_APreviewIsNoToken(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		counting, trips := dbxtest.Counted(t, db)
		w := newWorldOn(t, counting)
		trips.Reset()
		got, err := w.server.Preview(w.Context(), "web", "alice-1", []string{"openid", "offline_access"}, oauth.Situation{AMR: []string{"pwd"}, ACR: "aal1"})
		if err != nil {
			t.Fatal(err)
		}
		if writes := slices.DeleteFunc(trips.Writes(), func(trip string) bool { return strings.HasPrefix(trip, "PREPARE SELECT") }); len(writes) > 0 {
			t.Errorf("%q", writes)
		}
		text, err := json.Marshal(got)
		if err != nil || strings.Contains(string(text), "eyJ") {
			t.Errorf("%s %v", text, err)
		}
		for _, token := range []string{string(text), got.AccessToken["jti"].(string)} {
			if a := w.userinfo(token); a.status == 200 {
				t.Error(a.body)
			}
			if a := w.post("/oauth2/introspect", url.Values{"token": {token}}, "Authorization", basic("web", w.secrets["web"])); a.json["active"] != false {
				t.Error(a.body)
			}
		}
	}, "oauth")
}
