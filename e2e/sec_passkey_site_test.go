package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

// secNamed has a site stand under a name: browsers make no passkeys for an address.
func secNamed(c *idp.Config) {
	c.PublicURL = strings.Replace(c.PublicURL, "127.0.0.1", "localhost", 1)
}

// passkey gives p a passkey, and recovery codes if there are none, without pages.
func (p *secPerson) passkey(edit ...func(*passkeytest.Device)) *passkeytest.Device {
	p.s.t.Helper()
	ctx, owner := p.s.t.Context(), mfa.Owner{Subject: p.Subject, Session: "elsewhere"}
	d := passkeytest.New(p.s.t, p.s.Issuer)
	for _, change := range edit {
		change(d)
	}
	options, ceremony, err := p.s.Passkeys.BeginAdd(ctx, owner, p.Email)
	if err != nil {
		p.s.t.Fatal(err)
	}
	if _, err := p.s.Passkeys.FinishAdd(ctx, owner, ceremony, "", d.Create(options)); err != nil {
		p.s.t.Fatal(err)
	}
	if len(p.codes) > 0 {
		return d
	}
	codes, set, err := p.s.MFA.NewRecoveryCodes(ctx, owner, "")
	if err == nil {
		err = p.s.MFA.ConfirmRecoveryCodes(ctx, owner, set)
	}
	if err != nil {
		p.s.t.Fatal(err)
	}
	p.codes = codes
	return d
}

// secSynced makes a passkey one that may be on several devices.
func secSynced(d *passkeytest.Device) { d.Flags |= passkeytest.BackupEligible | passkeytest.BackedUp }

// secCeremony is what a page got when its button was pressed.
type secCeremony struct {
	page    *idptest.Page
	options json.RawMessage
	form    url.Values // of the page, with the ceremony
}

// secAsk does what the script of a page does until the device has to answer.
func secAsk(t testing.TB, page *idptest.Page) secCeremony {
	t.Helper()
	form := page.Attr("form[data-passkey]", "data-options")
	if form == "" {
		t.Fatalf("no form for passkeys at %s (%d)\n%s", page.URL, page.Status, page.Text("main"))
	}
	fields := page.Fields(page.Attr("form[data-passkey] button", "id"))
	answer := page.Browser().Post(form, fields)
	var got struct {
		Ceremony string
		Options  json.RawMessage
	}
	if err := json.Unmarshal([]byte(answer.Body), &got); err != nil || answer.Status != http.StatusOK || got.Ceremony == "" {
		t.Fatalf("options: %d at %s: %.300s", answer.Status, answer.URL, answer.Body)
	}
	if kind := answer.Header.Get("Content-Type"); kind != "application/json" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("options: %s, %s", kind, answer.Header.Get("Cache-Control"))
	}
	fields.Set("ceremony", got.Ceremony)
	return secCeremony{page, got.Options, fields}
}

// send sends a device's answer, as the script does, with further pairs of name and value.
func (c secCeremony) send(response []byte, pairs ...string) *idptest.Page {
	pairs = append(pairs, "ceremony", c.form.Get("ceremony"), "response", string(response))
	return c.page.Submit(c.page.Attr("form[data-passkey] button", "id"), pairs...)
}

// secTouch uses a passkey on a page.
func secTouch(t testing.TB, page *idptest.Page, d *passkeytest.Device, pairs ...string) *idptest.Page {
	t.Helper()
	asked := secAsk(t, page)
	return asked.send(d.Get(asked.options), pairs...)
}

// secSaid fails unless the page refuses with that status and says so.
func secSaid(t testing.TB, what string, page *idptest.Page, status int) {
	t.Helper()
	secNotOurFault(t.(*testing.T), what, page)
	if page.Status != status || page.URL.Query().Has("code") || page.Text("[role=alert]") == "" {
		t.Errorf("%s: %d at %s, want %d\n%s", what, page.Status, page.URL, status, page.Text("main"))
	}
}
