package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/internal/seal"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.UnixMilli(1_790_000_000_000)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// sender is a Sender that keeps the subjects it was given and fails as told.
type sender struct {
	mu       sync.Mutex
	subjects []string
	fail     func(m mail.Message) error
}

func (s *sender) Send(_ context.Context, m mail.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subjects = append(s.subjects, m.Subject)
	if s.fail != nil {
		return s.fail(m)
	}
	return nil
}

func (s *sender) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.subjects)
}

func keys(t *testing.T) *seal.Keys {
	t.Helper()
	k, err := seal.Random()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func put(t *testing.T, o *mail.Outbox, subjects ...string) {
	t.Helper()
	for _, subject := range subjects {
		m := mail.Message{To: "alice@example.com", Subject: subject, Text: "see https://idp.example/reset?token=s3cret"}
		if err := o.Put(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

func deliver(t *testing.T, o *mail.Outbox) {
	t.Helper()
	if err := o.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, o *mail.Outbox) mail.State {
	t.Helper()
	s, err := o.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMessagesOfOneMillisecondKeepTheirOrder(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		sent := &sender{}
		o := &mail.Outbox{DB: db, Sender: sent, Now: newClock().now} // it stands still
		var want []string
		for n := range 40 {
			want = append(want, fmt.Sprint(n))
		}
		put(t, o, want...)
		deliver(t, o)
		if got := sent.got(); !slices.Equal(got, want) {
			t.Errorf("sent %v", got)
		}
	}, "mail")
}

func TestDeliverSendsEachMessageOnceInOrder(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		now, sent := newClock(), &mail.Memory{}
		o := &mail.Outbox{DB: db, Sender: sent, Cipher: keys(t), Now: now.now}
		m := mail.Message{To: "Alice <alice@example.com>", Subject: "Hello", Text: "text", HTML: "<p>html</p>"}
		if err := o.Put(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		now.pass(time.Second)
		put(t, o, "second")
		deliver(t, o)
		now.pass(time.Hour)
		deliver(t, o)
		got := sent.Sent()
		if len(got) != 2 || got[1].Subject != "second" || got[0].ID == "" || got[0].ID == got[1].ID {
			t.Fatalf("sent = %+v", got)
		}
		m.ID, m.At = got[0].ID, got[0].At
		if diff := cmp.Diff(m, got[0]); diff != "" {
			t.Error(diff)
		}
		if want := time.UnixMilli(1_790_000_000_000); !m.At.Equal(want) {
			t.Errorf("At = %v, want %v", m.At, want)
		}
		if diff := cmp.Diff(mail.State{}, state(t, o)); diff != "" {
			t.Error(diff)
		}
	}, "mail")
}

func TestPutJoinsTheTransaction(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		sent := &sender{}
		o := &mail.Outbox{DB: db, Sender: sent}
		undone := errors.New("undone")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			if err := o.Put(ctx, mail.Message{To: "a@example.com", Subject: "no", Text: "x"}); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		err = db.InTx(t.Context(), func(ctx context.Context) error {
			return o.Put(ctx, mail.Message{To: "a@example.com", Subject: "yes", Text: "x"})
		})
		if err != nil {
			t.Fatal(err)
		}
		deliver(t, o)
		if diff := cmp.Diff([]string{"yes"}, sent.got()); diff != "" {
			t.Error(diff)
		}
	}, "mail")
}

func TestDeliverRetriesWithGrowingDelay(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		now := newClock()
		sent := &sender{fail: func(mail.Message) error { return errors.New("connection refused") }}
		o := &mail.Outbox{DB: db, Sender: sent, Now: now.now}
		put(t, o, "m")
		for tries, wait := range []time.Duration{0, time.Minute, 2 * time.Minute, 4 * time.Minute} {
			if wait > 0 {
				now.pass(wait - time.Millisecond)
				deliver(t, o)
				now.pass(time.Millisecond)
			}
			if n := len(sent.got()); n != tries {
				t.Fatalf("before try %d: %d tries", tries+1, n)
			}
			deliver(t, o)
		}
		if got := state(t, o); got.Waiting != 1 || got.Error != "connection refused" || got.Oldest.IsZero() {
			t.Errorf("state = %+v", got)
		}
		sent.fail = nil
		now.pass(8 * time.Minute)
		deliver(t, o)
		now.pass(24 * time.Hour)
		deliver(t, o)
		if n := len(sent.got()); n != 5 || state(t, o).Waiting != 0 {
			t.Errorf("%d tries, want 5 and nothing left: %+v", n, state(t, o))
		}
	}, "mail")
}

