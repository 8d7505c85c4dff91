package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// recover gives the password and a recovery code in b, and goes on without a new phone.
func (p *secPerson) recover(b *idptest.Browser, code string) *idptest.Page {
	p.s.t.Helper()
	page := secAt(p.s.t, secPassword(p.s.begin(b, p.s.app), p.Username), "/mfa")
	page = secAt(p.s.t, page.Follow("#use-recovery-code"), "/mfa").Submit("recovery-submit", "recovery_code", code)
	if page.URL.Path == "/mfa" {
		return page // refused
	}
	return secGoOn(p.s.t, page)
}

// unrecovered fails unless the code was refused, with a sentence.
func (p *secPerson) unrecovered(what, code string) {
	p.s.t.Helper()
	page := p.recover(p.s.Browser(), code)
	if page.Status != http.StatusUnprocessableEntity || page.URL.Query().Has("code") || page.Text("[role=alert]") == "" {
		p.s.t.Errorf("%s: %d at %s", what, page.Status, page.URL)
	}
}

// renew makes new recovery codes in a browser that is signed in, and returns them and the codes page.
func (p *secPerson) renew(b *idptest.Browser) (codes []string, page *idptest.Page) {
	p.s.t.Helper()
	page = secAt(p.s.t, b.Get("/account/mfa/codes"), "/account/mfa/codes")
	return page.All("#recovery-codes li"), page
}

func TestSec_RC02_CodesAreShownOnce(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	scan := secAt(t, b.Get("/account/mfa"), "/account/mfa").Submit("enrol-start")
	p.phone = secPhone(s, scan)
	first := scan.Submit("scan-next").Submit("codes-next", "code1", p.phone.Code(-1), "code2", p.phone.Code(0))
	shown := first.All("#recovery-codes li")
	if len(shown) != 10 || !first.Has("details#codes:not([open]) #recovery-codes") || first.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d codes, Cache-Control %q", len(shown), first.Header.Get("Cache-Control"))
	}
	second := secAt(t, b.Get(first.URL.String()), "/account/mfa/enrol/recovery") // reload
	for _, code := range second.All("#recovery-codes li") {
		if strings.Contains(first.Body, code) {
			t.Errorf("reload has shown %s again", code)
		}
	}
	// What was shown before is void: its form is refused, with fresh codes.
	third := first.Submit("enrol-confirm", "saved", "1")
	if third.Status != http.StatusUnprocessableEntity || third.Text("[role=alert]") == "" {
		t.Errorf("the set that was replaced: %d at %s", third.Status, third.URL)
	}
	p.codes = third.All("#recovery-codes li")
	done := secAt(t, third.Submit("enrol-confirm", "saved", "1"), "/account/mfa/enrol/done")
	for _, page := range []*idptest.Page{done, b.Get(first.URL.String()), b.Get("/account/mfa"), third.Submit("enrol-confirm", "saved", "1")} {
		secNotOurFault(t, "afterwards", page)
		for _, code := range append(p.codes, shown...) {
			if strings.Contains(page.Body, code) {
				t.Errorf("%s shows a code again", page.URL)
			}
		}
	}
	p.unrecovered("a code of the set that was void", shown[0])
	secGranted(t, p.recover(s.Browser(), p.codes[0]))
}

func TestSec_RC04_ACodeWorksOnce(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	secGranted(t, p.recover(s.Browser(), p.codes[9])) // in any order
	p.unrecovered("used", p.codes[9])
	p.unrecovered("used, written otherwise", strings.ToLower(strings.ReplaceAll(p.codes[9], "-", " ")))
	if n := s.count(`SELECT COUNT(*) FROM mfa_attempts WHERE n = 2 AND key LIKE '%' || $1`, p.Subject); n != 1 {
		t.Error("the second use is not counted")
	}
	secGranted(t, p.recover(s.Browser(), strings.ToLower(strings.ReplaceAll(p.codes[0], "-", ""))))
}

func TestSec_RC06_OwnersAndSets(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice, bob := s.enrolled("alice"), s.enrolled("bob")
	alice.unrecovered("bob's", bob.codes[0])
	b := s.Browser()
	secGranted(t, alice.signIn(b, s.app))
	fresh, page := alice.renew(b)
	alice.unrecovered("of a set that is not confirmed", fresh[0])
	secGranted(t, alice.recover(s.Browser(), alice.codes[0])) // the old set lives until Confirm
	secAt(t, page.Submit("enrol-confirm", "saved", "1"), "/account/mfa")
	alice.unrecovered("of the old set", alice.codes[1])
	secGranted(t, alice.recover(s.Browser(), fresh[0]))
	secGranted(t, bob.recover(s.Browser(), bob.codes[0])) // not used up by alice's try
	// In the field of the app's code, or as a password, it is nothing and stays good.
	wrong := alice.atCode().Submit("mfa-submit", "code", fresh[1])
	if wrong.Status != http.StatusUnprocessableEntity {
		t.Errorf("in the field of the code: %d", wrong.Status)
	}
	secGranted(t, alice.recover(s.Browser(), fresh[1]))
}

