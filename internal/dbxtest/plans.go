package dbxtest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	_ "github.com/lib/pq" // the engine whose plans these are
)

// Plans are the plans by which a PostgreSQL server has run the statements of a program.
type Plans struct {
	mu  sync.Mutex
	all []string
}

// Reset forgets what was run so far.
func (p *Plans) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = nil
}

// All returns each statement with its plan, in the order in which they ended.
func (p *Plans) All() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.all...)
}

// Planned returns an address of the PostgreSQL database at rawURL that has the server tell the plan of every statement, for
// programs that open their database themselves: what they really did, with their own arguments. It holds until the test ends.
func Planned(t testing.TB, rawURL string) (string, *Plans) {
	t.Helper()
	target, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("postgres", rawURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, value := range map[string]string{
		"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_level": "notice",
	} {
		if _, err := db.ExecContext(context.Background(), `ALTER DATABASE `+strings.TrimPrefix(target.Path, "/")+` SET `+name+` = '`+value+`'`); err != nil {
			t.Fatal(err)
		}
	}
	plans := &Plans{}
	return between(t, rawURL, plans.relay), plans
}

// relay passes a connection on and keeps the notices of the server (frontend/backend protocol 3.0, NoticeResponse).
func (p *Plans) relay(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	for head := make([]byte, 5); ; {
		if _, err := io.ReadFull(server, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(server, body); err != nil {
			return
		}
		if head[0] == 'N' {
			p.keep(body)
			continue // the program did not ask
		}
		if _, err := client.Write(append(bytes.Clone(head), body...)); err != nil {
			return
		}
	}
}

// keep takes the message field of a notice, if it is a plan.
func (p *Plans) keep(notice []byte) {
	for field := range bytes.SplitSeq(notice, []byte{0}) {
		if len(field) > 0 && field[0] == 'M' && bytes.Contains(field, []byte("plan:")) {
			p.mu.Lock()
			p.all = append(p.all, string(field[1:]))
			p.mu.Unlock()
		}
	}
}