func TestDeliverGivesUpAfterThreeDays(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		now := newClock()
		sent := &sender{fail: func(m mail.Message) error {
			return fmt.Errorf("%w: 550\x00 spam \xff:\r\n%s %s", mail.ErrRefused, m.Text, strings.Repeat("x", 600))
		}}
		o := &mail.Outbox{DB: db, Sender: sent, Cipher: keys(t), Now: now.now}
		put(t, o, "m")
		for range 100 {
			deliver(t, o)
			now.pass(time.Hour)
		}
		tries := len(sent.got())
		if tries < 12 || tries > 25 {
			t.Errorf("%d tries in three days", tries)
		}
		failures, err := o.Failures(t.Context(), 10)
		if err != nil || len(failures) != 1 {
			t.Fatalf("failures = %+v, %v", failures, err)
		}
		f := failures[0]
		if f.To != "alice@example.com" || f.Attempts != tries || f.FailedAt.Sub(f.At) < 72*time.Hour {
			t.Errorf("failure = %+v", f)
		}
		if strings.Contains(f.Error, "s3cret") || !strings.HasPrefix(f.Error, "mail: message refused: 550") || len(f.Error) > 600 {
			t.Errorf("error = %q", f.Error)
		}
		var body []byte
		if err := db.Get(t.Context(), &body, "SELECT body FROM outbox"); err != nil || len(body) != 0 {
			t.Errorf("body = %q, %v, want it forgotten", body, err)
		}
		now.pass(31 * 24 * time.Hour)
		if err := o.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(mail.State{}, state(t, o)); diff != "" {
			t.Error(diff)
		}
	}, "mail")
}

