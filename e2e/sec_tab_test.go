package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/focushq/idp/mfa"
)

// secTab is a browser of somebody whose password was checked, without the work of it: its cookies and its form token.
type secTab struct {
	cookies []*http.Cookie
	token   string
}

// tab returns one for p.
func (s *secSite) tab(p *secPerson) secTab {
	s.t.Helper()
	request, w := httptest.NewRequest(http.MethodGet, s.Issuer+"/", nil), httptest.NewRecorder()
	if _, err := s.Sessions.Start(w, request, p.Subject, mfa.AMR(mfa.Password)); err != nil {
		s.t.Fatal(err)
	}
	out := secTab{}
	for _, c := range w.Result().Cookies() {
		if c.MaxAge >= 0 {
			out.cookies = append(out.cookies, c)
			request.AddCookie(c)
		}
	}
	out.token = s.Sessions.FormToken(httptest.NewRecorder(), request)
	return out
}

// post sends a form to the provider at origin and returns the status and where the answer leads.
func (tab secTab) post(origin, path string, form url.Values) (status int, location string, err error) {
	form.Set("form_token", tab.token)
	r, err := http.NewRequest(http.MethodPost, origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range tab.cookies {
		r.AddCookie(c)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header.Get("Location"), nil
}

// insist is post for a recovery code, which is costly to compare: one per core at a time. Whoever a busy server turned away
// tries again, as its page says.
func (tab secTab) insist(origin, path string, form url.Values) (status int, location string, err error) {
	for range 20 {
		if status, location, err = tab.post(origin, path, form); status != http.StatusServiceUnavailable {
			break
		}
	}
	return status, location, err
}

// secThrough reports whether the answer to a form with to=/account let the person through: there, or to the offer of a new
// phone, which follows a recovery code.
func secThrough(location string) bool {
	return location == "/account" || location == "/account/mfa/codes?to=%2Faccount"
}
