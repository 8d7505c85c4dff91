package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

func TestSec_OA16_PromptNoneMatrix(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	always := s.client("always", func(c *oauth.Client) { c.MFA = "always" })
	required := s.client("required", func(c *oauth.Client) { c.MFA = "required" })
	asks := s.client("asks", func(c *oauth.Client) { c.Consent = "ask" })
	rpGroups(t, s, 0, "staff", "closed")
	closed := s.client("closed", func(c *oauth.Client) { c.Groups = []string{"closed"} })

	nobody := s.Browser()
	newcomer := s.Browser() // not enrolled, password given
	secGranted(t, s.person("nina").signIn(newcomer, s.app))
	alice := s.enrolled("alice")
	whole := s.Browser() // password and code
	token := s.exchange(s.app, alice.signIn(whole, s.app))
	hint, _ := token.Extra("id_token").(string)
	half := s.Browser() // password only, of somebody enrolled
	secAt(t, secPassword(s.begin(half, s.app), "alice"), "/mfa")
	device := s.Browser() // password on a remembered device
	secRemember(t, alice, device)
	secAt(t, device.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
	secGranted(t, secPassword(s.begin(device, s.app), "alice"))
	s.Clock.Add(time.Minute)

	none := secParam("prompt", "none")
	for _, row := range []struct {
		name    string
		b       *idptest.Browser
		c       *idptest.Client
		want    string // "": a code
		options []oauth2.AuthCodeOption
	}{
		{"nobody", nobody, s.app, "login_required", nil},
		{"nobody at an app with mfa", nobody, always, "login_required", nil},
		{"newcomer", newcomer, s.app, "", nil},
		{"newcomer, aal2", newcomer, s.app, "interaction_required", []oauth2.AuthCodeOption{secParam("acr_values", "aal2")}},
		{"newcomer, required", newcomer, required, "interaction_required", nil},
		{"newcomer, always", newcomer, always, "interaction_required", nil},
		{"newcomer, max_age=0", newcomer, always, "login_required", []oauth2.AuthCodeOption{secParam("max_age", "0")}},
		{"whole", whole, s.app, "", nil},
		{"whole, aal2", whole, s.app, "", []oauth2.AuthCodeOption{secParam("acr_values", "aal2")}},
		{"whole, always", whole, always, "", nil},
		{"whole, max_age=0", whole, s.app, "login_required", []oauth2.AuthCodeOption{secParam("max_age", "0")}},
		{"whole, old", whole, s.app, "login_required", []oauth2.AuthCodeOption{secParam("max_age", "30")}},
		{"whole, not so old", whole, s.app, "", []oauth2.AuthCodeOption{secParam("max_age", "3000")}},
		{"whole, own hint", whole, s.app, "", []oauth2.AuthCodeOption{secParam("id_token_hint", hint)}},
		{"hint of another", newcomer, s.app, "login_required", []oauth2.AuthCodeOption{secParam("id_token_hint", hint)}},
		{"whole, consent missing", whole, asks, "consent_required", nil},
		{"whole, not open to them", whole, closed, "access_denied", nil},
		{"half", half, s.app, "interaction_required", nil},
		{"half, consent missing too", half, asks, "interaction_required", nil},
		{"half, aal1 will do", half, s.app, "interaction_required", []oauth2.AuthCodeOption{secParam("acr_values", "aal1")}},
		{"device", device, s.app, "", nil},
		{"device, required", device, required, "", nil},
		{"device, always", device, always, "interaction_required", nil},
		{"device, aal2", device, s.app, "interaction_required", []oauth2.AuthCodeOption{secParam("acr_values", "aal2")}},
		{"none and login", whole, s.app, "invalid_request", []oauth2.AuthCodeOption{secParam("prompt", "none login")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			page := s.begin(row.b, row.c, append([]oauth2.AuthCodeOption{none}, row.options...)...)
			if row.want == "" {
				secGranted(t, page)
				return
			}
			secRefused(t, page, row.want)
		})
	}
}

// rpGroups makes the groups; the first one must have a second factor after the grace.
func rpGroups(t *testing.T, s *secSite, grace time.Duration, names ...string) {
	t.Helper()
	var all []account.Group
	for _, name := range names {
		all = append(all, account.Group{Name: name})
	}
	err := s.Accounts.SetGroups(t.Context(), all)
	if err == nil {
		err = s.Accounts.SetPolicy(t.Context(), account.Policy{MFARequiredGroups: names[:1], MFAGrace: grace})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rpIn(groups ...string) func(*account.NewAccount) {
	return func(a *account.NewAccount) { a.Groups = groups }
}

func TestRPGroupsOfAnApp(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	rpGroups(t, s, 0, "other", "staff")
	c := s.client("intranet", func(c *oauth.Client) { c.Groups = []string{"staff"} })
	secRefused(t, s.person("guest").signIn(s.Browser(), c), "access_denied")
	b := s.Browser()
	member := s.person("member", rpIn("staff"))
	tokens := s.exchange(c, member.signIn(b, c))

	// Whoever leaves the group keeps nothing: no new code, no refresh, no userinfo.
	member.Groups = nil
	if err := s.Accounts.Update(t.Context(), member.Account); err != nil {
		t.Fatal(err)
	}
	secRefused(t, s.begin(b, c), "access_denied")
	if _, err := s.refresh(c, tokens); err == nil {
		t.Error("somebody outside of the app's groups gets new tokens")
	} else {
		secInvalidGrant(t, err)
	}
	if info := s.userInfo(tokens); info != nil {
		t.Errorf("userinfo still answers: %v", info)
	}
}

func TestRPPolicyWithGrace(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	rpGroups(t, s, 14*24*time.Hour, "staff")
	p, b := s.person("alice", rpIn("staff")), s.Browser()

	page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/account/mfa/enrol/start")
	if page.Text("[role=status]") == "" {
		t.Error("the page doesn't say until when")
	}
	secGranted(t, page.Submit("enrol-postpone"))
	secGranted(t, s.begin(b, s.app)) // not asked twice in a session
	// What the app itself demands cannot be postponed.
	page = secAt(t, s.begin(b, s.app, secParam("acr_values", "aal2")), "/account/mfa/enrol/start")
	if page.Has("#enrol-postpone") {
		t.Error("\"not now\" where the app demands a factor")
	}
	if page := b.Post("/account/mfa/enrol/postpone?"+page.URL.RawQuery, page.Fields("enrol-start")); page.URL.Host == "app.example" {
		t.Errorf("postponed all the same: %s", page.URL)
	}
	// The next sign-in asks again.
	other := s.Browser()
	page = secAt(t, secPassword(s.begin(other, s.app), "alice"), "/account/mfa/enrol/start")
	saved := page.Fields("enrol-start")
	// After the grace it is forced, also for a page that was open and for a session that had postponed.
	s.Clock.Add(15 * 24 * time.Hour)
	page = secAt(t, secPassword(s.begin(other, s.app), "alice"), "/account/mfa/enrol/start")
	if page.Has("#enrol-postpone") {
		t.Error("the grace is over, and there is \"not now\"")
	}
	saved.Set("form_token", page.Fields("enrol-start").Get("form_token"))
	secAt(t, other.Post("/account/mfa/enrol/postpone?"+page.URL.RawQuery, saved), "/account/mfa/enrol/start")
	secRefused(t, s.begin(other, s.app, secParam("prompt", "none")), "interaction_required")

	done := rpEnrol(t, s, p, secAt(t, s.begin(other, s.app), "/account/mfa/enrol/start"))
	tokens := s.exchange(s.app, done.Follow(`a[href*="resume="]`))
	if tokens.id["acr"] != "aal2" {
		t.Errorf("enrolled inside the sign-in: %v", tokens.id)
	}
	// A reset does not open the grace again.
	if err := s.Actions().ResetMFA(t.Context(), p.Subject, "phone lost"); err != nil {
		t.Fatal(err)
	}
	page = secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/account/mfa/enrol/start")
	if page.Has("#enrol-postpone") {
		t.Error("a reset of the factors has opened the grace again")
	}
}

func TestRPFewRecoveryCodes(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	for _, code := range p.codes[:6] {
		if _, err := s.MFA.VerifyRecoveryCode(t.Context(), p.Subject, code); err != nil {
			t.Fatal(err)
		}
	}
	use := func(b *idptest.Browser, code string) *idptest.Page {
		page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa").Follow("#use-recovery-code")
		return page.Submit("recovery-submit", "recovery_code", code)
	}
	b := s.Browser()
	page := secAt(t, use(b, p.codes[6]), "/account/mfa/codes")
	if !strings.Contains(page.Text("main"), "3") {
		t.Errorf("the page doesn't say how many are left: %s", page.Text("main"))
	}
	secGranted(t, page.Submit("remind-later"))
	secGranted(t, s.begin(b, s.app)) // said once in a session
	secGranted(t, s.begin(b, s.app, secParam("prompt", "none")))
	secAt(t, p.signIn(s.Browser(), s.app), "/account/mfa/codes") // and at every sign-in, by app too

	for _, code := range p.codes[7:9] {
		secAt(t, use(s.Browser(), code), "/account/mfa/codes")
	}
	b = s.Browser()
	page = secAt(t, use(b, p.codes[9]), "/account/mfa/codes") // the last one
	page = secAt(t, page.Follow("#remind-make"), "/account/mfa/codes")
	fresh := page.All("#recovery-codes li")
	if len(fresh) != 10 {
		t.Fatalf("%d new codes", len(fresh))
	}
	tokens := s.exchange(s.app, page.Submit("enrol-confirm", "saved", "1"))
	if tokens.id["acr"] != "aal2" || rpList(tokens.id["amr"]) != "pwd mfa" {
		t.Errorf("%v", tokens.id)
	}
	secGranted(t, secGoOn(t, use(s.Browser(), fresh[0])))
}

func TestRPSomebodyElsesHint(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice, bob := s.person("alice"), s.person("bob")
	token := s.exchange(s.app, alice.signIn(s.Browser(), s.app))
	hint, _ := token.Extra("id_token").(string)
	b := s.Browser()
	secGranted(t, bob.signIn(b, s.app))

	page := secAt(t, s.begin(b, s.app, secParam("id_token_hint", hint)), "/login")
	if !page.Has("#username") {
		t.Error("only bob's password is asked for, and it must be alice")
	}
	secRefused(t, secPassword(page, "bob"), "login_required") // never a silent switch, never a loop
	page = secAt(t, s.begin(b, s.app, secParam("id_token_hint", hint)), "/login")
	if got := s.exchange(s.app, secPassword(page, "alice")).id["sub"]; got != alice.Subject {
		t.Errorf("sub = %v", got)
	}
	// A hint that we did not sign is refused, not believed.
	parts := strings.Split(hint, ".")
	if secBack(t, s.begin(b, s.app, secParam("id_token_hint", parts[0]+"."+parts[1]+".AAAA"))).Get("error") == "" {
		t.Error("a forged hint is taken")
	}
}

func TestSec_OA01_AWrongRedirectURIStaysHere(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	b := s.Browser()
	for _, uri := range []string{
		"https://evil.example/callback", "https://app.example/callback/", "https://app.example/callback?x=1", "https://app.example/Callback",
		"https://app.example.evil.example/callback", "https://app.example@evil.example/callback", "https://app.example/callback#x",
		"http://app.example/callback", "//app.example/callback", "javascript:alert(1)", "https://app.example/callback/../x", "",
	} {
		page := s.begin(b, s.app, secParam("redirect_uri", uri))
		if page.Status != http.StatusBadRequest || page.Header.Get("Location") != "" {
			t.Errorf("%q: %d, Location %q", uri, page.Status, page.Header.Get("Location"))
		}
		if text := page.Text("main"); !strings.Contains(text, "redirect_uri") || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%q: the page doesn't name redirect_uri: %s", uri, text)
		}
	}
	page := s.begin(b, s.app, secParam("client_id", "nobody"))
	if text := page.Text("main"); page.Status != http.StatusUnauthorized && page.Status != http.StatusBadRequest || page.Header.Get("Location") != "" ||
		!strings.Contains(text, "client_id") {
		t.Errorf("unknown client: %d %s", page.Status, text)
	}
}
