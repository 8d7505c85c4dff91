package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

// secForge returns a device that knows a passkey's identifiers, and has another key.
func secForge(t testing.TB, d *passkeytest.Device, issuer string) *passkeytest.Device {
	t.Helper()
	forged := passkeytest.New(t, issuer)
	forged.ID, forged.Handle = d.ID, d.Handle
	return forged
}

// recorded returns how often this is on record about p, with a result if one is given.
func (p *secPerson) recorded(action string, result ...string) (n int) {
	p.s.t.Helper()
	entries, err := p.s.Audit.List(p.s.t.Context(), audit.Filter{Subject: p.Subject})
	if err != nil {
		p.s.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == action && (len(result) == 0 || e.Result == result[0]) {
			n++
		}
	}
	return n
}

// Who knows the identifiers of a passkey neither delays its owner nor writes to them, and hears of no seal.
func TestSec_MF10_AStrangerCostsThePasskeysOwnerNothing(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.person("alice")
	device := p.passkey()
	forged, b := secForge(t, device, s.Issuer), s.Browser()
	mails, refused := s.count("SELECT COUNT(*) FROM outbox"), ""
	for range 65 {
		page := secTouch(t, s.begin(b, s.app), forged)
		secSaid(t, "forged", page, http.StatusUnprocessableEntity)
		refused = page.Text("[role=alert]")
	}
	if n := s.count("SELECT COUNT(*) FROM outbox"); n != mails {
		t.Errorf("%d mails", n-mails)
	}
	if n := p.recorded("mfa.passkey_refused") + p.recorded("mfa.throttled") + p.recorded("mfa.sealed"); n != 0 {
		t.Errorf("%d rows about the owner's factor", n)
	}
	secGranted(t, secTouch(t, s.begin(s.Browser(), s.app), device))
	secGranted(t, secTouch(t, secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa"), device))

	// Somebody with the password has sealed them: the owner is told, by the passkey, and nobody else is.
	for range mfa.DefaultLimits().Others.Seal {
		err := s.MFA.Try(t.Context(), mfapasskey.Name, p.Subject, func(context.Context) (string, bool, error) { return "", false, nil })
		if err == nil {
			t.Fatal("accepted")
		}
		s.Clock.Add(time.Hour)
	}
	page := secTouch(t, s.begin(s.Browser(), s.app), forged)
	secSaid(t, "forged, sealed", page, http.StatusUnprocessableEntity)
	if said := page.Text("[role=alert]"); said != refused {
		t.Errorf("a stranger is told of the seal: %s", said)
	}
	secSaid(t, "the owner", secTouch(t, s.begin(s.Browser(), s.app), device), http.StatusForbidden)
	figures := httptest.NewRecorder()
	s.Metrics().ServeHTTP(figures, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if want := `idp_sign_ins_total{result="sealed",with="passkey"} 1`; !strings.Contains(figures.Body.String(), want) {
		t.Errorf("no %s", want)
	}
}

// A passkey of somebody who is not let in here is not accepted: its owner's record says that it was refused.
func TestSec_AU01_RefusedOwnersOfPasskeys(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	alice, bob, b := s.person("alice"), s.person("bob"), s.Browser()
	mine, other := alice.passkey(), bob.passkey()
	secGranted(t, secTouch(t, s.begin(b, s.app), mine))
	s.Clock.Add(time.Minute)
	secSaid(t, "bob's when alice is asked again",
		secTouch(t, s.begin(b, s.app, secParam("prompt", "login")), other), http.StatusUnprocessableEntity)
	if accepted, refused := bob.recorded("mfa.passkey_accepted"), bob.recorded("sign_in", "refused"); accepted != 0 || refused != 1 {
		t.Errorf("bob: accepted %d times, refused %d times", accepted, refused)
	}
	if n := alice.recorded("sign_in", "refused"); n != 0 {
		t.Errorf("%d refusals at alice, whose passkey nobody has used", n)
	}
	if err := s.Actions().Disable(t.Context(), bob.Subject); err != nil {
		t.Fatal(err)
	}
	secSaid(t, "disabled", secTouch(t, s.begin(s.Browser(), s.app), other), http.StatusUnprocessableEntity)
	if accepted, refused := bob.recorded("mfa.passkey_accepted"), bob.recorded("sign_in", "refused"); accepted != 0 || refused != 2 {
		t.Errorf("bob, disabled: accepted %d times, refused %d times", accepted, refused)
	}
}

// A session that was left open for hours does not turn MFA off, whatever it was worth before.
func TestSec_MF16_AFirstPasskeyIsAbandonedForAFreshPasswordOnly(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p, stolen := s.person("alice"), s.Browser()
	secAt(t, secPassword(stolen.Get("/account"), "alice"), "/account")
	for range 4 {
		s.Clock.Add(15 * time.Minute)
		secAt(t, stolen.Get("/account"), "/account")
	}
	d, owner := passkeytest.New(t, s.Issuer), mfa.Owner{Subject: p.Subject, Session: "elsewhere"}
	options, ceremony, err := s.Passkeys.BeginAdd(t.Context(), owner, p.Email)
	if err == nil {
		_, err = s.Passkeys.FinishAdd(t.Context(), owner, ceremony, "", d.Create(options))
	}
	if err != nil {
		t.Fatal(err)
	}
	on := func(want bool) {
		t.Helper()
		if enrolled, err := s.MFA.Enrolled(t.Context(), p.Subject); err != nil || enrolled != want {
			t.Fatalf("enrolled %v, %v", enrolled, err)
		}
	}
	page := secAt(t, secAt(t, stolen.Get("/account"), "/mfa").Submit("key-abandon"), "/login")
	on(true)
	page = secAt(t, page.Submit("login-submit", "password", idptest.Password), "/mfa") // its owner
	s.Clock.Add(11 * time.Minute)
	secAt(t, page.Submit("key-abandon"), "/login")
	on(true)
	page = secAt(t, secAt(t, s.begin(stolen, s.app), "/mfa").Submit("key-abandon"), "/login")
	page = secAt(t, page.Submit("login-submit", "password", idptest.Password), "/mfa")
	secGranted(t, page.Submit("key-abandon"))
	on(false)
}

// After a refused passkey the browser waits for the button: it would offer the same one at once.
func TestSec_MF16_ARefusedPasskeyIsNotOfferedAgainAtOnce(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	device, page := s.person("alice").passkey(), s.begin(s.Browser(), s.app)
	if !page.Has("form[data-conditional]") {
		t.Error("no offer")
	}
	page = secTouch(t, page, secForge(t, device, s.Issuer))
	if page.Has("form[data-conditional]") || !page.Has("form[data-passkey]") {
		t.Error("offered again beside the problem")
	}
	page = page.Submit("login-submit", "username", "alice", "password", "wrong")
	if page.Status != http.StatusUnprocessableEntity || !page.Has("form[data-conditional]") {
		t.Errorf("no offer after a wrong password: %d", page.Status)
	}
	secGranted(t, secTouch(t, page, device))
}
