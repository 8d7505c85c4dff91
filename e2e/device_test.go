package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/htmlcheck"
	"github.com/focushq/idp/oauth"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// deviceSet is a television that somebody connects.
type deviceSet struct {
	s                *secSite
	id               string
	code, user, link string
}

// device registers a television and has it ask for codes.
func (s *secSite) device(id string, edit ...func(*oauth.Client)) *deviceSet {
	s.t.Helper()
	s.client(id, append([]func(*oauth.Client){func(c *oauth.Client) {
		c.Name, c.AuthMethod, c.GrantTypes = "Television", "none", []string{deviceGrant, "refresh_token"}
	}}, edit...)...)
	d := &deviceSet{s: s, id: id}
	d.ask()
	return d
}

// ask asks for new codes.
func (d *deviceSet) ask() {
	d.s.t.Helper()
	status, answer := d.post("/oauth2/device", "scope", "openid profile offline_access")
	if status != http.StatusOK {
		d.s.t.Fatalf("%d %v", status, answer)
	}
	d.code, _ = answer["device_code"].(string)
	d.user, _ = answer["user_code"].(string)
	d.link, _ = answer["verification_uri_complete"].(string)
}

// poll asks for tokens, as often as a device may.
func (d *deviceSet) poll() map[string]any {
	d.s.t.Helper()
	d.s.Clock.Add(5 * time.Second)
	_, answer := d.post("/oauth2/token", "grant_type", deviceGrant, "device_code", d.code)
	return answer
}

