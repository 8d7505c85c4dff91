package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// row is a line of the table sessions.
type row struct {
	ID          string `db:"id"`
	Secret      []byte `db:"secret"`
	Subject     string `db:"subject"`
	AMR         string `db:"amr"`
	AuthTime    int64  `db:"auth_time"`
	FactorAt    int64  `db:"factor_at"`
	PostponedAt int64  `db:"postponed_at"`
	RemindedAt  int64  `db:"reminded_at"`
	CreatedAt   int64  `db:"created_at"`
	SeenAt      int64  `db:"seen_at"`
	ExpiresAt   int64  `db:"expires_at"`
	Agent       string `db:"agent"`
	Address     string `db:"address"`
}

const columns = `id, secret, subject, amr, auth_time, factor_at, postponed_at, reminded_at, created_at, seen_at,
	expires_at, agent, address`

func (r row) session() *Session {
	return &Session{
		ID: r.ID, Subject: r.Subject, AMR: strings.Fields(r.AMR), AuthTime: at(r.AuthTime), FactorAt: at(r.FactorAt),
		PostponedAt: at(r.PostponedAt), RemindedAt: at(r.RemindedAt), CreatedAt: at(r.CreatedAt), SeenAt: at(r.SeenAt),
		ExpiresAt: at(r.ExpiresAt), Agent: r.Agent, Address: r.Address, secret: r.Secret,
	}
}

func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// limits are what a live session's times lie beyond, in Unix milliseconds.
type limits struct{ now, seen, proved int64 }

// limits are those of now. What ends overall stands in the row as well, but may have become shorter since.
func (m *Manager) limits(ctx context.Context) (limits, error) {
	now := m.now()
	idle, overall, err := m.lives(ctx)
	return limits{ms(now), ms(now.Add(-idle)), ms(now.Add(-overall))}, err
}

// List returns subject's live sessions, the latest seen first.
func (m *Manager) List(ctx context.Context, subject string) ([]*Session, error) {
	var rows []row
	l, err := m.limits(ctx)
	if err != nil {
		return nil, err
	}
	err = m.DB.Select(ctx, &rows, `
		SELECT `+columns+` FROM sessions WHERE subject = $1 AND expires_at > $2 AND seen_at > $3 AND auth_time > $4
		ORDER BY seen_at DESC, id`, subject, l.now, l.seen, l.proved)
	if err != nil {
		return nil, fmt.Errorf("session: list: %w", err)
	}
	out := make([]*Session, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.session())
	}
	return out, nil
}

const selectTimes = `SELECT expires_at, seen_at, auth_time FROM sessions WHERE id = $1 AND subject = $2`

// Lookup is what [Manager.Alive] will ask.
func Lookup(subject, id dbx.Arg) dbx.Lookup {
	return dbx.Lookup{Query: selectTimes, Args: []dbx.Arg{id, subject}}
}

// Alive reports whether subject's session of that ID has neither ended nor run out.
func (m *Manager) Alive(ctx context.Context, subject, id string) (bool, error) {
	l, err := m.limits(ctx)
	if err != nil {
		return false, err
	}
	var r row
	err = m.DB.Get(ctx, &r, selectTimes, id, subject)
	if dbx.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("session: alive: %w", err)
	}
	return r.ExpiresAt > l.now && r.SeenAt > l.seen && r.AuthTime > l.proved, nil
}

// EndOne ends one of subject's sessions; [ErrNotFound] when subject has none of that ID.
func (m *Manager) EndOne(ctx context.Context, subject, id string) error {
	if err := m.end(ctx, &Session{ID: id, Subject: subject}); err != nil {
		return fmt.Errorf("session: end one: %w", err)
	}
	return nil
}

