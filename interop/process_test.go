package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startWait bounds the start of a program: one that does not listen by then will not.
const startWait = 30 * time.Second

// together runs a program in a way that it ends with the test in any case: when its standard input, a pipe that we
// hold, is closed, be it by a crash, the whole group of processes is ended, and so it is when the program itself ends.
const together = `("$@" </dev/null; kill 0) & cat >/dev/null; kill 0`

// need returns the path of a program; a missing one is a failure that says what to do.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s not found: run `make deps`", program)
	}
	return path
}

// freePort returns a port of the loopback address that is free now.
func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// start runs a program that listens on PORT until the test ends, and returns that port once it does.
func start(t testing.TB, name string, environment func(port int) []string, command ...string) int {
	t.Helper()
	said := &log{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said:\n%s", name, said)
		}
	})
	for range 3 { // somebody else may take the port in the meantime
		if port := freePort(t); launch(t, said, port, environment(port), command) {
			return port
		}
	}
	t.Fatalf("%s does not listen", name)
	return 0
}

// launch runs a program and reports whether it listens on port.
func launch(t testing.TB, said *log, port int, environment, command []string) bool {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", together, "sh"}, command...)...)
	cmd.Env = append(append(os.Environ(), environment...), fmt.Sprint("PORT=", port))
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		stdin.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			connection.Close()
			return true
		}
		select {
		case <-ended:
			return false
		default:
		}
	}
	return false
}

// log is what a program has printed up to now.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// installed fails unless node_modules holds what package-lock.json says.
func installed(t testing.TB) {
	t.Helper()
	wanted, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	// scripts/deps leaves a copy beside what it has installed.
	got, err := os.ReadFile(filepath.Join("node_modules", ".installed"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if !bytes.Equal(got, wanted) {
		t.Fatal("the relying parties of package-lock.json are not installed: run `make deps`")
	}
}

// watch reads the programs of the relying parties: a result of this test that the go command has kept is not for others.
func watch(t testing.TB) {
	t.Helper()
	for _, pattern := range []string{"*.js", "*/rp.*", "*/*.conf", "*/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// output returns the first line that a program prints.
func output(t testing.TB, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil {
		t.Fatalf("%s: %v: run `make deps`", strings.Join(command, " "), err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
