package session_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/session"
)

func TestSec_SS01_OnlyADigestIsStoredAndNoValueAdopted(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		m, b := manager(db, newClock()), newBrowser(t)
		chosen := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
		b.cookies["idp_session"] = chosen
		s := b.start(m, "alice")
		value := b.cookies["idp_session"]
		if value == chosen || s.ID == value {
			t.Error("the cookie's value was adopted, or is the public ID")
		}
		if raw, err := base64.RawURLEncoding.DecodeString(value); err != nil || len(raw) != 32 {
			t.Errorf("cookie of %d bytes: %v", len(raw), err)
		}
		var stored []byte
		check(t, db.Get(t.Context(), &stored, `SELECT secret FROM sessions WHERE id = $1`, s.ID))
		if sum := sha256.Sum256([]byte(value)); !bytes.Equal(stored, sum[:]) {
			t.Error("the stored secret is not the SHA-256 of the cookie")
		}
	}, "session")
}

func TestOfReadsBackWhatStartMade(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		c, b := newClock(), newBrowser(t)
		m := manager(db, c)
		made := b.start(m, "alice")
		want := &session.Session{ID: made.ID, Subject: "alice", AMR: []string{"pwd"}, AuthTime: c.now, CreatedAt: c.now,
			SeenAt: c.now, ExpiresAt: c.now.Add(session.DefaultOverall), Agent: "Firefox on Linux", Address: "2001:db8::7"}
		if diff := cmp.Diff(want, made, ignore()); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		got, err := m.Of(b.request(nil))
		check(t, err)
		if diff := cmp.Diff(made, got, ignore()); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}, "session")
}

func TestOddCookiesAreNobody(t *testing.T) {
	m := manager(dbxtest.SQLite(t, "session"), newClock())
	good := newBrowser(t)
	good.start(m, "alice")
	value := good.cookies["idp_session"]
	for name, odd := range map[string]string{
		"none": "", "short": "x", "long": strings.Repeat("A", 5000), "spaces": "   ", "quotes": `"` + value + `"x`,
		"unknown": strings.Repeat("A", 43), "prefix": value[:42], "suffix": value + "A", "case": strings.ToUpper(value),
		"padding bits": value[:42] + "_", "NUL": "\x00", "JSON": `{"id":1}`, "SQL": "' OR 1=1 --",
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", "idp_session="+odd)
			if s, err := m.Of(r); s != nil || err != nil {
				t.Errorf("%v, %v", s, err)
			}
			w := httptest.NewRecorder()
			r.Header.Set("Cookie", "idp_form="+odd)
			if m.FormToken(w, r) == "" {
				t.Error("no form token beside an odd cookie")
			}
		})
	}
	t.Run("a planted one before ours", func(t *testing.T) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "idp_session=planted; idp_session="+value)
		if s, err := m.Of(r); s == nil || err != nil {
			t.Errorf("%v, %v", s, err)
		}
	})
}

func TestSec_SS02_EveryStepGivesANewSecret(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		c, b := newClock(), newBrowser(t)
		m := manager(db, c)
		first := b.start(m, "alice")
		steps := []struct {
			name string
			do   func(s *session.Session) *session.Session
		}{
			{"factor", func(s *session.Session) *session.Session {
				b.do(func(w http.ResponseWriter, r *http.Request) error {
					return m.AddFactor(w, r, s, []string{"pwd", "otp", "mfa"})
				})
				if !s.FactorAt.Equal(c.now) || !s.AuthTime.Equal(c.now.Add(-time.Minute)) {
					t.Errorf("factor at %v, signed in at %v", s.FactorAt, s.AuthTime)
				}
				return s
			}},
			{"proof again", func(*session.Session) *session.Session {
				s := b.start(m, "alice")
				if !s.FactorAt.IsZero() || !s.AuthTime.Equal(c.now) || !s.CreatedAt.Equal(first.CreatedAt) {
					t.Errorf("%+v", s)
				}
				return s
			}},
			{"factor again", func(s *session.Session) *session.Session {
				b.do(func(w http.ResponseWriter, r *http.Request) error {
					return m.AddFactor(w, r, s, []string{"pwd", "mfa"})
				})
				return s
			}},
		}
		s := first
		for _, step := range steps {
			c.move(time.Minute)
			old := b.copy()
			s = step.do(s)
			if s.ID != first.ID {
				t.Errorf("%s: the public ID changed", step.name)
			}
			if old.cookies["idp_session"] == b.cookies["idp_session"] {
				t.Errorf("%s: the same secret", step.name)
			}
			if who := old.who(m); who != "" {
				t.Errorf("%s: the old secret is %s", step.name, who)
			}
			got, err := m.Of(b.request(nil))
			check(t, err)
			if diff := cmp.Diff(s, got, ignore(), cmpopts.IgnoreFields(session.Session{}, "SeenAt")); diff != "" {
				t.Errorf("%s: -want +got\n%s", step.name, diff)
			}
		}
	}, "session")
}

