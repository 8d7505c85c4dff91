package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestJourney goes the whole way of a person with a browser, a phone and no hurry.
func TestJourney(t *testing.T) {
	d, c := demoStart(t), chromeStart(t)
	b := c.window()
	b.signIn(d)
	phone, codes := journeyEnroll(t, d, b)
	journeyMail(t, d, b)

	b.signOut(d)
	b.signIn(d)
	b.at(d.Provider + "/mfa") // signing out ended the provider's session too
	b.says("h1", "MFA code")
	b.says("label[for=remember]", "Remember me")
	var ticked bool
	if b.ask(`document.querySelector("#remember").checked`, &ticked); ticked {
		t.Error("Remember me is ticked before anybody has ticked it")
	}
	b.click("#remember")
	b.fill("#code", phone.next(t))
	b.follow("#mfa-submit")
	b.at(d.App + "/")
	b.proved(d, `["pwd","otp","mfa"]`, "aal2")

	b.signOut(d)
	b.signIn(d)
	b.at(d.App + "/") // remembered: no code is asked for
	b.proved(d, `["pwd"]`, "aal1")
	b.link("Sensitive page")
	b.at(d.Provider + "/mfa") // but here it is
	b.fill("#code", phone.next(t))
	b.follow("#mfa-submit")
	b.at(d.App + "/sensitive")
	b.says("h1", "Sensitive page")

	b.link("User Profile")
	b.link("Multi-factor authentication settings (MFA)") // the code was given a moment ago
	b.says(".state", "MFA is on")
	b.says("[aria-labelledby=recovery]", "10 recovery codes are left")
	b.says("[aria-labelledby=devices]", "this device")

	other := c.window()
	other.signIn(d)
	other.at(d.Provider + "/mfa") // another browser is not the remembered one
	other.link("I can't use my app")
	other.fill("#recovery_code", codes[4])
	other.follow("#recovery-submit")
	other.says("[role=status]", "9 are left")
	other.follow("#remind-later")
	other.at(d.App + "/")
	other.proved(d, `["pwd","mfa"]`, "aal2")

	b.signOut(d)
	b.signIn(d)
	b.at(d.Provider + "/mfa") // the recovery code has ended what was remembered
	b.onlyTalksTo(d.Provider, d.App)
	other.onlyTalksTo(d.Provider, d.App)
}

// journeyEnroll goes from Focus HQ's profile through all steps and back, and returns the phone and the recovery codes.
func journeyEnroll(t *testing.T, d *demo, b *chromeTab) (*demoPhone, []string) {
	t.Helper()
	b.at(d.App + "/")
	b.link("User Profile")
	b.link("Enable multi-factor authentication")
	b.at(d.Provider + "/account/mfa")
	b.says("h1", "Multi-Factor Authentication Settings")
	if steps := b.texts("ol.how li"); len(steps) != 3 {
		t.Errorf("it is explained in %d steps", len(steps))
	}
	for _, app := range []string{
		"Authy", "2FA Authenticator (2FAS)", "LastPass Authenticator", "Microsoft Authenticator", "Google Authenticator",
	} {
		b.says("ul.apps", app)
	}
	b.link("Enrol in MFA")
	b.says("h1", "Scan QR Code")
	phone := &demoPhone{key: journeyScan(t, b)}
	b.link("Next")

	b.says("h1", "Enter 6-digit codes")
	b.says("[data-countdown]", "Next code in")
	current, next := phone.pair(t)
	b.fill("#code1", current, "#code2", next)
	b.link("Next")
	codes := journeyCodes(t, b)
	b.follow("#enrol-confirm")
	b.says("h1", "MFA is set up")
	b.link("Back to Focus HQ")
	b.at(d.App + "/profile")
	b.says("#mfa-link", "Multi-factor authentication settings (MFA)")
	return phone, codes
}

// journeyScan reads the QR code off pictures of the page, light and dark, and returns the key, which the text beside it
// repeats.
func journeyScan(t *testing.T, b *chromeTab) string {
	t.Helper()
	var visible bool
	const shown = `document.querySelector("#qr-image").checkVisibility()`
	if b.ask(shown, &visible); visible {
		t.Error("the QR code shows before anybody asked for it")
	}
	b.says("#qr summary", "Click to reveal the QR code")
	b.click("#qr summary")
	b.wait("#qr-image")
	text := b.text("#totp-key")
	if !regexp.MustCompile(`^[A-Z2-7]{4}( [A-Z2-7]{4}){7}$`).MatchString(text) {
		t.Errorf("the key is written %q", text)
	}
	key := strings.ReplaceAll(text, " ", "")
	for _, scheme := range []string{"dark", "light"} {
		b.look(1280, 900, scheme)
		uri := demoReadQR(t, b.picture())
		if !strings.HasPrefix(uri, "otpauth://totp/Focus%20HQ:alice") || !strings.Contains(uri, "secret="+key) {
			t.Fatalf("%s: the QR code says %q, the page says %s", scheme, uri, text)
		}
	}
	return key
}

// journeyCodes reads the recovery codes and does what makes Confirm possible.
func journeyCodes(t *testing.T, b *chromeTab) []string {
	t.Helper()
	b.says("h1", "Recovery codes")
	if b.enabled("#enrol-confirm") {
		t.Error("Confirm is on before the codes were saved")
	}
	b.click("#saved")
	if !b.enabled("#enrol-confirm") {
		t.Error("Confirm stays off when the box is ticked")
	}
	b.click("#saved")
	if b.enabled("#enrol-confirm") {
		t.Error("Confirm stays on when the box is ticked no more")
	}
	b.says("#codes summary", "Reveal")
	b.click("#codes summary")
	codes := b.texts("#recovery-codes li")
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes: %q", len(codes), codes)
	}
	b.says("#codes-copy", "Copy")
	b.says("#codes-download", "Download")
	b.click("#codes-copy")
	b.wait("#said") // it moves the button
	return codes
}

// journeyMail waits for the mail about what was done.
func journeyMail(t *testing.T, d *demo, b *chromeTab) {
	t.Helper()
	for deadline := time.Now().Add(chromeWait); ; time.Sleep(500 * time.Millisecond) {
		b.open(d.App + "/mail")
		if b.has(".mails a") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no mail arrives")
		}
	}
	b.says(".mails", "MFA was turned on")
	b.says(".mails", "alice@example.com")
	b.follow(".mails a")
	b.says("main", "If this was not you")
	b.says("main", "Chrome") // the browser
}
