package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

// People share computers: whoever sits down after somebody who stopped half-way sees whose sign-in it is, begins their own
// from there, and ends the other one by it.
func TestSomebodyElseGoesOnFromHalfASignIn(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	carol, bob := s.enrolled("carol"), s.person("bob")
	half := func(b *idptest.Browser) *idptest.Page {
		t.Helper()
		secAt(t, secPassword(s.begin(b, s.app), "carol"), "/mfa")
		return secAt(t, s.begin(b, s.app), "/mfa") // she cancels, and the next person tries again
	}
	asBob := func(page *idptest.Page) *idptest.Page {
		t.Helper()
		if !strings.Contains(page.Text(".whose"), "You are signing in as carol@example.com.") {
			t.Errorf("%s does not say whose it is: %s", page.URL, page.Text("main"))
		}
		page = secAt(t, page.Follow("#not-you"), "/login")
		if !page.Has("#username") || strings.Contains(page.Text("main"), "carol") {
			t.Fatalf("not for somebody else: %s", page.Text("main"))
		}
		return secPassword(page, "bob")
	}
	for _, way := range []string{"", "&way=recovery", "&way=pair"} {
		b := s.Browser()
		page := secAt(t, b.Get("/mfa?"+half(b).URL.RawQuery+way), "/mfa")
		if got := s.exchange(s.app, asBob(page)).id["sub"]; got != bob.Subject {
			t.Errorf("way %q: sub = %v", way, got)
		}
		if n := s.count(`SELECT COUNT(*) FROM sessions WHERE subject = $1`, carol.Subject); n != 0 {
			t.Errorf("way %q: %d sessions of hers are left", way, n)
		}
	}

	// On the way to a page of our own, and beside the offer of a new phone.
	b := s.Browser()
	page := secAt(t, secPassword(b.Get("/login?to=%2Faccount%2Fapps"), "carol"), "/mfa")
	secAt(t, asBob(page), "/account/apps")
	if text := b.Get("/account").Text("main"); !strings.Contains(text, "bob@example.com") {
		t.Errorf("signed in as: %s", text)
	}
	page = half(s.Browser()).Follow("#use-recovery-code").Submit("recovery-submit", "recovery_code", carol.codes[0])
	secGranted(t, asBob(secAt(t, page, "/account/mfa/codes")))

	// Nobody enrols a phone on somebody else's account by mistake.
	s.policy(account.Policy{MFARequired: account.MFAEverybody})
	dan, erin := s.person("dan"), s.enrolled("erin")
	b = s.Browser()
	secAt(t, secPassword(s.begin(b, s.app), dan.Username), "/account/mfa/enrol/start")
	page = secAt(t, s.begin(b, s.app), "/account/mfa/enrol/start")
	for _, step := range []*idptest.Page{page, page.Submit("enrol-start")} {
		if !strings.Contains(step.Text(".whose"), "dan@example.com") {
			t.Errorf("%s does not say whose it is: %s", step.URL, step.Text("main"))
		}
	}
	page = secPassword(secAt(t, page.Follow("#not-you"), "/login"), erin.Username)
	if got := s.exchange(s.app, secAt(t, page, "/mfa").Submit("mfa-submit", "code", erin.code())).id["sub"]; got != erin.Subject {
		t.Errorf("sub = %v", got)
	}
}

