package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
)

// A remembered device's cookie, sent to every route by every method with all that a thief could guess, signs nobody in.
func TestSec_RD01_NoRouteTakesADeviceForAPassword(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	secRemember(t, p, b)
	device := secCopy(s, b, "device_")
	login := secAt(t, s.begin(device, s.app), "/login")
	st := &secState{b: device, query: url.Values{"request": {login.URL.Query().Get("request")}}, form: url.Values{
		"form_token": {login.Fields("login-submit").Get("form_token")}, "username": {p.Username}, "code": {p.code()},
		"recovery_code": {p.codes[0]}, "remember": {"1"}, "decision": {"allow"}, "saved": {"1"}, "confirm": {"no"},
	}}
	sessions := s.count(`SELECT COUNT(*) FROM sessions`)
	for _, route := range secMustRoutes(t) {
		for _, query := range secAsked(s, st, route) {
			page := st.ask(s, route, query)
			if page.URL.Query().Has("code") || secCookie(page.Browser(), s.Issuer, "session") != "" || strings.Contains(page.Body, p.Email) {
				t.Errorf("%s %s?%s: %d at %s", route.method, route.path, query.Encode(), page.Status, page.URL)
			}
			if page.Status >= 500 {
				t.Errorf("%s %s: %d", route.method, route.path, page.Status)
			}
		}
	}
	if n := s.count(`SELECT COUNT(*) FROM sessions`); n != sessions {
		t.Errorf("%d sessions, were %d", n, sessions)
	}
	if status, err := s.MFA.Status(t.Context(), p.Subject); err != nil || status.CodesLeft != 10 {
		t.Errorf("%+v, %v", status, err)
	}
}

// With the password only, every page of one's own leads to the code.
func TestSec_MF12_ThePasswordAloneOpensNoPage(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	half := p.atCode().Browser()
	tried := 0
	for _, route := range secMustRoutes(t) {
		path := strings.TrimSuffix(strings.TrimSuffix(route.path, "{$}"), "/")
		if route.method != http.MethodGet || !strings.HasPrefix(path, "/account") {
			continue
		}
		tried++
		if page := secCopy(s, half).Get(path); page.URL.Path != "/mfa" || strings.Contains(page.Text("main"), p.codes[0]) {
			t.Errorf("%s: %d at %s", path, page.Status, page.URL)
		}
	}
	if tried < 10 {
		t.Errorf("only %d pages", tried)
	}
	secAt(t, s.begin(half, s.app), "/mfa")
	secAt(t, s.begin(half, s.app, secParam("acr_values", "aal1")), "/mfa")
}

// An app that takes whatever level there is forces nobody to enrol.
func TestSec_MF17_AnyLevelWillDo(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	var discovery struct {
		ACR []string `json:"acr_values_supported"`
	}
	if err := json.Unmarshal([]byte(s.Browser().Get("/.well-known/openid-configuration").Body), &discovery); err != nil {
		t.Fatal(err)
	}
	if len(discovery.ACR) < 3 || !slices.Contains(discovery.ACR, "aal1") {
		t.Fatal(discovery.ACR)
	}
	s.person("alice")
	backwards := slices.Clone(discovery.ACR)
	slices.Reverse(backwards)
	for _, values := range [][]string{discovery.ACR, backwards} {
		page := secPassword(s.begin(s.Browser(), s.app, secParam("acr_values", strings.Join(values, " "))), "alice")
		if got := s.exchange(s.app, page).id["acr"]; got != "aal1" {
			t.Errorf("%v: acr = %v", values, got)
		}
	}
}

