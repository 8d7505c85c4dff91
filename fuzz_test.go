package idp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// fuzzed are the pages that take what people type and paste; sessions of the provider's own protocol have targets in package
// oauth.
var fuzzed = []string{
	"/login", "/mfa", "/mfa?way=recovery", "/mfa?way=pair", "/mfa?way=passkey", "/consent", "/device", "/setup", "/reset", "/reset/password", "/invite",
	"/account/password", "/account/mfa", "/account/mfa/enrol/start", "/account/mfa/enrol/scan", "/account/mfa/enrol/codes", "/account/mfa/enrol/recovery",
	"/account/mfa/enrol/done", "/account/mfa/codes", "/account/mfa/rename", "/account/mfa/remove", "/account/mfa/devices/forget", "/account/sessions/end",
	"/account/apps/revoke", "/oauth2/logout", "/login/passkey", "/login/passkey/options", "/mfa/passkey", "/account/mfa/passkeys/add",
}

// FuzzPages sends arbitrary queries and forms to every page, as nobody, as somebody who is signed in, and as somebody whose
// code is missing: no page fails inside, leads to another site, or writes markup that was typed.
func FuzzPages(f *testing.F) {
	s := idptest.Start(f)
	s.AddUser("alice")
	s.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"}})
	bob := &life{Server: s, ctx: f.Context(), who: s.AddUser("bob")}
	if bob.owner.Subject, bob.owner.Session = bob.who.Subject, "elsewhere"; bob.add(true) != nil {
		f.Fatal("not enrolled")
	}
	browsers := []*idptest.Browser{s.Browser()}
	tokens := []string{browsers[0].Get("/login").Attr("input[name=form_token]", "value")}
	for _, name := range []string{"alice", "bob"} {
		b := s.Browser()
		page := b.Get("/account").Submit("login-submit", "username", name, "password", idptest.Password)
		if page.URL.Path == "/account" {
			page = b.Get("/account/mfa")
		}
		browsers, tokens = append(browsers, b), append(tokens, page.Attr("input[name=form_token]", "value"))
	}
	if slices.Contains(tokens, "") {
		f.Fatal(tokens)
	}
	const mark = "<fuzz>"
	for i := range fuzzed {
		f.Add(uint8(i), uint8(i), "to=//evil.example&request="+mark+"&return_to=https://evil.example&client_id=app", "username="+mark+"&password=x&code=123456")
	}
	f.Add(uint8(1), uint8(2), "way=recovery&to=/account", "recovery_code="+bob.codes[0][:18]+"&remember=1")
	f.Add(uint8(6), uint8(0), "user_code=%ff%00"+mark, "user_code=BCDF-GHJK")
	f.Add(uint8(7), uint8(0), "token=x", "token=x&username=root&email=a@b&password="+mark)
	f.Add(uint8(15), uint8(1), "enrolment="+mark, "code1=123456&code2=234567&name=%zz;=")
	f.Add(uint8(25), uint8(0), "request=", `ceremony=x&response={"id":"AA","type":"public-key"}`)
	handler := s.Handler()
	f.Fuzz(func(t *testing.T, where, who uint8, query, form string) {
		page, as := fuzzed[int(where)%len(fuzzed)], int(who)%len(browsers)
		path, fixed, _ := strings.Cut(page, "?")
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequestWithContext(t.Context(), method, s.Issuer+path, nil)
			if method == http.MethodPost {
				r = httptest.NewRequestWithContext(t.Context(), method, s.Issuer+path, strings.NewReader("form_token="+url.QueryEscape(tokens[as])+"&"+form))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			r.URL.RawQuery = strings.Trim(fixed+"&"+query, "&")
			home, _ := url.Parse(s.Issuer)
			for _, c := range browsers[as].Jar.Cookies(home) {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s %s?%s: %d", method, path, r.URL.RawQuery, w.Code)
			}
			if strings.Contains(w.Body.String(), mark) {
				t.Errorf("%s %s: markup that was typed", method, path)
			}
			if location := w.Header().Get("Location"); location != "" {
				target, err := home.Parse(location)
				if err != nil || target.Host != home.Host || target.Scheme != home.Scheme || strings.ContainsAny(location, "\\\r\n") {
					t.Errorf("%s %s?%s leads to %q", method, path, r.URL.RawQuery, location)
				}
			}
		}
	})
}
