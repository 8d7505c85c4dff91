package idp_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

// People are told of their passkeys: once of a first factor, of a copy, and of each that comes and goes.
func TestSec_AU07_PeopleAreToldOfPasskeys(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t, func(c *idp.Config) { c.PublicURL = strings.Replace(c.PublicURL, "127.0.0.1", "localhost", 1) })
	who := p.AddUser("alice")
	ctx, owner := t.Context(), mfa.Owner{Subject: who.Subject, Session: "s1"}
	seen := 0
	told := func(what string, want ...string) {
		t.Helper()
		p.Deliver(ctx)
		var got []string
		for _, m := range p.Mail.Sent()[seen:] {
			got = append(got, strings.TrimPrefix(m.Subject, "Focus HQ: "))
			seen++
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: told %q, want %q", what, got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	add := func(name string) (*passkeytest.Device, mfa.Credential) {
		t.Helper()
		d := passkeytest.New(t, strings.Replace(p.Issuer, "127.0.0.1", "localhost", 1))
		options, ceremony, err := p.Passkeys.BeginAdd(ctx, owner, who.Email)
		must(err)
		added, err := p.Passkeys.FinishAdd(ctx, owner, ceremony, name, d.Create(options))
		must(err)
		return d, added
	}
	verify := func(d *passkeytest.Device) error {
		t.Helper()
		options, ceremony, err := p.Passkeys.BeginVerify(ctx, who.Subject)
		must(err)
		_, err = p.Passkeys.FinishVerify(ctx, who.Subject, ceremony, d.Get(options))
		return err
	}

	d, first := add("Laptop")
	told("the first", "MFA was turned on, with a passkey")
	_, set, err := p.MFA.NewRecoveryCodes(ctx, owner, "")
	must(err)
	must(p.MFA.ConfirmRecoveryCodes(ctx, owner, set))
	told("its codes", "recovery codes were made")
	_, second := add("Key")
	told("another", "a passkey was added")
	must(verify(d))
	must(p.Passkeys.Rename(ctx, who.Subject, second.ID, "Blue key"))
	told("used and renamed")
	must(p.Passkeys.Remove(ctx, who.Subject, second.ID))
	told("removed", "a passkey was removed")
	d.Step = 1
	must(verify(d))
	d.Count = 0
	if err := verify(d); err == nil {
		t.Fatal("a copy was accepted")
	}
	told("copied", "a passkey may have been copied")
	for range 4 {
		d.Count = 0
		_ = verify(d)
	}
	p.Deliver(ctx)
	if sent := p.Mail.Sent(); !slices.ContainsFunc(sent[seen:], func(m mail.Message) bool {
		return strings.HasSuffix(m.Subject, "a passkey of your account was refused")
	}) {
		t.Error("nobody is told of five refusals")
	}
	seen = len(p.Mail.Sent())
	must(p.Passkeys.Remove(ctx, who.Subject, first.ID))
	told("the last", "a passkey was removed", "MFA was turned off")

	// Who looks at the record sees which passkey it was.
	for _, kind := range []string{"passkey_accepted", "passkey_refused", "passkey_cloned"} {
		entries, err := p.Audit.List(ctx, audit.Filter{Action: "mfa." + kind})
		if err != nil || len(entries) == 0 || entries[0].Detail["name"] != "Laptop" {
			t.Errorf("%s: %v %+v", kind, err, entries)
		}
	}
}
