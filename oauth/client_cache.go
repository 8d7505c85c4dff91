package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ory/fosite"
)

// maxSnapshots is how many clients are remembered.
const maxSnapshots = 10_000

// snapshots remembers the clients that were read during the last second, or the last ten while other processes tell of their
// changes (see [dbx.DB.Current]), because every request needs one and hardly ever finds it changed. What this process writes
// counts at once. What another one forbids counts within a second, and what it newly allows at once, because nothing is refused
// by a snapshot: see [store.judged]. So only what is there, and enabled, is remembered.
type snapshots struct {
	// current says whether what is so old is good, and whether it should be read anew: [dbx.DB.Current].
	current func(age time.Duration) (usable, renew bool)
	// clock is time.Now, whose differences no change of the wall clock touches: by [Config.Now], which may be set back,
	// a snapshot could live on.
	clock func() time.Time

	mu     sync.RWMutex
	byID   map[string]snapshot
	writes int64 // so far, by anybody
}

type snapshot struct {
	row     clientRow
	client  *Client
	read    time.Time
	renewed *atomic.Bool // somebody reads it anew
}

func newSnapshots(current func(time.Duration) (bool, bool)) *snapshots {
	return &snapshots{current: current, clock: time.Now, byID: make(map[string]snapshot)}
}

// recent returns the client id as it is remembered, nil when that is not known or too old. Whoever is told to renew it, one
// caller, should have it read anew while it is still good.
func (s *snapshots) recent(id string) (client *Client, renew bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.byID[id]
	if !ok {
		return nil, false
	}
	usable, renew := s.current(s.clock().Sub(found.read))
	if !usable {
		return nil, false
	}
	return found.client, renew && found.renewed.CompareAndSwap(false, true)
}

// begin returns what keep wants to know of the moment before a client is read.
func (s *snapshots) begin() (read time.Time, writes int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.clock(), s.writes
}

// keep remembers what was read, unless somebody has written meanwhile: the row may be the one before. A row that has
// not changed keeps its client.
func (s *snapshots) keep(id string, row clientRow, made func(clientRow) (*Client, error), read time.Time, writes int64) (*Client, error) {
	s.mu.RLock()
	old, known := s.byID[id]
	s.mu.RUnlock()
	client := old.client
	if !known || old.row != row {
		var err error
		if client, err = made(row); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case client.Disabled:
		delete(s.byID, id)
	case writes == s.writes:
		if len(s.byID) >= maxSnapshots {
			clear(s.byID) // they would be old soon
		}
		s.byID[id] = snapshot{row, client, read, new(atomic.Bool)}
	}
	return client, nil
}

// drop forgets the client id, which somebody has changed; "" is all of them.
func (s *snapshots) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		clear(s.byID)
	}
	delete(s.byID, id)
	s.writes++
}

// changesOfClients is what processes tell each other of, see [dbx.DB.Tell].
const changesOfClients = "client"

// changed makes a write of the client id count when its transaction is committed, in this process and in others.
func (c *Clients) changed(ctx context.Context, id string) error {
	c.added(ctx, id)
	return unavailable(c.db.Tell(ctx, changesOfClients, id))
}

// added is changed for a client that is new: nobody remembers it, as nobody remembers that there is none.
func (c *Clients) added(ctx context.Context, id string) {
	c.db.AfterCommit(ctx, func() { c.snapshots.drop(id) })
}

// current returns the client id as the database has it, and remembers that. It is shared: [Clients.Get] returns one's own.
func (c *Clients) current(ctx context.Context, id string) (*Client, error) {
	read, writes := c.snapshots.begin()
	row, err := c.row(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.snapshots.keep(id, row, c.client, read, writes)
}

// client returns the enabled client id, without what was changed during the last second: whoever refuses something because of it asks
// judged. One that the request carries already is not looked for again.
func (s *store) client(ctx context.Context, id string) (*Client, error) {
	if client := ClientFrom(ctx); client != nil && client.ID == id {
		return client, nil
	}
	client, renew := s.clients.snapshots.recent(id)
	if renew {
		s.db.Background(func(ctx context.Context) {
			// A failure is met again by whoever needs it.
			_, _ = s.clients.current(ctx, id)
		})
	}
	if client != nil {
		return client, nil
	}
	return s.current(ctx, id)
}

// current returns the client id if it is enabled now.
func (s *store) current(ctx context.Context, id string) (*Client, error) {
	client, err := s.clients.current(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && client.Disabled {
		return nil, fosite.ErrNotFound
	}
	return client, unavailable(err)
}

// judged returns what judge says of client. Where that is a refusal, it is what judge says of the client as it is now:
// another process may have allowed it a moment ago. The client that was judged last is returned too. judge may be called
// twice, so it must not change anything.
func (s *store) judged(ctx context.Context, client *Client, judge func(*Client) error) (*Client, error) {
	refusal := judge(client)
	if refusal == nil {
		return client, nil
	}
	if _, ours := problemOf(refusal); ours {
		return client, refusal
	}
	now, err := s.current(ctx, client.ID)
	switch {
	case errors.Is(err, fosite.ErrNotFound), err == nil && now == client:
		return client, refusal
	case err != nil:
		return client, err
	}
	return now, judge(now)
}

// covering returns client as it was at most a second ago if it may have all that a request asks for, else as it is now,
// for those who will refuse the request.
func (s *Server) covering(ctx context.Context, client *Client, form url.Values, header http.Header) (*Client, error) {
	client, err := s.store.judged(ctx, client, func(client *Client) error {
		if s.covers(client, form, header) {
			return nil
		}
		return fosite.ErrInvalidRequest
	})
	if errors.Is(err, fosite.ErrInvalidRequest) {
		err = nil
	}
	return client, err
}

// covers reports whether client may ask for the grant type, the scopes and the resources of form, and proves a key where
// it has to.
func (s *Server) covers(client *Client, form url.Values, header http.Header) bool {
	if grant := form.Get("grant_type"); grant != "" &&
		(!slices.Contains(client.GrantTypes, grant) || client.DPoPBound && header.Get("DPoP") == "") {
		return false
	}
	return s.permits(client, strings.Fields(form.Get("scope")), form["resource"])
}
