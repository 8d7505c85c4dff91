package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLostPhone is a lost phone with the recovery codes at hand: from the first sign-in without it to the new phone, and
// to the old one's end. Nobody helps.
func TestLostPhone(t *testing.T) {
	d, c := demoStart(t), chromeStart(t)
	desk := c.window()
	old, codes := lostRemembered(t, d, desk)

	b := c.window() // another browser, and no phone
	b.signIn(d)
	b.at(d.Provider + "/mfa")
	b.says("h1", "MFA code")
	b.link("I can't use my app")
	b.says("h1", "Use a recovery code")
	b.says("main", "No recovery code at hand?") // whom to ask
	b.fill("#recovery_code", strings.ToLower(codes[6]))
	b.follow("#recovery-submit")

	desk.signOut(d)
	desk.signIn(d)
	desk.at(d.Provider + "/mfa") // it is remembered no more

	renewed, fresh := lostReplace(t, d, b)
	b.signOut(d)
	b.signIn(d)
	b.fill("#code", renewed.next(t))
	b.follow("#mfa-submit")
	b.at(d.App + "/")
	b.proved(d, `["pwd","otp","mfa"]`, "aal2")

	desk.fill("#code", old.code(t, time.Now().Unix()/30)) // whoever found the phone has nothing
	desk.follow("#mfa-submit")
	desk.says("[role=alert]", "not right")
	desk.link("I can't use my app")
	desk.fill("#recovery_code", codes[3])
	desk.follow("#recovery-submit")
	desk.says("[role=alert]", "not one of your unused")
	desk.fill("#recovery_code", fresh[3])
	desk.follow("#recovery-submit")
	desk.link("Go on")
	desk.at(d.App + "/")

	lostMail(t, d, b, "an authenticator was added")
	lostMail(t, d, b, "an authenticator was removed")
	lostMail(t, d, b, "new recovery codes were made")
	lostMail(t, d, b, "a recovery code was used", "9 are left", "If your phone or passkey is gone")
	b.onlyTalksTo(d.Provider, d.App)
	desk.onlyTalksTo(d.Provider, d.App)
}

// lostRemembered enrols alice and signs in anew, with the browser remembered.
func lostRemembered(t *testing.T, d *demo, b *chromeTab) (*demoPhone, []string) {
	t.Helper()
	b.signIn(d)
	b.open(d.App + "/profile")
	b.follow("#mfa-link")
	phone, codes := lostEnrol(t, b)
	b.follow("#done-back")
	b.signOut(d)
	b.signIn(d)
	b.click("#remember")
	b.fill("#code", phone.next(t))
	b.follow("#mfa-submit")
	b.at(d.App + "/")
	return phone, codes
}

// lostEnrol goes through an enrolment, from its button to its confirmation.
func lostEnrol(t *testing.T, b *chromeTab) (*demoPhone, []string) {
	t.Helper()
	b.link("Enrol in MFA")
	b.click("#qr summary")
	phone := &demoPhone{key: strings.ReplaceAll(b.text("#totp-key"), " ", "")}
	b.link("Next")
	current, next := phone.pair(t)
	b.fill("#code1", current, "#code2", next)
	b.link("Next")
	codes := lostCodes(b)
	b.says("h1", "MFA is set up")
	return phone, codes
}

// lostCodes keeps the recovery codes that are shown, and confirms that.
func lostCodes(b *chromeTab) []string {
	b.t.Helper()
	codes := b.texts("#recovery-codes li")
	b.click("#saved")
	b.follow("#enrol-confirm")
	return codes
}

// lostReplace puts a new phone in the place of the one that is gone, inside the sign-in, and makes new recovery codes. The
// recovery code of a moment ago is proof enough: nothing is asked again.
func lostReplace(t *testing.T, d *demo, b *chromeTab) (*demoPhone, []string) {
	t.Helper()
	b.says("h1", "Is your phone gone?")
	b.says("[role=status]", "You used a recovery code. 9 are left.")
	b.link("Set up my new phone")
	b.says("h1", "Add an authenticator")
	b.link("Go on without another authenticator") // and back
	b.link("Set up my new phone")
	b.link("Add authenticator")
	b.says("h1", "Scan QR Code")
	b.click("#qr summary")
	phone := &demoPhone{key: strings.ReplaceAll(b.text("#totp-key"), " ", "")}
	b.link("Next")
	current, next := phone.pair(t)
	b.fill("#code1", current, "#code2", next)
	b.link("Next")
	b.says("h1", "Authenticator added") // a further authenticator has no recovery codes of its own
	b.link("Remove a lost authenticator in your settings")
	b.at(d.Provider + "/account/mfa")
	b.says("[aria-labelledby=recovery]", "9 recovery codes are left")
	b.says("[aria-labelledby=devices]", "None.")
	before := b.texts("[aria-labelledby=authenticators] li strong")
	b.click("[aria-labelledby=authenticators] li:first-child details:has(.danger) summary")
	b.says("[aria-labelledby=authenticators] li:first-child .danger", "Remove "+before[0])
	b.follow("[aria-labelledby=authenticators] li:first-child .danger")
	if left := b.texts("[aria-labelledby=authenticators] li strong"); len(left) != 1 || slices.Contains(left, before[0]) {
		t.Fatalf("there were %q, and are %q", before, left)
	}
	b.link("Go on with your sign-in")
	b.at(d.App + "/")
	b.proved(d, `["pwd","otp","mfa"]`, "aal2") // by the new phone
	b.open(d.App + "/profile")
	b.link("Multi-factor authentication settings (MFA)")
	b.link("Make new recovery codes")
	b.says("h1", "New recovery codes")
	codes := lostCodes(b)
	b.says("[role=status]", "old ones no longer work")
	b.says("[aria-labelledby=recovery]", "10 recovery codes are left")
	b.link("Back to Focus HQ")
	b.at(d.App + "/profile")
	return phone, codes
}

