package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

// policy puts a policy in force.
func (s *secSite) policy(p account.Policy) {
	s.t.Helper()
	if err := s.Accounts.SetPolicy(s.t.Context(), p); err != nil {
		s.t.Fatal(err)
	}
}

func rpAdmin(a *account.NewAccount) { a.Admin = true }

func TestSec_MF15_AdministratorsHaveNoGrace(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.policy(account.Policy{MFAGrace: 14 * 24 * time.Hour}) // that asks nobody else
	secGranted(t, secPassword(s.begin(s.Browser(), s.app), s.person("alice").Username))
	root, b := s.person("root", rpAdmin), s.Browser()
	page := secAt(t, secPassword(s.begin(b, s.app), root.Username), "/account/mfa/enrol/start")
	if page.Has("#enrol-postpone") {
		t.Error("an administrator may put it off")
	}
	secAt(t, b.Post("/account/mfa/enrol/postpone?"+page.URL.RawQuery, page.Fields("enrol-start")), "/account/mfa/enrol/start")
	secRefused(t, s.begin(b, s.app, secParam("prompt", "none")), "interaction_required")
	done := rpEnrol(t, s, root, secAt(t, s.begin(b, s.app), "/account/mfa/enrol/start"))
	if tokens := s.exchange(s.app, done.Follow(`a[href*="resume="]`)); tokens.id["acr"] != "aal2" {
		t.Errorf("%v", tokens.id)
	}
	// Whoever becomes one is asked at the next sign-in, grace or not, and what they had granted ends.
	s.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: 14 * 24 * time.Hour})
	carol, hers := s.person("carol"), s.Browser()
	page = secAt(t, secPassword(s.begin(hers, s.app), carol.Username), "/account/mfa/enrol/start")
	tokens := s.exchange(s.app, page.Submit("enrol-postpone"))
	carol.Admin = true
	if err := s.Accounts.Update(t.Context(), carol.Account); err != nil {
		t.Fatal(err)
	}
	secAt(t, s.begin(hers, s.app), "/account/mfa/enrol/start")
	if info := s.userInfo(tokens); info != nil {
		t.Errorf("userinfo still answers: %v", info)
	}
}

func TestSec_MF15_EverybodyEnrolsWithAGraceOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice, bob := s.person("alice"), s.enrolled("bob")
	before := s.exchange(s.app, alice.signIn(s.Browser(), s.app))
	s.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: 14 * 24 * time.Hour})
	secGranted(t, bob.signIn(s.Browser(), s.app))
	b := s.Browser()
	ends := s.Clock.Now().Add(14 * 24 * time.Hour)
	page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/account/mfa/enrol/start")
	if day := ends.UTC().Format("2 January 2006"); !strings.Contains(page.Text("[role=status]"), day) {
		t.Errorf("the page doesn't name the %s: %s", day, page.Text("[role=status]"))
	}
	secGranted(t, page.Submit("enrol-postpone"))
	if day := ends.UTC().Format("2 January 2006"); !strings.Contains(b.Get("/account/mfa").Text("[role=status]"), day) {
		t.Errorf("the settings don't name the %s", day)
	}
	// A longer grace does not put the date off, and the end of it ends what was granted before.
	s.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: 90 * 24 * time.Hour})
	s.Clock.Add(14*24*time.Hour + time.Second)
	page = secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/account/mfa/enrol/start")
	if page.Has("#enrol-postpone") {
		t.Error("the grace is over, and there is \"not now\"")
	}
	if info := s.userInfo(before); info != nil {
		t.Errorf("userinfo still answers: %v", info)
	}
}

// POST, a pushed request and a television's come to the same gate as everybody else.
func TestSec_MF15_EveryWayInLeadsToTheSameGate(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.policy(account.Policy{MFARequired: account.MFAEverybody})
	alice, b := s.person("alice"), s.Browser()
	secAt(t, secPassword(s.begin(b, s.app), alice.Username), "/account/mfa/enrol/start")

	link, err := url.Parse(secURL(s.app))
	if err != nil {
		t.Fatal(err)
	}
	secAt(t, b.Post("/oauth2/authorize", link.Query()), "/account/mfa/enrol/start")

	form := link.Query()
	form.Set("client_id", s.app.Client.ID)
	pushed, err := http.NewRequest(http.MethodPost, s.Issuer+"/oauth2/par", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	pushed.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	pushed.SetBasicAuth(s.app.Client.ID, url.QueryEscape(s.app.ClientSecret))
	answer := s.Browser().Do(pushed)
	_, uri, found := strings.Cut(answer.Body, `"request_uri":"`)
	uri, _, _ = strings.Cut(uri, `"`)
	if !found || answer.Status != http.StatusCreated {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	secAt(t, b.Get("/oauth2/authorize?"+url.Values{"client_id": {s.app.Client.ID}, "request_uri": {uri}}.Encode()), "/account/mfa/enrol/start")

	television := s.device("tv")
	page := b.Get(television.link)
	for range 3 { // the code is confirmed by a form, however the page calls its button
		if page.URL.Path != "/device" {
			break
		}
		page = page.Submit(page.Attr("main button.primary[id]", "id"))
	}
	secAt(t, page, "/account/mfa/enrol/start")
	if got := television.poll(); got["access_token"] != nil || got["error"] != "authorization_pending" {
		t.Errorf("the television has %v", got)
	}
}

// Turned off under a policy, MFA is asked for again at the next sign-in, without a new grace.
func TestSec_MF15_TurnedOffUnderAPolicy(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice := s.enrolled("alice")
	s.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: time.Hour})
	b := s.Browser()
	secGranted(t, alice.signIn(b, s.app))
	if off := b.Get("/account/mfa").Text("section[aria-labelledby=off]"); !strings.Contains(off, "again at your next sign-in") {
		t.Errorf("the settings don't say what turning off leads to: %s", off)
	}
	s.Clock.Add(2 * time.Hour)
	if err := s.MFA.Disable(t.Context(), alice.Subject); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*idptest.Browser{b, s.Browser()} {
		page := s.begin(b, s.app)
		if page.URL.Path == "/login" {
			page = secPassword(page, alice.Username)
		}
		if page = secAt(t, page, "/account/mfa/enrol/start"); page.Has("#enrol-postpone") {
			t.Error("a grace that was over has come back")
		}
	}
}

