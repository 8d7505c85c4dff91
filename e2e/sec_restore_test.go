package e2e

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v3 "github.com/go-jose/go-jose/v3"
	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// secEach runs fn with a site on either engine.
func secEach(t *testing.T, fn func(t *testing.T, s *secSite), edit ...func(*idp.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, secOpen(t, edit...)) })
	t.Run("postgres", func(t *testing.T) {
		fn(t, secOpen(t, append(edit, func(c *idp.Config) { c.DatabaseURL = dbxtest.PostgresURL(t) })...))
	})
}

// secForm posts a form, as the site's app where a secret is given, and returns the status and the answer.
func secForm(s *secSite, path, secret string, form url.Values) (status int, answer map[string]any) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.Issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		r.SetBasicAuth("app", url.QueryEscape(secret))
	}
	response, err := s.HTTP.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	_ = json.NewDecoder(response.Body).Decode(&answer) // none after a revocation
	return response.StatusCode, answer
}

// secSpent is what somebody has that is good once, or until it is ended.
type secSpent struct {
	*secSite
	p                                       *secPerson
	signedIn, remembered                    *idptest.Browser
	asking, jobs                            *idptest.Client
	key                                     *secKey
	device                                  *deviceSet
	code, pushed, reset, recovery, register string
	tokens, opaque                          *rpTokens
	machine                                 string
}

// secSpendable makes one of each kind.
func secSpendable(t *testing.T, s *secSite) *secSpent {
	t.Helper()
	o := &secSpent{secSite: s, p: s.enrolled("alice"), signedIn: s.Browser(), remembered: s.Browser(), key: secNewKey(t)}
	o.asking = s.client("asking", func(c *oauth.Client) { c.Consent, c.AccessToken = "ask", "opaque" })
	o.jobs = s.client("jobs", func(c *oauth.Client) {
		c.AuthMethod, c.AuthAlg, c.GrantTypes, c.Scopes = "private_key_jwt", "ES256", []string{"client_credentials"}, []string{"run"}
		c.JWKS = &v3.JSONWebKeySet{Keys: []v3.JSONWebKey{{Key: &o.key.key.PublicKey, Use: "sig", Algorithm: "ES256"}}}
	})
	secGranted(t, o.p.signIn(o.signedIn, s.app))
	secRemember(t, o.p, o.remembered)
	o.tokens = s.exchange(s.app, s.begin(o.signedIn, s.app))
	o.opaque = s.exchange(o.asking, secAt(t, s.begin(o.signedIn, o.asking), "/consent").Submit("consent-allow"))
	o.code = secGranted(t, s.begin(o.signedIn, s.app))
	_, o.machine = o.asks("a")
	o.device = s.device("tv")
	var err error
	if o.reset, err = s.Accounts.NewLink(t.Context(), account.PurposeReset, o.p.Subject, time.Hour); err != nil {
		t.Fatal(err)
	}
	link, err := s.RecoverLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, o.recovery, _ = strings.Cut(link, "token=")
	if o.register, err = s.OAuth.Clients().NewRegistrationToken(t.Context(), time.Hour, 1); err != nil {
		t.Fatal(err)
	}
	o.pushed = o.push()
	return o
}

