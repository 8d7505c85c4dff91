package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfatest"
)

// output of a program in the background.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// installation is a provider served by `idp serve` in a folder, and its command line.
type installation struct {
	t      *testing.T
	url    string
	env    map[string]string
	screen screen
	log    screen
}

// serve runs `idp serve` until the test ends.
func serve(t *testing.T) *installation {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	i := &installation{t: t, url: "http://" + address, env: map[string]string{
		"IDP_LISTEN": address, "IDP_PUBLIC_URL": "http://" + address, "IDP_DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "data", "idp.db"),
	}}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"serve"}, strings.NewReader(""), &i.screen, &i.log, i.getenv) }()
	t.Cleanup(func() {
		stop()
		if status := <-ended; status != 0 {
			t.Errorf("serve ended with %d: %s", status, i.log.String())
		}
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if response, err := http.Get(i.url + "/readyz"); err == nil {
			response.Body.Close()
			return i
		}
	}
	t.Fatalf("not ready: %s", i.log.String())
	return nil
}

func (i *installation) getenv(name string) string { return i.env[name] }

// idp runs another command on the same installation; it must succeed.
func (i *installation) idp(in string, args ...string) string {
	i.t.Helper()
	var out, stderr bytes.Buffer
	if status := run(i.t.Context(), args, strings.NewReader(in), &out, &stderr, i.getenv); status != 0 {
		i.t.Fatalf("idp %s: %d %s", strings.Join(args, " "), status, stderr.String())
	}
	return out.String()
}

// TestSetupLinkLeadsIntoEnrolment takes the printed link as a person does, to the end of enrolment.
func TestSetupLinkLeadsIntoEnrolment(t *testing.T) {
	i := serve(t)
	link := regexp.MustCompile(regexp.QuoteMeta(i.url) + `/setup\S+`).FindString(i.screen.String())
	if link == "" {
		t.Fatal(i.screen.String())
	}
	b := idptest.NewBrowser(t, i.url)
	page := b.Get(link).Submit("setup-submit", "username", "root", "email", "root@example.com", "password", "plum lantern river 42")
	if page.URL.Path != "/account/mfa/enrol/start" {
		t.Fatalf("%s %s", page.URL, page.Body)
	}
	page = page.Submit("enrol-start")
	phone := mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", ""), Clock: time.Now}
	page = page.Submit("scan-next").Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
	if codes := page.All("#recovery-codes li"); len(codes) != 10 {
		t.Fatalf("%d codes: %s", len(codes), page.Body)
	}
	page.Submit("enrol-confirm", "saved", "1")
	if shown := i.idp("", "user", "show", "root", "--output", "json"); !strings.Contains(shown, `"mfa_enrolled": true`) || !strings.Contains(shown, `"admin": true`) {
		t.Error(shown)
	}
	if page := idptest.NewBrowser(t, i.url).Get(link); page.Status != 404 || page.Has("form input[name=username]") {
		t.Errorf("used again: %d", page.Status)
	}
}

// TestCommandsTakeEffect changes an installation beside the server that runs on the same SQLite file.
func TestCommandsTakeEffect(t *testing.T) {
	i := serve(t)
	b := idptest.NewBrowser(t, i.url)
	signIn := func(password string) *idptest.Page {
		return idptest.NewBrowser(t, i.url).Get("/account").Submit("login-submit", "username", "alice", "password", password)
	}
	i.idp("plum lantern river 42\n", "user", "add", "alice", "--email", "alice@example.com")
	if page := b.Get("/account").Submit("login-submit", "username", "alice", "password", "plum lantern river 42"); page.URL.Path != "/account" {
		t.Fatalf("added: %s", page.URL)
	}
	i.idp("", "user", "disable", "alice")
	if page := b.Get("/account"); page.URL.Path != "/login" {
		t.Errorf("disabled: the session goes on at %s", page.URL)
	}
	if page := signIn("plum lantern river 42"); page.Status != 422 {
		t.Errorf("disabled: %d at %s", page.Status, page.URL)
	}
	i.idp("", "user", "enable", "alice")
	if page := signIn("plum lantern river 42"); page.URL.Path != "/account" {
		t.Errorf("enabled: %s", page.URL)
	}
	i.idp("tulip gravel monday 88\n", "user", "set-password", "alice")
	if page := signIn("plum lantern river 42"); page.Status != 422 {
		t.Errorf("the old password: %d", page.Status)
	}
	if page := signIn("tulip gravel monday 88"); page.URL.Path != "/account" {
		t.Errorf("the new password: %s", page.URL)
	}
	authorize := "/oauth2/authorize?client_id=app&response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2F&scope=openid&state=12345678"
	if page := b.Get(authorize); page.Status != 400 && page.Status != 401 {
		t.Errorf("no client yet: %d", page.Status)
	}
	i.idp("", "client", "add", "app", "--redirect-uri", "https://app.example/")
	if page := b.Get(authorize); page.URL.Path != "/login" {
		t.Errorf("client added: %d at %s", page.Status, page.URL)
	}
	i.idp("groups: [{name: staff}]\nusers: [{username: alice, email: alice@example.com, groups: [staff]}]\npolicy: {mfa_required_groups: [staff]}",
		"apply", "-f", "-")
	asked := func() string { // what the server remembers of the policy may be a second old
		b := idptest.NewBrowser(t, i.url)
		return b.Get(authorize).Submit("login-submit", "username", "alice", "password", "tulip gravel monday 88").URL.Path
	}
	for until := time.Now().Add(5 * time.Second); asked() != "/account/mfa/enrol/start"; {
		if time.Now().After(until) {
			t.Fatalf("policy: %s", asked())
		}
	}
	i.idp("", "client", "delete", "app")
	if page := idptest.NewBrowser(t, i.url).Get(authorize); page.Status != 400 && page.Status != 401 {
		t.Errorf("client deleted: %d", page.Status)
	}
	i.idp("", "user", "delete", "alice")
	if page := signIn("tulip gravel monday 88"); page.Status != 422 {
		t.Errorf("deleted: %d", page.Status)
	}
}

