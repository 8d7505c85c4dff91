package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// person is alice with a session, tokens of an app, an authenticator and a remembered device.
type person struct {
	*account.Account
	p       *idptest.Server
	app     *idptest.Client
	browser *idptest.Browser
	token   *oauth2.Token
	phone   mfatest.Phone
}

func alice(t *testing.T, p *idptest.Server) *person {
	t.Helper()
	a := &person{p: p, Account: p.AddUser("alice"), browser: p.Browser()}
	a.app = p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"}})
	page := a.browser.Get("/account/mfa").Submit("login-submit", "username", "alice", "password", idptest.Password).Submit("enrol-start")
	a.phone = mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", ""), Clock: p.Clock.Now}
	page.Submit("scan-next").Submit("codes-next", "code1", a.phone.Code(-1), "code2", a.phone.Code(0)).Submit("enrol-confirm", "saved", "1")
	p.Clock.Add(time.Minute)
	a.browser = p.Browser()
	page = a.browser.Get(a.app.AuthCodeURL("s")).Submit("login-submit", "username", "alice", "password", idptest.Password)
	page = page.Submit("mfa-submit", "code", a.phone.Code(0), "remember", "1")
	var err error
	if a.token, err = a.app.Exchange(t.Context(), page.URL.Query().Get("code")); err != nil {
		t.Fatal(err)
	}
	return a
}

// signedIn reports whether the browser still has a session.
func (a *person) signedIn() bool { return a.browser.Get("/account").URL.Path == "/account" }

// granted reports whether the app's tokens still work.
func (a *person) granted(t *testing.T) (access, refresh bool) {
	t.Helper()
	status := a.userInfo(t, a.token.AccessToken)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.token.RefreshToken}}
	r, _ := http.NewRequest("POST", a.app.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(a.app.ClientID, a.app.ClientSecret)
	refreshed, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	refreshed.Body.Close()
	return status == 200, refreshed.StatusCode == 200
}

