package api_test

import (
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// somebody has a browser that is signed in with both factors, and may get tokens by the fixture's app.
type somebody struct {
	*account.Account
	f       *fixture
	browser *idptest.Browser
	phone   mfatest.Phone
	codes   []string // for recovery
	app     *idptest.Client
}

// app registers the program that people use; it may ask for everything.
func (f *fixture) app() *idptest.Client {
	f.T.Helper()
	return f.AddClient(oauth.Client{ID: "tool", RedirectURIs: []string{"https://tool.example/callback"}, Scopes: append([]string{"openid", "offline_access"}, everything()...)})
}

// somebody makes a person with a role, or "" for none.
func (f *fixture) somebody(app *idptest.Client, name string, role account.Role) *somebody {
	f.T.Helper()
	p := &somebody{Account: f.AddUser(name, staff(role)), f: f, browser: f.Browser(), app: app}
	page := p.browser.Get("/account/mfa").Submit("login-submit", "username", name, "password", idptest.Password)
	if !page.Has("#totp-key") {
		page = page.Submit("enrol-start")
	}
	p.phone = mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", ""), Clock: f.Clock.Now}
	page = page.Submit("scan-next").Submit("codes-next", "code1", p.phone.Code(-1), "code2", p.phone.Code(0))
	p.codes = page.All("#recovery-codes li")
	page.Submit("enrol-confirm", "saved", "1")
	f.Clock.Add(time.Minute)
	return p
}

// token returns an access token of the person's browser, as it is signed in.
func (p *somebody) token(options ...oauth2.AuthCodeOption) string {
	p.f.T.Helper()
	return p.tokens(options...).AccessToken
}

func (p *somebody) tokens(options ...oauth2.AuthCodeOption) *oauth2.Token {
	p.f.T.Helper()
	page := p.browser.Get(p.app.AuthCodeURL("s", options...))
	if page.Has("#login-submit") {
		page = page.Submit("login-submit", "username", p.Username, "password", idptest.Password)
	}
	if page.Has("#mfa-submit") {
		page = page.Submit("mfa-submit", "code", p.phone.Code(0), "remember", "1")
	}
	code := page.URL.Query().Get("code")
	if code == "" {
		p.f.T.Fatalf("%s: no code at %s: %s", p.Username, page.URL, page.Body)
	}
	token, err := p.app.Exchange(p.f.T.Context(), code)
	if err != nil {
		p.f.T.Fatal(err)
	}
	return token
}

// weak returns a token of a sign-in whose second factor was spared by a remembered device.
func (p *somebody) weak() string {
	p.f.T.Helper()
	again := oauth2.SetAuthURLParam("prompt", "login")
	p.browser = p.f.Browser()
	p.token() // the box is ticked
	p.f.Clock.Add(time.Minute)
	return p.token(again)
}
