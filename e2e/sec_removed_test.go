package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// another adds an authenticator beside the first one, without pages.
func (p *secPerson) another() *mfatest.Phone {
	p.s.t.Helper()
	ctx, owner := p.s.t.Context(), mfa.Owner{Subject: p.Subject, Session: "elsewhere"}
	p.s.Clock.Add(time.Minute)
	e, err := p.s.MFA.Enroll(ctx, owner, p.Email)
	if err != nil {
		p.s.t.Fatal(err)
	}
	phone := &mfatest.Phone{Key: e.Key, Clock: p.s.Clock.Now}
	if _, err = p.s.MFA.VerifyEnrollment(ctx, owner, e.ID, phone.Code(-1), phone.Code(0)); err == nil {
		_, err = p.s.MFA.Confirm(ctx, owner, e.ID, "")
	}
	if err != nil {
		p.s.t.Fatal(err)
	}
	return phone
}

// An authenticator that is removed while somebody signs in is gone for the page that was open, too.
func TestSec_MF14_AFactorRemovedWhileSigningIn(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	tablet := p.another()
	page := p.atCode()
	status, err := s.MFA.Status(t.Context(), p.Subject)
	if err != nil || len(status.Authenticators) != 2 {
		t.Fatalf("%+v, %v", status, err)
	}
	if err := s.MFA.Remove(t.Context(), p.Subject, status.Authenticators[1].ID); err != nil {
		t.Fatal(err)
	}
	s.Clock.Add(time.Minute)
	page = page.Submit("mfa-submit", "code", tablet.Code(0))
	if page.Status != http.StatusUnprocessableEntity {
		t.Fatalf("a code of the removed one: %d at %s", page.Status, page.URL)
	}
	secGranted(t, page.Submit("mfa-submit", "code", p.code()))

	// With the last one gone nobody is enrolled. The open page leads on as the policy says, and what it sends is no factor.
	page = p.atCode()
	if err := s.MFA.Remove(t.Context(), p.Subject, status.Authenticators[0].ID); err != nil {
		t.Fatal(err)
	}
	tokens := s.exchange(s.app, page.Submit("mfa-submit", "code", p.code()))
	if tokens.id["acr"] != "aal1" || rpList(tokens.id["amr"]) != "pwd" {
		t.Errorf("a factor that is gone: %v", tokens.id)
	}
	p.enrol()
	s.Clock.Add(time.Minute)
	page = p.atCode()
	recovery := page.Follow("#use-recovery-code")
	s.policy(account.Policy{MFARequired: account.MFAEverybody})
	if err := s.MFA.Disable(t.Context(), p.Subject); err != nil {
		t.Fatal(err)
	}
	secAt(t, page.Submit("mfa-submit", "code", p.code()), "/account/mfa/enrol/start")
	secAt(t, recovery.Submit("recovery-submit", "recovery_code", p.codes[0]), "/account/mfa/enrol/start")
}

// A device that was remembered before a policy became stricter is worth what the new one says, at the next request.
func TestSec_RD06_AStricterPolicyCountsAtOnce(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	bank := s.client("bank", secMFA("required"))
	p, b := s.enrolled("alice"), s.Browser()
	secRemember(t, p, b)
	s.Clock.Add(25 * time.Hour)
	secGranted(t, secPassword(secAt(t, s.begin(b, bank), "/login"), p.Username))
	strict := *bank.Client
	strict.MFA = "always"
	if err := s.OAuth.Clients().Update(t.Context(), &strict); err != nil {
		t.Fatal(err)
	}
	s.Clock.Add(2 * time.Second) // a change of a client counts within a second
	secAt(t, s.begin(b, bank), "/mfa")
	secGranted(t, s.begin(b, s.app)) // elsewhere the device goes on
	// A stolen cookie, after its owner has forgotten the device: asked, whoever has it.
	thief := secCopy(s, b)
	if err := s.MFA.ForgetDevices(t.Context(), p.Subject, "removed"); err != nil {
		t.Fatal(err)
	}
	s.Clock.Add(25 * time.Hour)
	secAt(t, secPassword(secAt(t, s.begin(thief, s.app), "/login"), p.Username), "/mfa")
}
