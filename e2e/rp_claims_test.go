package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// rpSays fails unless every token of a grant says the same about the sign-in, refreshed ones too.
func rpSays(t *testing.T, s *secSite, c *idptest.Client, tokens *rpTokens, amr, acr string, authTime time.Time) {
	t.Helper()
	refreshed := s.mustRefresh(c, tokens)
	for name, claims := range map[string]map[string]any{
		"ID token": tokens.id, "access token": tokens.access,
		"refreshed ID token": refreshed.id, "refreshed access token": refreshed.access,
	} {
		if got := rpList(claims["amr"]); got != amr {
			t.Errorf("%s: amr = %s, want %s", name, got, amr)
		}
		if claims["acr"] != acr {
			t.Errorf("%s: acr = %v, want %s", name, claims["acr"], acr)
		}
		at, _ := claims["auth_time"].(float64)
		if off := time.Unix(int64(at), 0).Sub(authTime).Abs(); at == 0 || off > 2*time.Second {
			t.Errorf("%s: auth_time = %v, %v off the password", name, at, off)
		}
		if _, told := claims["mfa_enrolled"]; told {
			t.Errorf("%s holds mfa_enrolled, which nobody asked for there", name)
		}
		if claims["sub"] == nil {
			t.Errorf("%s: no sub", name)
		}
	}
	if refreshed.id["nonce"] != nil && refreshed.id["nonce"] != tokens.id["nonce"] {
		t.Errorf("a refreshed ID token has another nonce: %v", refreshed.id["nonce"])
	}
}

func rpList(v any) string {
	list, _ := v.([]any)
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), " "), "[]")
}

// rpEnrolled fails unless userinfo says that.
func rpEnrolled(t *testing.T, s *secSite, tokens *rpTokens, want bool) {
	t.Helper()
	if got := s.userInfo(tokens)["mfa_enrolled"]; got != want {
		t.Errorf("mfa_enrolled = %v, want %v", got, want)
	}
}

// rpEnrol walks b through the enrolment that begins on page.
func rpEnrol(t *testing.T, s *secSite, p *secPerson, page *idptest.Page) *idptest.Page {
	t.Helper()
	page = secAt(t, page.Submit("enrol-start"), "/account/mfa/enrol/scan")
	p.phone = secPhone(s, page)
	page = secAt(t, page.Submit("scan-next"), "/account/mfa/enrol/codes")
	page = secAt(t, page.Submit("codes-next", "code1", p.phone.Code(-1), "code2", p.phone.Code(0)), "/account/mfa/enrol/recovery")
	p.codes = page.All("#recovery-codes li")
	return secAt(t, page.Submit("enrol-confirm", "saved", "1"), "/account/mfa/enrol/done")
}

func TestSec_MF16_RD02_WhatHappenedIsWhatTokensSay(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, amr, acr string
		run            func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time)
	}{
		{"password only", "pwd", "aal1", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, at := s.person("alice"), s.Clock.Now()
			return p, p.signIn(s.Browser(), s.app), at
		}},
		{"code", "pwd otp mfa", "aal2", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, b := s.enrolled("alice"), s.Browser()
			at := s.Clock.Now()
			page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa")
			s.Clock.Add(4 * time.Minute) // a slow person: auth_time is the password's all the same
			return p, page.Submit("mfa-submit", "code", p.code()), at
		}},
		{"recovery code", "pwd mfa", "aal2", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, b := s.enrolled("alice"), s.Browser()
			at := s.Clock.Now()
			page := secAt(t, secPassword(s.begin(b, s.app), "alice"), "/mfa").Follow("#use-recovery-code")
			s.Clock.Add(4 * time.Minute)
			return p, secGoOn(t, page.Submit("recovery-submit", "recovery_code", p.codes[9])), at
		}},
		{"remembered device", "pwd", "aal1", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, b := s.enrolled("alice"), s.Browser()
			secRemember(t, p, b)
			s.Clock.Add(25 * time.Hour) // the session ends, the device stays
			at := s.Clock.Now()
			return p, secPassword(secAt(t, s.begin(b, s.app), "/login"), "alice"), at
		}},
		{"step-up on a remembered device", "pwd otp mfa", "aal2", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, b := s.enrolled("alice"), s.Browser()
			secRemember(t, p, b)
			s.Clock.Add(25 * time.Hour)
			at := s.Clock.Now()
			secGranted(t, secPassword(secAt(t, s.begin(b, s.app), "/login"), "alice"))
			s.Clock.Add(20 * time.Minute)
			page := secAt(t, s.begin(b, s.app, secParam("acr_values", "aal2")), "/mfa")
			return p, page.Submit("mfa-submit", "code", p.code()), at
		}},
		{"enrolment inside a sign-in", "pwd otp mfa", "aal2", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, b := s.person("alice"), s.Browser()
			at := s.Clock.Now()
			page := secPassword(s.begin(b, s.app, secParam("acr_values", "aal2")), "alice")
			s.Clock.Add(5 * time.Minute)
			page = rpEnrol(t, s, p, secAt(t, page, "/account/mfa/enrol/start"))
			return p, page.Follow(`a[href*="resume="]`), at
		}},
		{"prompt=login after a code", "pwd otp mfa", "aal2", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, b := s.enrolled("alice"), s.Browser()
			secGranted(t, p.signIn(b, s.app))
			s.Clock.Add(time.Hour)
			at := s.Clock.Now()
			page := secAt(t, s.begin(b, s.app, secParam("prompt", "login")), "/login")
			if page.Has("#username") {
				t.Error("the name is asked again where only the password is")
			}
			page = secAt(t, page.Submit("login-submit", "password", idptest.Password), "/mfa")
			return p, page.Submit("mfa-submit", "code", p.code()), at
		}},
		{"a code in an earlier sign-in of this session", "pwd", "aal1", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, b := s.enrolled("alice"), s.Browser()
			secRemember(t, p, b) // with a code
			s.Clock.Add(time.Hour)
			at := s.Clock.Now()
			page := secAt(t, s.begin(b, s.app, secParam("prompt", "login")), "/login")
			return p, page.Submit("login-submit", "password", idptest.Password), at // on the remembered device
		}},
		{"recovery codes only made", "pwd", "aal1", func(t *testing.T, s *secSite) (*secPerson, *idptest.Page, time.Time) {
			p, b := s.person("alice"), s.Browser()
			at := s.Clock.Now()
			secGranted(t, p.signIn(b, s.app))
			page := secAt(t, b.Get("/account/mfa"), "/account/mfa").Submit("enrol-start")
			p.phone = secPhone(s, page)
			page = page.Submit("scan-next").Submit("codes-next", "code1", p.phone.Code(-1), "code2", p.phone.Code(0))
			secAt(t, page, "/account/mfa/enrol/recovery") // and left there
			return p, s.begin(b, s.app), at
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := secOpen(t)
			p, page, at := row.run(t, s)
			tokens := s.exchange(s.app, page)
			rpSays(t, s, s.app, tokens, row.amr, row.acr, at)
			status, err := s.MFA.Status(t.Context(), p.Subject)
			if err != nil {
				t.Fatal(err)
			}
			rpEnrolled(t, s, tokens, status.Enrolled)
		})
	}
}

