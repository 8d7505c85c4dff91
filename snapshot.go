package idp

import (
	"context"
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
	at      time.Time // when its reading began; zero: it has to be read before anything else
	reading bool
	writes  int // by this process, so far
}

// get returns the value. Where the database does not answer it is the last one that was read, or the zero value.
func (s *snapshot[T]) get(ctx context.Context) T {
	s.mu.Lock()
	now := time.Now()
	if s.clock != nil {
		now = s.clock()
	}
	if s.reading || !s.at.IsZero() && now.Sub(s.at) < snapshotLife {
		defer s.mu.Unlock()
		return s.value
	}
	s.reading = true
	writes := s.writes
	s.mu.Unlock()

	// Not in the transaction of the request, which may see what is never committed; and for all others too, whether or not this
	// one goes away.
	apart, cancel := context.WithTimeout(context.WithoutCancel(s.db.Apart(ctx)), 2*time.Second)
	defer cancel()
	value, err := s.read(apart)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = false
	if err != nil {
		s.log.WarnContext(ctx, "taken as it was before", "what", s.what, "error", err)
	} else {
		s.value = value
	}
	if s.at = now; err == nil && writes != s.writes { // this may be what was there before
		s.at = time.Time{}
	}
	return s.value
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
