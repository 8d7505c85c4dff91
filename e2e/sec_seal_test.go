package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// Nobody without the password can delay or seal anybody, whatever they send, and nobody is told by the login page how it
// stands with somebody's factor.
func TestSec_MF10_OnlyThePasswordOpensTheCount(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, sealed := s.enrolled("alice"), s.enrolled("bob")
	secSeal(t, sealed)
	b := s.Browser()
	b.Get("/login")
	for n := range 100 {
		form := s.begin(b, s.app).Fields("login-submit")
		form.Set("username", "alice")
		form.Set("password", "not it")
		form.Set("code", p.phone.Code(n%3))
		form.Set("recovery_code", p.codes[n%10])
		b.Post("/mfa", form)
		s.Clock.Add(time.Minute)
	}
	if n := s.count(`SELECT COUNT(*) FROM mfa_attempts WHERE key LIKE '%' || $1`, p.Subject); n != 0 {
		t.Errorf("%d counts without a password", n)
	}
	secGranted(t, p.atCode().Submit("mfa-submit", "code", p.code()))

	// The same wrong password gets the same answer, sealed or not.
	say := func(name string) string {
		page := s.begin(s.Browser(), s.app).Submit("login-submit", "username", name, "password", "not it")
		return page.Text("[role=alert]")
	}
	if one, other := say("alice"), say("bob"); one == "" || one != other {
		t.Errorf("%q and %q", one, other)
	}
}

// One count, however the guesses are spread: over browsers, apps, addresses and sign-ins; and what the count of others is,
// changes nothing.
func TestSec_MF10_OneCountHoweverGuessesAreSpread(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	other := s.client("other", func(c *oauth.Client) { c.MFA = "always" })
	for n := range 5 {
		b := s.Browser()
		c := []*idptest.Client{s.app, other}[n%2]
		b.Header.Set("User-Agent", strings.Repeat("x", n+1))
		page := secAt(t, secPassword(s.begin(b, c), p.Username), "/mfa").Submit("mfa-submit", "code", "000000")
		if page.Status != http.StatusUnprocessableEntity {
			t.Fatalf("guess %d: %d", n, page.Status)
		}
	}
	page := p.atCode()
	if page.Text("[role=alert]") == "" || page.Submit("mfa-submit", "code", p.code()).Status != http.StatusTooManyRequests {
		t.Error("a browser of its own has a count of its own")
	}
	if n := s.count(`SELECT COUNT(*) FROM mfa_attempts WHERE n = 5 AND key LIKE '%' || $1`, p.Subject); n != 1 {
		t.Error("five guesses are not five on one count")
	}
	// A page from before the wait does not go on by itself after it: only a code does.
	s.Clock.Add(2 * time.Minute)
	secAt(t, s.begin(page.Browser(), s.app), "/mfa")
	secGranted(t, page.Submit("mfa-submit", "code", p.phone.Code(0)))
}

// Whoever has the password, and guesses until the app's codes are sealed, does not shut its owner out of a device that is
// remembered.
func TestSec_MF10_ASealLeavesRememberedDevicesAlone(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	secRemember(t, p, b)
	for range 60 {
		_ = s.MFA.VerifyTOTP(t.Context(), p.Subject, "000000")
		s.Clock.Add(time.Hour + time.Second)
	}
	// Its session is over by now; the password is enough in this browser, and in no other.
	page := secAt(t, s.begin(b, s.app), "/login")
	secGranted(t, secPassword(page, p.Username))
	sealed := p.atCode()
	if sealed.Text("[role=alert]") == "" {
		t.Error("the page after the password doesn't say that codes are sealed")
	}
	if got := sealed.Submit("mfa-submit", "code", p.code()); got.Status != http.StatusForbidden {
		t.Errorf("the right code: %d", got.Status)
	}
	// An administrator opens it again, and the device goes on.
	if err := s.Actions().Unseal(t.Context(), p.Subject, "asked on the phone"); err != nil {
		t.Fatal(err)
	}
	secGranted(t, p.atCode().Submit("mfa-submit", "code", p.code()))
	s.Clock.Add(25 * time.Hour)
	secGranted(t, secPassword(secAt(t, s.begin(b, s.app), "/login"), p.Username))
	if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'mfa.unsealed' AND subject = $1 AND detail LIKE '%asked on the phone%'`, p.Subject); n != 1 {
		t.Errorf("%d audit rows with the reason", n)
	}
}

// Both lost: an administrator's reset takes factors, devices, sessions and refresh tokens of that person, tells the apps and
// the person, and stands in the audit log with its reason. Nobody else notices.
func TestSec_MF14_AResetEndsEverythingOfOnePerson(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	party := s.party("hears")
	alice, bob := s.enrolled("alice"), s.enrolled("bob")
	b, remembering, bobs := s.Browser(), s.Browser(), s.Browser()
	hers := party.in(alice, b)
	secRemember(t, alice, remembering)
	his := party.in(bob, bobs)
	refreshed := s.exchange(party.Client, s.begin(b, party.Client, secParam("scope", "openid offline_access")))
	if refreshed.RefreshToken == "" {
		t.Fatal("no refresh token")
	}
	s.Deliver(t.Context())
	before := len(s.Mail.Sent())
	if err := s.Actions().ResetMFA(t.Context(), alice.Subject, "phone at the bottom of the lake"); err != nil {
		t.Fatal(err)
	}
	secAt(t, b.Get("/account"), "/login")
	if info := s.userInfo(hers); info != nil {
		t.Errorf("userinfo still answers: %v", info)
	}
	_, err := s.refresh(party.Client, refreshed)
	secInvalidGrant(t, err)
	s.later(3 * time.Second)
	if party.heard(hers) != 1 || party.heard(his) != 0 {
		t.Errorf("the app heard %d times of hers, %d of his", party.heard(hers), party.heard(his))
	}
	s.Deliver(t.Context())
	sent := s.Mail.Sent()[before:]
	if len(sent) != 1 || sent[0].To != alice.Email || !strings.Contains(sent[0].Text, "bottom of the lake") || strings.Contains(sent[0].Text, "token=") {
		t.Errorf("mails: %+v", sent)
	}
	if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'mfa.reset' AND subject = $1 AND detail LIKE '%bottom of the lake%'`, alice.Subject); n != 1 {
		t.Errorf("%d audit rows", n)
	}
	for table, of := range map[string]string{"mfa_authenticators": "subject", "mfa_devices": "subject", "mfa_recovery_codes": "subject", "sessions": "subject"} {
		if n := s.count(`SELECT COUNT(*) FROM `+table+` WHERE `+of+` = $1`, alice.Subject); n != 0 {
			t.Errorf("%s has %d rows of hers", table, n)
		}
	}
	// No code of the old app or list, and no old device: she signs in with the password, as nobody enrolled.
	secGranted(t, secPassword(secAt(t, s.begin(remembering, s.app), "/login"), "alice"))
	if err := s.MFA.VerifyTOTP(t.Context(), alice.Subject, alice.code()); err == nil {
		t.Error("a code of the app that was taken away")
	}
	if info := s.userInfo(his); info == nil {
		t.Error("somebody else was signed out")
	}
}
