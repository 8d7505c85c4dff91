package dbxtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/lib/pq" // the driver "postgres"
)

// cluster is a private PostgreSQL server.
type cluster struct {
	port  int
	data  string // the folder of its files
	admin *sql.DB
	alive *os.File // the supervisor ends the server when the last copy of this end of the pipe is closed

	mu        sync.Mutex
	serial    int
	templates map[string]string // streams → migrated database
}

// server starts the cluster on first use. One per process: a start takes a second.
var server = sync.OnceValues(func() (*cluster, error) { return start(hasty...) })

var errNoPrograms = errors.New("PostgreSQL server programs not found: run `make deps`")

// supervise runs the server beside a watcher that ends it as soon as the tests' process is gone, however it went, and
// then removes its data. Arguments: the folder, the program and its flags.
const supervise = `
folder=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(read -r line <&3; kill -QUIT $server) 2>/dev/null &
watcher=$!
wait $server
kill $watcher 2>/dev/null
cd / && rm -rf "$folder"
`

// hasty are the settings of a server for tests. A power cut is no concern of theirs, so nothing is synced; commits stay
// synchronous as in production.
var hasty = []string{"fsync=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=32MB", "max_wal_size=1GB"}

func start(settings ...string) (*cluster, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	// Another process may take the free port before the server does.
	for range 5 {
		var c *cluster
		if c, err = startOnce(programs, who, settings); err == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("dbxtest: PostgreSQL does not start: %w", err)
}

// findPrograms returns the folder of initdb and postgres: the newest of Debian's, or the one in PATH.
func findPrograms() (string, error) {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(folder string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
		return n
	}
	slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	for _, folder := range folders {
		_, errInit := os.Stat(filepath.Join(folder, "initdb"))
		_, errServer := os.Stat(filepath.Join(folder, "postgres"))
		if errInit == nil && errServer == nil {
			return folder, nil
		}
	}
	return "", errNoPrograms
}

// account returns the account that runs the server: PostgreSQL refuses root. Nil means our own.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("dbxtest: PostgreSQL does not run as root, and there is no account postgres or nobody")
}

func startOnce(programs string, who *syscall.Credential, settings []string) (*cluster, error) {
	folder, err := os.MkdirTemp("", "idp-postgres-")
	if err != nil {
		return nil, err
	}
	if who != nil {
		if err := os.Chown(folder, int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir = folder
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
		// A session of its own: an interrupt at the terminal must not reach the supervisor before its time.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: who}
		return cmd
	}
	data := filepath.Join(folder, "data")
	out, err := command(filepath.Join(programs, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync",
		"--encoding=UTF8", "--locale=C", "--wal-segsize=1").CombinedOutput()
	if err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{"-c", supervise, "sh", folder, filepath.Join(programs, "postgres"), "-D", data, "-k", folder,
		"-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=500"}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return run(command("/bin/sh", args...), folder, port)
}

// run starts the supervisor and waits until the server answers.
func run(cmd *exec.Cmd, folder string, port int) (*cluster, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	log, err := os.CreateTemp("", "idp-postgres-log-")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	os.Remove(log.Name()) // the open file stays readable
	// Not our own output: `go test` waits until every holder of it has ended.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() {
		cmd.Wait()
		close(gone)
	}()

	// By its socket in our own folder: on the port a stranger could answer.
	admin, err := sql.Open("postgres", fmt.Sprintf("postgres://postgres@/postgres?host=%s&port=%d&sslmode=disable", folder, port))
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(30 * time.Second)
	for admin.Ping() != nil {
		select {
		case <-gone:
		case <-time.After(20 * time.Millisecond):
			if time.Now().Before(deadline) {
				continue
			}
		}
		write.Close()
		text, _ := io.ReadAll(io.NewSectionReader(log, 0, 1<<20))
		return nil, fmt.Errorf("the server does not answer\n%s", text)
	}
	return &cluster{port: port, data: filepath.Join(folder, "data"), admin: admin, alive: write, templates: make(map[string]string)}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

// create makes a database with the streams' tables and returns its name.
func (c *cluster) create(ctx context.Context, streams []string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.Join(streams, " ")
	template := c.templates[key]
	if template == "" {
		template = fmt.Sprintf("template_%d", len(c.templates))
		if _, err := c.admin.ExecContext(ctx, "CREATE DATABASE "+template); err != nil {
			return "", fmt.Errorf("dbxtest: %w", err)
		}
		if err := migrate(ctx, c.url(template), streams); err != nil {
			c.drop(template)
			return "", err
		}
		c.templates[key] = template
	}
	c.serial++
	name := fmt.Sprintf("test_%d", c.serial)
	if _, err := c.admin.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		return "", fmt.Errorf("dbxtest: %w", err)
	}
	return name, nil
}

// drop removes a database. An error is of no interest: the whole cluster goes soon.
func (c *cluster) drop(name string) {
	c.admin.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
}
