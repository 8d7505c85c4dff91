package idptest

import (
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/mfa/mfatest"
)

// Staff makes somebody of a role, enrolled in MFA, and returns them with a browser that is in the console with both factors
// just given. Token and App are not set.
func (s *Server) Staff(name string, role account.Role) *Person {
	s.t.Helper()
	a := &Person{p: s, Account: s.AddUser(name, func(n *account.NewAccount) { n.Role = role }), Browser: s.Browser()}
	page := a.Browser.Get("/account/mfa").Submit("login-submit", "username", name, "password", Password)
	if page.Has("#enrol-start") {
		page = page.Submit("enrol-start")
	}
	a.Phone = mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", ""), Clock: s.Clock.Now}
	page.Submit("scan-next").Submit("codes-next", "code1", a.Phone.Code(-1), "code2", a.Phone.Code(0)).Submit("enrol-confirm", "saved", "1")
	s.Clock.Add(time.Minute)
	a.Enter("/admin")
	return a
}

// Enter opens a page of the console, giving whatever is asked for on the way.
func (a *Person) Enter(path string) *Page {
	a.p.t.Helper()
	page := a.Browser.Get(path)
	for range 3 {
		switch {
		case page.Has("#login-submit") && page.Has("#username"):
			page = page.Submit("login-submit", "username", a.Username, "password", Password)
		case page.Has("#login-submit"):
			page = page.Submit("login-submit", "password", Password)
		case page.Has("#mfa-submit"):
			a.p.Clock.Add(time.Minute) // a code is good once
			page = page.Submit("mfa-submit", "code", a.Phone.Code(0))
		}
	}
	return page
}
