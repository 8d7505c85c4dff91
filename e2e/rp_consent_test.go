package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// rpAsking registers a client whose scopes are asked about.
func rpAsking(s *secSite, id string, edit ...func(*oauth.Client)) *idptest.Client {
	return s.client(id, append([]func(*oauth.Client){func(c *oauth.Client) { c.Consent = "ask" }}, edit...)...)
}

func rpScope(list string) oauth2.AuthCodeOption { return secParam("scope", list) }

// rpScopes returns the scopes of the grant behind page, sorted.
func rpScopes(s *secSite, c *idptest.Client, page *idptest.Page) string {
	s.t.Helper()
	tokens := s.exchange(c, page)
	scopes := strings.Fields(tokens.access["scope"].(string))
	slices.Sort(scopes)
	return strings.Join(scopes, " ")
}

func TestSec_CO01_WhoIsAsked(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.person("alice")
	public := func(uri string) func(*oauth.Client) {
		return func(c *oauth.Client) { c.AuthMethod, c.RedirectURIs = "none", []string{uri} }
	}
	for _, row := range []struct {
		name, id      string
		first, second bool
		edit          func(*oauth.Client)
	}{
		{"confidential, first-party", "own", false, false, func(c *oauth.Client) { c.Consent = "skip" }},
		{"confidential", "other", true, false, func(*oauth.Client) {}},
		{"native, private scheme", "phone", true, true, public("com.example.app:/callback")},
		{"native, loopback", "desktop", true, true, public("http://127.0.0.1/callback")},
		{"native, called first-party", "house", true, true, func(c *oauth.Client) {
			public("com.example.house:/callback")(c)
			c.Consent = "skip"
		}},
		{"web app without a secret", "spa", true, false, public(secCallback)},
	} {
		c := rpAsking(s, row.id, row.edit)
		b := s.Browser()
		page := p.signIn(b, c)
		if asked := page.URL.Path == "/consent"; asked != row.first {
			t.Errorf("%s: asked the first time: %v", row.name, asked)
			continue
		}
		if row.first {
			page = page.Submit("consent-allow")
		}
		if page.URL.Query().Get("code") == "" {
			t.Errorf("%s: no code at %s", row.name, page.URL)
		}
		if asked := s.begin(b, c).URL.Path == "/consent"; asked != row.second {
			t.Errorf("%s: asked the second time: %v", row.name, asked)
		}
	}
}

func TestSec_CO02_ThePageSaysWhoGetsWhat(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.person("alice")
	c := rpAsking(s, "evil", func(c *oauth.Client) { c.Name = `<script>alert(1)</script> & "Co"` })
	page := secAt(t, secPassword(s.begin(s.Browser(), c), "alice"), "/consent")
	if strings.Contains(page.Body, "<script>alert") || !strings.Contains(page.Text("h1"), `<script>alert(1)</script> & "Co"`) {
		t.Errorf("the name is no text: %s", page.Text("h1"))
	}
	if text := page.Text("main"); !strings.Contains(text, "app.example") || !strings.Contains(text, "alice") || !strings.Contains(text, "90 days") {
		t.Errorf("where it leads, or who consents, is missing: %s", text)
	}
	for _, name := range []string{"profile", "email", "mfa", "offline_access"} {
		label := page.Text(`label[for="scope-` + name + `"]`)
		if len(strings.Fields(label)) < 2 || label == name || !page.Has(`input[name=scope][value="`+name+`"][checked]`) {
			t.Errorf("%s: %q", name, label)
		}
	}
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy: %s", policy)
	}
	if page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control: %s", page.Header.Get("Cache-Control"))
	}
}

func TestSec_CO03_ADecisionIsBoundAndMadeOnce(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.person("alice")
	small := rpAsking(s, "small", func(c *oauth.Client) { c.Scopes = []string{"openid", "email", "profile"} })
	big := rpAsking(s, "big")
	b := s.Browser()
	page := secAt(t, p.signIn(b, small, rpScope("openid email")), "/consent")
	form := page.Fields("consent-allow")
	form["scope"] = []string{"email", "profile", "offline_access", "mfa"}
	form.Set("client_id", "big")
	form.Set("subject", "somebody")

	// Another browser: nobody, and somebody else with their own session and their own valid token.
	bob := s.Browser()
	secGranted(t, s.person("bob").signIn(bob, s.app))
	theirs := secAt(t, s.begin(bob, big), "/consent")
	if got := s.Browser().Post("/consent?"+page.URL.RawQuery, form); got.Status != http.StatusForbidden {
		t.Errorf("a browser without cookies: %d at %s", got.Status, got.URL)
	}
	if got := bob.Post("/consent?"+page.URL.RawQuery, form); got.Status != http.StatusForbidden {
		t.Errorf("alice's form in bob's browser: %d at %s", got.Status, got.URL)
	}
	form2 := theirs.Fields("consent-allow")
	if got := bob.Post("/consent?"+page.URL.RawQuery, form2); got.Status != http.StatusBadRequest || got.URL.Host == "app.example" {
		t.Errorf("alice's request in bob's browser: %d at %s", got.Status, got.URL)
	}
	if n := s.count(`SELECT COUNT(*) FROM consents`); n != 0 {
		t.Fatalf("%d decisions are stored", n)
	}
	// The right one: scopes that were not asked for, and a client of the form's choice, are nothing.
	if got := rpScopes(s, small, b.Post("/consent?"+page.URL.RawQuery, form)); got != "email openid" {
		t.Errorf("granted: %s", got)
	}
	if n := s.count(`SELECT COUNT(*) FROM consents WHERE client <> 'small' OR scope NOT IN ('openid', 'email') OR subject <> $1`, p.Subject); n != 0 {
		t.Errorf("%d decisions about something else", n)
	}
	// Sent again: the request is answered.
	if got := b.Post("/consent?"+page.URL.RawQuery, form); got.Status != http.StatusBadRequest || got.URL.Host == "app.example" || !got.Has("[role=alert]") {
		t.Errorf("sent twice: %d at %s", got.Status, got.URL)
	}
	secAt(t, s.begin(b, big), "/consent")
	// Bob's own request was not harmed by any of this.
	secGranted(t, theirs.Submit("consent-allow"))
}

