package dbx

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
)

// How long what a process remembers of the database may be taken for true, see [DB.Current].
const (
	unheardLife = time.Second      // where nobody tells of changes
	heardLife   = 10 * time.Second // where somebody does: nothing that is told is kept for so long, so it bounds what was not told
)

// The listener's pace.
const (
	beat      = 400 * time.Millisecond // between two questions while anybody asks Current: well below unheardLife
	idleBeat  = 5 * time.Second        // while nobody does
	firstBack = 250 * time.Millisecond // before a lost connection is made anew; doubled each time
	lastBack  = 30 * time.Second
	greetIn   = 3 * time.Second // for the connection and the first question
)

// channel is where all of one database's processes tell each other what they have changed.
const channel = "idp_changes"

var errDeaf = errors.New("dbx: the database passes no notifications on: is there a pooler in between?")

// news is what a process hears of the changes that others make.
type news struct {
	mu         sync.Mutex
	told       map[string][]func(string)
	closed     bool
	background sync.WaitGroup

	began time.Time    // what heard counts from
	heard atomic.Int64 // nanoseconds: when the last question that was answered was sent; 0: nobody listens
	wake  chan struct{}

	teller atomic.Int32 // whether the database has pg_notify: 0 not known, 1 yes, 2 no
}

func newNews() *news {
	return &news{told: map[string][]func(string){}, began: time.Now(), wake: make(chan struct{}, 1)}
}

// Tell makes every process that listens hear, when the transaction of ctx has been committed, that something of a kind has
// changed: the functions of [DB.OnChange] are called there with detail, which must be no secret and no longer than some hundred
// bytes. On SQLite it does nothing. It is for what changes seldom: commits that tell something wait for each other.
func (db *DB) Tell(ctx context.Context, kind, detail string) error {
	if !db.Postgres() {
		return nil
	}
	n := db.news
	if n.teller.Load() == 0 { // what only speaks PostgreSQL's language need not have it, and an error would end the transaction
		var functions int
		if err := db.Get(ctx, &functions, `SELECT COUNT(*) FROM pg_proc WHERE proname = 'pg_notify'`); err != nil {
			return fmt.Errorf("dbx: tell: %w", err)
		}
		n.teller.Store(2)
		if functions > 0 {
			n.teller.Store(1)
		}
	}
	if n.teller.Load() == 2 {
		return nil
	}
	if _, err := db.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, kind+":"+detail); err != nil {
		return fmt.Errorf("dbx: tell: %w", err)
	}
	return nil
}

// OnChange has fn called with what was told of a kind ([DB.Tell]), and with "" when anything of that kind may have changed
// unheard. It must be quick, and comes from another goroutine. What this process itself changes it is told too, but a moment
// later than [DB.AfterCommit] tells.
func (db *DB) OnChange(kind string, fn func(detail string)) {
	db.news.mu.Lock()
	defer db.news.mu.Unlock()
	db.news.told[kind] = append(db.news.told[kind], fn)
}

// Current reports whether something that was read from the database so long ago, and was not changed since by what OnChange
// told, may be taken for what is there: it holds everything that was committed more than a second ago. Renew says that it soon
// will not, so that whoever takes it should have it read anew in the background.
//
// Without a listener that is so for a second. With one, whose connection has answered within the last second, it is so for up
// to ten: a notification comes before the answer to a question that was asked after its commit, so what was not told until then had
// not happened. A listener that is cut off, or hangs, is thereby no listener.
func (db *DB) Current(age time.Duration) (usable, renew bool) {
	life, n := unheardLife, db.news
	if age > beat/2 {
		if heard := n.heard.Load(); heard != 0 {
			ago := time.Since(n.began) - time.Duration(heard)
			if ago < unheardLife {
				life = heardLife
			}
			if ago > beat/2 {
				select {
				case n.wake <- struct{}{}:
				default:
				}
			}
		}
	}
	return age >= 0 && age < life, age >= life*3/4
}