func TestSec_MF16_EnrollingLaterRaisesNoOldGrant(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b, at := s.person("alice"), s.Browser(), s.Clock.Now()
	tokens := s.exchange(s.app, p.signIn(b, s.app))
	rpEnrolled(t, s, tokens, false)
	page := rpEnrol(t, s, p, secAt(t, b.Get("/account/mfa"), "/account/mfa"))
	if page.Has(`a[href*="resume="]`) {
		t.Error("the confirmation leads on to a sign-in that nobody began")
	}
	rpEnrolled(t, s, tokens, true) // the claim is read afresh
	rpSays(t, s, s.app, tokens, "pwd", "aal1", at)
	// The session is another matter: its two proven codes are a second factor given in it.
	rpSays(t, s, s.app, s.exchange(s.app, s.begin(b, s.app)), "pwd otp mfa", "aal2", at)
}

func TestRPClaimMFAEnrolled(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	b := s.Browser()

	scopes := func(list string) oauth2.AuthCodeOption { return secParam("scope", list) }
	without := s.exchange(s.app, p.signIn(b, s.app, scopes("openid profile")))
	if _, told := s.userInfo(without)["mfa_enrolled"]; told {
		t.Error("userinfo has mfa_enrolled without the scope mfa")
	}
	asked := s.exchange(s.app, s.begin(b, s.app, secParam("claims", `{"id_token":{"mfa_enrolled":null}}`)))
	if asked.id["mfa_enrolled"] != true {
		t.Errorf("the ID token that was to tell has %v", asked.id["mfa_enrolled"])
	}
	if got := s.mustRefresh(s.app, asked).id["mfa_enrolled"]; got != true {
		t.Errorf("its refreshed ID token has %v", got)
	}
	if err := s.MFA.Reset(t.Context(), p.Subject, "phone lost"); err != nil {
		t.Fatal(err)
	}
	rpEnrolled(t, s, asked, false)
}

