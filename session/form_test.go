package session_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/session"
)

func TestSec_SS03_CookieAttributes(t *testing.T) {
	m := manager(dbxtest.SQLite(t, "session"), newClock())
	m.Cookies = cookie.Jar{Secure: true}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", nil)
	m.FormToken(w, r)
	_, err := m.Start(w, r, "alice", []string{"pwd"})
	check(t, err)
	total := 0
	for _, line := range w.Header().Values("Set-Cookie") {
		total += len(line)
		for _, part := range []string{"__Host-idp_", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
			if !strings.Contains(line, part) {
				t.Errorf("%q lacks %q", line, part)
			}
		}
		if strings.Contains(line, "Domain") {
			t.Errorf("%q has a domain", line)
		}
	}
	if total == 0 || total > 4096 {
		t.Errorf("%d bytes of cookies", total)
	}
	// A cookie without the prefix, as a sibling domain could set it, is not looked at.
	sibling := httptest.NewRequest("GET", "/", nil)
	for _, c := range w.Result().Cookies() {
		sibling.AddCookie(&http.Cookie{Name: strings.TrimPrefix(c.Name, "__Host-"), Value: c.Value})
	}
	if s, err := m.Of(sibling); s != nil || err != nil {
		t.Errorf("%v, %v", s, err)
	}
}

func TestSec_SS10_FormTokens(t *testing.T) {
	m := manager(dbxtest.SQLite(t, "session"), newClock())
	b, other := newBrowser(t), newBrowser(t)
	refused := func(name string, b *browser, token string) {
		t.Helper()
		if err := m.CheckForm(b.request(url.Values{session.FormField: {token}})); !errors.Is(err, session.ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	accepted := func(name string, b *browser, token string) {
		t.Helper()
		if err := m.CheckForm(b.request(url.Values{session.FormField: {token}})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("no cookie, no token", b, "")
	before, foreign := b.token(m), other.token(m)
	accepted("before sign-in", b, before)
	accepted("the same page again", b, b.token(m))
	refused("none", b, "")
	refused("another browser's", b, foreign)
	refused("cut", b, before[:len(before)-1])
	refused("longer", b, before+"A")

	s := b.start(m, "alice")
	if b.cookies["idp_form"] != "" {
		t.Error("the cookie from before the sign-in is still there")
	}
	refused("from before the sign-in", b, before)
	b.cookies["idp_form"] = other.cookies["idp_form"]
	refused("a planted pre-sign-in cookie and its token", b, foreign)
	signedIn := b.token(m)
	accepted("after sign-in", b, signedIn)

	b.do(func(w http.ResponseWriter, r *http.Request) error {
		return m.AddFactor(w, r, s, []string{"pwd", "mfa"})
	})
	refused("from before the factor", b, signedIn)
	accepted("after the factor", b, b.token(m))

	copied := newBrowser(t)
	copied.cookies["idp_form"] = b.cookies["idp_session"]
	refused("a session's token with its secret in the other cookie", copied, b.token(m))

	inURL := httptest.NewRequest("POST", "/?form_token="+url.QueryEscape(b.token(m)), nil)
	inURL.AddCookie(&http.Cookie{Name: "idp_session", Value: b.cookies["idp_session"]})
	if err := m.CheckForm(inURL); !errors.Is(err, session.ErrForm) {
		t.Errorf("a token in the URL: %v", err)
	}
	underOldKey := b.token(m)
	m.Key = bytes.Repeat([]byte{8}, 32)
	refused("under another key", b, underOldKey)
}

func TestSec_PW14_MarksAreOfOneBrowser(t *testing.T) {
	m := manager(dbxtest.SQLite(t, "session"), newClock())
	b, other := newBrowser(t), newBrowser(t)
	if got := m.Bind(b.request(nil), "it"); got != "" {
		t.Errorf("a mark for a browser that nothing binds: %q", got)
	}
	token := b.token(m)
	other.token(m)
	mark := m.Bind(b.request(nil), "it")
	if mark == "" || mark != m.Bind(b.request(nil), "it") {
		t.Error("the same browser gets another mark")
	}
	for what, different := range map[string]string{
		"another browser": m.Bind(other.request(nil), "it"), "another thing": m.Bind(b.request(nil), "It"), "nothing": m.Bind(b.request(nil), ""),
		"a form token": token,
	} {
		if different == mark {
			t.Errorf("%s has the same mark", what)
		}
	}
	if m.Bind(b.request(nil), "") == token {
		t.Error("a mark can stand for a form token")
	}
	b.start(m, "alice")
	if m.Bind(b.request(nil), "it") == mark {
		t.Error("a mark outlives the sign-in")
	}
}