func TestSec_SS02_OneOfManyFactorsWins(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		m, b := manager(db, newClock()), newBrowser(t)
		b.start(m, "alice")
		var won atomic.Int32
		var wait sync.WaitGroup
		r := b.request(nil)
		read, err := m.Of(r)
		check(t, err)
		for range 40 {
			s := new(session.Session)
			*s = *read
			wait.Go(func() {
				switch err := m.AddFactor(httptest.NewRecorder(), r, s, []string{"pwd", "mfa"}); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, session.ErrNotFound):
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 {
			t.Errorf("%d secrets were given", won.Load())
		}
	}, "session")
}

func TestSec_SS04_IdleAndOverallEnds(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	tests := []struct {
		name  string
		moves []time.Duration // a request after each
		want  string
	}{
		{"idle just not", []time.Duration{day - time.Millisecond}, "alice"},
		{"idle", []time.Duration{day}, ""},
		{"each visit counts", []time.Duration{20 * hour, 20 * hour, 20 * hour}, "alice"},
		{"a visit within the minute is not noted", []time.Duration{59 * time.Second, day - 59*time.Second}, ""},
		{"overall, whatever the visits", repeat(20*hour, 36), ""},
		{"just before", repeat(20*hour, 35), "alice"},
	}
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				c, b := newClock(), newBrowser(t)
				m := manager(db, c)
				s := b.start(m, "alice")
				var got string
				for _, by := range tt.moves {
					c.move(by)
					got = b.who(m)
				}
				if got != tt.want {
					t.Errorf("signed in: %q, want %q", got, tt.want)
				}
				alive, err := m.Alive(t.Context(), "alice", s.ID)
				check(t, err)
				if alive != (tt.want != "") {
					t.Errorf("alive: %v", alive)
				}
				check(t, m.Prune(t.Context()))
				var n int
				check(t, db.Get(t.Context(), &n, `SELECT count(*) FROM sessions WHERE id = $1`, s.ID))
				if (n == 1) != (tt.want != "") {
					t.Errorf("%d rows after Prune", n)
				}
			})
		}
	}, "session")
}

func TestSec_SS05_SignOutEndsItOnTheServer(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		m, b := manager(db, newClock()), newBrowser(t)
		s := b.start(m, "alice")
		old := b.copy()
		b.do(func(w http.ResponseWriter, r *http.Request) error {
			ended, err := m.End(w, r)
			if ended == nil || ended.ID != s.ID {
				t.Errorf("ended %v", ended)
			}
			return err
		})
		if len(b.cookies) != 0 {
			t.Errorf("cookies left: %v", b.cookies)
		}
		if who := old.who(m); who != "" {
			t.Errorf("the old cookie is %s", who)
		}
		b.do(func(w http.ResponseWriter, r *http.Request) error {
			ended, err := m.End(w, r)
			if ended != nil {
				t.Errorf("ended %v twice", ended)
			}
			return err
		})
	}, "session")
}

func TestSec_SS07_OnlyOnesOwn(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		ctx, c := t.Context(), newClock()
		m := manager(db, c)
		phone, laptop, bob := newBrowser(t), newBrowser(t), newBrowser(t)
		onPhone := phone.start(m, "alice")
		c.move(time.Hour)
		onLaptop := laptop.start(m, "alice")
		bob.start(m, "bob")

		if got := ids(t, m, "alice"); !cmp.Equal(got, []string{onLaptop.ID, onPhone.ID}) {
			t.Errorf("listed %v", got)
		}
		for _, id := range []string{onPhone.ID, "unknown", ""} {
			if err := m.EndOne(ctx, "bob", id); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("bob ends %q: %v", id, err)
			}
		}
		if alive, err := m.Alive(ctx, "bob", onPhone.ID); alive || err != nil {
			t.Errorf("alive for bob: %v, %v", alive, err)
		}
		check(t, m.EndOne(ctx, "alice", onPhone.ID))
		if phone.who(m) != "" || laptop.who(m) != "alice" {
			t.Error("another one ended")
		}

		again := phone.start(m, "alice")
		ended, err := m.EndAll(ctx, "alice", onLaptop.ID)
		check(t, err)
		if !cmp.Equal(ended, []string{again.ID}) || laptop.who(m) != "alice" || bob.who(m) != "bob" {
			t.Errorf("ended %v", ended)
		}
		ended, err = m.EndAll(ctx, "alice")
		check(t, err)
		if !cmp.Equal(ended, []string{onLaptop.ID}) || laptop.who(m) != "" || bob.who(m) != "bob" {
			t.Errorf("ended %v", ended)
		}
	}, "session")
}