// lostMail waits for the mail with this subject and fails the test unless it says so.
func lostMail(t *testing.T, d *demo, b *chromeTab, subject string, says ...string) {
	t.Helper()
	for deadline := time.Now().Add(chromeWait); ; time.Sleep(200 * time.Millisecond) {
		b.open(d.App + "/mail")
		b.ask(fmt.Sprintf(`[...document.querySelectorAll(".mails a")].find(a => a.textContent.includes(%q))?.setAttribute("data-letter", "")`, subject), nil)
		if b.has("[data-letter]") {
			break
		}
		if time.Now().After(deadline) {
			b.fatal(errors.New("no mail tells that " + subject))
		}
	}
	if len(says) == 0 {
		return
	}
	b.follow("[data-letter]")
	for _, part := range says {
		b.says("main", part)
	}
}

// TestLostPhoneAndCodes is a lost phone without recovery codes: an administrator resets the person's MFA by command, and
// the policy has them set it up again on the way back to the app.
func TestLostPhoneAndCodes(t *testing.T) {
	d, c := demoStart(t), chromeStart(t)
	desk := c.window()
	old, codes := lostRemembered(t, d, desk)
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte("policy: {mfa_required: everybody, mfa_grace: 0s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.command(t, "apply", "-f", policy)
	if out := d.command(t, "user", "reset-mfa", "alice", "--reason", "phone left on a train"); !strings.Contains(out, "MFA reset: alice") {
		t.Errorf("the command says %q", out)
	}
	var is struct {
		Enrolled bool              `json:"mfa_enrolled"`
		Sessions []json.RawMessage `json:"sessions"`
		MFA      struct {
			Devices   int `json:"remembered_devices"`
			CodesLeft int `json:"recovery_codes_left"`
		} `json:"mfa"`
	}
	if err := json.Unmarshal([]byte(d.command(t, "user", "show", "alice", "--output", "json")), &is); err != nil {
		t.Fatal(err)
	}
	if is.Enrolled || len(is.Sessions) != 0 || is.MFA.Devices != 0 || is.MFA.CodesLeft != 0 {
		t.Errorf("after the reset: %+v", is)
	}
	desk.open(d.App + "/tokens") // the app's refresh token is refused, and its access token is none any more
	desk.says("h1", "Your sign-in has ended")

	b := c.window()
	b.signIn(d)
	b.says("h1", "Set up multi-factor authentication") // there is no other way on
	renewed, _ := lostEnrol(t, b)
	b.follow("#done-next")
	b.at(d.App + "/")
	b.proved(d, `["pwd","otp","mfa"]`, "aal2")
	lostMail(t, d, b, "your MFA was reset", "signed out everywhere", "phone left on a train")

	desk.link("Sign in again")
	desk.at(d.Provider + "/login") // signed out, and remembered no more
	desk.fill("#username", "alice", "#password", d.passwords["alice"])
	desk.follow("#login-submit")
	desk.at(d.Provider + "/mfa")
	desk.fill("#code", old.code(t, time.Now().Unix()/30))
	desk.follow("#mfa-submit")
	desk.says("[role=alert]", "not right")
	desk.link("I can't use my app")
	desk.fill("#recovery_code", codes[0])
	desk.follow("#recovery-submit")
	desk.says("[role=alert]", "not one of your unused")
	desk.link("Use a code from my app instead")
	desk.fill("#code", renewed.next(t))
	desk.follow("#mfa-submit")
	desk.at(d.App + "/")
	b.onlyTalksTo(d.Provider, d.App)
	desk.onlyTalksTo(d.Provider, d.App)
}
