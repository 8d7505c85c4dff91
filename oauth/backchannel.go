package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	loginLife    = 90 * 24 * time.Hour // longer than a session goes on without a new password, and than refresh tokens live
	noticeLife   = 24 * time.Hour      // how long a client is told again
	noticeHead   = 2 * time.Second     // whoever ended the session tells its clients; later, whoever comes first
	noticeWait   = 3 * time.Second     // for one client
	noticeLimit  = 8 * time.Second     // of that: shorter than the first pause, or two replicas would ask at a time
	noticeBatch  = 100
	logoutTokens = 2 * time.Minute // the life of a logout token
	logoutEvent  = "http://schemas.openid.net/event/backchannel-logout"
)

// noticePauses are the pauses between tries; the last one repeats.
var noticePauses = []time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour}

// notice is a row of oauth_logins whose session has ended.
type notice struct {
	ID        string `db:"id"`
	SessionID string `db:"session_id"`
	ClientID  string `db:"client_id"`
	Subject   string `db:"subject"`
	Attempts  int64  `db:"attempts"`
	ExpiresAt int64  `db:"expires_at"`
}

const noticeColumns = `id, session_id, client_id, subject, attempts, expires_at`

// noteLogin notes, in the transaction of the answer, that the browser session signed in to a client that wants to hear of
// its end. A row is made once, and written again only when it has become a day older.
func (s *Server) noteLogin(ctx context.Context, client *Client, auth *Authentication) error {
	if !client.hasLogoutURI() || auth.SessionID == "" {
		return nil
	}
	until := s.cfg.Now().Add(loginLife)
	err := s.cfg.DB.Write(ctx, `INSERT INTO oauth_logins (id, session_id, client_id, subject, expires_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (session_id, client_id) DO UPDATE SET expires_at = $5
		WHERE oauth_logins.due_at = 0 AND oauth_logins.expires_at < $6`,
		randomText(16), auth.SessionID, client.ID, auth.Subject, until.Unix(), until.Add(-24*time.Hour).Unix())
	return unavailable(err)
}

// queueNotices makes the clients of the session sid due to be told, in the transaction that ends it: a server that dies
// right afterwards has forgotten nobody.
func (s *Server) queueNotices(ctx context.Context, sid string) error {
	now := s.cfg.Now()
	_, err := s.cfg.DB.Exec(ctx, `UPDATE oauth_logins SET due_at = $2, expires_at = $3 WHERE session_id = $1 AND due_at = 0`,
		sid, now.Add(noticeHead).Unix(), now.Add(noticeLife).Unix())
	return unavailable(err)
}

// NotifySession tells the clients of the session sid, which has just ended, all at once and once each, and returns after
// [Config.NoticeWait] at the latest. Nobody's logout fails because of a client: who did not take the notice is told
// again by [Server.Notify].
func (s *Server) NotifySession(ctx context.Context, sid string) {
	// The browser may go away; the others still want to know.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.NoticeWait)
	defer cancel()
	var fresh []notice
	err := s.cfg.DB.Select(ctx, &fresh, `SELECT `+noticeColumns+` FROM oauth_logins
		WHERE session_id = $1 AND due_at > 0 AND attempts = 0`, sid)
	if err == nil {
		err = s.deliver(ctx, fresh)
	}
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "oauth: logout notices wait", "error", err)
	}
}

// Notify sends the logout notices that are due to clients (OpenID Connect Back-Channel Logout 1.0 section 2.5). A client
// that does not take its notice is told again after growing pauses, for a day. Every replica may call it at any time. The
// error is about the database only.
func (s *Server) Notify(ctx context.Context) error {
	var due []notice
	err := s.cfg.DB.Select(ctx, &due, `SELECT `+noticeColumns+` FROM oauth_logins
		WHERE due_at > 0 AND due_at <= $1 ORDER BY due_at, id LIMIT $2`, s.cfg.Now().Unix(), noticeBatch)
	if err != nil {
		return unavailable(err)
	}
	return s.deliver(ctx, due)
}

