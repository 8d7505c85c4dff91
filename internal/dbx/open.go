package dbx

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// answerWithin bounds each read from and write to PostgreSQL: lib/pq ignores a context's deadline while the server is
// silent, so a frozen database would otherwise hang every request, the health check included.
const answerWithin = 10 * time.Second

// Open opens the database that rawURL names and checks that it answers.
//
//	sqlite:PATH                       a file, made with its folder (mode 0600, 0700) when missing
//	postgres://user@host/db?sslmode=… sslmode must be given; only verify-full, verify-ca and require off loopback
//
// The caller closes it.
func Open(ctx context.Context, rawURL string) (*DB, error) {
	var handle *sqlx.DB
	var err error
	if path, ok := strings.CutPrefix(rawURL, "sqlite:"); ok {
		handle, err = openSQLite(path)
	} else {
		handle, err = openPostgres(rawURL)
	}
	if err != nil {
		return nil, err
	}
	if err := handle.PingContext(ctx); err != nil {
		handle.Close()
		return nil, fmt.Errorf("dbx: the database does not answer: %w", err)
	}
	return Wrap(handle), nil
}

func openSQLite(path string) (*sqlx.DB, error) {
	if path == "" || strings.Contains(path, "?") {
		return nil, fmt.Errorf("dbx: sqlite:%s: a file path is needed, without options", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("dbx: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("dbx: %w", err)
	}
	file.Close()
	// synchronous FULL: with NORMAL a power cut takes back every "used" mark that was acknowledged, and spent codes,
	// steps and refresh tokens are valid again.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_txlock=immediate" +
		"&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	handle, err := sqlx.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("dbx: %w", err)
	}
	handle.SetMaxOpenConns(16)
	handle.SetMaxIdleConns(16)
	return handle, nil
}

func openPostgres(rawURL string) (*sqlx.DB, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, fmt.Errorf("dbx: the database URL must begin with sqlite: or postgres://") // not quoted: it may hold a password
	}
	query := u.Query()
	switch mode := query.Get("sslmode"); mode {
	case "require", "verify-ca", "verify-full":
	case "":
		return nil, fmt.Errorf("dbx: the database URL of host %s needs an explicit sslmode", u.Hostname())
	default:
		if !local(u.Hostname(), query.Get("host")) {
			return nil, fmt.Errorf("dbx: sslmode=%s sends secrets in the clear to %s: use verify-full or require", mode, u.Hostname())
		}
	}
	for name, value := range map[string]string{
		"connect_timeout": "5", "statement_timeout": "8000", "lock_timeout": "5000",
		"idle_in_transaction_session_timeout": "30000", "application_name": "idp",
	} {
		if !query.Has(name) {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	connector, err := pq.NewConnector(u.String())
	if err != nil {
		return nil, fmt.Errorf("dbx: the database URL of host %s is not understood", u.Hostname())
	}
	connector.Dialer(dialer{})
	handle := sqlx.NewDb(sql.OpenDB(connector), "postgres")
	handle.SetMaxOpenConns(20)
	handle.SetMaxIdleConns(20)
	handle.SetConnMaxIdleTime(5 * time.Minute)
	return handle, nil
}

// local reports whether a connection to host, or to the socket folder or host in the query, stays on this machine.
func local(host, override string) bool {
	if override != "" {
		host = override
	}
	if host == "localhost" || strings.HasPrefix(host, "/") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// dialer gives every connection a deadline for each answer.
type dialer struct{}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// DialContext implements [pq.DialerContext].
func (dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return deadlineConn{conn}, nil
}

type deadlineConn struct{ net.Conn }

func (c deadlineConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c deadlineConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
