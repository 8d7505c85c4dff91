package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/internal/dbx"
)

var errSkeleton = errors.New("session: being written")

var (
	ErrNotFound = errors.New("session: not found")
	ErrForm     = errors.New("session: form token missing or stale")
)

// Session is one browser's sign-in.
type Session struct {
	ID, Subject        string
	AuthTime, FactorAt time.Time
	AMR                []string
	PostponedAt        time.Time
	RemindedAt         time.Time
	CreatedAt, SeenAt  time.Time
	ExpiresAt          time.Time
	Agent, Address     string

	secret []byte
}

// Manager keeps the sessions.
type Manager struct {
	DB            *dbx.DB
	Cookies       cookie.Jar
	Key           []byte        // 32 bytes, for form tokens
	Idle, Overall time.Duration // zero: 24 h, 30 days
	Now           func() time.Time
	Address       func(*http.Request) string           // nil: the host of RemoteAddr
	Ended         func(context.Context, Session) error // nil: nobody listens
}

func (m *Manager) Of(r *http.Request) (*Session, error) { return nil, errSkeleton }
func (m *Manager) Start(w http.ResponseWriter, r *http.Request, subject string, amr []string) (*Session, error) {
	return nil, errSkeleton
}
func (m *Manager) AddFactor(w http.ResponseWriter, r *http.Request, s *Session, amr []string) error {
	return errSkeleton
}
func (m *Manager) Postpone(ctx context.Context, s *Session) error { return errSkeleton }
func (m *Manager) Remind(ctx context.Context, s *Session) error   { return errSkeleton }
func (m *Manager) End(w http.ResponseWriter, r *http.Request) (*Session, error) {
	return nil, errSkeleton
}
func (m *Manager) EndOne(ctx context.Context, subject, id string) error { return errSkeleton }
func (m *Manager) EndAll(ctx context.Context, subject string, except ...string) ([]string, error) {
	return nil, errSkeleton
}
func (m *Manager) List(ctx context.Context, subject string) ([]*Session, error) {
	return nil, errSkeleton
}
func (m *Manager) Alive(ctx context.Context, subject, id string) (bool, error) {
	return false, errSkeleton
}
func (m *Manager) Prune(ctx context.Context) error                         { return errSkeleton }
func (m *Manager) FormToken(w http.ResponseWriter, r *http.Request) string { return "" }
func (m *Manager) CheckForm(r *http.Request) error                         { return errSkeleton }