func (d *deviceSet) post(path string, pairs ...string) (int, map[string]any) {
	d.s.t.Helper()
	form := url.Values{"client_id": {d.id}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	response, err := http.PostForm(d.s.Issuer+path, form)
	if err != nil {
		d.s.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		d.s.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// waits fails unless the device still has no answer.
func (d *deviceSet) waits(what string) {
	d.s.t.Helper()
	if got := d.poll(); got["error"] != "authorization_pending" {
		d.s.t.Fatalf("%s: %v", what, got)
	}
}

// given returns the claims of the ID token that the device gets.
func (d *deviceSet) given() map[string]any {
	d.s.t.Helper()
	got := d.poll()
	raw, _ := got["id_token"].(string)
	token, err := d.s.oidc.Verifier(&oidc.Config{ClientID: d.id, Now: d.s.Clock.Now}).Verify(d.s.t.Context(), raw)
	if err != nil {
		d.s.t.Fatalf("%v: %v", got, err)
	}
	claims := map[string]any{"refresh_token": got["refresh_token"], "access_token": got["access_token"]}
	if err := token.Claims(&claims); err != nil {
		d.s.t.Fatal(err)
	}
	return claims
}

func TestDeviceWithPassword(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice := s.person("alice")
	d := s.device("tv")
	d.waits("nobody has come")
	b := s.Browser()
	page := secAt(t, b.Get(d.link), "/device")
	if page.Attr("#user_code", "value") != d.user {
		t.Errorf("the code is not filled in: %s", page.Body)
	}
	d.waits("the link was opened")
	page = secAt(t, page.Submit("device-submit"), "/login")
	page = secAt(t, secPassword(page, "alice"), "/consent")
	if text := page.Text("main"); !strings.Contains(text, "Television") || !page.Has("#device-warn") || !strings.Contains(text, "alice") {
		t.Errorf("the page says %s", text)
	}
	if problems := htmlcheck.Must(t, page.Body).Lint(); len(problems) > 0 {
		t.Error(problems)
	}
	d.waits("consent is still asked")
	secAt(t, page.Submit("consent-allow", "scope", "profile"), "/device/connected")
	claims := d.given()
	if claims["sub"] != alice.Subject || claims["acr"] != "aal1" || claims["sid"] != nil || claims["refresh_token"] != nil {
		t.Errorf("%v", claims) // offline_access was not ticked
	}

	// The person is asked for every device anew, also when the app is known, and may type the code in any way.
	d.ask()
	page = b.Get("/device").Submit("device-submit", "user_code", " "+strings.ToLower(strings.ReplaceAll(d.user, "-", "")))
	secAt(t, secAt(t, page, "/consent").Submit("consent-allow"), "/device/connected")
	claims = d.given()
	refreshed := func() (int, map[string]any) {
		return d.post("/oauth2/token", "grant_type", "refresh_token", "refresh_token", claims["refresh_token"].(string))
	}
	status, answer := refreshed()
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	claims["refresh_token"] = answer["refresh_token"]
	b.Get("/oauth2/logout").Submit("logout-confirm")
	if status, answer = refreshed(); status != http.StatusOK {
		t.Errorf("the device is signed out with the browser: %v", answer)
	}
	claims["refresh_token"] = answer["refresh_token"]
	if err := s.Accounts.Disable(t.Context(), alice.Subject); err != nil {
		t.Fatal(err)
	}
	if status, answer = refreshed(); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("after the person was disabled: %d %v", status, answer)
	}
}

func TestDeviceWithACode(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice := s.enrolled("alice")
	d := s.device("tv")
	b := s.Browser()
	page := secAt(t, b.Get("/device").Submit("device-submit", "user_code", d.user), "/login")
	page = secAt(t, secPassword(page, "alice"), "/mfa")
	d.waits("the code is missing")
	page = secAt(t, page.Submit("mfa-submit", "code", alice.code()), "/consent")
	secAt(t, page.Submit("consent-allow"), "/device/connected")
	claims := d.given()
	if amr := claims["amr"].([]any); claims["acr"] != "aal2" || !slices.Contains(amr, any("mfa")) {
		t.Errorf("%v", claims)
	}

	// A client that always wants a code gets one, whatever the browser's session has; a stranger to its group gets none.
	strict := s.device("strict", func(c *oauth.Client) { c.MFA = "always" })
	s.person("bob")
	b = s.Browser()
	page = secPassword(b.Get("/device").Submit("device-submit", "user_code", strict.user), "bob")
	secAt(t, page, "/account/mfa/enrol/start")
	strict.waits("there is no factor")
	closed := s.device("closed", func(c *oauth.Client) { c.Groups = []string{"staff"} })
	page = b.Get("/device").Submit("device-submit", "user_code", closed.user)
	secAt(t, page, "/device/refused")
	if got := closed.poll(); got["error"] != "access_denied" {
		t.Errorf("%v", got)
	}
}

func TestDeviceIsNotConnected(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.person("alice")
	d := s.device("tv")
	b := s.Browser()
	for _, bad := range []string{"", "BBBB-BBBB", "<script>", d.user[1:]} {
		page := b.Get("/device").Submit("device-submit", "user_code", bad)
		if page.Status != http.StatusUnprocessableEntity || !page.Has("#problem") || !page.Has(`#user_code[aria-invalid=true]`) {
			t.Errorf("%q: %d\n%s", bad, page.Status, page.Text("main"))
		}
		if problems := htmlcheck.Must(t, page.Body).Lint(); len(problems) > 0 {
			t.Error(problems)
		}
	}
	// Cancelled at the password, refused at consent, too late.
	page := secAt(t, b.Get(d.link).Submit("device-submit"), "/login")
	form := page.Fields("login-submit")
	form.Set("cancel", "1")
	secAt(t, b.Post(page.URL.String(), form), "/device/refused")
	if got := d.poll(); got["error"] != "access_denied" {
		t.Errorf("%v", got)
	}
	d.ask()
	page = secAt(t, secPassword(b.Get(d.link).Submit("device-submit"), "alice"), "/consent")
	secAt(t, page.Submit("consent-deny"), "/device/refused")
	if got := d.poll(); got["error"] != "access_denied" {
		t.Errorf("%v", got)
	}
	d.ask()
	page = secAt(t, b.Get(d.link).Submit("device-submit"), "/consent")
	s.Clock.Add(10 * time.Minute)
	page = page.Submit("consent-allow")
	if page.URL.Path == "/device/connected" {
		t.Errorf("connected too late")
	}
	if got := d.poll(); got["error"] != "expired_token" {
		t.Errorf("%v", got)
	}

	// A form of another site, or without its token, opens nothing.
	d.ask()
	page = b.Post("/device", url.Values{"user_code": {d.user}})
	if page.Status != http.StatusForbidden {
		t.Errorf("%d at %s", page.Status, page.URL)
	}
}

// Codes cannot be enumerated: not from one network, and not by somebody who changes networks.
func TestSec_PW12_GuessingDeviceCodesIsThrottled(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	d := s.device("tv")
	b := s.Browser()
	form := b.Get("/device").Fields("device-submit")
	last := func() *idptest.Page { return b.Post("/device", form) }
	form.Set("user_code", "BBBB-BBBB")
	for i := range 20 {
		if page := last(); page.Status != http.StatusUnprocessableEntity {
			t.Fatalf("guess %d: %d", i, page.Status)
		}
	}
	form.Set("user_code", d.user)
	page := last()
	if page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" || !strings.Contains(page.Text("#problem"), "Too many tries") {
		t.Errorf("%d %s", page.Status, page.Text("main"))
	}
	s.Clock.Add(time.Minute + time.Second)
	if page := last(); page.URL.Path != "/login" {
		t.Errorf("after the wait: %d at %s", page.Status, page.URL)
	}
}
