package session_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/session"
)

// FuzzCookies sends arbitrary Cookie headers: nobody is signed in by one, no form of such a browser passes with an arbitrary
// token, and nothing fails inside.
func FuzzCookies(f *testing.F) {
	m := manager(dbxtest.SQLite(f, "session"), newClock())
	w := httptest.NewRecorder()
	if _, err := m.Start(w, httptest.NewRequestWithContext(f.Context(), "POST", "/", nil), "alice", []string{"pwd"}); err != nil {
		f.Fatal(err)
	}
	value := w.Result().Cookies()[0].Value
	for _, header := range []string{
		"idp_session=" + value, "idp_session=" + value[:42] + "; idp_form=" + value, "idp_session=" + strings.ToUpper(value), "idp_session=\"" + value + "\"",
		"idp_known=a.b.c.d.e", "idp_session=" + strings.Repeat("A", 43) + "; idp_session=x", "=;;=\x00\xff",
	} {
		f.Add(header, value)
		f.Add(header, "")
	}
	f.Fuzz(func(t *testing.T, header, token string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(url.Values{session.FormField: {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Cookie", header)
		s, err := m.Of(r)
		if err != nil || s != nil && !strings.Contains(header, value) {
			t.Errorf("%q: %+v, %v", header, s, err)
		}
		if m.CheckForm(r) == nil {
			t.Errorf("%q passes with %q", token, header)
		}
		if known := m.Known(r); len(known) > 4 {
			t.Errorf("%q: %d known", header, len(known))
		}
	})
}
