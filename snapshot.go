package idp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// snapshotLife is how long other replicas, and this one, may not know of a change that somebody else made.
const snapshotLife = time.Second

// snapshot is something of the database that every request needs and that hardly ever changes. At most once a second one request
// reads it anew, while the others take what there was; what this process changes counts at once.
type snapshot[T any] struct {
	what  string
	db    *dbx.DB
	log   *slog.Logger
	read  func(context.Context) (T, error)
	clock func() time.Time // nil: time.Now, whose differences no change of the wall clock touches

	mu      sync.Mutex
	value   T
	known   bool          // it was read once
	err     error         // of the last reading; only while it is not known
	at      time.Time     // when its reading began; zero: it has to be read before anything else
	reading chan struct{} // closed when the reading that goes on ends; nil: none does
	writes  int           // by this process, so far
}

// errUnread says that a reading did not come to its end.
var errUnread = errors.New("idp: the reading failed")

// get returns the value. Where the database does not answer it is the last one that was read; before there is one, all who ask
// wait for the first, and get its error: what nobody knows yet is not the zero value.
func (s *snapshot[T]) get(ctx context.Context) (T, error) {
	s.mu.Lock()
	if s.reading != nil && !s.known {
		return s.await(ctx, s.reading)
	}
	now := time.Now()
	if s.clock != nil {
		now = s.clock()
	}
	if s.reading != nil || !s.at.IsZero() && now.Sub(s.at) < snapshotLife {
		defer s.mu.Unlock()
		return s.value, s.err
	}
	s.reading = make(chan struct{})
	writes := s.writes
	s.mu.Unlock()

	s.renew(ctx, now, writes)

	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value, s.err
}

// await returns what the first reading brings. It is called with the mutex held, and lets go of it.
func (s *snapshot[T]) await(ctx context.Context, reading chan struct{}) (T, error) {
	s.mu.Unlock()
	select {
	case <-reading:
	case <-ctx.Done():
		return *new(T), ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value, s.err
}

// renew reads the value, for a request that came at now, after so many writes.
func (s *snapshot[T]) renew(ctx context.Context, now time.Time, writes int) {
	value, err := *new(T), errUnread
	defer func() { // also when it panics
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.reading)
		s.reading = nil
		switch {
		case err == nil:
			s.value, s.known, s.err = value, true, nil
		case s.known:
			s.log.WarnContext(ctx, "taken as it was before", "what", s.what, "error", err)
		default:
			s.log.WarnContext(ctx, "not known yet", "what", s.what, "error", err)
			s.err = fmt.Errorf("idp: %s: %w", s.what, err)
		}
		if s.at = now; err == nil && writes != s.writes { // this may be what was there before
			s.at = time.Time{}
		}
	}()
	// Not in the transaction of the request, which may see what is never committed; and for all others too, whether or not this
	// one goes away.
	apart, cancel := context.WithTimeout(context.WithoutCancel(s.db.Apart(ctx)), 2*time.Second)
	defer cancel()
	value, err = s.read(apart)
}

// changed makes a change in the transaction of ctx count when that is committed.
func (s *snapshot[T]) changed(ctx context.Context) {
	s.db.AfterCommit(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.at = time.Time{}
		s.writes++
	})
}
