package dbx_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// transactionPooler is what PgBouncer does with pool_mode=transaction and nothing else configured: every transaction, and every
// statement outside one, goes to the next of its server connections, whatever was left on another; and it refuses parameters that
// it could not keep apart.
type transactionPooler struct {
	net.Listener
	target string

	mu      sync.Mutex
	servers []net.Conn
	free    chan net.Conn // in turn
	names   []string      // of prepared statements that were asked for
}

const poolerServers = 3

func newTransactionPooler(t *testing.T, raw string) (*url.URL, *transactionPooler) {
	u, err := url.Parse(raw)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &transactionPooler{Listener: l, target: u.Host, free: make(chan net.Conn, poolerServers)}
	t.Cleanup(func() {
		l.Close()
		for _, server := range p.servers {
			server.Close()
		}
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	u.Host = l.Addr().String()
	return u, p
}

// packet reads one message; its length stands after so many bytes.
func packet(from io.Reader, before int) ([]byte, error) {
	head := make([]byte, before+4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	all := make([]byte, before+int(binary.BigEndian.Uint32(head[before:])))
	copy(all, head)
	_, err := io.ReadFull(from, all[len(head):])
	return all, err
}

// greet makes the server connections with the first client's startup message, and returns what a server says to it.
func (p *transactionPooler) greet(startup []byte) (greeting []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.servers) < poolerServers {
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			return nil, err
		}
		p.servers = append(p.servers, server)
		server.Write(startup)
		if greeting, _, err = untilReady(server); err != nil {
			return nil, err
		}
		p.free <- server
	}
	if greeting != nil {
		return greeting, nil
	}
	return []byte("R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I"), nil // let in, ready, no transaction
}

// untilReady reads a server's messages up to ReadyForQuery, and its state.
func untilReady(server io.Reader) (all []byte, state byte, err error) {
	for {
		message, err := packet(server, 1)
		if err != nil {
			return nil, 0, err
		}
		if all = append(all, message...); message[0] == 'Z' {
			return all, message[5], nil
		}
	}
}

func (p *transactionPooler) serve(client net.Conn) {
	defer client.Close()
	startup, err := packet(client, 0)
	if err != nil {
		return
	}
	pairs := strings.Split(string(startup[8:]), "\x00")
	for i := 0; i+1 < len(pairs) && pairs[i] != ""; i += 2 {
		if !slices.Contains([]string{"user", "database", "application_name", "client_encoding", "datestyle"}, pairs[i]) {
			text := "SFATAL\x00C08P01\x00Munsupported startup parameter: " + pairs[i] + "\x00\x00"
			client.Write(append(binary.BigEndian.AppendUint32([]byte("E"), uint32(len(text)+4)), text...))
			return
		}
	}
	greeting, err := p.greet(startup)
	if err != nil {
		return
	}
	client.Write(greeting)
	var server net.Conn // while a transaction is open
	for {
		var asked []byte
		for kind := byte(0); kind != 'S' && kind != 'Q'; {
			message, err := packet(client, 1)
			if err != nil || message[0] == 'X' {
				return
			}
			if kind = message[0]; kind == 'P' && message[5] != 0 {
				p.mu.Lock()
				p.names = append(p.names, string(message[5:]))
				p.mu.Unlock()
			}
			asked = append(asked, message...)
		}
		if server == nil {
			server = <-p.free
		}
		server.Write(asked)
		answer, state, err := untilReady(server)
		if err != nil {
			return
		}
		if state == 'I' {
			p.free <- server
			server = nil
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

// TestBehindAPooler: with pooler=transaction nothing is expected to stay on a server connection. Without it this pooler is of no
// use, which shows that it is a hard one.
func TestBehindAPooler(t *testing.T) {
	u, p := newTransactionPooler(t, dbxtest.PostgresURL(t))
	if db, err := dbx.Open(t.Context(), u.String()); err == nil || !strings.Contains(err.Error(), "unsupported startup parameter") {
		t.Fatalf("%v: without the mode: %v", db, err)
	}
	query := u.Query()
	query.Set("pooler", "transaction")
	u.RawQuery = query.Encode()
	db, err := dbx.OpenWith(t.Context(), u.String(), dbx.Options{Pool: 8})
	must(t, err)
	defer db.Close()
	if !db.Pooled() {
		t.Error("it does not know of the pooler")
	}
	db.Listen(t.Context(), nil) // returns at once
	must(t, exec(t.Context(), db, "CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT NOT NULL, raw BYTEA, ok BOOLEAN NOT NULL)"))
	type thing struct {
		ID  string
		N   int64
		Raw []byte
		OK  bool
	}
	undone := errors.New("undone")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				id := string(rune('a'+i)) + string(rune('a'+j))
				want := thing{ID: id, N: int64(j), OK: j%2 == 0, Raw: []byte{0, 0xff, byte(j)}}
				put := func(ctx context.Context) error {
					return exec(ctx, db, "INSERT INTO things (id, n, raw, ok) VALUES ($1, $2, $3, $4)", want.ID, want.N, want.Raw, want.OK)
				}
				err := db.InTx(t.Context(), func(ctx context.Context) error { return errors.Join(put(ctx), undone) })
				if !errors.Is(err, undone) {
					t.Error(err)
				}
				err = db.InTx(t.Context(), func(ctx context.Context) error {
					if err := put(ctx); err != nil {
						return err
					}
					var there int
					return db.Get(ctx, &there, "SELECT COUNT(*) FROM things WHERE id = $1", id)
				})
				var got thing
				if err := errors.Join(err, db.Get(t.Context(), &got, "SELECT id, n, raw, ok FROM things WHERE id = $1", id)); err != nil {
					t.Error(err)
				}
				if got.ID != want.ID || got.N != want.N || got.OK != want.OK || string(got.Raw) != string(want.Raw) {
					t.Errorf("%v, want %v", got, want)
				}
			}
		})
	}
	all.Wait()
	if len(p.names) > 0 {
		t.Errorf("prepared: %q", p.names)
	}
}

func TestOpenManyHosts(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"postgres://u:hunter2@localhost:5,db:6/idp?sslmode=disable", "in the clear to db"},
		{"postgres://u:hunter2@[::1]:5,10.0.0.1:6/idp?sslmode=disable", "in the clear to 10.0.0.1"},
		{"postgres://u:hunter2@a,b/idp", "explicit sslmode"},
		{"postgres://u:hunter2@a,b/idp?sslmode=require&host=c", "names its hosts twice: a,b"},
		{"postgres://u:hunter2@a,/idp?sslmode=require", "is empty"},
		{"postgres://u:hunter2@localhost:1/idp?sslmode=disable&pooler=session", "pooler in the database URL"},
	} {
		db, err := dbx.Open(t.Context(), tt.url)
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}