// deliver tells different clients at the same time, and one client one thing after the other.
func (s *Server) deliver(ctx context.Context, notices []notice) error {
	byClient := map[string][]notice{}
	for _, n := range notices {
		byClient[n.ClientID] = append(byClient[n.ClientID], n)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failures []error
	for _, queue := range byClient {
		wg.Go(func() {
			if err := s.deliverTo(ctx, queue); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failures = append(failures, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(failures...)
}

// deliverTo tells one client. When it cannot be reached, or is slow, the rest of its queue counts as tried: it would hold
// up other clients' notices.
func (s *Server) deliverTo(ctx context.Context, queue []notice) error {
	asking, cancel := context.WithTimeout(ctx, s.cfg.NoticeWait)
	defer cancel()
	client, err := s.clients.Get(ctx, queue[0].ClientID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return unavailable(err)
	}
	var unreachable error
	for _, n := range queue {
		mine, err := s.claim(ctx, &n)
		if err != nil {
			return err
		}
		if !mine {
			continue
		}
		if client == nil || client.BackchannelLogoutURI == "" {
			_, err = s.cfg.DB.Exec(ctx, `DELETE FROM oauth_logins WHERE id = $1`, n.ID)
		} else {
			failure := unreachable
			if failure == nil {
				failure = s.send(asking, client, n)
				s.logUntold(ctx, n, failure)
				if _, answered := errors.AsType[statusError](failure); !answered {
					unreachable = failure
				}
			}
			err = s.settle(ctx, n, failure)
		}
		if err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// claim makes the caller the only one to try n now: it counts the try and moves the next one into the future, which also
// arranges for another one should this process die.
func (s *Server) claim(ctx context.Context, n *notice) (bool, error) {
	pause := noticePauses[min(int(n.Attempts), len(noticePauses)-1)]
	rows, err := s.cfg.DB.Exec(ctx, `UPDATE oauth_logins SET attempts = attempts + 1, due_at = $3
		WHERE id = $1 AND attempts = $2 AND due_at > 0`, n.ID, n.Attempts, s.cfg.Now().Add(pause).Unix())
	n.Attempts++
	return rows == 1, unavailable(err)
}

// settle notes what became of a try: the notice is done when the client took it, and given up when its time is over.
func (s *Server) settle(ctx context.Context, n notice, failure error) error {
	ctx = context.WithoutCancel(ctx) // the client knows; so must we, even when the process is being stopped
	event := Event{
		Kind: EventLogoutNoticed, Subject: n.Subject, Client: n.ClientID, Session: n.SessionID,
		Detail: map[string]string{"attempts": strconv.FormatInt(n.Attempts, 10)},
	}
	if failure != nil {
		if s.cfg.Now().Unix() < n.ExpiresAt {
			return nil
		}
		event.Kind = EventLogoutUnnoticed
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		rows, err := s.cfg.DB.Exec(ctx, `DELETE FROM oauth_logins WHERE id = $1`, n.ID)
		if err != nil || rows == 0 {
			return err
		}
		return s.audit(ctx, event)
	})
}

func (s *Server) logUntold(ctx context.Context, n notice, failure error) {
	if failure != nil {
		s.cfg.Log.WarnContext(ctx, "oauth: a client did not take the notice of a logout", "client", n.ClientID,
			"attempts", n.Attempts, "error", failure)
	}
}

// statusError is the answer of a client that did not take a notice.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("oauth: status %d", int(e)) }

// send posts a logout token to the client (OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.5).
func (s *Server) send(ctx context.Context, client *Client, n notice) error {
	now := s.cfg.Now()
	token, err := s.keys.sign(ctx, client.IDTokenAlg, typLogout, map[string]any{
		"iss": s.cfg.Issuer, "aud": client.ID, "sub": n.Subject, "sid": n.SessionID, "jti": randomText(16),
		"iat": now.Unix(), "exp": now.Add(logoutTokens).Unix(),
		"events": map[string]any{logoutEvent: struct{}{}}, // and no nonce, so that it never passes for an ID token
	})
	if err != nil {
		return err
	}
	form := url.Values{"logout_token": {token}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, client.BackchannelLogoutURI, strings.NewReader(form))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.cfg.Outbound.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err // without the address, whose query may hold a secret
	}
	if err != nil {
		return err
	}
	response.Body.Close() // unread, however long it is
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNoContent {
		return statusError(response.StatusCode)
	}
	return nil
}