func TestLogIsJSON(t *testing.T) {
	i := serve(t)
	for line := range strings.Lines(i.log.String()) {
		if !strings.HasPrefix(line, `{"time":`) {
			t.Errorf("%q", line)
		}
	}
	if !strings.Contains(i.log.String(), `"msg":"start"`) || strings.Contains(i.log.String(), "setup?token") {
		t.Error(i.log.String())
	}
}

// TestStopLetsOpenRequestsFinish: whoever is being answered when the program is asked to stop gets the whole answer, and what goes on
// in the background goes on until then.
func TestStopLetsOpenRequestsFinish(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, goOn, background := make(chan struct{}), make(chan struct{}), make(chan context.Context, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-goOn
		if working := <-background; working.Err() != nil {
			t.Error("the background work ended before the requests")
		}
		io.WriteString(w, "whole")
	})
	ctx, stop := context.WithCancel(t.Context())
	a := &app{Context: ctx, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	ended := make(chan error)
	go func() {
		ended <- serveAll(a, []served{{listener: listener, handler: handler}}, 0, func(ctx context.Context) {
			background <- ctx
			<-ctx.Done()
		})
	}()
	answer := make(chan string)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-begun
	stop()
	// The listener is closed first: others go to another replica.
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break
		}
		connection.Close()
		if time.Now().After(end) {
			t.Fatal("it still listens")
		}
	}
	close(goOn)
	if got := <-answer; got != "whole" {
		t.Errorf("%q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStopSaysSoFirst: who was told to stop says for a while that it is not ready, while it serves on, and closes the
// connections that its answers go through.
func TestStopSaysSoFirst(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	ctx, stop := context.WithCancel(t.Context())
	a := &app{Context: ctx, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	ended := make(chan error)
	go func() {
		ended <- serveAll(a, []served{{listener: listener, handler: handler}}, time.Minute, func(ctx context.Context) { <-ctx.Done() })
	}()
	get := func(path string) *http.Response {
		response, err := http.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	if response := get("/readyz"); response.StatusCode != http.StatusOK || response.Close {
		t.Errorf("before: %d, closes %v", response.StatusCode, response.Close)
	}
	stop()
	for get("/readyz").StatusCode != http.StatusServiceUnavailable {
		time.Sleep(time.Millisecond)
	}
	if response := get("/login"); response.StatusCode != http.StatusOK || !response.Close {
		t.Errorf("after: %d, closes %v", response.StatusCode, response.Close)
	}
	listener.Close() // nothing is left to serve on for
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestReadmeRuns runs the commands of the README's "Run it" as they are written, but for the port and the elided secret.
func TestReadmeRuns(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Run it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var commands []string
	for line := range strings.Lines(section) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			command, _, _ = strings.Cut(command, "#")
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	if len(commands) < 4 || commands[0] != "go build ./cmd/idp" || commands[1] != "./idp serve" {
		t.Fatalf("%q", commands)
	}
	i := serve(t)
	assignment := regexp.MustCompile(`^(\w+)='([^']*)' `)
	for _, command := range commands[2:] {
		if found := assignment.FindStringSubmatch(command); found != nil {
			i.env[found[1]] = strings.ReplaceAll(found[2], "…", "plum lantern river 42")
			command = command[len(found[0]):]
		}
		words := strings.Fields(command)
		if words[0] != "./idp" {
			t.Fatalf("%q", command)
		}
		i.idp("", words[1:]...)
	}
	if !strings.Contains(i.screen.String(), "/setup?token=") {
		t.Error("no set-up link")
	}
}
