package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// onDevice signs p in with the password in a copy of b that has nothing but the remembered devices.
func (p *secPerson) onDevice(b *idptest.Browser) *idptest.Page {
	p.s.t.Helper()
	return secPassword(secAt(p.s.t, p.s.begin(secCopy(p.s, b, "device_"), p.s.app), "/login"), p.Username)
}

func TestSec_RD01_ADeviceNeverSignsIn(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice, bob := s.enrolled("alice"), s.enrolled("bob")
	a, b := s.Browser(), s.Browser()
	secRemember(t, alice, a)
	secRemember(t, bob, b)
	device := secCopy(s, a, "device_")
	for _, route := range secMustRoutes(t) {
		if route.method != http.MethodGet || !strings.HasPrefix(route.path, "/account") && route.path != "/mfa" && route.path != "/consent" {
			continue
		}
		page := secCopy(s, device).Get(strings.TrimSuffix(route.path, "{$}"))
		if secAt(t, page, "/login"); !page.Has("#username") {
			t.Errorf("%s: the device's cookie tells who it is", route.path)
		}
	}
	secRefused(t, s.begin(device, s.app, secParam("prompt", "none")), "login_required")
	// B's cookie planted in A's browser: A stays A.
	planted := secCopy(s, a)
	home, _ := url.Parse(s.Issuer)
	planted.Jar.SetCookies(home, secCookies(secCopy(s, b, "device_"), s.Issuer))
	if page := planted.Get("/account"); !strings.Contains(page.Body, "alice@example.com") || strings.Contains(page.Body, "bob") {
		t.Errorf("after planting: %s", page.Text("main"))
	}
	if got := s.exchange(s.app, s.begin(planted, s.app)).id["sub"]; got != alice.Subject {
		t.Errorf("sub = %v", got)
	}
}

func TestSec_RD04_PeopleShareABrowser(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice, bob := s.enrolled("alice"), s.enrolled("bob")
	b := s.Browser()
	secRemember(t, alice, b)
	secAt(t, bob.onDevice(b), "/mfa") // hers is not his
	secAt(t, b.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
	secRemember(t, bob, b)
	secGranted(t, alice.onDevice(b))
	secGranted(t, bob.onDevice(b))
	if err := s.MFA.ForgetDevices(t.Context(), bob.Subject, "test"); err != nil {
		t.Fatal(err)
	}
	secGranted(t, alice.onDevice(b))
	secAt(t, bob.onDevice(b), "/mfa")
	// Under the other's name the cookie is nothing.
	mixed := s.Browser()
	home, _ := url.Parse(s.Issuer)
	var swapped []*http.Cookie
	cookies := secCookies(secCopy(s, b, "device_"), s.Issuer)
	for i, c := range cookies {
		swapped = append(swapped, &http.Cookie{Name: c.Name, Value: cookies[len(cookies)-1-i].Value, Path: "/"})
	}
	mixed.Jar.SetCookies(home, swapped)
	secAt(t, secPassword(s.begin(mixed, s.app), "bob"), "/mfa")
}

func TestSec_RD05_ItEndsOnItsDay(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	secRemember(t, p, b)
	for day := 1; day <= 31; day++ {
		s.Clock.Add(24*time.Hour - time.Second)
		page := s.begin(b, s.app)
		if page.URL.Path == "/login" {
			page = secPassword(page, "alice")
		}
		asked := page.URL.Path == "/mfa"
		if want := day >= 31; asked != want {
			t.Errorf("day %d: asked %v", day, asked)
		}
		if day < 31 && day%10 == 0 && s.exchange(s.app, page).id["acr"] != "aal1" {
			t.Errorf("day %d: not aal1", day)
		}
	}
}

func TestSec_RD06_WhatEndsADevice(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	for name, event := range map[string]func(t *testing.T, p *secPerson, b *idptest.Browser){
		"password": func(t *testing.T, p *secPerson, _ *idptest.Browser) {
			if err := s.Actions().SetPassword(t.Context(), p.Subject, idptest.Password); err != nil {
				t.Fatal(err)
			}
		},
		"recovery": func(t *testing.T, p *secPerson, _ *idptest.Browser) {
			secGranted(t, p.recover(s.Browser(), p.codes[0]))
		},
		"reset": func(t *testing.T, p *secPerson, _ *idptest.Browser) {
			if err := s.Actions().ResetMFA(t.Context(), p.Subject, "lost"); err != nil {
				t.Fatal(err)
			}
			p.enrol()
		},
		"second": func(t *testing.T, p *secPerson, b *idptest.Browser) { // a second authenticator
			page := secAt(t, secAt(t, b.Get("/account/mfa"), "/account/mfa").Submit("enrol-start"), "/account/mfa/enrol/scan")
			phone := secPhone(s, page)
			secAt(t, page.Submit("scan-next").Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0)), "/account/mfa/enrol/done")
		},
		"everywhere": func(t *testing.T, _ *secPerson, b *idptest.Browser) {
			form := b.Get("/account/mfa").Fields("mfa-off")
			form.Del("id")
			secAt(t, b.Post("/account/sessions/end", form), "/account/sessions")
		},
		"list": func(t *testing.T, p *secPerson, b *idptest.Browser) {
			form := b.Get("/account/mfa").Fields("mfa-off")
			devices, err := s.MFA.Devices(t.Context(), p.Subject, "")
			if err != nil || len(devices) != 1 {
				t.Fatal(devices, err)
			}
			form.Set("id", devices[0].ID)
			secAt(t, b.Post("/account/mfa/devices/forget", form), "/account/mfa")
		},
		"off": func(t *testing.T, p *secPerson, b *idptest.Browser) {
			secAt(t, b.Get("/account/mfa").Submit("mfa-off"), "/account/mfa")
			p.enrol()
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, b := s.enrolled(name), s.Browser()
			secRemember(t, p, b)
			copied := secCopy(s, b, "device_")
			secGranted(t, p.onDevice(copied))
			event(t, p, b)
			secAt(t, p.onDevice(copied), "/mfa")
			secAt(t, p.onDevice(b), "/mfa")
		})
	}
	// Signing out does not.
	p, b := s.enrolled("out"), s.Browser()
	secRemember(t, p, b)
	secAt(t, b.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
	secGranted(t, p.onDevice(b))
}

