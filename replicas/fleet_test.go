package replicas

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/migrations"
	"github.com/focushq/idp/oauth"
)

// plan says what a fleet is made of. The zero value is two processes on PostgreSQL.
type plan struct {
	processes int // 0: two
	sqlite    bool
	settings  string   // YAML
	env       []string // NAME=value
	hash      bool     // recovery codes that the test's own provider makes are good at the processes; takes longer
}

// fleet is the processes and, in this one, one more provider on the same database and keyset, by which tests prepare what
// they need. Its public URL, where the others answer in turn, is at front.
type fleet struct {
	*idptest.Server
	t        testing.TB
	front    *front
	each     []*replica
	db       *dbx.DB
	app      *idptest.Client
	program  string // what [fleet.start] starts
	folder   string
	env      []string
	requests *http.Client
}

// start runs a fleet until the test ends. Its database is empty but for the schema, its own signing keys and the client "app".
func start(t testing.TB, p plan) *fleet {
	t.Helper()
	f := &fleet{t: t, front: newFront(t), folder: t.TempDir(), requests: plain(t)}
	var err error
	if f.program, err = program(); err != nil {
		t.Fatal(err)
	}
	database := "sqlite:" + filepath.Join(f.folder, "idp.db")
	if !p.sqlite {
		database = dbxtest.PostgresURL(t, migrations.Streams()...)
	}
	keyset := f.prepare(database, p)
	f.Server = idptest.Start(t, func(c *idp.Config) {
		c.DatabaseURL, c.KeysetFile, c.PublicURL = database, keyset, f.front.URL
		if p.hash {
			c.HashMemory = 0
		}
	})
	f.Issuer = f.front.URL
	if f.db, err = dbx.Open(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.db.Close() })
	f.app = f.client("app")
	f.grow(max(p.processes, 2))
	return f
}

// prepare writes down what processes are started with, and returns where their keyset is.
func (f *fleet) prepare(database string, p plan) (keyset string) {
	f.t.Helper()
	keyset = filepath.Join(f.folder, "keyset.json")
	if err := os.WriteFile(filepath.Join(f.folder, "idp.yaml"), []byte(p.settings), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.env = append(p.env, "IDP_LISTEN=127.0.0.1:0", "IDP_PUBLIC_URL="+f.front.URL, "IDP_DATABASE_URL="+database, "IDP_DATABASE_POOL=10", "IDP_KEYSET_FILE="+keyset,
		"PATH="+os.Getenv("PATH"))
	return keyset
}

// plain returns a client that keeps as many connections as a race needs, and follows nothing.
func plain(t testing.TB) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// client registers a confidential client of that id, without a consent page; edit may change more.
func (f *fleet) client(id string, edit ...func(*oauth.Client)) *idptest.Client {
	f.t.Helper()
	c := oauth.Client{ID: id, Name: "App " + id, RedirectURIs: []string{callback}}
	for _, change := range edit {
		change(&c)
	}
	made := f.AddClient(c)
	made.Endpoint = oauth2.Endpoint{AuthURL: f.front.URL + "/oauth2/authorize", TokenURL: f.front.URL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInHeader}
	return made
}

// grow starts n more processes at once and puts everybody into rotation.
func (f *fleet) grow(n int) {
	f.t.Helper()
	var begun []*replica
	for range n { // none waits for another one
		begun = append(begun, f.start())
	}
	for _, r := range begun {
		r.listening()
		f.each = append(f.each, r)
	}
	f.front.only(f.origins()...)
}

func (f *fleet) origins() (all []string) {
	for _, r := range f.each {
		all = append(all, r.origin)
	}
	return all
}

// at returns the i-th process, counted around.
func (f *fleet) at(i int) string { return f.each[i%len(f.each)].origin }

// replica is a process.
type replica struct {
	origin string // where it listens, once it does
	t      testing.TB
	cmd    *exec.Cmd
	out    *bufio.Reader
	said   record // what it printed since it listens
	log    record
	end    sync.Once
	ended  error
}

// record is a log that grows.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// start begins a process, which ends with the test at the latest.
func (f *fleet) start() *replica {
	f.t.Helper()
	r := &replica{t: f.t}
	r.cmd = exec.Command(f.program, "--config", "idp.yaml", "serve")
	r.cmd.Dir, r.cmd.Env, r.cmd.Stderr = f.folder, f.env, &r.log
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	r.out = bufio.NewReader(out)
	f.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			f.t.Errorf("idp serve: %v", err)
		}
		if f.t.Failed() {
			for line := range strings.Lines(r.log.String()) {
				if !strings.Contains(line, `"level":"INFO"`) {
					f.t.Logf("%s: %s", r.origin, line)
				}
			}
		}
	})
	return r
}

// listening waits until the process takes requests.
func (r *replica) listening() {
	r.t.Helper()
	line, err := r.out.ReadString('\n')
	address, ok := strings.CutPrefix(line, "listening on ")
	if err != nil || !ok {
		r.t.Fatalf("idp serve says %q, %v: %s", line, err, r.log.String())
	}
	address, _, _ = strings.Cut(address, ",")
	r.origin = "http://" + strings.TrimSpace(address)
	go io.Copy(&r.said, r.out)
}

// stop asks the process to end, as whatever runs it does, and waits until it has.
func (r *replica) stop() error {
	r.end.Do(func() {
		_ = r.cmd.Process.Signal(syscall.SIGCONT)
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(30*time.Second, func() { _ = r.cmd.Process.Kill() })
		defer late.Stop()
		r.ended = r.cmd.Wait()
	})
	return r.ended
}

// kill ends the process at once: it finishes nothing.
func (r *replica) kill() {
	r.end.Do(func() {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait() // says that it was killed
	})
}

// idp runs another command as an operator does, on the same database and keyset, and returns what it prints.
func (f *fleet) idp(in string, args ...string) string {
	f.t.Helper()
	cmd := exec.Command(f.program, append([]string{"--config", "idp.yaml"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = f.folder, f.env, strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("idp %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// count returns the one number that the query selects.
func (f *fleet) count(query string, args ...any) (n int) {
	f.t.Helper()
	if err := f.db.Get(f.t.Context(), &n, query, args...); err != nil {
		f.t.Fatal(fmt.Errorf("%s: %w", query, err))
	}
	return n
}

// exec changes what is stored, past the program.
func (f *fleet) exec(query string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Exec(f.t.Context(), query, args...); err != nil {
		f.t.Fatal(fmt.Errorf("%s: %w", query, err))
	}
}
