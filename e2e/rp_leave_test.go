package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
	"github.com/focushq/idp/mfa/mfatest"
)

// Whoever gives up in the middle of an enrolment that a sign-in waits for can put it off or end the sign-in.
func TestLeavingADemandedEnrolment(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: 14 * 24 * time.Hour})
	s.person("alice")
	start := secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/account/mfa/enrol/start")
	page := secAt(t, start.Submit("enrol-start"), "/account/mfa/enrol/scan")
	left := secAt(t, page.Follow("#leave"), "/account/mfa/enrol/start")
	if !left.Has("#enrol-postpone") || !left.Has("button[name=cancel]") {
		t.Errorf("no way on:\n%s", left.Text("main"))
	}
	phone, err := mfatest.Scan(page.Attr(".on-phone a", "href"))
	if err != nil {
		t.Fatal(err)
	}
	phone.Clock = s.Clock.Now
	page = secAt(t, page.Submit("scan-next"), "/account/mfa/enrol/codes")
	page = page.Submit("codes-next", "code1", phone.Code(0), "code2", phone.Code(1))
	left = secAt(t, secAt(t, page, "/account/mfa/enrol/recovery").Follow("#codes-leave"), "/account/mfa/enrol/start")
	secGranted(t, left.Submit("enrol-postpone"))
}

// A first passkey that cannot be used locks nobody out; whoever leaves without recovery codes is offered some each time.
func TestAFirstPasskeyThatDoesNotWork(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	s.policy(account.Policy{MFARequired: account.MFAEverybody})
	alice, b := s.person("alice"), s.Browser()
	add := func(page *idptest.Page) (*idptest.Page, *passkeytest.Device) {
		t.Helper()
		d, asked := passkeytest.New(t, s.Issuer), secAsk(t, secAt(t, page, "/account/mfa/passkeys/add"))
		return secAt(t, asked.send(d.Create(asked.options)), "/mfa"), d
	}
	start := secAt(t, secPassword(s.begin(b, s.app), alice.Username), "/account/mfa/enrol/start")
	page, _ := add(start.Follow("#use-passkey"))
	other := secAt(t, secPassword(s.begin(s.Browser(), s.app), alice.Username), "/mfa")
	page = secAt(t, page.Submit("key-abandon"), "/account/mfa/enrol/start") // demanded as before
	if !strings.Contains(page.Text("[role=status]"), "is removed") {
		t.Errorf("nothing says so: %s", page.Text("main"))
	}
	secAt(t, other.Submit("key-abandon"), "/account/mfa/enrol/start") // the page that was left open elsewhere

	page, device := add(page.Follow("#use-passkey"))
	if page.Has("#use-recovery-code") {
		t.Error("recovery codes are spoken of before there are any")
	}
	if text := page.Text("button[name=cancel]"); !strings.Contains(text, "App app") || strings.Contains(page.Attr("#not-you", "href"), "make") {
		t.Errorf("the app is lost: %q, %s", text, page.Attr("#not-you", "href"))
	}
	page = secAt(t, secTouch(t, page, device), "/account/mfa/codes")
	secGranted(t, page.Submit("codes-leave"))
	for range 2 {
		page = secAt(t, secPassword(s.begin(s.Browser(), s.app), alice.Username), "/mfa")
		if page.Has("#key-abandon") {
			t.Error("a passkey that has worked can be removed with the password")
		}
		page = secAt(t, secTouch(t, page, device), "/account/mfa/codes")
		secGranted(t, page.Submit("remind-later"))
	}
	page = secAt(t, secPassword(s.begin(s.Browser(), s.app), alice.Username), "/mfa")
	form := page.Fields("passkey-submit")
	form.Set("abandon", "1")
	secSaid(t, "abandoned after a use", page.Browser().Post(page.URL.String(), form), http.StatusUnprocessableEntity)
	secTouch(t, page, device)

	// Outside of a sign-in there is another way too.
	s.policy(account.Policy{})
	s.person("bob")
	hers := s.Browser()
	secAt(t, secPassword(hers.Get("/login"), "bob"), "/account")
	page, _ = add(hers.Get("/account/mfa/passkeys/add"))
	page = secAt(t, page.Submit("key-abandon"), "/account/mfa/enrol/start")
	secAt(t, page.Follow("#use-passkey"), "/account/mfa/passkeys/add")
}

// After a form that could not be taken, "Open the page again" leads to a page.
func TestAStaleFormOpensAPageAgain(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	alice, b := s.enrolled("alice"), s.Browser()
	secGranted(t, alice.signIn(b, s.app))
	for _, path := range []string{
		"/account/mfa/rename", "/account/mfa/remove", "/account/mfa/off", "/account/mfa/devices/forget", "/account/mfa/codes/later",
		"/account/mfa/passkeys/rename", "/account/mfa/passkeys/remove", "/account/mfa/passkeys/options", "/mfa/passkey",
		"/account/mfa/enrol/postpone", "/account/mfa/enrol/start",
	} {
		stale := b.Post(path, url.Values{"form_token": {"old"}})
		if stale.Status != http.StatusForbidden {
			t.Fatalf("%s: %d", path, stale.Status)
		}
		page := stale.Follow(`main a[href^="` + path + `"]`)
		if page.Status != http.StatusOK || page.Text("h1") == "" {
			t.Errorf("%s leads to %s: %d %q", path, page.URL, page.Status, page.Text("h1"))
		}
		if page.URL.Path == "/account/mfa" && !strings.Contains(page.Text("[role=status]"), "choose again") {
			t.Errorf("%s: the settings do not say what to do: %s", path, page.Text("[role=status]"))
		}
	}
	for _, path := range []string{"/account/mfa/nothing", "/account/mfa/enrol/", "/mfa/nothing"} {
		if page := b.Get(path); page.Status != http.StatusNotFound || !strings.Contains(page.Text("main"), "There is no such page") {
			t.Errorf("%s: %d %.200s", path, page.Status, page.Body)
		}
	}
}
