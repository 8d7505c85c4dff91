package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

// begin asks for options as the page's script does: with the fields of its form, and without following redirects.
func (b *browser) begin() (options []byte, ceremony string) {
	b.t.Helper()
	target, err := b.at.Parse(b.find(`data-options="([^"]*)"`))
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.client.PostForm(target.String(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	var told struct {
		Ceremony string
		Options  json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil || answer.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %d, %v", target, answer.StatusCode, err)
	}
	return told.Options, told.Ceremony
}

// touch uses a passkey on the page that asks for one.
func (b *browser) touch(d *passkeytest.Device, pairs ...string) {
	b.t.Helper()
	options, ceremony := b.begin()
	b.submit("passkey-submit", append(pairs, "ceremony", ceremony, "response", string(d.Get(options)))...)
}

// keep makes a passkey on the page for that.
func (b *browser) keep(d *passkeytest.Device) {
	b.t.Helper()
	options, ceremony := b.begin()
	b.submit("passkey-add", "ceremony", ceremony, "response", string(d.Create(options)))
}

// A passkey as the first factor, inside a sign-in that waits for one: it is used once before the recovery codes.
func TestAPasskeyInsideASignIn(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), passkeytest.New(t, w.origin)
	d.Step = 1
	b.signIn("?acr_values=aal2")
	b.on("Set up multi-factor authentication")
	b.get(w.origin + b.find(`id="use-passkey" href="([^"]*)"`))
	b.on("Add a passkey")
	b.keep(d)
	b.on("Passkey")
	if !strings.Contains(b.page, "Use it now") {
		t.Errorf("nothing says why it is asked for:\n%s", b.page)
	}
	b.touch(d)
	b.on("Recovery codes")
	b.submit("enrol-confirm", "saved", "1")
	b.says(b.allowed(), "pwd", "hwk", "mfa")

	// From then on it is asked for after the password; a remembered browser spares it.
	b = w.browser()
	b.signIn("")
	b.on("Passkey")
	b.get(w.origin + "/account/mfa")
	b.on("Passkey") // the password alone opens no settings
	clone := *d
	b.get(w.app + "/login")
	b.touch(d, "remember", "1")
	b.says(b.allowed(), "pwd", "hwk", "mfa")
	b.took(b.client.PostForm(w.origin+"/logout", nil))
	b.signIn("")
	b.says(b.allowed(), "pwd")

	b = w.browser()
	b.signIn("")
	b.touch(&clone)
	b.on("Error: Passkey")
	if !strings.Contains(b.page, "a copy of it") {
		t.Errorf("a cloned authenticator:\n%s", b.page)
	}
	b.touch(passkeytest.New(t, w.origin))
	b.on("Error: Passkey")
	b.touch(d)
	b.says(b.allowed(), "pwd", "hwk", "mfa")
	w.recorded("passkey_added", "passkey_accepted", "passkey_refused", "passkey_cloned", mfa.Enrolled, mfa.DeviceRemembered)

	// Removing it turns everything off, after a fresh proof.
	w.later(time.Hour)
	b.get(w.origin + "/account/mfa")
	id := b.find(`passkeys/remove"><input type="hidden" name="id" value="([^"]*)"`)
	target := w.origin + "/account/mfa/passkeys/remove"
	b.took(b.client.PostForm(target, url.Values{"id": {id}}))
	b.on("Sign in")
	b.submit("login-submit", "username", "alice", "password", b.password)
	b.touch(d)
	b.on("Multi-Factor Authentication Settings")
	b.took(b.client.PostForm(target, url.Values{"id": {id}}))
	if !strings.Contains(b.page, "Enrol in MFA") {
		t.Errorf("still on:\n%s", b.page)
	}
	w.recorded("passkey_removed", mfa.Disabled)
}
