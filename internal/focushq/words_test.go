package focushq_test

import (
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/htmlcheck"
)

// column returns the cells of a claim's row in the table with the id.
func column(p *htmlcheck.Page, table, claim, class string) string {
	names := p.Texts("#" + table + " tbody th")
	cells := p.Texts("#" + table + " ." + class)
	for i, name := range names {
		if name == claim {
			return cells[i]
		}
	}
	return ""
}

func TestTokensInWords(t *testing.T) {
	tests := []struct {
		name, acr string
		amr       []string
		want      []string
	}{
		{"password only", "aal1", []string{"pwd"},
			[]string{"You signed in with your password at 14:03.", "A remembered device counts as password only", "one factor (aal1)"}},
		{"code from the app", "aal2", []string{"pwd", "otp", "mfa"},
			[]string{"You signed in with your password and a code from your app at 14:03.", "two factors (aal2)"}},
		{"recovery code", "aal2", []string{"pwd", "mfa"},
			[]string{"You signed in with your password and a recovery code at 14:03.", "amr has no “otp”", "two factors (aal2)"}},
		{"passkey as second factor", "aal2", []string{"pwd", "hwk", "mfa"},
			[]string{"You signed in with your password and a passkey kept in your device at 14:03.", "two factors (aal2)"}},
		{"synced passkey as second factor", "aal2", []string{"pwd", "swk", "mfa"},
			[]string{"You signed in with your password and a synced passkey at 14:03."}},
		{"passkey alone", "aal2", []string{"hwk", "user", "mfa"},
			[]string{"You signed in with a passkey kept in your device, which checked that it was you at 14:03.", "two factors in one"}},
		{"synced passkey alone", "aal2", []string{"swk", "user", "mfa"},
			[]string{"You signed in with a synced passkey, which checked that it was you at 14:03."}},
		{"alias of aal2", "https://refeds.org/profile/mfa", []string{"pwd", "otp", "mfa"},
			[]string{"The provider calls that “https://refeds.org/profile/mfa”."}},
		{"something new", "", []string{"face"},
			[]string{"You signed in with face at 14:03.", "doesn't say what that adds up to"}},
		{"nothing", "", nil, []string{"a method that the provider doesn't name"}},
	}
	w := newWorld(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w.idp.signedInWith(test.acr, test.amr...)
			p := w.get("/login?to=/tokens")
			for _, want := range test.want {
				if got := p.Text(".note"); !strings.Contains(got, want) {
					t.Errorf("no %q in %q", want, got)
				}
			}
		})
	}
}

func TestTokensAsTables(t *testing.T) {
	w := newWorld(t)
	w.idp.signedInWith("aal2", "pwd", "otp", "mfa")
	p := w.get("/login?to=/tokens").Page
	for _, c := range []struct{ table, claim, class, want string }{
		{"id-token", "amr", "value", `["pwd","otp","mfa"]`},
		{"id-token", "amr", "meaning", "password · code from an app · more than one factor"},
		{"id-token", "acr", "value", "aal2"},
		{"id-token", "acr", "meaning", "two factors"},
		{"id-token", "auth_time", "value", "1791381780"},
		{"id-token", "auth_time", "meaning", "password or passkey at 7 October 2026, 14:03:00 UTC"},
		{"id-token", "exp", "meaning", "valid until 7 October 2026, 15:03:00 UTC"},
		{"id-token", "sid", "value", "session-1"},
		{"id-token", "iss", "value", w.idp.URL},
		{"id-token", "aud", "value", "focus-hq"},
		{"access-token", "acr", "value", "aal2"},
		{"access-token", "client_id", "value", "focus-hq"},
		{"userinfo", "mfa_enrolled", "value", "false"},
		{"userinfo", "mfa_enrolled", "meaning", "multi-factor authentication is off"},
		{"userinfo", "email", "value", "alice@example.com"},
	} {
		if got := column(p, c.table, c.claim, c.class); got != c.want {
			t.Errorf("%s, %s of %s = %q, want %q", c.table, c.class, c.claim, got, c.want)
		}
	}
	w.idp.opaque = true
	if p := w.get("/login?to=/tokens"); p.Has("#access-token") || !strings.Contains(p.Text("main"), "It is opaque") {
		t.Error("an opaque access token has a table")
	}
}

func TestRefreshedIDToken(t *testing.T) {
	w := newWorld(t)
	if p := w.get("/login?to=/tokens"); p.Has("#refreshed-token") {
		t.Error("there is a refreshed token before a refresh")
	}
	w.at = w.at.Add(2 * time.Minute)
	p := w.post("/tokens/refresh")
	if p.url.Path != "/tokens" || w.idp.refreshes != 1 {
		t.Fatalf("%s, %d refreshes\n%s", p.url, w.idp.refreshes, w.log.String())
	}
	if got := p.Text("#refreshed"); !strings.Contains(got, "Got at 14:05. It tells of the same sign-in") {
		t.Errorf("words = %q", got)
	}
	if got := column(p.Page, "refreshed-token", "auth_time", "meaning"); got != "password or passkey at 7 October 2026, 14:03:00 UTC" {
		t.Errorf("auth_time of the refreshed token: %q", got)
	}
	w.idp.claims["acr"] = "aal2"
	if p := w.post("/tokens/refresh"); !strings.Contains(p.Text("#refreshed"), "It should not") {
		t.Error("a refresh that raises acr is not told")
	}
	if p := w.get("/sensitive"); w.idp.asked[len(w.idp.asked)-1].Get("acr_values") != "aal2" {
		t.Errorf("a refresh opened the sensitive page: %s", p.url)
	}
	w.get("/login")
	w.idp.claims["auth_time"] = w.at.Unix()
	w.problem(w.post("/tokens/refresh"), "token", 502)
	w.idp.refuse = "invalid_grant"
	w.problem(w.post("/tokens/refresh"), "ended", 403)
}