func TestSec_MF17_TheAliasThatWasAskedForComesBack(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	secRemember(t, p, b)
	s.Clock.Add(25 * time.Hour)
	secGranted(t, secPassword(s.begin(b, s.app), "alice"))

	secRefused(t, s.begin(b, s.app, secParam("acr_values", idp.REFEDS), secParam("prompt", "none")), "interaction_required")
	page := secAt(t, s.begin(b, s.app, secParam("acr_values", idp.REFEDS)), "/mfa")
	tokens := s.exchange(s.app, page.Submit("mfa-submit", "code", p.code()))
	for name, claims := range map[string]map[string]any{"ID": tokens.id, "access": tokens.access, "refreshed": s.mustRefresh(s.app, tokens).id} {
		if claims["acr"] != idp.REFEDS {
			t.Errorf("%s token: acr = %v, want the alias", name, claims["acr"])
		}
	}
	// With the factor in the session nobody is asked again, and an essential claim is met as well.
	claims := fmt.Sprintf(`{"id_token":{"acr":{"essential":true,"values":[%q]}}}`, idp.REFEDS)
	tokens = s.exchange(s.app, s.begin(b, s.app, secParam("claims", claims), secParam("prompt", "none")))
	if tokens.id["acr"] != idp.REFEDS {
		t.Errorf("essential acr: %v", tokens.id["acr"])
	}
	// Asked for the plain name, the plain name is told.
	if got := s.exchange(s.app, s.begin(b, s.app, secParam("acr_values", "aal2"))).id["acr"]; got != "aal2" {
		t.Errorf("acr = %v, want aal2", got)
	}
	// A list that has aal1 in it forces nothing.
	other := s.person("bob")
	page = other.signIn(s.Browser(), s.app, secParam("acr_values", "aal2 aal1"))
	if got := s.exchange(s.app, page).id["acr"]; got != "aal1" {
		t.Errorf("acr = %v, want aal1", got)
	}
}

func TestSec_MF17_UnknownLevels(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	essential := `{"id_token":{"acr":{"essential":true,"values":["urn:example:gold"]}}}`
	secRefused(t, s.begin(b, s.app, secParam("claims", essential)), "unmet_authentication_requirements")
	secRefused(t, s.begin(b, s.app, secParam("claims", essential), secParam("prompt", "none")), "unmet_authentication_requirements")
	// As a wish it is ignored, and the truth is told.
	if got := s.exchange(s.app, s.begin(b, s.app, secParam("acr_values", "urn:example:gold"))).id["acr"]; got != "aal2" {
		t.Errorf("acr = %v", got)
	}
}

func TestSec_MF17_StepUpIsForTheSamePerson(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice, bob := s.enrolled("alice"), s.enrolled("bob")
	b := s.Browser()
	secRemember(t, alice, b)
	s.Clock.Add(25 * time.Hour)
	first := s.exchange(s.app, secPassword(s.begin(b, s.app), "alice"))

	page := secAt(t, s.begin(b, s.app, secParam("acr_values", "aal2")), "/mfa")
	page = secAt(t, page.Submit("mfa-submit", "code", bob.code()), "/mfa")
	if page.Status != http.StatusUnprocessableEntity || !page.Has("[role=alert]") {
		t.Errorf("bob's code in alice's step-up: %d", page.Status)
	}
	page = secAt(t, page.Follow("#use-recovery-code"), "/mfa")
	secAt(t, page.Submit("recovery-submit", "recovery_code", bob.codes[0]), "/mfa")
	// Nothing has changed: still alice's one factor.
	again := s.exchange(s.app, s.begin(b, s.app))
	if again.id["sub"] != first.id["sub"] || again.id["acr"] != "aal1" || again.id["sid"] != first.id["sid"] {
		t.Errorf("after a failed step-up: %v", again.id)
	}
	page = secAt(t, s.begin(b, s.app, secParam("max_age", "0")), "/login")
	// The password of somebody else does not do either, whatever name is sent along.
	if err := s.Accounts.SetPassword(t.Context(), bob.Subject, "quite another walk, up the hill"); err != nil {
		t.Fatal(err)
	}
	page = page.Submit("login-submit", "username", "bob", "password", "quite another walk, up the hill")
	if secAt(t, page, "/login").Status != http.StatusUnprocessableEntity {
		t.Errorf("bob's password in alice's sign-in: %d", page.Status)
	}
	if secAt(t, b.Get("/account"), "/account"); !strings.Contains(b.Get("/account").Body, "alice") {
		t.Error("the session is not alice's any more")
	}
}

func TestSec_MF17_MaxAgeZeroRenewsBothFactors(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	s.Clock.Add(time.Minute)
	page := secAt(t, s.begin(b, s.app, secParam("max_age", "0")), "/login")
	page = secAt(t, page.Submit("login-submit", "password", idptest.Password), "/mfa")
	secGranted(t, page.Submit("mfa-submit", "code", p.code()))
	secRefused(t, s.begin(b, s.app, secParam("max_age", "0"), secParam("prompt", "none")), "login_required")
}

func TestRPOpaqueTokensSayNothing(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	c := s.client("opaque", func(c *oauth.Client) { c.AccessToken, c.IDTokenAlg = "opaque", "ES256" })
	p := s.person("alice", func(a *account.NewAccount) { a.Name = "Alice Example" })
	tokens := s.exchange(c, p.signIn(s.Browser(), c))
	if strings.Contains(tokens.AccessToken, ".") || tokens.access != nil {
		t.Error("the access token is no opaque one")
	}
	if info := s.userInfo(tokens); info["name"] != "Alice Example" || info["sub"] != p.Subject {
		t.Errorf("userinfo: %v", info)
	}
	if got := s.mustRefresh(c, tokens); got.id["sub"] != p.Subject {
		t.Errorf("refreshed: %v", got.id)
	}
}
