package dbx_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"", "must begin with"},
		{"mysql://u:hunter2@db/idp", "must begin with"},
		{"postgres://u:hunter2@db:x/idp?sslmode=require", "must begin with"},
		{"sqlite:", "file path is needed"},
		{"sqlite::memory:", "file path is needed"},
		{"sqlite:idp.db?mode=ro", "file path is needed"},
		{"postgres://u:hunter2@db/idp", "explicit sslmode"},
		{"postgres://u:hunter2@127.0.0.1/idp", "explicit sslmode"},
		{"postgres://u:hunter2@db/idp?sslmode=", "explicit sslmode"},
		{"postgres://u:hunter2@db/idp?sslmode=disable", "in the clear to db"},
		{"postgres://u:hunter2@db/idp?sslmode=allow", "in the clear to db"},
		{"postgres://u:hunter2@db/idp?sslmode=prefer", "in the clear to db"},
		{"postgres://u:hunter2@db/idp?sslmode=bogus", "not understood"},
		{"postgres://u:hunter2@10.0.0.1/idp?sslmode=disable", "in the clear to 10.0.0.1"},
		{"postgres://u:hunter2@localhost.evil/idp?sslmode=disable", "in the clear"},
		{"postgres://u:hunter2@localhost,db/idp?sslmode=disable", "in the clear to db"},
		{"postgres://u:hunter2@localhost/idp?sslmode=disable&host=zdb", "in the clear to zdb"},
		{"postgres://u:hunter2@db/idp?sslmode=disable&host=/tmp", "in the clear to db"},
		{"postgres://u:hunter2@/idp?sslmode=disable&host=/tmp,db", "in the clear to db"},
		{"postgres://u:hunter2@localhost/idp?sslmode=disable&hostaddr=10.0.0.1", "in the clear"},
	} {
		db, err := dbx.Open(t.Context(), tt.url)
		if err == nil {
			db.Close()
			t.Errorf("%s is opened", tt.url)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.url, err, tt.want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", tt.url, err)
		}
	}
}

func TestOpenLimitsStatements(t *testing.T) {
	address := dbxtest.PostgresURL(t)
	var limit string
	db, err := dbx.Open(t.Context(), address)
	must(t, err)
	defer db.Close()
	must(t, db.Get(t.Context(), &limit, "SHOW statement_timeout"))
	if limit != "3500ms" {
		t.Errorf("statement_timeout = %s, want 3500ms", limit)
	}
	must(t, db.Get(t.Context(), &limit, "SHOW lock_timeout"))
	if limit != "2s" {
		t.Errorf("lock_timeout = %s, want 2s", limit)
	}
	must(t, db.Get(t.Context(), &limit, "SHOW transaction_isolation"))
	if limit != "read committed" {
		t.Errorf("transaction_isolation = %s", limit)
	}
	patient, err := dbx.OpenPatient(t.Context(), address)
	must(t, err)
	defer patient.Close()
	must(t, patient.Get(t.Context(), &limit, "SHOW statement_timeout"))
	if limit != "0" {
		t.Errorf("patient: statement_timeout = %s, want 0", limit)
	}
}

// TestWhatTheDatabaseIsSetTo: bytes are read with others as they are alone, however the database shows them to programs that do
// not say how; where that cannot be said, behind a pooler, an error tells what to set.
func TestWhatTheDatabaseIsSetTo(t *testing.T) {
	address := dbxtest.PostgresURL(t)
	patient, err := dbx.OpenPatient(t.Context(), address)
	must(t, err)
	defer patient.Close()
	var name string
	must(t, patient.Get(t.Context(), &name, "SELECT current_database()"))
	must(t, exec(t.Context(), patient, "ALTER DATABASE "+name+" SET bytea_output = escape"))
	must(t, exec(t.Context(), patient, "CREATE TABLE blobs (id TEXT PRIMARY KEY, raw BYTEA)"))
	must(t, exec(t.Context(), patient, "INSERT INTO blobs (id, raw) VALUES ($1, $2)", "a", []byte("\x0012")))
	ahead := func(address string) (raw []byte, err error) {
		db, err := dbx.Open(t.Context(), address)
		must(t, err)
		defer db.Close()
		const query = "SELECT raw FROM blobs WHERE id = $1"
		ctx := db.Ahead(t.Context())
		var row struct{ ID string }
		lookups := []dbx.Lookup{{Query: query, Args: []dbx.Arg{dbx.Of("id")}}}
		must(t, db.GetAhead(ctx, &row, lookups, "SELECT id FROM blobs WHERE id = $1 AND id <> ''", "a"))
		return raw, db.Get(ctx, &raw, query, "a")
	}
	if raw, err := ahead(address); err != nil || string(raw) != "\x0012" {
		t.Errorf("%q, %v", raw, err)
	}
	if raw, err := ahead(address + "&pooler=transaction"); err == nil || !strings.Contains(err.Error(), "bytea_output") {
		t.Errorf("behind a pooler: %q, %v", raw, err)
	}
}

// TestFault_R09_FrozenDatabase: the database accepts and says nothing, on pooled and on new connections.
// Every answer comes within five seconds, and the first query after the thaw works.
func TestFault_R09_FrozenDatabase(t *testing.T) {
	u, err := url.Parse(dbxtest.PostgresURL(t))
	must(t, err)
	proxy := newProxy(t, u.Host)
	u.Host = proxy.Addr().String()
	db, err := dbx.Open(t.Context(), u.String())
	must(t, err)
	defer db.Close()
	ask := func(ctx context.Context) error {
		var one int
		return db.Get(ctx, &one, "SELECT 1")
	}
	must(t, ask(t.Context()))

	proxy.freeze()
	var all sync.WaitGroup
	for i := range 8 { // more than there are idle connections: the others dial
		all.Go(func() {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if i%2 == 0 {
				ctx, cancel = context.WithTimeout(ctx, time.Second)
			}
			defer cancel()
			start := time.Now()
			if err := ask(ctx); err == nil {
				t.Error("an answer from a frozen database")
			}
			if took := time.Since(start); took > 12*time.Second { // five, and what a busy machine adds; for ever without the deadline
				t.Errorf("the answer took %v", took)
			}
		})
	}
	all.Wait()
	proxy.thaw()
	if err := ask(t.Context()); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

// proxy forwards TCP connections and can stop forwarding, without closing anything.
type proxy struct {
	net.Listener
	gate sync.RWMutex
}

func newProxy(t *testing.T, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				continue
			}
			go p.pass(in, out)
			go p.pass(out, in)
		}
	}()
	return p
}

func (p *proxy) pass(to io.WriteCloser, from io.Reader) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.gate.RLock()
		_, failed := to.Write(buffer[:n])
		p.gate.RUnlock()
		if err != nil || failed != nil {
			return
		}
	}
}

func (p *proxy) freeze() { p.gate.Lock() }
func (p *proxy) thaw()   { p.gate.Unlock() }
