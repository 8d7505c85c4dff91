package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
)

// The cookies, by the names that [cookie.Jar] is given.
const (
	sessionCookie = "console"
	noticeCookie  = "console_notice"
)

// EventEntered is the action of the audit row of an administrator's sign-in to the console.
const EventEntered = "console.entered"

// visitor is an administrator's session in the console.
type visitor struct {
	Secret    []byte `db:"secret"`
	Subject   string `db:"subject"`
	SID       string `db:"sid"`
	AuthTime  int64  `db:"auth_time"`
	SeenAt    int64  `db:"seen_at"`
	ExpiresAt int64  `db:"expires_at"`
}

// proved reports whether both factors were given within that time.
func (v visitor) proved(within time.Duration, now time.Time) bool {
	return now.Sub(time.Unix(v.AuthTime, 0)) <= within
}

func digest(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}

// start begins a session for the subject of an ID token, in the place of the browser's former one.
func (c *Console) start(w http.ResponseWriter, r *http.Request, v visitor) error {
	value, now := rand.Text(), c.Now()
	v.Secret, v.SeenAt, v.ExpiresAt = digest(value), now.Unix(), time.Unix(v.AuthTime, 0).Add(proofLife).Unix()
	err := c.DB.InTx(r.Context(), func(ctx context.Context) error {
		if err := c.forget(ctx, r); err != nil {
			return err
		}
		_, err := c.DB.Exec(ctx, `INSERT INTO console_sessions (secret, subject, sid, auth_time, seen_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6)`, v.Secret, v.Subject, v.SID, v.AuthTime, v.SeenAt, v.ExpiresAt)
		if err != nil {
			return err
		}
		return c.Actions.Audit.Record(ctx, audit.Event{Action: EventEntered, Subject: v.Subject, Client: ClientID})
	})
	if err == nil {
		c.Sessions.Cookies.Set(w, sessionCookie, value, 0)
	}
	return err
}

// forget ends the browser's session in the console, if there is one.
func (c *Console) forget(ctx context.Context, r *http.Request) error {
	value := c.Sessions.Cookies.Get(r, sessionCookie)
	if value == "" {
		return nil
	}
	_, err := c.DB.Exec(ctx, `DELETE FROM console_sessions WHERE secret = $1`, digest(value))
	return err
}

// visitor returns the session of r's browser, nil when there is none, or it has run out, or the provider's has ended.
func (c *Console) visitor(r *http.Request) (*visitor, error) {
	value := c.Sessions.Cookies.Get(r, sessionCookie)
	if value == "" {
		return nil, nil
	}
	var v visitor
	ctx, now := r.Context(), c.Now()
	err := c.DB.Get(ctx, &v, `SELECT secret, subject, sid, auth_time, seen_at, expires_at FROM console_sessions
		WHERE secret = $1 AND expires_at > $2 AND seen_at > $3`, digest(value), now.Unix(), now.Add(-idle).Unix())
	if dbx.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// The same browser must hold the session at the provider, too: a cookie that was carried off alone opens nothing.
	s, err := c.Sessions.Of(r)
	if err != nil || s == nil || s.ID != v.SID || s.Subject != v.Subject {
		return nil, err
	}
	if now.Unix()-v.SeenAt >= 60 { // a write per minute, not per page
		_, err = c.DB.Exec(ctx, `UPDATE console_sessions SET seen_at = $2 WHERE secret = $1`, v.Secret, now.Unix())
	}
	return &v, err
}

// Prune removes sessions that have run out, and files whose previews have.
func (c *Console) Prune(ctx context.Context) error {
	if err := c.pruneImports(ctx); err != nil {
		return err
	}
	return c.DB.Prune(ctx, "console_sessions", "expires_at", "expires_at <= $1", c.Now().Unix())
}