// Listen hears of other processes' changes until ctx ends, on a connection of its own, which the pool gets in addition. It
// returns at once where there is nothing to hear: on SQLite, and behind a pooler ([DB.Pooled]). Whenever it begins to hear, all
// that OnChange knows counts as changed. report, if not nil, is called with nil then, and with an error when it does not hear, once each time that this changes.
func (db *DB) Listen(ctx context.Context, report func(error)) {
	if !db.Postgres() || db.pooled {
		return
	}
	if report == nil {
		report = func(error) {}
	}
	db.sqlx.SetMaxOpenConns(db.sqlx.Stats().MaxOpenConnections + 1)
	defer func() { db.sqlx.SetMaxOpenConns(db.sqlx.Stats().MaxOpenConnections - 1) }()
	pause, told := firstBack, false
	for {
		err := db.listen(ctx, func() {
			pause, told = firstBack, false
			report(nil)
		})
		db.news.heard.Store(0)
		if ctx.Err() != nil {
			return
		}
		if !told {
			told = true
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + jitter(pause)): // or all replicas would come back at the same moment
		}
		pause = min(2*pause, lastBack)
	}
}

// listen listens on one connection until it is lost.
func (db *DB) listen(ctx context.Context, began func()) error {
	greeting, cancel := context.WithTimeout(ctx, greetIn)
	defer cancel()
	conn, err := db.sqlx.DB.Conn(greeting)
	if err != nil {
		return fmt.Errorf("dbx: listen: %w", err)
	}
	defer conn.Close()
	// The pool must not have it back: it listens.
	defer conn.Raw(func(any) error { return driver.ErrBadConn })
	word, greeted := rand.Text(), false
	if err := handle(conn, func(payload string) {
		greeted = greeted || payload == word
		db.news.hear(payload)
	}); err != nil {
		return err
	}
	if _, err := conn.ExecContext(greeting, "LISTEN "+channel); err != nil {
		return fmt.Errorf("dbx: listen: %w", err)
	}
	// Poolers take a LISTEN and keep what comes of it, and some databases take it and do nothing.
	if _, err := conn.ExecContext(greeting, "NOTIFY "+channel+", '"+word+"'"); err != nil {
		return fmt.Errorf("dbx: listen: %w", err)
	}
	db.news.everything()
	for first := true; ; first = false {
		asked := time.Since(db.news.began)
		if err := conn.PingContext(ctx); err != nil {
			return fmt.Errorf("dbx: the listener's connection: %w", err)
		}
		if !greeted {
			return errDeaf
		}
		db.news.heard.Store(int64(asked))
		if first {
			began()
		}
		if err := db.news.pause(ctx); err != nil {
			return err
		}
	}
}

// pause waits for the time of the next question.
func (n *news) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(beat):
	}
	idle := time.NewTimer(idleBeat - jitter(idleBeat/4))
	defer idle.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.wake:
	case <-idle.C:
	}
	return nil
}

// handle has fn called with each notification that conn gets, while it is asked something.
func handle(conn *sql.Conn, fn func(payload string)) error {
	return conn.Raw(func(inner any) (err error) {
		if observed, ok := inner.(*observedConn); ok {
			inner = observed.driverConn
		}
		if ours, ok := inner.(*serverConn); ok {
			inner = ours.pqConn
		}
		defer func() {
			if recover() != nil { // it is not the driver's own
				err = errors.New("dbx: listen: this connection takes no handler")
			}
		}()
		pq.SetNotificationHandler(inner.(driver.Conn), func(n *pq.Notification) { fn(n.Extra) })
		return nil
	})
}

// hear passes on what was told.
func (n *news) hear(payload string) {
	kind, detail, _ := strings.Cut(payload, ":")
	n.mu.Lock()
	told := n.told[kind]
	n.mu.Unlock()
	for _, fn := range told {
		fn(detail)
	}
}

// everything says of everything that it may have changed.
func (n *news) everything() {
	n.mu.Lock()
	var all []func(string)
	for _, told := range n.told {
		all = append(all, told...)
	}
	n.mu.Unlock()
	for _, fn := range all {
		fn("")
	}
}

// Background runs fn in the background for two seconds at most, for whoever must not wait for it, and independently of any
// request or transaction. Close waits until it has ended. Its statements have the connections that are kept for those who hold one
// already: all others may be theirs who, in the middle of a transaction, wait for what it reads.
func (db *DB) Background(fn func(context.Context)) {
	db.news.mu.Lock()
	open := !db.news.closed
	if open {
		db.news.background.Add(1)
	}
	db.news.mu.Unlock()
	go func() {
		if open {
			defer db.news.background.Done()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		fn(context.WithValue(ctx, apartKey{db.sqlx}, true))
	}()
}

// close waits for what runs in the background; nothing that begins later is waited for.
func (n *news) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.background.Wait()
}
