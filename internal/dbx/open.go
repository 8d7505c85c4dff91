package dbx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// answerWithin bounds each read from and write to PostgreSQL. It is longer than the server's own statement_timeout, whose error
// says more.
const answerWithin = 4 * time.Second

// dialWithin bounds how long a new connection to one host may take, unless the URL says something else.
const dialWithin = 3 * time.Second

// DefaultPool is how many connections a handle has at most.
const DefaultPool = 20

// LeastPool is the least that may be set: one connection is kept for those who have one already.
const LeastPool = 2

// ErrShared says that others may read or write the file of a SQLite database.
var ErrShared = errors.New("dbx: others may read the database")

// application is what a handle calls itself at PostgreSQL, unless its URL says something else.
const application = "idp"

// Options are what a handle is opened with. The zero value is what most need.
type Options struct {
	Pool    int      // how many connections at most, [LeastPool] or more; 0: [DefaultPool]
	Observe Observer // who is told of every round trip; nil: nobody

	soon bool // whoever has SQLite's file is not waited for
}

// Open is OpenWith without options.
func Open(ctx context.Context, rawURL string) (*DB, error) { return OpenWith(ctx, rawURL, Options{}) }

// OpenWith opens the database that rawURL names and checks that it answers.
//
//	sqlite:PATH                          a file, made with its folder (mode 0600, 0700) when missing; [ErrShared] when it is others' too
//	postgres://user@a:5432,b/db?sslmode=… one or more hosts; sslmode must be given; only verify-full, verify-ca and require off loopback
//
// Of several hosts it is the one that takes writes, unless target_session_attrs says something else. With pooler=transaction among
// the parameters nothing is kept on the server between two statements outside a transaction ([DB.Pooled]).
//
// On PostgreSQL a statement ends after 3.5 seconds, a wait for a lock after 2, and a server that says nothing for 4 seconds is
// given up; behind a pooler the first two are the role's settings. Whoever waits longer than 2 seconds for a connection, or for the
// one writer of SQLite, gets [ErrFull]. The caller closes it.
func OpenWith(ctx context.Context, rawURL string, options Options) (*DB, error) {
	if options.Pool == 0 {
		options.Pool = DefaultPool
	}
	if options.Pool < LeastPool {
		return nil, fmt.Errorf("dbx: a pool needs %d connections at least", LeastPool)
	}
	return open(ctx, rawURL, options, answerWithin)
}

// OpenPatient is Open without a limit for a statement's time, and for the wait for a connection: for migrations and maintenance.
func OpenPatient(ctx context.Context, rawURL string) (*DB, error) {
	return open(ctx, rawURL, Options{Pool: DefaultPool}, 0)
}

func open(ctx context.Context, rawURL string, options Options, patience time.Duration) (*DB, error) {
	var handle *sqlx.DB
	var err error
	if path, ok := strings.CutPrefix(rawURL, "sqlite:"); ok {
		handle, err = openSQLite(path, options, patience)
	} else {
		handle, err = openPostgres(rawURL, options, patience)
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

// busyTimeout is how long SQLite waits for another process's lock, in milliseconds; within this one the writers have a queue.
func busyTimeout(options Options, patience time.Duration) int64 {
	switch {
	case options.soon:
		return 500
	case patience == 0:
		return 10000
	}
	return enterWithin.Milliseconds()
}

func openSQLite(path string, options Options, patience time.Duration) (*sqlx.DB, error) {
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
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + fmt.Sprintf("?_txlock=immediate&_pragma=busy_timeout(%d)", busyTimeout(options, patience)) +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	if patience > 0 {
		dsn += "&_pragma=cache_size(-512)" // KiB for each connection, of 2,000: a request reads few pages, and the kernel has them anyway
	}
	inner, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("dbx: %w", err)
	}
	us := ours{Driver: inner.Driver()}
	if patience > 0 {
		us.gates = newGates(options.Pool, true)
	}
	handle := sqlx.NewDb(sql.OpenDB(through(liteConnector{inner, us}, options.Observe)), "sqlite")
	handle.SetMaxOpenConns(options.Pool)
	handle.SetMaxIdleConns(options.Pool)
	return handle, nil
}

func openPostgres(rawURL string, options Options, patience time.Duration) (*sqlx.DB, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	query := u.Query()
	if query.Get("sslmode") == "" {
		return nil, fmt.Errorf("dbx: the database URL of host %s needs an explicit sslmode", hostsOf(u))
	}
	pooled, err := pooler(query)
	if err != nil {
		return nil, err
	}
	for name, value := range settings(query, patience, pooled) {
		if !query.Has(name) {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	config, err := pq.NewConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("dbx: the database URL of host %s is not understood", hostsOf(u))
	}
	if err := checkTransport(config); err != nil {
		return nil, err
	}
	connector, err := newConnector(config, patience, pooled)
	if err != nil {
		return nil, err
	}
	if patience > 0 {
		connector.us.gates = newGates(options.Pool, false)
	}
	handle := sqlx.NewDb(sql.OpenDB(through(connector, options.Observe)), "postgres")
	handle.SetMaxOpenConns(options.Pool)
	handle.SetMaxIdleConns(options.Pool)
	handle.SetConnMaxIdleTime(5 * time.Minute)
	return handle, nil
}

// settings are the parameters of a connection that its URL may set otherwise.
func settings(query url.Values, patience time.Duration, pooled bool) map[string]string {
	out := map[string]string{"connect_timeout": "3", "application_name": application}
	if several := strings.Contains(query.Get("host")+query.Get("hostaddr"), ","); several {
		// One host that is gone without a word must leave time for the next.
		out["connect_timeout"], out["target_session_attrs"] = "2", "read-write"
	}
	if pooled {
		out["binary_parameters"] = "yes" // text and arguments in one round trip
		return out                       // a pooler refuses what it cannot keep apart for its clients
	}
	out["bytea_output"] = "hex" // as json_agg shows it in DB.GetAhead
	// What is decided is decided by conditional statements. A server whose transactions are serializable by default would fail some of
	// them, of people who have nothing to do with each other, the more the emptier its tables are.
	out["default_transaction_isolation"] = "read committed"
	out["lock_timeout"], out["statement_timeout"], out["idle_in_transaction_session_timeout"] = "2000", "3500", "30000"
	if patience == 0 {
		out["lock_timeout"], out["statement_timeout"] = "0", "0"
	}
	return out
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