func TestDeliverStopsAtADeadServerAndNotAtARefusal(t *testing.T) {
	db := dbxtest.SQLite(t, "mail")
	now, sent := newClock(), &sender{}
	var log strings.Builder
	o := &mail.Outbox{DB: db, Sender: sent, Now: now.now, Log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, subject := range []string{"a", "b", "c"} {
		put(t, o, subject)
		now.pass(time.Second)
	}
	sent.fail = func(mail.Message) error { return errors.New("no route") }
	deliver(t, o)
	if diff := cmp.Diff([]string{"a"}, sent.got()); diff != "" {
		t.Errorf("a dead server: %s", diff)
	}
	sent.fail = func(m mail.Message) error {
		if m.Subject == "b" {
			return mail.ErrRefused
		}
		return nil
	}
	deliver(t, o)
	if diff := cmp.Diff([]string{"a", "b", "c"}, sent.got()); diff != "" {
		t.Errorf("a refused message: %s", diff)
	}
	if got := state(t, o); got.Waiting != 2 {
		t.Errorf("waiting = %d, want a and b", got.Waiting)
	}
	if !strings.Contains(log.String(), "no route") || strings.Contains(log.String(), "alice") {
		t.Errorf("log = %s", log.String())
	}
}

func TestParallelDeliverersSendEachMessageOnce(t *testing.T) {
	engines := map[string]func(testing.TB, ...string) string{"sqlite": dbxtest.SQLiteURL, "postgres": dbxtest.PostgresURL}
	for engine, fresh := range engines {
		t.Run(engine, func(t *testing.T) {
			url, sent := fresh(t, "mail"), &sender{}
			var deliverers []*mail.Outbox
			for range 4 { // a database handle each, as replicas have
				db, err := dbx.Open(t.Context(), url)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { db.Close() })
				deliverers = append(deliverers, &mail.Outbox{DB: db, Sender: sent})
			}
			var want []string
			for i := range 40 {
				want = append(want, fmt.Sprintf("m%02d", i))
			}
			put(t, deliverers[0], want...)
			errs := make([]error, len(deliverers))
			var all sync.WaitGroup
			for i, o := range deliverers {
				all.Go(func() { errs[i] = o.Deliver(t.Context()) })
			}
			all.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			got := sent.got()
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A deliverer that dies while it sends, or is stopped, has left the message to the others: not at once, as nobody can know that it is
// dead, but when its next try is due.
func TestADelivererThatDies(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		clock := newClock()
		dying := &sender{fail: func(mail.Message) error { panic("dead") }}
		first := &mail.Outbox{DB: db, Sender: dying, Now: clock.now}
		put(t, first, "hello")
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it lives")
				}
			}()
			_ = first.Deliver(t.Context())
		}()
		ctx, stop := context.WithCancel(t.Context())
		stopped := &sender{fail: func(mail.Message) error { stop(); return ctx.Err() }}
		clock.pass(time.Minute)
		if err := (&mail.Outbox{DB: db, Sender: stopped, Now: clock.now}).Deliver(ctx); err != nil {
			t.Error(err)
		}
		if len(stopped.got()) != 1 {
			t.Error("nobody took over after a minute")
		}

		// Then forty come at once, before and after the time of the third try.
		sent := &sender{}
		for _, c := range []struct {
			wait time.Duration
			sent int
		}{{2*time.Minute - time.Second, 0}, {time.Second, 1}} {
			clock.pass(c.wait)
			var all sync.WaitGroup
			for range 40 {
				all.Go(func() {
					if err := (&mail.Outbox{DB: db, Sender: sent, Now: clock.now}).Deliver(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n := len(sent.got()); n != c.sent {
				t.Errorf("sent %d times, not %d", n, c.sent)
			}
		}
	}, "mail")
}

func TestWaitingMessagesAreSealed(t *testing.T) {
	db := dbxtest.SQLite(t, "mail")
	sent := &sender{}
	o := &mail.Outbox{DB: db, Sender: sent, Cipher: keys(t)}
	put(t, o, "m")
	var body []byte
	if err := db.Get(t.Context(), &body, "SELECT body FROM outbox"); err != nil || strings.Contains(string(body), "s3cret") {
		t.Errorf("body = %q, %v", body, err)
	}
	lost := &mail.Outbox{DB: db, Sender: sent, Cipher: keys(t)}
	deliver(t, lost)
	if got := state(t, lost); len(sent.got()) != 0 || got.Waiting != 1 || got.Error != "mail: no key opens the message" {
		t.Errorf("with other keys: sent %q, %+v", sent.got(), got)
	}
}

// TestSec_DR03_MessagesAreSealedAnew: more than a batch of them, by the newest key, while deliverers run.
func TestSec_DR03_MessagesAreSealedAnew(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		path := filepath.Join(t.TempDir(), "keyset.json")
		cipher, err := seal.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		send, time := &sender{}, newClock()
		o := &mail.Outbox{DB: db, Sender: send, Cipher: cipher, Now: time.now}
		const n = 130
		for i := range n {
			if err := o.Put(t.Context(), mail.Message{To: "alice@example.com", Subject: fmt.Sprint(i), Text: "link"}); err != nil {
				t.Fatal(err)
			}
			time.pass(1)
		}
		bodies := func() (all [][]byte) {
			if err := db.Select(t.Context(), &all, `SELECT body FROM outbox ORDER BY id`); err != nil {
				t.Fatal(err)
			}
			return all
		}
		before := bodies()
		if _, err := seal.Rotate(path); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), `UPDATE outbox SET body = $1 WHERE id = (SELECT MIN(id) FROM outbox)`, []byte("damaged")); err != nil {
			t.Fatal(err)
		}
		if done, err := o.Reseal(t.Context()); done != n-1 || err == nil {
			t.Errorf("%d, %v", done, err)
		}
		for i, body := range bodies()[1:] {
			if bytes.Equal(body[:5], before[i+1][:5]) {
				t.Fatalf("message %d is sealed by the old key", i+1)
			}
		}
		for range 2 {
			if err := o.Deliver(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := send.got(); len(got) != n-1 {
			t.Errorf("%d messages were sent", len(got))
		}
	}, "mail")
}

func TestPutRefusesWhatCannotBeDelivered(t *testing.T) {
	o := &mail.Outbox{DB: dbxtest.SQLite(t, "mail"), Sender: &sender{}}
	for name, m := range map[string]mail.Message{
		"no address":        {Subject: "s", Text: "t"},
		"two addresses":     {To: "a@example.com, b@example.com", Text: "t"},
		"header injection":  {To: "a@example.com\r\nBcc: b@example.com", Text: "t"},
		"name with newline": {To: "A\n <a@example.com>", Text: "t"},
		"no text":           {To: "a@example.com", HTML: "<p>x</p>"},
	} {
		if err := o.Put(t.Context(), m); !errors.Is(err, mail.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := state(t, o); got.Waiting != 0 {
		t.Errorf("waiting = %d", got.Waiting)
	}
}

func TestMemoryKeepsTheLastHundred(t *testing.T) {
	var s mail.Memory
	for i := range 130 {
		if err := s.Send(t.Context(), mail.Message{To: "a@example.com", Subject: fmt.Sprint(i), Text: "t"}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Sent()
	if len(got) != 100 || got[0].Subject != "30" || got[99].Subject != "129" {
		t.Errorf("%d messages, %q to %q", len(got), got[0].Subject, got[len(got)-1].Subject)
	}
	if err := s.Send(t.Context(), mail.Message{To: "nobody", Text: "t"}); !errors.Is(err, mail.ErrInvalid) {
		t.Error(err)
	}
}
