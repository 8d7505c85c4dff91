package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/internal/dbx"
)

// The cookies, by the name that [cookie.Jar] is given.
const (
	sessionCookie = "session"
	formCookie    = "form"
)

// What a zero Manager uses.
const (
	DefaultIdle    = 24 * time.Hour
	DefaultOverall = 30 * 24 * time.Hour
)

// seenEvery is how exactly SeenAt is kept: a write per minute and session, not per request.
const seenEvery = time.Minute

var (
	// ErrNotFound says that the session is not there: ended, replaced, or somebody else's.
	ErrNotFound = errors.New("session: not found")
	// ErrForm says that a form's token is missing, or was made for another browser or before a sign-in.
	ErrForm = errors.New("session: the form token is missing or out of date")
)

// Session is one browser's sign-in. Times are exact to the millisecond.
type Session struct {
	ID          string    // the public "sid"
	Subject     string    // who
	AMR         []string  // the methods of this sign-in, RFC 8176
	AuthTime    time.Time // the password or passkey
	FactorAt    time.Time // the second factor since AuthTime, or the passkey that was two; zero: none
	PostponedAt time.Time // "not now" to enrolment since AuthTime; zero: not said
	RemindedAt  time.Time // the reminder about few recovery codes since AuthTime; zero: not seen
	CreatedAt   time.Time
	SeenAt      time.Time // the last request, to the minute
	ExpiresAt   time.Time // the overall end; the idle end comes by Manager.Idle
	Agent       string    // User-Agent of the start
	Address     string    // IP address of the start

	secret []byte // SHA-256 of the cookie's value
}

// Manager keeps the sessions in the tables of the migration stream "session". It is safe for concurrent use.
type Manager struct {
	DB      *dbx.DB
	Cookies cookie.Jar
	Key     []byte        // 32 secret bytes, the same on all replicas: for form tokens
	Idle    time.Duration // a session ends this long after its last request; 0: DefaultIdle
	Overall time.Duration // and this long after the last password in any case; 0: DefaultOverall
	// Lives returns Idle and Overall where they may change while the manager is in use; it is asked at every look at a session.
	// What looks at sessions returns its error, as one of the database. Nil: they stay.
	Lives func(context.Context) (idle, overall time.Duration, err error)
	Now   func() time.Time // nil: time.Now

	// Address returns the client's IP address; nil: that of the connection.
	Address func(*http.Request) string
	// Ended hears, in the same transaction, of every session that was ended (not of one that ran out); an error
	// undoes that. Nil: nobody listens.
	Ended func(context.Context, Session) error
}

type aheadKey struct{}

// ahead is what the first look at the session reads along with it: the second one is after a change, for the session alone.
type ahead struct {
	lookups []dbx.Lookup
	done    atomic.Bool
}

// Ahead returns a context by which the first [Manager.Of] also reads what will be asked about the session's person, see
// [dbx.DB.GetAhead]: arguments are the columns id and subject.
func (m *Manager) Ahead(ctx context.Context, lookups ...dbx.Lookup) context.Context {
	return context.WithValue(m.DB.Ahead(ctx), aheadKey{}, &ahead{lookups: lookups})
}

// Of returns the session of r's browser, or nil, nil for nobody: no cookie, a cookie of whatever shape that is not a
// live session's. It notes the visit, at most once a minute.
func (m *Manager) Of(r *http.Request) (*Session, error) {
	value := m.cookie(r, sessionCookie)
	if value == "" {
		return nil, nil
	}
	s, err := m.bySecret(r.Context(), digest(value))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if now := m.now(); now.Sub(s.SeenAt) >= seenEvery {
		s.SeenAt = now
		if err := m.touch(m.DB.Ahead(r.Context()), s); err != nil { // what was read along with the session stays true
			return nil, err
		}
	}
	return s, nil
}