// Whoever came in by a recovery code is offered a new phone, once in a sign-in, and only where a page may be shown.
func TestANewPhoneIsOfferedAfterARecoveryCode(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	use := func(b *idptest.Browser, code string) *idptest.Page {
		t.Helper()
		page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa").Follow("#use-recovery-code")
		return secAt(t, page.Submit("recovery-submit", "recovery_code", code), "/account/mfa/codes")
	}
	page := use(b, p.codes[0])
	if !strings.Contains(page.Text("[role=status]"), "9 are left") {
		t.Errorf("%s", page.Text("main"))
	}
	secAt(t, s.begin(b, s.app), "/account/mfa/codes") // in the next tab too, while there is no answer
	secGranted(t, s.begin(b, s.app, secParam("prompt", "none")))
	page = secAt(t, page.Follow("#remind-add"), "/account/mfa/enrol/start")
	scan := secAt(t, page.Submit("enrol-start"), "/account/mfa/enrol/scan")
	phone := secPhone(s, scan)
	done := scan.Submit("scan-next").Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
	settings := secAt(t, secAt(t, done, "/account/mfa/enrol/done").Follow("#done-remove"), "/account/mfa")
	tokens := s.exchange(s.app, settings.Follow("#settings-next"))
	if tokens.id["acr"] != "aal2" || rpList(tokens.id["amr"]) != "pwd otp mfa" {
		t.Errorf("%v", tokens.id)
	}
	if !strings.Contains(done.Attr("#done-next", "href"), "resume=") {
		t.Errorf("no way on from %s", done.Text("main"))
	}

	b = s.Browser() // a phone that was only at home
	tokens = s.exchange(s.app, use(b, p.codes[1]).Submit("remind-later"))
	if rpList(tokens.id["amr"]) != "pwd mfa" {
		t.Errorf("%v", tokens.id)
	}
	secGranted(t, s.begin(b, s.app)) // not asked twice
	page = use(s.Browser(), p.codes[2]).Follow("#remind-make")
	secGranted(t, page.Submit("enrol-confirm", "saved", "1"))
}

// The policy holds on our own pages too, once nothing can be put off any more; the way out of it stays open.
func TestSec_MF15_OurOwnPagesKeepThePolicy(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: time.Hour})
	b := s.Browser()
	alice := s.person("alice")
	day := s.Clock.Now().Add(time.Hour).UTC().Format("2 January 2006")
	secAt(t, secPassword(b.Get("/login"), "alice"), "/account") // while there is time nobody nags, and it runs from here
	secAt(t, b.Get("/account/password"), "/account/password")
	s.Clock.Add(2 * time.Hour)
	page := secAt(t, b.Get("/account/apps"), "/account/mfa/enrol/start")
	if text := page.Text(".news"); !strings.Contains(text, day) || !strings.Contains(text, "is over") || page.Has("#enrol-postpone") {
		t.Errorf("the page does not say that the time is over: %s", text)
	}
	if !strings.Contains(page.Text(".whose"), "alice@example.com") {
		t.Errorf("nor whose it is: %s", page.Text("main"))
	}
	for _, path := range []string{"/account", "/account/apps"} {
		secAt(t, b.Get(path), "/account/mfa/enrol/start")
	}
	// Whoever finds a stranger in their account throws them out first, and takes another password.
	stranger := s.Browser()
	secAt(t, secPassword(stranger.Get("/login"), "alice"), "/account/mfa/enrol/start")
	page = secAt(t, secAt(t, b.Get("/account/sessions"), "/account/sessions").Submit("sessions-end"), "/login")
	secAt(t, secPassword(page, "alice"), "/account/sessions")
	page = secAt(t, b.Get("/account/sessions").Submit("sessions-end"), "/account/sessions")
	if page.Has("#sessions-end") {
		t.Errorf("there are others still: %s", page.Text("main"))
	}
	secAt(t, stranger.Get("/account/sessions"), "/login")
	secAt(t, b.Get("/account/password"), "/account/password")
	secAt(t, b.Get("/account/mfa"), "/account/mfa")
	b = s.Browser()
	page = secPassword(b.Get("/login?to=%2Faccount%2Fapps"), "alice")
	done := rpEnrol(t, s, alice, secAt(t, page, "/account/mfa/enrol/start"))
	secAt(t, done.Follow("#done-next"), "/account/apps")
	secAt(t, b.Get("/account"), "/account")

	s.policy(account.Policy{MFAGrace: time.Hour}) // administrators in any case, and at once
	root := s.person("root", rpAdmin)
	b = s.Browser()
	page = secAt(t, secPassword(b.Get("/login"), root.Username), "/account/mfa/enrol/start")
	if strings.Contains(page.Text(".news"), "is over") {
		t.Errorf("a time that never was is over: %s", page.Text(".news"))
	}
	secAt(t, b.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")

	// A password that others may know comes first, and neither sends to the other in a circle.
	if err := s.Actions().Compromised(t.Context(), root.Subject, "found in a leak"); err != nil {
		t.Fatal(err)
	}
	secAt(t, secPassword(b.Get("/login"), root.Username), "/account/password")
	secAt(t, b.Get("/account/mfa/enrol/start"), "/account/password")
	page = secAt(t, b.Get("/account/password"), "/account/password")
	secAt(t, page.Submit("password-submit", "current", idptest.Password, "password", secOtherPassword), "/account/mfa/enrol/start")
}

