package e2e

import (
	"context"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// passkeyDevice is what keeps a window's passkeys: a phone, a password manager or a security key. Chromium simulates it,
// in quick hands: what a page asks of it is done at once, also what the browser only offers.
type passkeyDevice struct {
	b     *chromeTab
	id    webauthn.AuthenticatorID
	older page.ScriptIdentifier
}

// device gives the window a device that verifies who uses it. Its passkeys are synced, or bound to it. The browser is an
// older one that offers no passkeys by itself.
func (b *chromeTab) device(synced bool) *passkeyDevice {
	b.t.Helper()
	d := &passkeyDevice{b: b}
	b.run(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		d.id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21,
			Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true,
			IsUserVerified: true, AutomaticPresenceSimulation: true, DefaultBackupEligibility: synced, DefaultBackupState: synced,
		}).Do(ctx)
		return err
	}))
	d.offers(false)
	return d
}

// offers says whether the browser offers passkeys at the user name, on pages from now on.
func (d *passkeyDevice) offers(on bool) {
	d.b.t.Helper()
	d.b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		if on {
			return page.RemoveScriptToEvaluateOnNewDocument(d.older).Do(ctx)
		}
		d.older, err = page.AddScriptToEvaluateOnNewDocument(
			`if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false`).Do(ctx)
		return err
	}))
}

// untouched has nobody touch the device, or somebody again: what is asked of it meanwhile waits for ever.
func (d *passkeyDevice) untouched(on bool) {
	d.b.t.Helper()
	d.b.run(webauthn.SetAutomaticPresenceSimulation(d.id, !on))
}

// refuses has the device take nobody for its owner, or somebody again.
func (d *passkeyDevice) refuses(on bool) {
	d.b.t.Helper()
	d.b.run(webauthn.SetUserVerified(d.id, !on))
}

// rewind sets the counter of the only passkey back, as it stands on a copy that was made earlier.
func (d *passkeyDevice) rewind() {
	d.b.t.Helper()
	d.b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		kept, err := webauthn.GetCredentials(d.id).Do(ctx)
		if err != nil || len(kept) != 1 {
			d.b.t.Fatalf("%d passkeys on the device: %v", len(kept), err)
		}
		if err := webauthn.ClearCredentials(d.id).Do(ctx); err != nil {
			return err
		}
		kept[0].SignCount = 1
		return webauthn.AddCredential(d.id, kept[0]).Do(ctx)
	}))
}