// Start signs subject in on this browser after a password (or passkey) and sets a new secret. When amr holds "mfa" there
// were two factors at once, and FactorAt is AuthTime. When the browser's session is the same subject's it goes on under
// its ID, with everything since the last AuthTime forgotten; another subject's session ends. Form tokens made before are
// void.
func (m *Manager) Start(w http.ResponseWriter, r *http.Request, subject string, amr []string) (*Session, error) {
	now := m.now()
	_, overall, err := m.lives(r.Context())
	if err != nil {
		return nil, err
	}
	value, secret := newSecret()
	s := &Session{
		ID: rand.Text(), Subject: subject, AMR: amr, AuthTime: now, CreatedAt: now, SeenAt: now,
		ExpiresAt: now.Add(overall), Agent: oneLine(r.UserAgent()), Address: m.address(r), secret: secret,
	}
	if slices.Contains(amr, "mfa") {
		s.FactorAt = now
	}
	err = m.DB.InOne(r.Context(), func(ctx context.Context) error {
		before, err := m.Of(r.WithContext(ctx))
		if err != nil {
			return err
		}
		if before != nil && before.Subject == subject {
			s.ID, s.CreatedAt = before.ID, before.CreatedAt
			if err = m.replace(ctx, s, before.secret); !errors.Is(err, ErrNotFound) {
				return err
			}
			s.ID, s.CreatedAt = rand.Text(), now // ended by another request in between
		} else if before != nil {
			if err := m.end(ctx, before); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		return m.insert(ctx, s)
	})
	if err != nil {
		return nil, fmt.Errorf("session: start: %w", err)
	}
	m.Cookies.Set(w, sessionCookie, value, 0)
	m.Cookies.Clear(w, formCookie)
	return s, nil
}

// AddFactor notes a second factor: FactorAt is now, amr replaces the methods, the secret is new, AuthTime stays.
// It returns [ErrNotFound] when s has ended or changed since it was read.
func (m *Manager) AddFactor(w http.ResponseWriter, r *http.Request, s *Session, amr []string) error {
	value, secret := newSecret()
	next := *s
	next.FactorAt, next.AMR, next.secret = m.now(), amr, secret
	if err := m.replace(r.Context(), &next, s.secret); err != nil {
		return fmt.Errorf("session: add factor: %w", err)
	}
	*s = next
	m.Cookies.Set(w, sessionCookie, value, 0)
	return nil
}

// Postpone notes that the person said "not now" to enrolment.
func (m *Manager) Postpone(ctx context.Context, s *Session) error {
	s.PostponedAt = m.now()
	return m.mark(ctx, `UPDATE sessions SET postponed_at = $2 WHERE id = $1`, s, s.PostponedAt)
}

// Remind notes that the person saw the reminder about few recovery codes.
func (m *Manager) Remind(ctx context.Context, s *Session) error {
	s.RemindedAt = m.now()
	return m.mark(ctx, `UPDATE sessions SET reminded_at = $2 WHERE id = $1`, s, s.RemindedAt)
}

// End signs this browser out, on the server and in the browser, and returns the session that ended; nil when there was
// none.
func (m *Manager) End(w http.ResponseWriter, r *http.Request) (*Session, error) {
	s, err := m.Of(r)
	if err != nil {
		return nil, err
	}
	if s != nil {
		if err := m.end(r.Context(), s); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("session: end: %w", err)
		}
	}
	m.Cookies.Clear(w, sessionCookie)
	m.Cookies.Clear(w, formCookie)
	return s, nil
}

// cookie returns the first value of that name which may be ours, "" when there is none: another may have been planted
// beside it, by a page on the same host for example.
func (m *Manager) cookie(r *http.Request, name string) string {
	for _, c := range r.CookiesNamed(m.Cookies.Name(name)) {
		if wellFormed(c.Value) {
			return c.Value
		}
	}
	return ""
}

// newSecret returns a cookie's value and what the database keeps of it.
func newSecret() (value string, secret []byte) {
	var random [32]byte
	rand.Read(random[:])
	value = base64.RawURLEncoding.EncodeToString(random[:])
	return value, digest(value)
}

func digest(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}

// wellFormed reports whether value looks like newSecret's. Strict: no second spelling of the same bytes.
func wellFormed(value string) bool {
	if len(value) != base64.RawURLEncoding.EncodedLen(32) {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(value)
	return err == nil
}

// oneLine cuts a header to what is worth keeping and to what is safe to print.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 256)]
}

func (m *Manager) address(r *http.Request) string {
	if m.Address != nil {
		return m.Address(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// now is cut to what the database keeps, so that a session just made equals the one read back.
func (m *Manager) now() time.Time {
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	return time.UnixMilli(now().UnixMilli())
}

// lives returns how long after its last request, and how long after the last password, a session ends.
func (m *Manager) lives(ctx context.Context) (idle, overall time.Duration, err error) {
	idle, overall = m.Idle, m.Overall
	if m.Lives != nil {
		if idle, overall, err = m.Lives(ctx); err != nil {
			return 0, 0, fmt.Errorf("session: how long sessions last: %w", err)
		}
	}
	return cmp.Or(max(idle, 0), DefaultIdle), cmp.Or(max(overall, 0), DefaultOverall), nil
}