func TestSec_RD08_WhereMoreIsAsked(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.enrolled("alice"), s.Browser()
	always := s.client("always", secMFA("always"))
	required := s.client("required", secMFA("required"))
	secRemember(t, p, b)
	again := func() *idptest.Browser { // signed in by the password and the device
		other := secCopy(s, b, "device_")
		secGranted(t, secPassword(s.begin(other, s.app), "alice"))
		return other
	}
	secAt(t, s.begin(again(), always), "/mfa")
	secAt(t, s.begin(again(), s.app, secParam("acr_values", "aal2")), "/mfa")
	secAt(t, s.begin(again(), s.app, secParam("claims", `{"id_token":{"acr":{"essential":true,"value":"aal2"}}}`)), "/mfa")
	page := s.begin(again(), s.app, secParam("acr_values", "aal2"), secParam("max_age", "0"))
	secAt(t, page.Submit("login-submit", "password", idptest.Password), "/mfa")
	secGranted(t, s.begin(again(), required))
	for _, path := range []string{"/account/password", "/account/mfa/codes"} {
		secAt(t, again().Get(path), "/mfa")
	}
	for _, form := range []string{"mfa-off", "enrol-start"} {
		secAt(t, again().Get("/account/mfa").Submit(form), "/mfa")
	}
}

func TestSec_RD09_TickedAndRight(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	page := p.atCode()
	if page.Has("#remember[checked]") || !strings.HasPrefix(page.Text(`label[for=remember]`), "Remember me") {
		t.Errorf("the box: %q", page.Text(`label[for=remember]`))
	}
	wrong := page.Submit("mfa-submit", "code", "000000", "remember", "1")
	if devices, _ := s.MFA.Devices(t.Context(), p.Subject, ""); len(devices) != 0 || len(secCookies(secCopy(s, page.Browser(), "device_"), s.Issuer)) != 0 {
		t.Error("a wrong code has been remembered")
	}
	if wrong.Has("#remember[checked]") {
		t.Error("the box is ticked after a wrong code")
	}
	secGranted(t, wrong.Submit("mfa-submit", "code", p.code())) // unticked
	if devices, _ := s.MFA.Devices(t.Context(), p.Subject, ""); len(devices) != 0 {
		t.Error("remembered without the tick")
	}
	// The next sign-in's tick is a new one.
	b := s.Browser()
	secRemember(t, p, b)
	s.Clock.Add(25 * time.Hour)
	secGranted(t, secPassword(s.begin(b, s.app), "alice"))
	if devices, _ := s.MFA.Devices(t.Context(), p.Subject, ""); len(devices) != 1 {
		t.Errorf("%d devices", len(devices))
	}
}
