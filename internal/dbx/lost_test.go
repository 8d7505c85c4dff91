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

// cutter stands between a program and its server, and ends a connection at the message that holds a text.
type cutter struct {
	net.Listener
	target string

	mu      sync.Mutex
	at      []byte // the text; nil: never
	arrives bool   // the message gets to the server, and its answer is what is lost
	open    map[net.Conn]bool
	calls   int // how many connections were made
}

func newCutter(t *testing.T, raw string) (string, *cutter) {
	u, err := url.Parse(raw)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &cutter{Listener: l, target: u.Host, open: map[net.Conn]bool{}}
	t.Cleanup(func() {
		l.Close()
		c.end()
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(client)
		}
	}()
	u.Host = l.Addr().String()
	return u.String(), c
}

// cutAt ends the next connection that sends the text, once.
func (c *cutter) cutAt(text string, arrives bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.arrives = []byte(text), arrives
}

// end ends all connections.
func (c *cutter) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		conn.Close()
	}
}

func (c *cutter) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer server.Close()
	c.mu.Lock()
	c.open[client], c.open[server] = true, true
	c.calls++
	c.mu.Unlock()
	mute := make(chan struct{})
	go func() {
		buffer := make([]byte, 32<<10)
		for {
			n, err := server.Read(buffer)
			select {
			case <-mute: // the answer has come, and is lost
				client.Close()
				return
			default:
			}
			if n > 0 {
				client.Write(buffer[:n])
			}
			if err != nil {
				client.Close()
				return
			}
		}
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := client.Read(buffer)
		c.mu.Lock()
		hit, arrives := c.at != nil && bytes.Contains(buffer[:n], c.at), c.arrives
		if hit {
			c.at = nil
		}
		c.mu.Unlock()
		if hit && !arrives {
			return
		}
		if hit {
			close(mute)
		}
		if _, failed := server.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
		if hit {
			io.Copy(io.Discard, client) // until the answer has come
			return
		}
	}
}

// TestALostConnection: what may have been done is never done again by itself, and what cannot have been done is.
func TestALostConnection(t *testing.T) {
	address, cut := newCutter(t, dbxtest.PostgresURL(t))
	db, err := dbx.Open(t.Context(), address)
	must(t, err)
	defer db.Close()
	must(t, exec(t.Context(), db, "CREATE TABLE counts (id TEXT PRIMARY KEY, n BIGINT NOT NULL)"))
	const raise, read = "UPDATE counts SET n = n + 1 WHERE id = $1", "SELECT n FROM counts WHERE id = $1"
	write := func(ctx context.Context, id string) error {
		_, err := db.Exec(ctx, raise, id)
		return err
	}
	for _, tt := range []struct {
		name, at      string
		arrives       bool
		do            func(ctx context.Context, id string, runs *int) error
		unknown       bool
		counted, runs int
	}{
		{"a read that did not arrive", "", false, func(ctx context.Context, id string, _ *int) error {
			var n int
			return db.Get(ctx, &n, read, id)
		}, false, 0, 0},
		{"a read whose answer is lost", "", true, func(ctx context.Context, id string, _ *int) error {
			var n int
			return db.Get(ctx, &n, read, id)
		}, false, 0, 0},
		{"a write that did not arrive", "", false, func(ctx context.Context, id string, _ *int) error { return write(ctx, id) }, true, 0, 0},
		{"a write whose answer is lost", "", true, func(ctx context.Context, id string, _ *int) error { return write(ctx, id) }, true, 1, 0},
		{"a write in a transaction", "", true, func(ctx context.Context, id string, runs *int) error {
			return db.InTx(ctx, func(ctx context.Context) error {
				*runs++
				return write(ctx, id)
			})
		}, false, 1, 2},
		{"the begin of a transaction", "BEGIN", true, func(ctx context.Context, id string, runs *int) error {
			return db.InTx(ctx, func(ctx context.Context) error {
				*runs++
				return write(ctx, id)
			})
		}, false, 1, 1},
		{"an end that did not arrive", "COMMIT", false, func(ctx context.Context, id string, runs *int) error {
			return db.InTx(ctx, func(ctx context.Context) error {
				*runs++
				return write(ctx, id)
			})
		}, true, 0, 1},
		{"an end whose answer is lost", "COMMIT", true, func(ctx context.Context, id string, runs *int) error {
			return db.InTx(ctx, func(ctx context.Context) error {
				*runs++
				return write(ctx, id)
			})
		}, true, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, runs := "<"+tt.name+">", 0
			_, err := db.Exec(t.Context(), "INSERT INTO counts (id, n) VALUES ($1, 0)", id)
			must(t, err)
			at := tt.at
			if at == "" {
				at = id
			}
			cut.cutAt(at, tt.arrives)
			err = tt.do(t.Context(), id, &runs)
			if tt.unknown != errors.Is(err, dbx.ErrUnknown) || tt.unknown != dbx.IsAway(err) || !tt.unknown && err != nil {
				t.Errorf("%v", err)
			}
			var n int
			must(t, db.Get(t.Context(), &n, read, id))
			if n != tt.counted || runs != tt.runs {
				t.Errorf("counted %d, want %d; ran %d times, want %d", n, tt.counted, runs, tt.runs)
			}
		})
	}
}

// TestFailOver: when the server that takes writes goes away, or takes none any more, its connections are closed and new ones find
// the other.
func TestFailOver(t *testing.T) {
	direct := dbxtest.PostgresURL(t)
	first, a := newCutter(t, direct)
	second, b := newCutter(t, direct)
	u, err := url.Parse(first)
	must(t, err)
	other, err := url.Parse(second)
	must(t, err)
	u.Host += "," + other.Host
	db, err := dbx.OpenWith(t.Context(), u.String(), dbx.Options{Pool: 3})
	must(t, err)
	defer db.Close()
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY)"))
	if a.calls == 0 || b.calls != 0 {
		t.Fatalf("%d and %d connections", a.calls, b.calls)
	}
	put := func(id string) error {
		_, err := db.Exec(t.Context(), "INSERT INTO things (id) VALUES ($1)", id)
		return err
	}
	must(t, put("before"))

	conn, err := db.SQLX().DB.Conn(t.Context()) // the server of this connection becomes a standby
	must(t, err)
	_, err = conn.ExecContext(t.Context(), "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
	must(t, err)
	must(t, conn.Close())
	must(t, put("elsewhere"))
	must(t, db.InTx(t.Context(), func(context.Context) error { return nil }))

	a.Close()
	a.end()
	b.mu.Lock()
	before := b.calls
	b.mu.Unlock()
	eventually(t, func() bool { return put("after") == nil }) // an end that is on its way may be met by a statement
	if b.mu.Lock(); b.calls == before {
		t.Error("nothing went to the second host")
	}
	b.mu.Unlock()

	// Nobody takes writes: this is said, and over as soon as somebody does.
	patient, err := dbx.OpenPatient(t.Context(), direct)
	must(t, err)
	defer patient.Close()
	var name string
	must(t, patient.Get(t.Context(), &name, "SELECT current_database()"))
	must(t, exec(t.Context(), patient, "ALTER DATABASE "+name+" SET default_transaction_read_only = on"))
	b.end()
	eventually(t, func() bool { err := db.Ping(t.Context()); return dbx.IsAway(err) })
	must(t, exec(t.Context(), patient, "ALTER DATABASE "+name+" SET default_transaction_read_only = off"))
	must(t, put("at last"))
}

// eventually waits until ok, which must be soon.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it does not come to that")
		}
	}
}
