package cookie_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/focushq/idp/internal/cookie"
)

func TestSet(t *testing.T) {
	for _, tt := range []struct {
		name string
		jar  cookie.Jar
		life time.Duration
		want string
	}{
		{"https", cookie.Jar{Secure: true}, time.Hour, "__Host-idp_session=v; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"https, until the browser closes", cookie.Jar{Secure: true}, 0, "__Host-idp_session=v; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"localhost", cookie.Jar{}, time.Hour, "idp_session=v; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			tt.jar.Set(w, "session", "v", tt.life)
			if got := w.Header().Get("Set-Cookie"); got != tt.want {
				t.Errorf("Set-Cookie: %s\nwant        %s", got, tt.want)
			}
		})
	}
}

func TestGet(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "idp_session", Value: "planted"}) // a sibling domain can set this one
	r.AddCookie(&http.Cookie{Name: "__Host-idp_session", Value: "own"})
	if got := (cookie.Jar{Secure: true}).Get(r, "session"); got != "own" {
		t.Errorf("https: %q, want own", got)
	}
	if got := (cookie.Jar{}).Get(r, "session"); got != "planted" {
		t.Errorf("http: %q, want the name without prefix", got)
	}
	if got := (cookie.Jar{Secure: true}).Get(r, "other"); got != "" {
		t.Errorf("missing cookie: %q", got)
	}
}

func TestClear(t *testing.T) {
	w := httptest.NewRecorder()
	cookie.Jar{Secure: true}.Clear(w, "session")
	want := "__Host-idp_session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
	if got := w.Header().Get("Set-Cookie"); got != want {
		t.Errorf("Set-Cookie: %s\nwant        %s", got, want)
	}
}

func BenchmarkJar(b *testing.B) {
	jar := cookie.Jar{Secure: true}
	r := httptest.NewRequest("GET", "/", nil)
	for _, name := range []string{"__Host-idp_request", "__Host-idp_device", "__Host-idp_session"} {
		r.AddCookie(&http.Cookie{Name: name, Value: "0123456789abcdef0123456789abcdef0123456789a"})
	}
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if jar.Get(r, "session") == "" {
				b.Fatal("no cookie")
			}
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			jar.Set(httptest.NewRecorder(), "session", "v", time.Hour)
		}
	})
}
