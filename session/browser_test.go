package session_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/session"
)

// clock stands until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time        { return c.now }
func (c *clock) move(by time.Duration) { c.now = c.now.Add(by) }
func newClock() *clock                 { return &clock{time.UnixMilli(1_790_000_000_123)} }
func ignore() cmp.Option               { return cmpopts.IgnoreUnexported(session.Session{}) }
func manager(db *dbx.DB, c *clock) *session.Manager {
	return &session.Manager{DB: db, Key: bytes.Repeat([]byte{7}, 32), Now: c.Now}
}

// browser keeps cookies between requests.
type browser struct {
	t       *testing.T
	cookies map[string]string
}

func newBrowser(t *testing.T) *browser { return &browser{t, map[string]string{}} }

func (b *browser) request(form url.Values) *http.Request {
	r := httptest.NewRequestWithContext(b.t.Context(), "POST", "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Firefox\x00 on Linux")
	r.RemoteAddr = "[2001:db8::7]:4711"
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// do runs fn as one request and keeps the cookies it sets.
func (b *browser) do(fn func(w http.ResponseWriter, r *http.Request) error) {
	b.t.Helper()
	w := httptest.NewRecorder()
	check(b.t, fn(w, b.request(nil)))
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

func (b *browser) start(m *session.Manager, subject string) *session.Session {
	b.t.Helper()
	var s *session.Session
	b.do(func(w http.ResponseWriter, r *http.Request) (err error) {
		s, err = m.Start(w, r, subject, []string{"pwd"})
		return err
	})
	return s
}

// who returns the subject that is signed in, "" for nobody.
func (b *browser) who(m *session.Manager) string {
	b.t.Helper()
	s, err := m.Of(b.request(nil))
	check(b.t, err)
	if s == nil {
		return ""
	}
	return s.Subject
}

func (b *browser) token(m *session.Manager) (token string) {
	b.t.Helper()
	b.do(func(w http.ResponseWriter, r *http.Request) error {
		token = m.FormToken(w, r)
		if again := m.FormToken(w, r); again != token {
			b.t.Error("a second form of one page has another token")
		}
		return nil
	})
	return token
}

func (b *browser) copy() *browser {
	c := newBrowser(b.t)
	for name, value := range b.cookies {
		c.cookies[name] = value
	}
	return c
}

func ids(t *testing.T, m *session.Manager, subject string) (out []string) {
	t.Helper()
	sessions, err := m.List(t.Context(), subject)
	check(t, err)
	for _, s := range sessions {
		out = append(out, s.ID)
	}
	return out
}

func repeat(d time.Duration, n int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = d
	}
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
