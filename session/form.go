package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// FormField is the name of the input that carries the form token.
const FormField = "form_token"

// FormToken returns the token for the forms of a page. It is bound to the session cookie or, before a sign-in, to a
// cookie of its own that is set when missing: call it before the page is written. After [Manager.Start] or
// [Manager.AddFactor] in the same request it is out of date; redirect first.
func (m *Manager) FormToken(w http.ResponseWriter, r *http.Request) string {
	if token := m.formToken(r); token != "" {
		return token
	}
	value, _ := newSecret()
	m.Cookies.Set(w, formCookie, value, 0)
	// Seen by a second call in this request, which must not replace the cookie.
	r.AddCookie(&http.Cookie{Name: m.Cookies.Name(formCookie), Value: value})
	return m.formToken(r)
}

// CheckForm returns [ErrForm] unless r's form carries the token of its browser. A token made before a sign-in or a
// second factor is void after it. The caller bounds the body.
func (m *Manager) CheckForm(r *http.Request) error {
	want := m.formToken(r)
	if want == "" || !hmac.Equal([]byte(r.PostFormValue(FormField)), []byte(want)) {
		return ErrForm
	}
	return nil
}

// Bind returns a mark on what for r's browser, which no other browser gets, nor this one after a sign-in or a second
// factor: what was handed to the browser by a page can come back from that page alone. It is "" when no cookie binds the
// browser, which a form that passed [Manager.CheckForm] has.
func (m *Manager) Bind(r *http.Request, what string) string { return m.mac(r, "bound", "\x00"+what) }

// formToken returns the token of r's browser; "" when no cookie binds it.
func (m *Manager) formToken(r *http.Request) string { return m.mac(r, "form token", "") }

// mac authenticates what for the cookie that binds r's browser; "" when none does. Neither the kinds of marks nor those
// of cookies can stand for each other.
func (m *Manager) mac(r *http.Request, kind, what string) string {
	for _, name := range []string{sessionCookie, formCookie} {
		if value := m.cookie(r, name); value != "" {
			mac := hmac.New(sha256.New, m.Key)
			mac.Write([]byte(kind + ", " + name + "\x00" + value + what))
			return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		}
	}
	return ""
}
