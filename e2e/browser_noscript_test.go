package e2e

import (
	"strings"
	"testing"
)

// TestJourneyWithoutJavaScript enrols and signs in with a browser that runs no scripts: nothing may depend on them.
func TestJourneyWithoutJavaScript(t *testing.T) {
	d, c := demoStart(t), chromeStart(t)
	b := c.window()
	b.withoutScripts()
	b.signIn(d)
	b.link("User Profile")
	b.link("Enable multi-factor authentication")
	b.link("Enrol in MFA")
	b.click("#qr summary")
	b.wait("#qr-image")
	picture := b.picture()
	phone := &demoPhone{key: strings.ReplaceAll(b.text("#totp-key"), " ", "")}
	if uri := demoReadQR(t, picture); !strings.Contains(uri, "secret="+phone.key) {
		t.Errorf("the QR code says %q, the key is %s", uri, phone.key)
	}
	b.link("Next")
	b.says("[data-countdown]", "every 30 seconds") // nothing counts down
	current, next := phone.pair(t)
	b.fill("#code1", current, "#code2", next)
	b.link("Next")

	first := noscriptCodes(t, b)
	b.click("#enrol-confirm") // the browser asks for the box: sent without it the codes just saved would be void
	if still := strings.Join(b.texts("#recovery-codes li"), " "); still != first {
		t.Error("Confirm without the box costs the codes that were saved")
	}
	b.click("#saved")
	b.follow("#enrol-confirm")
	b.says("h1", "MFA is set up")
	b.link("Back to Focus HQ")
	b.says("#mfa-link", "Multi-factor authentication settings (MFA)")

	b.signOut(d)
	b.signIn(d)
	b.click("#remember")
	b.fill("#code", phone.next(t))
	b.follow("#mfa-submit")
	b.proved(d, `["pwd","otp","mfa"]`, "aal2")
	b.signOut(d)
	b.signIn(d)
	b.proved(d, `["pwd"]`, "aal1")
	b.onlyTalksTo(d.Provider, d.App)
}

// noscriptCodes opens "Reveal", which is a details element, and returns the codes. The buttons that need a script are
// not there, and the one to download is a link.
func noscriptCodes(t *testing.T, b *chromeTab) string {
	t.Helper()
	b.click("#codes summary")
	if shown := b.texts("#codes-copy:not([hidden]), #codes-print:not([hidden])"); len(shown) != 0 {
		t.Errorf("these do nothing: %q", shown)
	}
	codes := b.texts("#recovery-codes li")
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	if !b.has(`#codes-download[href^="data:text/plain"][download]`) {
		t.Error("the codes cannot be downloaded")
	}
	return strings.Join(codes, " ")
}
