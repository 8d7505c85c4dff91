package idp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// snapshotRest is for how long nobody reads again what could not be read.
const snapshotRest = 100 * time.Millisecond

// snapshot is something of the database that every request needs and that hardly ever changes. What this process changes counts
// at once; what another one changes counts within a second: for so long a reading is taken for true, or for up to ten seconds while
// changes are told of (see [dbx.DB.Current]). Towards the end of its time it is read anew in the background.
// Its value is shared by all who ask and must not be changed.
type snapshot[T any] struct {
	what    string
	topic   string // of [dbx.DB.Tell]
	db      *dbx.DB
	log     *slog.Logger
	read    func(context.Context) (T, error)
	lenient bool             // an old value is better than none, where the database does not answer
	clock   func() time.Time // nil: time.Now, whose differences no change of the wall clock touches

	mu      sync.Mutex
	value   T
	known   bool          // it was read once
	at      time.Time     // when its reading began; zero: it was changed since
	err     error         // of the last reading
	tried   time.Time     // when that began
	reading chan struct{} // closed when the reading that goes on ends; nil: none does
	writes  int           // so far, by anybody
}

// errUnread says that a reading did not come to its end.
var errUnread = errors.New("idp: the reading failed")

// hear begins to hear of others' changes.
func (s *snapshot[T]) hear() { s.db.OnChange(s.topic, func(string) { s.drop() }) }

// get returns the value. While it is true nobody waits; otherwise all who ask wait for one reading. Where that fails they get its
// error, or, if the snapshot is lenient, what there was; what nobody knows yet is not the zero value.
func (s *snapshot[T]) get(ctx context.Context) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for again := true; ; {
		usable := s.look()
		if usable || s.reading == nil || s.lenient && s.known && s.err != nil {
			return s.answer(usable)
		}
		if err := s.await(ctx, s.reading); err != nil {
			if s.lenient && s.known {
				return s.value, nil
			}
			return *new(T), err
		}
		if !s.at.IsZero() || s.err != nil || !again {
			return s.answer(false)
		}
		again = false // it was changed while it was read, maybe before this request came
	}
}

// look reports whether the value is true now, and begins a reading where one is due.
func (s *snapshot[T]) look() bool {
	now, usable, renew := time.Now(), false, true
	if s.clock != nil {
		now = s.clock()
	}
	if !s.at.IsZero() {
		usable, renew = s.db.Current(now.Sub(s.at))
	}
	rests := s.err != nil && now.Sub(s.tried) < snapshotRest
	if (renew || !usable) && s.reading == nil && !rests {
		done, writes := make(chan struct{}), s.writes
		s.reading, s.tried = done, now
		// Apart from the request, which may go away, and from its transaction, which may see what is never committed.
		s.db.Background(func(ctx context.Context) { s.renew(ctx, done, writes) })
	}
	return usable
}

// answer returns what is known.
func (s *snapshot[T]) answer(usable bool) (T, error) {
	if s.known && (usable || s.err == nil || s.lenient) {
		return s.value, nil
	}
	return *new(T), s.err
}

// await waits for the end of a reading, without the lock.
func (s *snapshot[T]) await(ctx context.Context, reading chan struct{}) error {
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-reading:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renew reads the value, after so many writes.
func (s *snapshot[T]) renew(ctx context.Context, done chan struct{}, writes int) {
	value, err := *new(T), errUnread
	defer func() {
		if panicked := recover(); panicked != nil { // it is nobody's request: nobody else would catch it
			s.log.ErrorContext(ctx, "a reading panicked", "what", s.what, "panic", panicked, "stack", string(debug.Stack()))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		close(done)
		s.reading = nil
		if err != nil {
			s.err = fmt.Errorf("idp: %s: %w", s.what, err)
			s.log.WarnContext(ctx, "could not be read", "what", s.what, "known", s.known, "error", err)
			return
		}
		s.value, s.known, s.err, s.at = value, true, nil, s.tried
		if writes != s.writes { // this may be what was there before
			s.at = time.Time{}
		}
	}()
	value, err = s.read(ctx)
}

// changed makes a change in the transaction of ctx count when that is committed, here and in other processes.
func (s *snapshot[T]) changed(ctx context.Context) error {
	s.db.AfterCommit(ctx, s.drop)
	return s.db.Tell(ctx, s.topic, "")
}

// drop makes whoever asks next wait for another reading.
func (s *snapshot[T]) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = time.Time{}
	s.writes++
}
