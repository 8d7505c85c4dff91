package main

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// world is the provider and the app, each on a server of its own, and a clock.
type world struct {
	t        *testing.T
	server   *server
	app      string
	origin   string
	password string

	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Now().Add(-24 * time.Hour).Truncate(30 * time.Second)}
	db, err := open(filepath.Join(t.TempDir(), "example.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var provider, app http.Handler
	serve := func(h *http.Handler) string {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*h).ServeHTTP(rw, r) }))
		t.Cleanup(server.Close)
		return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	}
	w.origin, w.app = serve(&provider), serve(&app)
	c := config{DB: db, Key: []byte(strings.Repeat("k", 32)), Origin: w.origin, App: w.app, Now: w.clock}
	if w.server, err = newServer(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if w.password, err = w.server.users.seed(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	provider, app = w.server.handler(), newParty(w.origin, w.app).handler()
	return w
}

// browser follows redirects, keeps cookies, and fills in the form of the page that it is on.
type browser struct {
	*world
	client *http.Client
	at     *url.URL
	status int
	page   string
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{world: w, client: &http.Client{Jar: jar}}
}

func (b *browser) took(answer *http.Response, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.at, b.status, b.page = answer.Request.URL, answer.StatusCode, string(body)
}

func (b *browser) get(target string) {
	b.t.Helper()
	b.took(b.client.Get(target))
}

// submit sends the page's form in which the button with this id stands.
func (b *browser) submit(button string, pairs ...string) {
	b.t.Helper()
	before, _, found := strings.Cut(b.page, `<button id="`+button+`"`)
	if !found {
		b.t.Fatalf("no button %s on %s:\n%s", button, b.at, b.page)
	}
	action := regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindAllStringSubmatch(before, -1)
	target, err := b.at.Parse(html.UnescapeString(action[len(action)-1][1]))
	if err != nil {
		b.t.Fatal(err)
	}
	form := url.Values{}
	if set := b.find(`name="set" value="([^"]*)"`); set != "" {
		form.Set("set", set)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	b.took(b.client.PostForm(target.String(), form))
}

// find returns what a pattern's group matches on the page, "" when it is not there.
func (b *browser) find(pattern string) string {
	if match := regexp.MustCompile(pattern).FindStringSubmatch(b.page); match != nil {
		return html.UnescapeString(match[1])
	}
	return ""
}

// on fails the test unless the browser is on a page with this heading.
func (b *browser) on(heading string) {
	b.t.Helper()
	if got := b.find("<h1>(.*)</h1>"); got != heading {
		b.t.Fatalf("on %q (%d, %s), not on %q:\n%s", got, b.status, b.at, heading, b.page)
	}
}

func (b *browser) signIn(query string) {
	b.t.Helper()
	b.get(b.app + "/login" + query)
	b.on("Sign in")
	b.submit("login-submit", "username", "alice", "password", b.password)
}

// allowed consents and returns the claims that the app was given.
func (b *browser) allowed() map[string]any {
	b.t.Helper()
	b.on("Allow access?")
	b.submit("consent-allow", "answer", "allow")
	b.on("Signed in")
	var claims map[string]any
	if err := json.Unmarshal([]byte(b.find(`(?s)<pre>(.*)</pre>`)), &claims); err != nil {
		b.t.Fatal(err)
	}
	return claims
}

// says fails the test unless claims tell of these methods.
func (b *browser) says(claims map[string]any, amr ...any) {
	b.t.Helper()
	acr := "aal1"
	if slices.Contains(amr, "mfa") {
		acr = "aal2"
	}
	if got, _ := claims["amr"].([]any); !slices.Equal(got, amr) || claims["acr"] != acr {
		b.t.Fatalf("amr %v, acr %v; want %v, %s", claims["amr"], claims["acr"], amr, acr)
	}
}

// enrol goes through the pages of an enrolment, from the settings or from a sign-in that waits for it.
func (b *browser) enrol() (*mfatest.Phone, []string) {
	b.t.Helper()
	b.submit("enrol-start")
	b.on("Scan QR Code")
	phone, err := mfatest.Scan(b.find(`href="(otpauth://[^"]*)"`))
	if err != nil {
		b.t.Fatal(err)
	}
	phone.Clock = b.clock
	b.get(b.origin + b.find(`id="scan-next" href="([^"]*)"`))
	b.submit("codes-next", "code1", phone.Code(0), "code2", phone.Code(0))
	b.on("Error: Enter 6-digit codes")
	b.submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
	b.on("Recovery codes")
	var codes []string
	for _, match := range regexp.MustCompile(`<li><code>([^<]*)</code>`).FindAllStringSubmatch(b.page, -1) {
		codes = append(codes, match[1])
	}
	if len(codes) != mfa.RecoveryCodeCount {
		b.t.Fatalf("%d recovery codes", len(codes))
	}
	b.submit("enrol-confirm", "saved", "1")
	b.on("Confirmation")
	b.later(time.Minute)
	return phone, codes
}

func TestFromEnrolmentToARecoveryCode(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn("")
	b.says(b.allowed(), "pwd")

	b.get(w.origin + "/account/mfa")
	b.on("Multi-Factor Authentication Settings")
	phone, codes := b.enrol()
	b.get(w.app + "/login")
	b.says(b.allowed(), "pwd", "otp", "mfa") // the two codes of the enrolment

	// Another browser is asked for the code, between the password and the consent.
	b = w.browser()
	b.signIn("")
	b.on("MFA code")
	b.get(w.origin + "/account/mfa")
	b.on("MFA code") // the password alone opens no settings either
	if !strings.Contains(b.page, "You are signing in as") || !strings.Contains(b.page, `id="not-you" href="/login?`) {
		t.Errorf("somebody else cannot sign in: %s", b.page)
	}
	b.get(w.app + "/login")
	b.submit("mfa-submit", "code", "000000")
	b.on("Error: MFA code")
	used := phone.Code(0)
	b.submit("mfa-submit", "code", used, "remember", "1")
	claims := b.allowed()
	b.says(claims, "pwd", "otp", "mfa")

	// The code was good once. A remembered browser spares the next one, and the token says so.
	other := w.browser()
	other.signIn("")
	other.submit("mfa-submit", "code", used)
	if other.on("Error: MFA code"); !strings.Contains(other.page, "was used before") {
		t.Errorf("a used code: %s", other.page)
	}
	b.took(b.client.PostForm(w.origin+"/logout", nil))
	b.signIn("")
	b.says(b.allowed(), "pwd")
	b.get(w.app + "/login?acr_values=aal2") // an app that asks for more gets more
	b.on("MFA code")
	w.later(time.Minute)
	b.submit("mfa-submit", "code", phone.Code(0))
	b.says(b.allowed(), "pwd", "otp", "mfa")

	// Without the phone.
	b = w.browser()
	b.signIn("")
	b.get(w.origin + b.find(`id="use-recovery-code" href="([^"]*)"`))
	b.submit("recovery-submit", "recovery_code", strings.ToLower(codes[3]))
	b.says(b.allowed(), "pwd", "mfa")
	if status, err := w.server.mfa.Status(t.Context(), claims["sub"].(string)); err != nil || status.CodesLeft != 9 || status.Devices != 0 {
		t.Errorf("%+v, %v", status, err)
	}
	w.recorded(mfa.Enrolled, mfa.CodeAccepted, mfa.CodeReplayed, mfa.DeviceRemembered, mfa.DeviceUsed, mfa.RecoveryUsed)
}

// recorded fails the test unless the host's own table has an event of each kind.
func (w *world) recorded(kinds ...mfa.Kind) {
	w.t.Helper()
	for _, kind := range kinds {
		var n int
		row := w.server.users.db.QueryRowContext(context.Background(), "SELECT COUNT(*) FROM events WHERE kind = $1", string(kind))
		if err := row.Scan(&n); err != nil || n == 0 {
			w.t.Errorf("%s: %d events, %v", kind, n, err)
		}
	}
}

// An app that wants two factors of somebody who has one leads through the enrolment, and on.
func TestEnrolmentInsideASignIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn("?acr_values=aal2")
	b.on("Set up multi-factor authentication")
	b.enrol()
	b.get(w.origin + b.find(`id="done-next" href="([^"]*)"`))
	b.says(b.allowed(), "pwd", "otp", "mfa")
}

// Secrets are shown and changed only after a fresh proof of all that the person has.
func TestFreshProof(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.get(w.origin + "/account/mfa")
	b.submit("login-submit", "username", "alice", "password", b.password)
	phone, _ := b.enrol()
	w.later(time.Hour)
	b.get(w.origin + "/account/mfa/codes")
	b.on("Sign in")
	b.submit("login-submit", "username", "alice", "password", b.password)
	b.on("MFA code")
	b.submit("mfa-submit", "code", phone.Code(0))
	b.on("Recovery codes")
	b.submit("enrol-confirm", "saved", "1")
	b.on("Multi-Factor Authentication Settings")
	b.submit("mfa-off")
	if b.on("Multi-Factor Authentication Settings"); !strings.Contains(b.page, "authentication is off") {
		t.Error(b.page)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.get(w.app + "/login?prompt=none")
	if b.status != http.StatusForbidden || !strings.Contains(b.page, "login_required") {
		t.Errorf("prompt=none: %d %s", b.status, b.page)
	}
	b.get(w.app + "/login")
	b.submit("login-submit", "username", "mallory", "password", "guess")
	if b.on("Sign in"); b.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong password: %d", b.status)
	}
	b.signIn("")
	b.submit("consent-deny", "answer", "deny")
	if !strings.Contains(b.page, "access_denied") {
		t.Errorf("denied: %s", b.page)
	}
	b.get(w.app + "/login?prompt=login")
	b.on("Sign in")
	b.get(w.origin + "/login?to=//evil.example/account/mfa")
	b.submit("login-submit", "username", "alice", "password", b.password)
	if !strings.HasPrefix(b.at.String(), w.origin) {
		t.Errorf("led away to %s", b.at)
	}

	// Another site's page cannot press the buttons of somebody who is signed in.
	b.get(w.app + "/login")
	b.on("Allow access?")
	r, err := http.NewRequest("POST", b.at.String(), strings.NewReader("answer=allow"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	b.took(b.client.Do(r))
	b.on("Allow access?")
	if _, err := bcrypt.Cost([]byte(nobody)); err != nil {
		t.Error(err)
	}
}