func TestSec_CO04_ChoicesAreRemembered(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b, c := s.person("alice"), s.Browser(), rpAsking(s, "asks")

	secRefused(t, secAt(t, p.signIn(b, c), "/consent").Submit("consent-deny"), "access_denied")
	if n := s.count(`SELECT COUNT(*) FROM consents`) + s.count(`SELECT COUNT(*) FROM oauth_grants`); n != 0 {
		t.Errorf("a refusal has left %d rows", n)
	}
	page := secAt(t, s.begin(b, c, rpScope("openid email profile")), "/consent")
	form := page.Fields("consent-allow")
	form["scope"] = []string{"profile"}
	if got := rpScopes(s, c, b.Post("/consent?"+page.URL.RawQuery, form)); got != "openid profile" {
		t.Errorf("granted: %s", got)
	}
	// The box that was unticked stays so, and is not asked about again.
	if got := rpScopes(s, c, s.begin(b, c, rpScope("openid email profile"))); got != "openid profile" {
		t.Errorf("the second time: %s", got)
	}
	if got := rpScopes(s, c, s.begin(b, c, rpScope("openid profile"))); got != "openid profile" {
		t.Errorf("fewer: %s", got)
	}
	if info := s.userInfo(s.exchange(c, s.begin(b, c, rpScope("openid email profile")))); info["email"] != nil || info["name"] == nil {
		t.Errorf("userinfo: %v", info)
	}
	// One more scope asks, in another browser and session too, where the others are not asked about again.
	other := s.Browser()
	page = secAt(t, p.signIn(other, c, rpScope("openid email profile offline_access")), "/consent")
	if got := rpScopes(s, c, page.Submit("consent-allow")); !strings.Contains(got, "offline_access") {
		t.Errorf("granted: %s", got)
	}
	// Other people and other clients are asked on their own.
	secAt(t, s.person("bob").signIn(s.Browser(), c), "/consent")
	secAt(t, s.begin(b, rpAsking(s, "other")), "/consent")
}

func TestSec_CO05_DisconnectingHoldsAtOnce(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.person("alice"), s.Browser()
	c := rpAsking(s, "jwt")
	opaque := rpAsking(s, "opaque", func(c *oauth.Client) { c.AccessToken = "opaque" })
	tokens := s.exchange(c, p.signIn(b, c).Submit("consent-allow"))
	blind := s.exchange(opaque, s.begin(b, opaque).Submit("consent-allow"))

	page := secAt(t, b.Get("/account/apps"), "/account/apps")
	if !strings.Contains(page.Text("main"), "App jwt") || !strings.Contains(page.Text("main"), "App opaque") {
		t.Errorf("the apps are not listed: %s", page.Text("main"))
	}
	// Somebody else's click does nothing to them.
	bob := s.Browser()
	secGranted(t, s.person("bob").signIn(bob, s.app))
	form := bob.Get("/account/mfa").Fields("enrol-start")
	form.Set("id", "opaque")
	if got := bob.Post("/account/apps/revoke", form); got.Status != http.StatusNotFound {
		t.Errorf("an app that bob has not connected: %d", got.Status)
	}
	mine := b.Get("/account/mfa").Fields("enrol-start")
	mine.Set("id", "opaque")
	page = secAt(t, b.Post("/account/apps/revoke", mine), "/account/apps")
	if strings.Contains(page.Text("main"), "App opaque") || !page.Has("[role=status]") {
		t.Errorf("after disconnecting: %s", page.Text("main"))
	}
	if info := s.userInfo(blind); info != nil {
		t.Errorf("its access token still works: %v", info)
	}
	_, err := s.refresh(opaque, blind)
	secInvalidGrant(t, err)
	secAt(t, s.begin(b, opaque), "/consent")
	// The other app goes on.
	if s.userInfo(s.mustRefresh(c, tokens)) == nil {
		t.Error("the other app's tokens have ended too")
	}
}

func TestSec_CO06_PromptConsent(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b, c := s.person("alice"), s.Browser(), rpAsking(s, "asks")
	secRefused(t, s.begin(b, c, secParam("prompt", "none")), "login_required")
	secGranted(t, p.signIn(b, s.app))
	secRefused(t, s.begin(b, c, secParam("prompt", "none")), "consent_required")
	secGranted(t, secAt(t, s.begin(b, c), "/consent").Submit("consent-allow"))
	secGranted(t, s.begin(b, c, secParam("prompt", "none")))
	for range 2 {
		secGranted(t, secAt(t, s.begin(b, c, secParam("prompt", "consent")), "/consent").Submit("consent-allow"))
	}
	// Also where consent is skipped otherwise.
	page := secAt(t, s.begin(b, s.app, secParam("prompt", "consent")), "/consent")
	secRefused(t, page.Submit("consent-deny"), "access_denied")
	// A refusal does not take back what was allowed before.
	secRefused(t, secAt(t, s.begin(b, c, secParam("prompt", "consent")), "/consent").Submit("consent-deny"), "access_denied")
	secGranted(t, s.begin(b, c))
}