// EndAll ends subject's sessions, other than those whose IDs are excepted, and returns the IDs of those that ended.
func (m *Manager) EndAll(ctx context.Context, subject string, except ...string) ([]string, error) {
	var ended []string
	err := m.DB.InTx(ctx, func(ctx context.Context) error {
		var ids []string
		if err := m.DB.Select(ctx, &ids, `SELECT id FROM sessions WHERE subject = $1 ORDER BY id`, subject); err != nil {
			return err
		}
		ended = ended[:0]
		for _, id := range ids {
			if slices.Contains(except, id) {
				continue
			}
			if err := m.end(ctx, &Session{ID: id, Subject: subject}); err == nil {
				ended = append(ended, id)
			} else if !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("session: end all: %w", err)
	}
	return ended, nil
}

// Prune removes sessions that ran out.
func (m *Manager) Prune(ctx context.Context) error {
	l, err := m.limits(ctx)
	if err != nil {
		return err
	}
	if err = m.DB.Prune(ctx, "sessions", "expires_at", "expires_at <= $1", l.now); err == nil {
		err = m.DB.Prune(ctx, "sessions", "seen_at", "seen_at <= $1", l.seen)
	}
	if err != nil {
		return fmt.Errorf("session: prune: %w", err)
	}
	return nil
}

func (m *Manager) bySecret(ctx context.Context, secret []byte) (*Session, error) {
	var r row
	l, err := m.limits(ctx)
	if err != nil {
		return nil, err
	}
	var lookups []dbx.Lookup
	if a, _ := ctx.Value(aheadKey{}).(*ahead); a != nil && !a.done.Swap(true) {
		lookups = a.lookups
	}
	err = m.DB.GetAhead(ctx, &r, lookups, `
		SELECT `+columns+` FROM sessions WHERE secret = $1 AND expires_at > $2 AND seen_at > $3 AND auth_time > $4`,
		secret, l.now, l.seen, l.proved)
	if dbx.IsNotFound(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("session: read: %w", err)
	}
	return r.session(), nil
}

func (m *Manager) insert(ctx context.Context, s *Session) error {
	_, err := m.DB.Exec(ctx, `
		INSERT INTO sessions (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		s.ID, s.secret, s.Subject, strings.Join(s.AMR, " "), ms(s.AuthTime), ms(s.FactorAt), ms(s.PostponedAt),
		ms(s.RemindedAt), ms(s.CreatedAt), ms(s.SeenAt), ms(s.ExpiresAt), s.Agent, s.Address)
	return err
}

// replace writes s over the session that still has the secret old: of two requests with one cookie only one wins.
func (m *Manager) replace(ctx context.Context, s *Session, old []byte) error {
	n, err := m.DB.Exec(ctx, `
		UPDATE sessions SET secret = $3, amr = $4, auth_time = $5, factor_at = $6, postponed_at = $7, reminded_at = $8,
			seen_at = $9, expires_at = $10, agent = $11, address = $12
		WHERE id = $1 AND secret = $2`,
		s.ID, old, s.secret, strings.Join(s.AMR, " "), ms(s.AuthTime), ms(s.FactorAt), ms(s.PostponedAt),
		ms(s.RemindedAt), ms(s.SeenAt), ms(s.ExpiresAt), s.Agent, s.Address)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

func (m *Manager) mark(ctx context.Context, query string, s *Session, now time.Time) error {
	n, err := m.DB.Exec(ctx, query, s.ID, ms(now))
	if err != nil {
		return fmt.Errorf("session: mark: %w", err)
	}
	if n == 0 {
		return ErrNotFound
	}
	return nil
}

// touch never moves SeenAt back: two requests may arrive out of order.
func (m *Manager) touch(ctx context.Context, s *Session) error {
	_, err := m.DB.Exec(ctx, `UPDATE sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2`, s.ID, ms(s.SeenAt))
	if err != nil {
		return fmt.Errorf("session: note the visit: %w", err)
	}
	return nil
}

// end removes the session with s's ID and subject and tells the listener.
func (m *Manager) end(ctx context.Context, s *Session) error {
	return m.DB.InTx(ctx, func(ctx context.Context) error {
		var r row
		err := m.DB.Get(ctx, &r, `DELETE FROM sessions WHERE id = $1 AND subject = $2 RETURNING `+columns, s.ID, s.Subject)
		if dbx.IsNotFound(err) {
			return ErrNotFound
		}
		if err != nil || m.Ended == nil {
			return err
		}
		return m.Ended(ctx, *r.session())
	})
}
