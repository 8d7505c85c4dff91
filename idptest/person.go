package idptest

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// Person is somebody with all that people have: a browser that is signed in and remembered, an authenticator, and tokens of an
// app.
type Person struct {
	*account.Account
	App     *Client
	Browser *Browser
	Token   *oauth2.Token
	Phone   mfatest.Phone

	p *Server
}

// Person makes one. The app is called "app".
func (s *Server) Person(name string, edit ...func(*account.NewAccount)) *Person {
	s.t.Helper()
	a := &Person{p: s, Account: s.AddUser(name, edit...), Browser: s.Browser()}
	a.App = s.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"}})
	page := a.Browser.Get("/account/mfa").Submit("login-submit", "username", name, "password", Password).Submit("enrol-start")
	a.Phone = mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", ""), Clock: s.Clock.Now}
	page.Submit("scan-next").Submit("codes-next", "code1", a.Phone.Code(-1), "code2", a.Phone.Code(0)).Submit("enrol-confirm", "saved", "1")
	s.Clock.Add(time.Minute)
	a.Browser = s.Browser()
	page = a.Browser.Get(a.App.AuthCodeURL("s")).Submit("login-submit", "username", name, "password", Password)
	page = page.Submit("mfa-submit", "code", a.Phone.Code(0), "remember", "1")
	var err error
	if a.Token, err = a.App.Exchange(s.t.Context(), page.URL.Query().Get("code")); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// SignedIn reports whether the browser still has a session.
func (a *Person) SignedIn() bool { return a.Browser.Get("/account").URL.Path == "/account" }

// Granted reports whether the app's tokens still work.
func (a *Person) Granted() (access, refresh bool) {
	a.p.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Token.RefreshToken}}
	r, _ := http.NewRequest("POST", a.App.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(a.App.ClientID, a.App.ClientSecret)
	return a.UserInfo(a.Token.AccessToken) == http.StatusOK, a.p.status(r) == http.StatusOK
}

// UserInfo returns the status of userinfo for an access token.
func (a *Person) UserInfo(access string) int {
	a.p.t.Helper()
	r, _ := http.NewRequest("GET", a.p.Issuer+"/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	return a.p.status(r)
}

func (s *Server) status(r *http.Request) int {
	s.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// Request is one of the browser's, to ask whose it is.
func (a *Person) Request() *http.Request {
	a.p.t.Helper()
	r, err := http.NewRequest("GET", a.p.Issuer, nil)
	if err != nil {
		a.p.t.Fatal(err)
	}
	for _, c := range a.Browser.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r
}

// Asked returns the first page after the password of a new sign-in in the browser that is remembered.
func (a *Person) Asked(password string) *Page {
	page := a.Browser.Get(a.App.AuthCodeURL("s"))
	if !page.Has("#login-submit") {
		return page
	}
	return page.Submit("login-submit", "username", a.Username, "password", password)
}

// Ended fails the test unless the session and every token are gone.
func (a *Person) Ended() {
	a.p.t.Helper()
	if a.SignedIn() {
		a.p.t.Error("the session goes on")
	}
	if access, refresh := a.Granted(); access || refresh {
		a.p.t.Errorf("tokens still work: access %v, refresh %v", access, refresh)
	}
}