func TestSec_RC07_OnlyBesideAFactor(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	secAt(t, b.Get("/account/mfa/codes"), "/account/mfa/enrol/start")
	form := b.Get("/account/mfa").Fields("enrol-start")
	form.Set("saved", "1")
	form.Set("set", "x")
	secAt(t, b.Post("/account/mfa/codes", form), "/account/mfa/enrol/start")
	if n := s.count(`SELECT COUNT(*) FROM mfa_recovery_codes`); n != 0 {
		t.Errorf("%d codes without a factor", n)
	}
	p.enrol()
	page := secAt(t, s.begin(b, s.app), "/mfa")
	secGranted(t, page.Submit("mfa-submit", "code", p.code()))
	secAt(t, b.Get("/account/mfa").Submit("mfa-off"), "/account/mfa")
	if n := s.count(`SELECT COUNT(*) FROM mfa_recovery_codes WHERE subject = $1`, p.Subject); n != 0 {
		t.Errorf("%d codes after the factor has gone", n)
	}
	// Not asked for any more, and the code is not one: it opens nothing by itself.
	other := s.Browser()
	secGranted(t, p.signIn(other, s.app))
	form = other.Get("/account/mfa").Fields("enrol-start")
	form.Set("recovery_code", p.codes[0])
	secNotOurFault(t, "a code of old", other.Post("/mfa", form))
	secRefused(t, s.begin(other, s.app, secParam("acr_values", "aal2"), secParam("prompt", "none")), "interaction_required")
}

func TestSec_RC08_ALimitOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	var page *idptest.Page
	looked := 0
	for range 8 {
		if page = p.recover(s.Browser(), "AAAA-BBBB-CCCC-DDDD"); page.Status != http.StatusTooManyRequests {
			looked++
		}
	}
	if looked != 5 || page.Header.Get("Retry-After") == "" {
		t.Errorf("%d wrong codes were looked at, Retry-After %q", looked, page.Header.Get("Retry-After"))
	}
	if page = p.recover(s.Browser(), p.codes[0]); page.Status != http.StatusTooManyRequests {
		t.Errorf("the right one during the wait: %d", page.Status)
	}
	secGranted(t, p.atCode().Submit("mfa-submit", "code", p.code())) // the app's codes are counted apart
	for range 30 {
		s.Clock.Add(16 * time.Minute)
		_, _ = s.MFA.VerifyRecoveryCode(t.Context(), p.Subject, "AAAA-BBBB-CCCC-DDDD")
	}
	s.Clock.Add(16 * time.Minute)
	if page = p.recover(s.Browser(), p.codes[0]); page.Status != http.StatusForbidden || page.Text("[role=alert]") == "" {
		t.Errorf("after 30: %d", page.Status)
	}
	secGranted(t, p.atCode().Submit("mfa-submit", "code", p.code()))
}

func TestSec_RC10_UseIsToldAndEndsDevices(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	device := s.Browser()
	secRemember(t, p, device)
	s.Deliver(t.Context())
	before := len(s.Mail.Sent())
	b := s.Browser()
	page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa").Follow("#use-recovery-code")
	form := page.Fields("recovery-submit")
	form.Set("recovery_code", p.codes[0])
	form.Set("remember", "1") // no device is remembered by it, whatever the form says
	tokens := s.exchange(s.app, secGoOn(t, b.Post(page.URL.String(), form)))
	if rpList(tokens.id["amr"]) != "pwd mfa" {
		t.Errorf("amr = %v", tokens.id["amr"])
	}
	s.Deliver(t.Context())
	sent := s.letters(before)
	if len(sent) != 1 || !strings.Contains(sent[0].Text, "9") {
		t.Errorf("mails: %+v", sent)
	}
	if text := secAt(t, b.Get("/account/mfa"), "/account/mfa").Text("main"); !strings.Contains(text, "9") {
		t.Errorf("the settings don't say how many are left: %s", text)
	}
	secAt(t, s.begin(device, s.app, secParam("prompt", "login")).Submit("login-submit", "password", idptest.Password), "/mfa")
	if devices, err := s.MFA.Devices(t.Context(), p.Subject, ""); err != nil || len(devices) != 0 {
		t.Errorf("devices: %v, %v", devices, err)
	}
}