// What an app asked for stands in the stored request: no address that the person can edit takes it back.
func TestSec_MF17_TheDemandStaysWithTheRequest(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	secRemember(t, p, b)
	s.Clock.Add(25 * time.Hour)
	login := secAt(t, s.begin(b, s.app, secParam("acr_values", "aal2")), "/login")
	if query := login.URL.Query(); len(query) != 1 || query.Get("request") == "" {
		t.Fatalf("the address of the first step says %v", query)
	}
	id := login.URL.Query().Get("request")
	secAt(t, b.Get("/oauth2/authorize?resume="+id+"&acr_values=aal1&prompt=none"), "/login")
	secAt(t, secPassword(b.Get("/login?request="+id+"&acr_values=aal1&claims=%7B%7D"), p.Username), "/mfa")
	secAt(t, b.Get("/oauth2/authorize?resume="+id+"&acr_values=aal1&max_age=99999"), "/mfa")
	for _, path := range []string{"/consent?request=" + id + "&acr_values=aal1", "/account/mfa/enrol/start?request=" + id, "/account/mfa/codes?request=" + id} {
		if page := b.Get(path); page.URL.Query().Has("code") {
			t.Errorf("%s has led to a code", path)
		}
	}
	page := secAt(t, b.Get("/oauth2/authorize?resume="+id), "/mfa")
	if got := s.exchange(s.app, page.Submit("mfa-submit", "code", p.code())).id["acr"]; got != "aal2" {
		t.Errorf("acr = %v", got)
	}
}

// A grace that is over stays over, also for somebody whose factors an administrator took away.
func TestSec_MF15_AResetGivesNoNewGrace(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	s.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: time.Hour})
	secGranted(t, p.signIn(s.Browser(), s.app))
	s.Clock.Add(2 * time.Hour)
	for range 2 {
		if err := s.Actions().ResetMFA(t.Context(), p.Subject, "lost"); err != nil {
			t.Fatal(err)
		}
		b := s.Browser()
		for _, page := range []*idptest.Page{secPassword(s.begin(b, s.app), p.Username), s.begin(b, s.app)} {
			if secAt(t, page, "/account/mfa/enrol/start"); page.Has("#enrol-postpone") {
				t.Error("a new grace")
			}
			secAt(t, b.Post("/account/mfa/enrol/postpone?"+page.URL.RawQuery, page.Fields("enrol-start")), "/account/mfa/enrol/start")
		}
	}
}

// Whoever lost the phone and came in by a recovery code may replace it at once, and that is on record.
func TestSec_MF13_ARecoveryCodeReplacesThePhone(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	page := secAt(t, secPassword(b.Get("/login"), p.Username), "/mfa").Follow("#use-recovery-code")
	secAt(t, page.Submit("recovery-submit", "recovery_code", p.codes[0]), "/account/mfa/codes")
	lost, _ := s.MFA.Status(t.Context(), p.Subject)
	scan := secAt(t, b.Get("/account/mfa").Submit("enrol-start"), "/account/mfa/enrol/scan")
	phone := secPhone(s, scan)
	secAt(t, scan.Submit("scan-next").Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0)), "/account/mfa/enrol/done")
	form := b.Get("/account/mfa").Fields("mfa-off")
	form.Set("id", lost.Authenticators[0].ID)
	secAt(t, b.Post("/account/mfa/remove", form), "/account/mfa")
	status, err := s.MFA.Status(t.Context(), p.Subject)
	if err != nil || len(status.Authenticators) != 1 || status.Authenticators[0].ID == lost.Authenticators[0].ID || status.CodesLeft != 9 {
		t.Fatalf("%+v, %v", status, err)
	}
	s.Clock.Add(time.Minute)
	old := p.atCode().Submit("mfa-submit", "code", p.phone.Code(0))
	if old.Status != http.StatusUnprocessableEntity {
		t.Errorf("the lost phone: %d", old.Status)
	}
	secGranted(t, old.Submit("mfa-submit", "code", phone.Code(0)))
	var actions []string
	entries, err := s.Audit.List(t.Context(), audit.Filter{Subject: p.Subject, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	for _, want := range []string{"mfa.recovery_used", "mfa.authenticator_added", "mfa.authenticator_removed"} {
		if !slices.Contains(actions, want) {
			t.Errorf("no %s in the audit log: %v", want, actions)
		}
	}
}