// userInfo returns the status of userinfo for an access token.
func (a *person) userInfo(t *testing.T, access string) int {
	t.Helper()
	r, _ := http.NewRequest("GET", a.p.Issuer+"/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// request is one of the browser's, to ask whose it is.
func (a *person) request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", a.p.Issuer, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.browser.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r
}

// asked returns the first page after the password of a new sign-in in the browser that is remembered.
func (a *person) asked(password string) *idptest.Page {
	page := a.browser.Get(a.app.AuthCodeURL("s"))
	if !page.Has("#login-submit") {
		return page
	}
	return page.Submit("login-submit", "username", "alice", "password", password)
}

func (a *person) ended(t *testing.T) {
	t.Helper()
	if a.signedIn() {
		t.Error("the session goes on")
	}
	if access, refresh := a.granted(t); access || refresh {
		t.Errorf("tokens still work: access %v, refresh %v", access, refresh)
	}
}

func TestBeforeAnyAction(t *testing.T) {
	a := alice(t, idptest.Start(t))
	if access, refresh := a.granted(t); !a.signedIn() || !access || !refresh {
		t.Fatalf("session %v, access %v, refresh %v", a.signedIn(), access, refresh)
	}
}

func TestSec_SS06_DisableEndsEverything(t *testing.T) {
	p := idptest.Start(t)
	a := alice(t, p)
	if err := p.Actions().Disable(t.Context(), a.Subject); err != nil {
		t.Fatal(err)
	}
	a.ended(t)
	if page := a.asked(idptest.Password); page.URL.Path != "/login" || page.Text(`[role=alert]`) == "" {
		t.Errorf("signed in while disabled: %s", page.URL)
	}
	if err := p.Accounts.Enable(t.Context(), a.Subject); err != nil {
		t.Fatal(err)
	}
	if access, refresh := a.granted(t); access || refresh {
		t.Error("enabling brings tokens back")
	}
	if page := a.asked(idptest.Password); page.URL.Query().Get("code") == "" {
		t.Errorf("the device is forgotten, or the way in closed: %s", page.URL)
	}
}

func TestSec_RD06_SetPasswordEndsSessionsTokensAndDevices(t *testing.T) {
	p := idptest.Start(t)
	a := alice(t, p)
	if err := p.Actions().SetPassword(t.Context(), a.Subject, "tulip gravel monday 88"); err != nil {
		t.Fatal(err)
	}
	a.ended(t)
	if page := a.asked("tulip gravel monday 88"); !page.Has("#mfa-submit") {
		t.Errorf("no code is asked: %s", page.URL)
	}
	if err := p.Actions().SetPassword(t.Context(), a.Subject, "short"); err == nil {
		t.Error("a short one is accepted")
	}
}

func TestResetMFALeavesThePassword(t *testing.T) {
	p := idptest.Start(t)
	a := alice(t, p)
	if err := p.Actions().ResetMFA(t.Context(), a.Subject, "lost the phone"); err != nil {
		t.Fatal(err)
	}
	a.ended(t)
	status, err := p.MFA.Status(t.Context(), a.Subject)
	if err != nil || status.Enrolled || status.CodesLeft != 0 || status.Devices != 0 {
		t.Errorf("%+v %v", status, err)
	}
	if page := a.asked(idptest.Password); page.URL.Query().Get("code") == "" {
		t.Errorf("%s", page.URL)
	}
	entries, err := p.Audit.List(t.Context(), audit.Filter{Action: "mfa.reset"})
	if err != nil || len(entries) != 1 || entries[0].Detail["reason"] != "lost the phone" {
		t.Errorf("%+v %v", entries, err)
	}
}

func TestSec_DR07_DeleteLeavesTheTrailOnly(t *testing.T) {
	p := idptest.Start(t)
	a := alice(t, p)
	if err := p.Actions().Delete(t.Context(), a.Subject); err != nil {
		t.Fatal(err)
	}
	a.ended(t)
	if _, err := p.Accounts.BySubject(t.Context(), a.Subject); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
	if sessions, err := p.Sessions.List(t.Context(), a.Subject); err != nil || len(sessions) != 0 {
		t.Errorf("%v %v", sessions, err)
	}
	entries, err := p.Audit.List(t.Context(), audit.Filter{Subject: a.Subject, Action: account.EventDeleted})
	if err != nil || len(entries) != 1 {
		t.Errorf("%+v %v", entries, err)
	}
	again := p.AddUser("alice")
	if again.Subject == a.Subject {
		t.Error("a subject is used twice")
	}
	if status, err := p.MFA.Status(t.Context(), again.Subject); err != nil || status.Enrolled {
		t.Errorf("%+v %v", status, err)
	}
	if err := p.Actions().Delete(t.Context(), a.Subject); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
}

func TestADeletedClientTakesConsentsAlong(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	b := p.Browser()
	// begin returns where alice is sent after signing in for a client called app, made just now.
	begin := func() *idptest.Page {
		app := p.AddClient(oauth.Client{ID: "app", Consent: "ask", RedirectURIs: []string{"https://app.example/callback"}})
		page := b.Get(app.AuthCodeURL("s"))
		if page.Has("#login-submit") {
			page = page.Submit("login-submit", "username", "alice", "password", idptest.Password)
		}
		return page
	}
	if page := begin().Submit("consent-allow"); page.URL.Query().Get("code") == "" {
		t.Fatalf("%s", page.URL)
	}
	if err := p.Actions().DeleteClient(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	if page := begin(); !page.Has("#consent-allow") {
		t.Errorf("another client of that id gets %s unasked", page.URL)
	}
	if err := p.Actions().DeleteClient(t.Context(), "gone"); !errors.Is(err, oauth.ErrNotFound) {
		t.Error(err)
	}
}

func TestSec_AD04_TheLastAdministratorStays(t *testing.T) {
	p := idptest.Start(t)
	a := p.AddUser("root", func(n *account.NewAccount) { n.Admin = true })
	b := p.Browser()
	b.Get("/account").Submit("login-submit", "username", "root", "password", idptest.Password)
	for name, err := range map[string]error{
		"disable": p.Actions().Disable(t.Context(), a.Subject), "delete": p.Actions().Delete(t.Context(), a.Subject),
	} {
		if !errors.Is(err, account.ErrLastAdmin) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if page := b.Get("/account/mfa"); page.URL.Path != "/account/mfa" {
		t.Error("a refused action ends the session")
	}
	p.AddUser("second", func(n *account.NewAccount) { n.Admin = true })
	if err := p.Actions().Delete(t.Context(), a.Subject); err != nil {
		t.Error(err)
	}
}