func TestSec_SS09_AnotherSubjectEndsTheSession(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		m, b := manager(db, newClock()), newBrowser(t)
		var heard []string
		m.Ended = func(_ context.Context, s session.Session) error {
			heard = append(heard, s.ID)
			return nil
		}
		alice := b.start(m, "alice")
		check(t, m.Postpone(t.Context(), alice))
		old := b.copy()
		bob := b.start(m, "bob")
		if bob.ID == alice.ID || !bob.PostponedAt.IsZero() {
			t.Errorf("something of alice's reached bob: %+v", bob)
		}
		if b.who(m) != "bob" || old.who(m) != "" || len(ids(t, m, "alice")) != 0 {
			t.Error("alice's session goes on")
		}
		if !cmp.Equal(heard, []string{alice.ID}) {
			t.Errorf("ended: %v", heard)
		}
	}, "session")
}

func TestAListenersErrorUndoesTheEnd(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		m, b := manager(db, newClock()), newBrowser(t)
		s := b.start(m, "alice")
		broken := errors.New("broken")
		m.Ended = func(context.Context, session.Session) error { return broken }
		if err := m.EndOne(t.Context(), "alice", s.ID); !errors.Is(err, broken) {
			t.Error(err)
		}
		if b.who(m) != "alice" {
			t.Error("ended all the same")
		}
	}, "session")
}

// Two factors at once, a passkey whose device has verified the person, have both been given when the session begins.
func TestSec_MF16_TwoFactorsAtOnce(t *testing.T) {
	c := newClock()
	m := manager(dbxtest.SQLite(t, "session"), c)
	b := newBrowser(t)
	for _, row := range []struct {
		amr    []string
		factor bool
	}{{[]string{"hwk", "user", "mfa"}, true}, {[]string{"pwd"}, false}, {[]string{"hwk"}, false}, {[]string{"swk", "user", "mfa"}, true}} {
		c.move(time.Minute)
		b.do(func(w http.ResponseWriter, r *http.Request) error {
			_, err := m.Start(w, r, "alice", row.amr)
			return err
		})
		s, err := m.Of(b.request(nil))
		check(t, err)
		if !s.AuthTime.Equal(c.now) || s.FactorAt.Equal(c.now) != row.factor || s.FactorAt.IsZero() == row.factor {
			t.Errorf("%v: at %v, factor at %v", row.amr, s.AuthTime, s.FactorAt)
		}
	}
}

func TestMarksAreForgottenAtTheNextPassword(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		c, b := newClock(), newBrowser(t)
		m := manager(db, c)
		s := b.start(m, "alice")
		c.move(time.Second)
		check(t, m.Postpone(t.Context(), s))
		check(t, m.Remind(t.Context(), s))
		got, err := m.Of(b.request(nil))
		check(t, err)
		if !got.PostponedAt.Equal(c.now) || !got.RemindedAt.Equal(c.now) {
			t.Errorf("%+v", got)
		}
		b.start(m, "alice")
		got, err = m.Of(b.request(nil))
		check(t, err)
		if !got.PostponedAt.IsZero() || !got.RemindedAt.IsZero() {
			t.Errorf("%+v", got)
		}
		check(t, m.EndOne(t.Context(), "alice", s.ID))
		if err := m.Remind(t.Context(), s); !errors.Is(err, session.ErrNotFound) {
			t.Error(err)
		}
	}, "session")
}

func TestSec_SS11_AVisitWritesOncePerMinute(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		c, b := newClock(), newBrowser(t)
		m := manager(db, c)
		start := b.start(m, "alice").SeenAt
		for _, tt := range []struct{ after, want time.Duration }{
			{30 * time.Second, 0}, {59 * time.Second, 0}, {60 * time.Second, 60 * time.Second}, {90 * time.Second, 60 * time.Second},
		} {
			c.now = start.Add(tt.after)
			b.who(m)
			var seen int64
			check(t, db.Get(t.Context(), &seen, `SELECT seen_at FROM sessions`))
			if got := time.UnixMilli(seen).Sub(start); got != tt.want {
				t.Errorf("after %v: seen at %v, want %v", tt.after, got, tt.want)
			}
		}
	}, "session")
}
