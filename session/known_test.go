package session_test

import (
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/focushq/idp/session"
)

func TestKnownKeepsTheLatestFew(t *testing.T) {
	var m session.Manager
	r := httptest.NewRequest("GET", "/login", nil)
	if got := m.Known(r); got != nil {
		t.Fatalf("a new browser knows %v", got)
	}
	for _, token := range []string{"a", "b", "c", "b", "d", "e"} {
		w := httptest.NewRecorder()
		m.Know(w, r, token)
		cookies := w.Result().Cookies()
		if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].MaxAge <= 0 {
			t.Fatalf("%+v", cookies)
		}
		r = httptest.NewRequest("GET", "/login", nil)
		r.AddCookie(cookies[0])
	}
	if got := m.Known(r); !slices.Equal(got, []string{"e", "d", "b", "c"}) {
		t.Errorf("%v", got)
	}
}