// A page that asks again says why, and offers nothing that does nothing.
func TestPagesSayWhyTheyAsk(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	const why = "To change your settings, show that it is you."
	page := secAt(t, b.Get("/account/mfa"), "/login")
	if !strings.Contains(page.Text("main"), why) {
		t.Errorf("the sign-in: %s", page.Text("main"))
	}
	page = secAt(t, secPassword(page, "alice"), "/mfa")
	if !strings.Contains(page.Text("main"), why) || !page.Has("#remember") {
		t.Errorf("the code: %s", page.Text("main"))
	}
	secAt(t, page.Submit("mfa-submit", "code", p.code(), "remember", "1"), "/account/mfa")
	s.Clock.Add(25 * time.Hour) // the session ends, the device stays
	secGranted(t, secPassword(s.begin(b, s.app), "alice"))
	page = secAt(t, b.Get("/account/mfa").Submit("enrol-start"), "/mfa")
	if page.Has("#remember") || !strings.Contains(page.Text("main"), why) || page.Has("#insists") {
		t.Errorf("the settings, on a remembered device: %s", page.Text("main"))
	}
	page = secAt(t, secPassword(s.Browser().Get("/login?to=%2Faccount%2Fpassword"), "alice"), "/mfa")
	if page.Has("#remember") {
		t.Error("a box where no device ever counts")
	}

	// An app that does not take the device, ever or this time.
	const always, now = "App bank asks for a code every time", "App app asks for a code every time"
	bank := s.client("bank", secMFA("always"))
	for n, b := range []*idptest.Browser{b, s.Browser()} {
		page = s.begin(b, bank)
		if page.URL.Path == "/login" {
			page = secPassword(page, "alice")
		}
		if text := secAt(t, page, "/mfa").Text("#insists"); strings.Contains(text, always) != (n == 0) || page.Has("#remember") { // on a remembered device alone
			t.Errorf("always: %s", page.Text("main"))
		}
	}
	page = secAt(t, s.begin(b, s.app, secParam("acr_values", "aal2")), "/mfa")
	if text := page.Text("#insists"); !strings.Contains(text, now) || page.Has("#remember") || strings.Contains(page.Text("main"), why) {
		t.Errorf("aal2: %s", page.Text("main"))
	}

	// Where only the password is asked for, the name is not said to be wrong.
	page = secAt(t, s.begin(b, s.app, secParam("prompt", "login")), "/login")
	if text := page.Submit("login-submit", "password", "wrong").Text("[role=alert]"); text == "" || strings.Contains(text, "ser name") {
		t.Errorf("a wrong password of somebody known: %q", text)
	}
	page = secAt(t, s.begin(s.Browser(), s.app), "/login").Submit("login-submit", "username", "alice", "password", "wrong")
	if text := page.Text("[role=alert]"); !strings.Contains(text, "User name") {
		t.Errorf("a wrong password of somebody: %q", text)
	}
}