func TestSec_RD09_NoBoxWhereTheAppAlwaysAsks(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	strict, other := s.client("bank", secMFA("always")), s.client("wiki", secMFA("required"))
	p, b := s.enrolled("alice"), s.Browser()
	page := secAt(t, secPassword(s.begin(b, strict), p.Username), "/mfa")
	if page.Has("#remember") {
		t.Error("a box that promises what the app does not keep")
	}
	form := page.Fields("mfa-submit")
	form.Set("code", p.code())
	form.Set("remember", "1")
	secGranted(t, b.Post(page.URL.String(), form))
	if n := s.count(`SELECT COUNT(*) FROM mfa_devices`); n != 0 {
		t.Errorf("%d devices", n)
	}
	if page := secAt(t, secPassword(s.begin(s.Browser(), other), p.Username), "/mfa"); !page.Has("#remember") || page.Has("#remember[checked]") {
		t.Error("no box, or a ticked one, where a device counts")
	}
}

// Once a year, at a sign-in, people are asked whether they still have their recovery codes: one question a year, whatever
// they answer, and a new year for a new set.
func TestTheYearlyQuestionAboutRecoveryCodes(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	const year = 366 * 24 * time.Hour
	quiet := func(what string) {
		t.Helper()
		if page := p.signIn(s.Browser(), s.app); page.URL.Path == "/account/mfa/codes" {
			t.Fatalf("%s: asked", what)
		} else {
			secGranted(t, page)
		}
	}
	quiet("at first")
	s.Clock.Add(364 * 24 * time.Hour)
	quiet("a day before the year is over")
	s.Clock.Add(2 * 24 * time.Hour)
	b := s.Browser()
	page := secAt(t, p.signIn(b, s.app), "/account/mfa/codes")
	if !strings.Contains(page.Text("h1"), "still have") || !strings.Contains(page.Text("[role=status]"), "10") {
		t.Errorf("%s", page.Text("main"))
	}
	secAt(t, p.signIn(s.Browser(), s.app), "/account/mfa/codes") // elsewhere too, while there is no answer
	secGranted(t, page.Submit("remind-later"))                   // "I have them"
	secGranted(t, s.begin(b, s.app))
	quiet("after the answer")
	s.Clock.Add(year)
	secGranted(t, s.begin(signedIn(t, p), s.app, secParam("prompt", "none"))) // no page, no question

	page = secAt(t, p.signIn(s.Browser(), s.app), "/account/mfa/codes")
	page = secAt(t, page.Follow("#remind-make"), "/account/mfa/codes")
	fresh := page.All("#recovery-codes li")
	secGranted(t, page.Submit("enrol-confirm", "saved", "1"))
	quiet("with new ones")
	p.unrecovered("a code of the old set", p.codes[0])
	secGranted(t, p.recover(s.Browser(), fresh[0]))
	s.Clock.Add(year)
	secAt(t, p.signIn(s.Browser(), s.app), "/account/mfa/codes")
}

// signedIn returns a browser in which p has signed in, without an app.
func signedIn(t *testing.T, p *secPerson) *idptest.Browser {
	t.Helper()
	b := p.s.Browser()
	page := secPassword(b.Get("/login"), p.Username)
	secAt(t, page.Submit("mfa-submit", "code", p.code()), "/account")
	return b
}

// The last code spent on the way to a page of ours leads to new ones, and then on to that page.
func TestSec_RC10_TheLastCodeLeadsToNewOnes(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	for _, code := range p.codes[:8] {
		if _, err := s.MFA.VerifyRecoveryCode(t.Context(), p.Subject, code); err != nil {
			t.Fatal(err)
		}
	}
	use := func(b *idptest.Browser, code string) *idptest.Page {
		page := secAt(t, secPassword(b.Get("/login?to=%2Faccount%2Fapps"), p.Username), "/mfa").Follow("#use-recovery-code")
		return page.Submit("recovery-submit", "recovery_code", code)
	}
	other := secAt(t, use(s.Browser(), p.codes[8]), "/account/mfa/codes") // the phone may be gone
	secAt(t, other.Submit("remind-later"), "/account/apps")
	page := secAt(t, use(b, p.codes[9]), "/account/mfa/codes")
	if text := page.Text("[role=status]"); !strings.Contains(text, "last recovery code") {
		t.Errorf("after the last code: %s", text)
	}
	page = secAt(t, page.Follow("#remind-make"), "/account/mfa/codes")
	if n := len(page.All("#recovery-codes li")); n != 10 {
		t.Fatalf("%d new codes", n)
	}
	secAt(t, page.Submit("enrol-confirm", "saved", "1"), "/account/apps")
	if status, err := s.MFA.Status(t.Context(), p.Subject); err != nil || status.CodesLeft != 10 {
		t.Errorf("%+v, %v", status, err)
	}
}
