package replicas

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// walk is one person's way through the provider. It proves that no two requests in a row were answered by the same replica.
type walk struct {
	*fleet
	*idptest.Browser
	before int64
}

func (f *fleet) walk() *walk {
	f.t.Helper()
	return &walk{f, idptest.NewBrowser(f.t, f.front.URL), f.front.hops.Load()}
}

// over fails unless there were as many hops at least. The proxy gives each to another replica than the one before, which
// nobody else disturbs: a fleet of these tests is walked by one person at a time.
func (w *walk) over(hops int64) {
	w.t.Helper()
	if n := w.front.hops.Load() - w.before; n < hops {
		w.t.Errorf("%d hops, want %d at least", n, hops)
	}
}

// token redeems, or refreshes, through the proxy.
func (f *fleet) token(c *idptest.Client, pairs ...string) answer {
	f.t.Helper()
	return f.must(f.front.URL, "/oauth2/token", c, pairs...)
}

func (f *fleet) userinfo(token string) (answer, map[string]any) {
	f.t.Helper()
	r, err := http.NewRequest(http.MethodGet, f.front.URL+"/oauth2/userinfo", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	a, err := f.do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	var claims map[string]any
	_ = json.Unmarshal(a.body, &claims)
	return a, claims
}

// Everything that people and apps do in several steps, each step at another replica than the one before.
func TestEveryHopAtAnotherReplica(t *testing.T) {
	t.Parallel()
	f := start(t, plan{processes: 3})
	t.Run("enrolment and sign-in", func(t *testing.T) { f.of(t).hopEnrolment() })
	t.Run("links to a password", func(t *testing.T) { f.of(t).hopLinks() })
	t.Run("device", func(t *testing.T) { f.of(t).hopDevice() })
	t.Run("pushed request", func(t *testing.T) { f.of(t).hopPushed() })
}

// of returns the fleet for a part of the test.
func (f *fleet) of(t *testing.T) *fleet {
	part := *f
	part.t = t
	return &part
}

func (f *fleet) hopEnrolment() {
	t, alice := f.t, f.AddUser("alice")
	asks := f.client("asks", func(c *oauth.Client) { c.Consent, c.MFA = "ask", "required" })
	w := f.walk()
	// The app wants a second factor of somebody who has none: enrolled inside of the sign-in.
	page := at(t, w.Get(link(asks)), "/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	page = at(t, at(t, page, "/account/mfa/enrol/start").Submit("enrol-start"), "/account/mfa/enrol/scan")
	phone := mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", "")}
	page = at(t, page.Submit("scan-next"), "/account/mfa/enrol/codes")
	page = at(t, page.Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0)), "/account/mfa/enrol/recovery")
	page = page.Submit("enrol-confirm", "saved", "1")
	page = at(t, page, "/account/mfa/enrol/done").Follow("#done-next")
	code := granted(t, at(t, page, "/consent").Submit("consent-allow"))
	w.over(12)

	tokens := f.token(asks, "grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier)
	for range 4 { // each refresh token is another replica's
		tokens = f.token(asks, "grant_type", "refresh_token", "refresh_token", tokens.json("refresh_token"))
		if a, claims := f.userinfo(tokens.json("access_token")); claims["sub"] != alice.Subject || claims["mfa_enrolled"] != true {
			t.Errorf("userinfo: %d %v", a.status, claims)
		}
	}
	f.must(f.front.URL, "/oauth2/revoke", asks, "token", tokens.json("refresh_token"))
	at(t, at(t, w.Get("/oauth2/logout"), "/oauth2/logout").Submit("logout-confirm"), "/signed-out")
	for range f.each {
		at(t, w.Get("/account"), "/login")
		if a, _ := f.userinfo(tokens.json("access_token")); a.status != http.StatusUnauthorized {
			t.Errorf("userinfo after everything was given back: %d", a.status)
		}
	}

	// In again, with the next code of the app, and by a recovery code of the set that one of them made.
	w = f.walk()
	page = at(t, w.Get(link(asks)).Submit("login-submit", "username", "alice", "password", idptest.Password), "/mfa")
	granted(t, page.Submit("mfa-submit", "code", phone.Code(1)))
	w.over(5)
}

func (f *fleet) hopLinks() {
	t := f.t
	bob := f.AddUser("bob", func(a *account.NewAccount) { a.Password = "" })
	for n, make := range []func() (string, error){
		func() (string, error) { return f.Actions().InviteLink(t.Context(), bob.Subject) },
		func() (string, error) { return f.Actions().ResetLink(t.Context(), bob.Subject) },
	} {
		to, err := make()
		if err != nil {
			t.Fatal(err)
		}
		w, password := f.walk(), []string{"first ", "second "}[n]+idptest.Password
		page := w.Get(to)
		page = page.Submit("password-submit", "password", "short") // refused, and nothing is spent
		at(t, page.Submit("password-submit", "password", password), "/login")
		for range f.each {
			if page := w.Get(to); page.Has("#password-submit") {
				t.Error("a link is good again")
			}
		}
		at(t, w.Get("/account").Submit("login-submit", "username", "bob", "password", password), "/account")
		w.over(7)
	}
}

func (f *fleet) hopDevice() {
	t, eve := f.t, f.AddUser("eve")
	const grant = "urn:ietf:params:oauth:grant-type:device_code"
	tv := f.client("tv", func(c *oauth.Client) { c.AuthMethod, c.GrantTypes = "none", []string{grant, "refresh_token"} })
	w := f.walk()
	asked := f.must(f.front.URL, "/oauth2/device", tv, "scope", "openid offline_access")
	poll := func() answer {
		a, err := f.call(f.front.URL, "/oauth2/token", tv, "grant_type", grant, "device_code", asked.json("device_code"))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := poll(); a.json("error") != "authorization_pending" {
		t.Errorf("before: %s", a.body)
	}
	if a := poll(); a.json("error") != "slow_down" { // the other replica knows of the first one's poll
		t.Errorf("too soon: %s", a.body)
	}
	page := w.Get("/device").Submit("device-submit", "user_code", asked.json("user_code"))
	page = at(t, page.Submit("login-submit", "username", eve.Username, "password", idptest.Password), "/consent")
	at(t, page.Submit("consent-allow"), "/device/connected")
	f.exec(`UPDATE oauth_devices SET polled_at = 0`) // the pause passes
	tokens := poll()
	if tokens.status != http.StatusOK {
		t.Fatalf("after: %s", tokens.body)
	}
	f.token(tv, "grant_type", "refresh_token", "refresh_token", tokens.json("refresh_token"))
	w.over(9)
}

func (f *fleet) hopPushed() {
	t, joe := f.t, f.AddUser("joe")
	app := f.client("pushes", func(c *oauth.Client) { c.RequirePAR = true })
	w := f.walk()
	u, _ := url.Parse(link(app))
	var pairs []string
	for name, values := range u.Query() {
		pairs = append(pairs, name, values[0])
	}
	uri := f.must(f.front.URL, "/oauth2/par", app, pairs...).json("request_uri")
	page := w.Get("/oauth2/authorize?" + url.Values{"client_id": {"pushes"}, "request_uri": {uri}}.Encode())
	page = at(t, page, "/login").Submit("login-submit", "username", "joe", "password", idptest.Password)
	tokens := f.token(app, "grant_type", "authorization_code", "code", granted(t, page), "redirect_uri", callback, "code_verifier", verifier)
	if _, claims := f.userinfo(tokens.json("access_token")); claims["sub"] != joe.Subject {
		t.Errorf("userinfo: %v", claims)
	}
	w.over(6)
}