// asks sends an assertion of that jti and returns the status and the token.
func (o *secSpent) asks(jti string) (int, string) {
	o.t.Helper()
	now := o.Clock.Now()
	assertion := o.key.sign("JWT", map[string]any{
		"iss": "jobs", "sub": "jobs", "aud": o.Issuer, "jti": jti, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	return o.asserts(assertion)
}

func (o *secSpent) asserts(assertion string) (int, string) {
	o.t.Helper()
	status, answer := secForm(o.secSite, "/oauth2/token", "", url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion}, "scope": {"run"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	token, _ := answer["access_token"].(string)
	return status, token
}

// push hands a request of the app over.
func (o *secSpent) push() string {
	o.t.Helper()
	_, answer := secForm(o.secSite, "/oauth2/par", o.app.ClientSecret, url.Values{
		"response_type": {"code"}, "redirect_uri": {secCallback}, "scope": {"openid"}, "state": {"12345678"},
	})
	uri, _ := answer["request_uri"].(string)
	if uri == "" {
		o.t.Fatal(answer)
	}
	return url.Values{"client_id": {"app"}, "request_uri": {uri}}.Encode()
}

// TestSec_DR06_ARestoreSpendsEverything: a backup is made, twelve kinds of things are used up or ended, and the backup is
// restored, in which none of that has happened. Nothing of it works, and people sign in with a fresh code.
func TestSec_DR06_ARestoreSpendsEverything(t *testing.T) {
	t.Parallel()
	secEach(t, func(t *testing.T, s *secSite) {
		o := secSpendable(t, s)
		file := filepath.Join(t.TempDir(), "backup")
		made, err := idp.Backup(t.Context(), s.Config(), file, idp.BackupOptions{})
		if err != nil {
			t.Fatal(err)
		}
		used := o.use()
		for name, still := range used {
			if still() {
				t.Errorf("%s: after it was used it works", name)
			}
		}
		code := o.p.code()
		secGranted(t, secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa").Submit("mfa-submit", "code", code))
		var report *idp.RestoreReport
		s.Restart(func() {
			if _, err := idp.Restore(t.Context(), s.Config(), file, idp.RestoreOptions{}); !errors.Is(err, idp.ErrNotEmpty) {
				t.Fatal(err)
			}
			if report, err = idp.Restore(t.Context(), s.Config(), file, idp.RestoreOptions{Replace: true}); err != nil {
				t.Fatal(err)
			}
		})
		s.Clock.Add(31 * time.Second) // by so much a client's clock may be ahead
		for name, still := range used {
			if still() {
				t.Errorf("%s: after the restore it works again", name)
			}
		}
		page := secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa").Submit("mfa-submit", "code", code)
		if page.URL.Query().Has("code") {
			t.Error("the code of before works again")
		}
		o.again(page)
		o.onRecord(made, report)
	}, func(c *idp.Config) { c.DynamicRegistration = true })
}

// use uses or ends everything, and returns for each kind how to see whether it works still.
func (o *secSpent) use() map[string]func() bool {
	t, s := o.t, o.secSite
	now := s.Clock.Now()
	assertion := o.key.sign("JWT", map[string]any{
		"iss": "jobs", "sub": "jobs", "aud": s.Issuer, "jti": "b", "iat": now.Unix(), "exp": now.Add(9 * time.Minute).Unix(),
	})
	// Without iat, which the client may leave out.
	bare := o.key.sign("JWT", map[string]any{"iss": "jobs", "sub": "jobs", "aud": s.Issuer, "jti": "c", "exp": now.Add(9 * time.Minute).Unix()})
	session := secCopy(s, o.signedIn)
	device := secCopy(s, o.remembered, "device_")
	copied := func() *idptest.Browser { return secCopy(s, session) }
	kinds := map[string]func() bool{
		"a session": func() bool { return copied().Get("/account").URL.Path == "/account" },
		"a device":  func() bool { return secPassword(s.begin(secCopy(s, device), s.app), "alice").URL.Path != "/mfa" },
		"a code":    func() bool { _, err := s.app.Exchange(t.Context(), o.code, secVerifierOption()); return err == nil },
		"a refresh token": func() bool {
			_, err := s.app.TokenSource(t.Context(), &oauth2.Token{RefreshToken: o.tokens.RefreshToken}).Token()
			return err == nil
		},
		"an access token":         func() bool { return s.userInfo(o.tokens) != nil },
		"an opaque access token":  func() bool { return s.userInfo(o.opaque) != nil },
		"a machine's token":       func() bool { active, _ := o.asJobs("/oauth2/introspect")["active"].(bool); return active },
		"an assertion":            func() bool { status, _ := o.asserts(assertion); return status == http.StatusOK },
		"an assertion of no time": func() bool { status, _ := o.asserts(bare); return status == http.StatusOK },
		"a reset link":            func() bool { return s.Browser().Get(admin.ResetPath + "?token=" + o.reset).Has("input[name=password]") },
		"a recovery link":         func() bool { return s.Browser().Get("/setup?token=" + o.recovery).Has("#setup-submit") },
		"a recovery code": func() bool {
			page := secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa").Follow("#use-recovery-code")
			return page.Has("#recovery-submit") && page.Submit("recovery-submit", "recovery_code", o.p.codes[0]).URL.Path != "/mfa"
		},
		"a pushed request": func() bool { return s.Browser().Get("/oauth2/authorize?"+o.pushed).URL.Path == "/login" },
		"an initial access token": func() bool {
			status, _ := rpManage(s, http.MethodPost, s.Issuer+"/oauth2/register", o.register, map[string]any{"redirect_uris": []string{secCallback}})
			return status == http.StatusCreated
		},
		"a device's code": func() bool { _, ok := o.device.poll()["access_token"]; return ok },
	}
	for _, name := range []string{"a session", "a device", "an access token", "an opaque access token", "a machine's token", "a reset link", "a recovery link"} {
		if !kinds[name]() {
			t.Fatalf("%s does not work before", name)
		}
	}
	secGranted(t, copied().Get("/oauth2/authorize?"+o.pushed))
	for _, name := range []string{"a code", "an assertion", "an assertion of no time", "a recovery code", "an initial access token"} {
		if !kinds[name]() {
			t.Fatalf("%s does not work", name)
		}
	}
	o.connectDevice(copied())
	if !kinds["a device's code"]() {
		t.Fatal("the device is not connected")
	}
	o.end()
	return kinds
}

// connectDevice connects the television.
func (o *secSpent) connectDevice(b *idptest.Browser) {
	o.t.Helper()
	page := secAt(o.t, b.Get(o.device.link), "/device").Submit("device-submit")
	if page.URL.Path == "/login" {
		page = secPassword(page, "alice")
	}
	secAt(o.t, secAt(o.t, page, "/consent").Submit("consent-allow"), "/device/connected")
}

// end ends what using does not end.
func (o *secSpent) end() {
	t, s := o.t, o.secSite
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	next := s.mustRefresh(s.app, o.tokens)
	s.mustRefresh(s.app, next)
	must(s.Consents.Revoke(t.Context(), o.p.Subject, "asking"))
	for _, token := range []struct{ client, secret, token string }{
		{"app", s.app.ClientSecret, next.RefreshToken}, {"asking", o.asking.ClientSecret, o.opaque.AccessToken},
	} {
		r, err := http.NewRequest(http.MethodPost, s.Issuer+"/oauth2/revoke", strings.NewReader(url.Values{"token": {token.token}}.Encode()))
		must(err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(token.client, url.QueryEscape(token.secret))
		response, err := s.HTTP.Do(r)
		must(err)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatal(response.Status)
		}
	}
	o.asJobs("/oauth2/revoke")
	_, err := s.Accounts.UseLink(t.Context(), account.PurposeReset, o.reset)
	must(err)
	_, err = s.Accounts.UseLink(t.Context(), account.PurposeRecover, o.recovery)
	must(err)
	must(s.Actions().EndSessions(t.Context(), o.p.Subject)) // and remembered devices
}

// asJobs posts a form about the machine's token, as the machine.
func (o *secSpent) asJobs(path string) map[string]any {
	o.t.Helper()
	now := o.Clock.Now()
	status, answer := secForm(o.secSite, path, "", url.Values{
		"token": {o.machine}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion": {o.key.sign("JWT", map[string]any{
			"iss": "jobs", "sub": "jobs", "aud": o.Issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		})},
	})
	if status != http.StatusOK {
		o.t.Fatal(path, status, answer)
	}
	return answer
}

// again is the first sign-in after the restore, from the page of the refused code: with a fresh one it goes, the app asks
// anew, and new recovery codes are made.
func (o *secSpent) again(page *idptest.Page) {
	t, s := o.t, o.secSite
	t.Helper()
	s.Clock.Add(2 * time.Minute)
	page = page.Submit("mfa-submit", "code", o.p.code())
	if page.URL.Path == "/account/mfa/codes" { // people have none any more, and are reminded
		page = page.Submit("remind-later")
	}
	b := page.Browser()
	if !page.URL.Query().Has("code") {
		t.Fatalf("a fresh code leads to %s: %s", page.URL, page.Text("main"))
	}
	secAt(t, s.begin(b, o.asking), "/consent")
	if status, err := s.MFA.Status(t.Context(), o.p.Subject); err != nil || !status.Enrolled || status.CodesLeft != 0 || status.Devices != 0 {
		t.Errorf("%+v %v", status, err)
	}
	if status, _ := o.asks("after"); status != http.StatusOK {
		t.Errorf("an assertion of now: %d", status)
	}
}

// onRecord looks at the trail.
func (o *secSpent) onRecord(made *idp.BackupReport, restored *idp.RestoreReport) {
	t := o.t
	t.Helper()
	entries, err := o.Audit.List(t.Context(), audit.Filter{Action: idp.EventRestored})
	if err != nil || len(entries) != 1 || entries[0].Detail["sha256"] != made.SHA256 || entries[0].Detail["anchor"] != restored.Before.String() {
		t.Errorf("%+v %v", entries, err)
	}
	if _, err := o.Audit.Link(t.Context()); err != nil {
		t.Error(err)
	}
	report, err := o.Audit.Verify(t.Context(), restored.Before, restored.Anchor)
	if err != nil || !report.OK() || restored.Anchor.Seq <= restored.Before.Seq {
		t.Errorf("%+v %v", report, err)
	}
}
