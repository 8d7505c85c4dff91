package account

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestClaims(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		check(t, f.SetGroups(t.Context(), []Group{{Name: "staff"}}))
		full := f.add("Ada", func(n *NewAccount) {
			n.Email, n.Name, n.EmailVerified, n.Groups = "ada@example.com", "Ada Lovelace", true, []string{"staff"}
			n.Profile = map[string]any{
				"given_name": "Ada", "family_name": "Lovelace", "locale": "en-GB", "phone_number": "+44 20 7946 0000",
				"address": map[string]any{"locality": "London", "country": "United Kingdom"},
			}
		})
		bare := f.add("bob")
		tests := []struct {
			name    string
			account *Account
			scopes  string
			want    string
		}{
			{"openid alone", full, "openid offline_access", `{}`},
			{"email", full, "openid email", `{"email":"ada@example.com","email_verified":true}`},
			{"profile", full, "profile", `{"family_name":"Lovelace","given_name":"Ada","locale":"en-GB","name":"Ada Lovelace",
				"preferred_username":"Ada","updated_at":1790000000}`},
			{"address", full, "address", `{"address":{"country":"United Kingdom","locality":"London"}}`},
			{"phone", full, "phone", `{"phone_number":"+44 20 7946 0000","phone_number_verified":false}`},
			{"groups", full, "groups", `{"groups":["staff"]}`},
			{"nothing is left empty", bare, "profile email address phone",
				`{"preferred_username":"bob","updated_at":1790000000}`},
			{"unless a list", bare, "groups", `{"groups":[]}`},
			{"unknown scopes", full, "PROFILE e-mail", `{}`},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				claims, err := f.Claims(t.Context(), tt.account.Subject, strings.Fields(tt.scopes))
				check(t, err)
				text, err := json.Marshal(claims)
				check(t, err)
				var got, want any
				check(t, json.Unmarshal(text, &got))
				check(t, json.Unmarshal([]byte(tt.want), &want))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		}
		_, err := f.Claims(t.Context(), "nobody", nil)
		want(t, err, ErrNotFound)
		f.now = f.now.Add(time.Hour)
		full.Name = "Ada King"
		check(t, f.Update(t.Context(), full))
		claims, err := f.Claims(t.Context(), full.Subject, []string{"profile"})
		check(t, err)
		if claims["updated_at"] != f.now.Unix() {
			t.Errorf("updated_at is %v", claims["updated_at"])
		}
	})
}

func TestSec_TK13_ProfilesHoldStandardClaimsOnly(t *testing.T) {
	for _, name := range ownClaims {
		if got := reason(t, checkProfile(map[string]any{name: "x"})); got != "profile."+name+"/reserved" {
			t.Errorf("%s: %s", name, got)
		}
	}
	tests := []struct {
		name  string
		value any
		want  string
	}{
		{"admin", true, "unknown"}, {"AMR", "x", "unknown"}, {"", "x", "unknown"}, {"given_name#fr", "x", "unknown"},
		{"given_name", "Ada", ""}, {"given_name", "", "type"}, {"given_name", 7, "type"}, {"given_name", nil, "type"},
		{"given_name", "a\x00b", "type"}, {"given_name", strings.Repeat("x", 257), "type"}, {"nickname", "می\u200cخواهم", ""},
		{"website", "https://example.com/ada", ""}, {"website", "javascript:alert(1)", "type"}, {"picture", "/a.png", "type"},
		{"profile", "https://user:pass@example.com", "type"}, {"website", "https:", "type"},
		{"birthdate", "1815-12-10", ""}, {"birthdate", "0000-12-10", ""}, {"birthdate", "1815", ""},
		{"birthdate", "10.12.1815", "type"}, {"birthdate", "1815-13-10", "type"},
		{"zoneinfo", "Europe/London", ""}, {"zoneinfo", "America/Argentina/Buenos_Aires", ""}, {"zoneinfo", "../etc", "type"},
		{"locale", "de-CH", ""}, {"locale", "en_US", ""}, {"locale", "not a locale", "type"}, {"locale", 5, "type"},
		{"phone_number", "+44 20 7946 0000", ""}, {"phone_number", "020 7946", "type"}, {"phone_number", "+1;ext=<b>", "type"},
		{"address", map[string]any{"formatted": "1 High Street\nLondon"}, ""}, {"address", map[string]any{}, "type"},
		{"address", "London", "type"}, {"address", map[string]any{"planet": "Earth"}, "type"},
		{"address", map[string]any{"country": 7}, "type"},
	}
	for _, tt := range tests {
		want := tt.want
		if want != "" {
			want = "profile." + tt.name + "/" + want
		}
		if got := reason(t, checkProfile(map[string]any{tt.name: tt.value})); got != want {
			t.Errorf("%s %v: %q, want %q", tt.name, tt.value, got, want)
		}
	}
}
