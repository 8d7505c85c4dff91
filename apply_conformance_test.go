package idp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
)

// TestApplyMakesWhatConformanceTestsNeed: the file's people and clients, and that userinfo tells all of a person.
func TestApplyMakesWhatConformanceTestsNeed(t *testing.T) {
	p := idptest.StartTLS(t)
	apply := func() []idp.Change {
		t.Helper()
		file, err := os.Open("testdata/conformance.yaml")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		desired, err := idp.ReadDesired(file)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := p.Apply(t.Context(), desired, environment("ALICE_PASSWORD", idptest.Password, "CONF_SECRET", "tulip-gravel-monday-88"), false, false)
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	if got := apply(); len(got) != 8 {
		t.Errorf("%v", got)
	}
	if got := apply(); len(got) != 0 {
		t.Errorf("applied again: %v", got)
	}
	for id, secret := range map[string]string{"conf-basic": "tulip-gravel-monday-88", "conf-fapi-2": ""} {
		c, err := p.OAuth.Clients().Get(t.Context(), id)
		if err != nil || p.OAuth.Clients().SecretIs(c, "tulip-gravel-monday-88") != (secret != "") || c.RequirePAR == (secret != "") {
			t.Errorf("%s: %+v %v", id, c, err)
		}
	}

	page := p.Browser().Get("/oauth2/authorize?" + url.Values{
		"client_id": {"conf-basic"}, "redirect_uri": {"https://rp.example/callback"}, "response_type": {"code"}, "state": {"s"},
		"scope": {"openid profile email address phone"},
	}.Encode())
	for selector, text := range map[string]string{"a[href$='/privacy']": "Privacy policy", "a[href$='/terms']": "Terms of service", "h1": "Sign in"} {
		if got := page.Text(selector); got != text {
			t.Errorf("%s: %q", selector, got)
		}
	}
	page = page.Submit("login-submit", "username", "alice", "password", idptest.Password).Submit("consent-allow")
	token := call(t, p, http.MethodPost, "/oauth2/token", func(r *http.Request) { r.SetBasicAuth("conf-basic", "tulip-gravel-monday-88") }, url.Values{
		"grant_type": {"authorization_code"}, "code": {page.URL.Query().Get("code")}, "redirect_uri": {"https://rp.example/callback"},
	})
	access, _ := token["access_token"].(string)
	got := call(t, p, http.MethodGet, "/oauth2/userinfo", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+access) }, nil)
	if _, ok := got["updated_at"].(float64); !ok || got["sub"] == nil {
		t.Errorf("updated_at or sub: %v", got)
	}
	delete(got, "updated_at")
	delete(got, "sub")
	want := map[string]any{
		"name": "Alice Rose Example", "given_name": "Alice", "family_name": "Example", "middle_name": "Rose", "nickname": "Ali",
		"preferred_username": "alice", "profile": "https://people.example/alice", "picture": "https://people.example/alice.png",
		"website": "https://alice.example", "gender": "female", "birthdate": "1990-05-17", "zoneinfo": "Europe/Berlin", "locale": "en-GB",
		"email": "alice@example.com", "email_verified": true, "phone_number": "+44 20 7946 0000", "phone_number_verified": true,
		"address": map[string]any{
			"formatted": "1 High Street\nLondon\nSW1A 1AA", "street_address": "1 High Street", "locality": "London",
			"region": "Greater London", "postal_code": "12345", "country": "GB",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("userinfo (-want +got):\n%s", diff)
	}
}

// call sends a request and returns the JSON of its answer.
func call(t *testing.T, p *idptest.Server, method, path string, edit func(*http.Request), form url.Values) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.Issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	edit(r)
	response, err := p.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", path, response.StatusCode, body)
	}
	return out
}
