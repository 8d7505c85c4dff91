package dbx_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// listener is a process that listens.
type listener struct {
	*testing.T
	db      *dbx.DB
	changes chan string
	reports chan error
}

func listen(t *testing.T, url string) *listener {
	t.Helper()
	db, err := dbx.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{T: t, db: db, changes: make(chan string, 100), reports: make(chan error, 100)}
	db.OnChange("clients", func(id string) { l.changes <- id })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { db.Listen(ctx, func(err error) { l.reports <- err }) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		db.Close()
	})
	return l
}

// next returns the next of what comes, whatever time that takes.
func next[T any](t *testing.T, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return got
}

// begun waits until it hears.
func (l *listener) begun() {
	l.Helper()
	if err := next(l.T, l.reports); err != nil {
		l.Fatal(err)
	}
	if all := next(l.T, l.changes); all != "" {
		l.Errorf("at the beginning %q has changed, not all", all)
	}
}

// usable asks until the age is, or is not, taken for true.
func (l *listener) usable(age time.Duration, want bool) {
	l.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if usable, _ := l.db.Current(age); usable == want {
			return
		} else if time.Now().After(end) {
			l.Fatalf("what is %v old is usable: %v", age, usable)
		}
	}
}

// hears asks until a change is told of.
func (l *listener) hears(id string) {
	l.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l.db.Current(time.Second) // as somebody asks, it listens closely
		select {
		case got := <-l.changes:
			if got != id {
				l.Errorf("heard of %q, not of %q", got, id)
			}
			return
		default:
			if time.Now().After(end) {
				l.Fatalf("not heard of %q", id)
			}
		}
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	url := dbxtest.PostgresURL(t, "brand")
	a, b := listen(t, url), listen(t, url)
	a.begun()
	b.begun()
	b.usable(9*time.Second, true)
	if usable, _ := b.db.Current(10 * time.Second); usable {
		t.Error("something is kept for ever")
	}

	undone := errors.New("undone")
	err := a.db.InTx(t.Context(), func(ctx context.Context) error {
		return errors.Join(a.db.Tell(ctx, "clients", "never"), undone)
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	for _, id := range []string{"one", "two:with a colon"} {
		inTx(t, a.db, func(ctx context.Context) error {
			return errors.Join(a.db.Tell(ctx, "clients", id), a.db.Tell(ctx, "keys", "of no interest"))
		})
		for _, l := range []*listener{a, b} {
			l.hears(id)
		}
	}
}

func TestListenOnSQLite(t *testing.T) {
	t.Parallel()
	l := listen(t, dbxtest.SQLiteURL(t, "brand"))
	l.db.Listen(t.Context(), nil) // returns
	if err := l.db.Tell(t.Context(), "clients", "a"); err != nil {
		t.Error(err)
	}
	for age, want := range map[time.Duration][2]bool{
		-time.Second: {false, false}, 0: {true, false}, 800 * time.Millisecond: {true, true}, time.Second: {false, true},
	} {
		if usable, renew := l.db.Current(age); usable != want[0] || renew != want[1] {
			t.Errorf("%v old: usable %v, renew %v", age, usable, renew)
		}
	}
}

// A connection that is cut is noticed, made anew, and whatever was missed meanwhile counts as changed.
func TestListenAfterItWasCut(t *testing.T) {
	t.Parallel()
	url := dbxtest.PostgresURL(t, "brand")
	l := listen(t, url)
	l.begun()
	other, err := dbx.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var cut int
	err = other.Get(t.Context(), &cut, `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND (query LIKE 'NOTIFY%' OR query = ';')`)
	if err != nil || cut != 1 {
		t.Fatalf("%d cut: %v", cut, err)
	}
	l.usable(9*time.Second, false) // at most as long as an answer counts
	if err := next(t, l.reports); err == nil {
		t.Error("nothing was reported")
	}
	l.begun()
	l.usable(9*time.Second, true)
}

// A server that says nothing any more is noticed within a second: what was read is old then.
func TestListenToSilence(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(dbxtest.PostgresURL(t, "brand"))
	must(t, err)
	proxy := newProxy(t, u.Host)
	u.Host = proxy.Addr().String()
	l := listen(t, u.String())
	l.begun()
	l.usable(9*time.Second, true)
	proxy.freeze()
	l.usable(9*time.Second, false)
	proxy.thaw()
	l.usable(9*time.Second, true)
}

// A database that takes a LISTEN and passes nothing on is one without notifications.
func TestListenWhereNothingIsPassedOn(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(dbxtest.PostgresURL(t, "brand"))
	must(t, err)
	u.Host = misleading(t, u.Host)
	l := listen(t, u.String())
	if err := next(t, l.reports); err == nil {
		t.Error("it thinks that it hears")
	}
	l.usable(2*time.Second, false)
}

// misleading returns the address of a server that listens to another channel than it is told to.
func misleading(t *testing.T, target string) string {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { front.Close() })
	go func() {
		for {
			in, err := front.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				continue
			}
			go func() {
				defer in.Close()
				io.Copy(in, out)
			}()
			go func() {
				defer out.Close()
				buffer := make([]byte, 32<<10)
				for {
					n, err := in.Read(buffer)
					text := bytes.ReplaceAll(buffer[:n], []byte("LISTEN idp_changes"), []byte("LISTEN idp_changed"))
					if _, failed := out.Write(text); err != nil || failed != nil {
						return
					}
				}
			}()
		}
	}()
	return front.Addr().String()
}

func inTx(t *testing.T, db *dbx.DB, fn func(context.Context) error) {
	t.Helper()
	must(t, db.InTx(t.Context(), fn))
}
