package dbx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"modernc.org/sqlite"
)

// answerWithin bounds each read from and write to PostgreSQL: lib/pq ignores a context's deadline while the server is
// silent, so a frozen database would otherwise hang every request, the health check included. It is longer than the
// server's own statement_timeout, whose error says more.
const answerWithin = 4 * time.Second

// ErrShared says that others may read or write the file of a SQLite database.
var ErrShared = errors.New("dbx: others may read the database")

// application is what a handle calls itself at PostgreSQL, unless its URL says something else.
const application = "idp"

// Open opens the database that rawURL names and checks that it answers.
//
//	sqlite:PATH                       a file, made with its folder (mode 0600, 0700) when missing; [ErrShared] when it is others' too
//	postgres://user@host/db?sslmode=… sslmode must be given; only verify-full, verify-ca and require off loopback
//
// On PostgreSQL a statement ends after 3.5 seconds, and a server that says nothing for 4 seconds is given up. The caller
// closes it.
func Open(ctx context.Context, rawURL string) (*DB, error) {
	return open(ctx, rawURL, answerWithin, nil)
}

// OpenObserved is Open with somebody who is told of every round trip; nil is nobody.
func OpenObserved(ctx context.Context, rawURL string, observe Observer) (*DB, error) {
	return open(ctx, rawURL, answerWithin, observe)
}

// OpenPatient is Open without a limit for a statement's time, for migrations and maintenance.
func OpenPatient(ctx context.Context, rawURL string) (*DB, error) {
	return open(ctx, rawURL, 0, nil)
}

func open(ctx context.Context, rawURL string, patience time.Duration, observe Observer) (*DB, error) {
	var handle *sqlx.DB
	var err error
	if path, ok := strings.CutPrefix(rawURL, "sqlite:"); ok {
		handle, err = openSQLite(path, observe)
	} else {
		handle, err = openPostgres(rawURL, patience, observe)
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

func openSQLite(path string, observe Observer) (*sqlx.DB, error) {
	if path == "" || strings.HasPrefix(path, ":") || strings.Contains(path, "?") {
		return nil, fmt.Errorf("dbx: sqlite:%s: a file path is needed, without options", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("dbx: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("dbx: %w", err)
	}
	info, err := file.Stat()
	file.Close()
	if err != nil {
		return nil, fmt.Errorf("dbx: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: set the mode of %s to 0600", ErrShared, path)
	}
	// synchronous FULL: with NORMAL a power cut takes back every "used" mark that was acknowledged, and spent codes,
	// steps and refresh tokens are valid again.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_txlock=immediate" +
		"&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("dbx: %w", err)
	}
	handle := sqlx.NewDb(sql.OpenDB(through(connector, observe)), "sqlite")
	handle.SetMaxOpenConns(16)
	handle.SetMaxIdleConns(16)
	return handle, nil
}

func openPostgres(rawURL string, patience time.Duration, observe Observer) (*sqlx.DB, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, fmt.Errorf("dbx: the database URL must begin with sqlite: or postgres://") // not quoted: it may hold a password
	}
	query := u.Query()
	if query.Get("sslmode") == "" {
		return nil, fmt.Errorf("dbx: the database URL of host %s needs an explicit sslmode", u.Hostname())
	}
	settings := map[string]string{
		"connect_timeout": "3", "application_name": application, "lock_timeout": "3000", "statement_timeout": "3500",
		"idle_in_transaction_session_timeout": "30000",
	}
	if patience == 0 {
		settings["lock_timeout"], settings["statement_timeout"] = "0", "0"
	}
	for name, value := range settings {
		if !query.Has(name) {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	config, err := pq.NewConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("dbx: the database URL of host %s is not understood", u.Hostname())
	}
	if err := checkTransport(config); err != nil {
		return nil, err
	}
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, fmt.Errorf("dbx: the database URL of host %s is not understood", u.Hostname())
	}
	connector.Dialer(dialer{patience})
	handle := sqlx.NewDb(sql.OpenDB(through(connector, observe)), "postgres")
	handle.SetMaxOpenConns(20)
	handle.SetMaxIdleConns(20)
	handle.SetConnMaxIdleTime(5 * time.Minute)
	return handle, nil
}

// checkTransport refuses an sslmode that may send secrets in the clear to another machine. It judges what the driver
// has understood, every host of it: a URL can name hosts in more than one place.
func checkTransport(config pq.Config) error {
	switch config.SSLMode {
	case pq.SSLModeRequire, pq.SSLModeVerifyCA, pq.SSLModeVerifyFull:
		return nil
	}
	hosts := append([]pq.ConfigMultihost{{Host: config.Host, Hostaddr: config.Hostaddr}}, config.Multi...)
	for _, h := range hosts {
		if !local(h) {
			return fmt.Errorf("dbx: sslmode=%s sends secrets in the clear to %s: use verify-full or require", config.SSLMode, h.Host)
		}
	}
	return nil
}

// local reports whether a connection to h stays on this machine.
func local(h pq.ConfigMultihost) bool {
	if h.Hostaddr.IsValid() {
		return h.Hostaddr.IsLoopback()
	}
	if h.Host == "localhost" || filepath.IsAbs(h.Host) {
		return true
	}
	ip, err := netip.ParseAddr(h.Host)
	return err == nil && ip.IsLoopback()
}

// dialer gives every connection a deadline for each answer; 0 means none.
type dialer struct{ patience time.Duration }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// DialContext implements [pq.DialerContext].
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if d.patience == 0 {
		return conn, nil
	}
	return deadlineConn{conn, d.patience}, nil
}

type deadlineConn struct {
	net.Conn
	patience time.Duration
}

func (c deadlineConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c deadlineConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
