package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// demoFolder holds the binary under test; TestMain removes it.
var demoFolder string

func TestMain(m *testing.M) {
	var err error
	if demoFolder, err = os.MkdirTemp("", "idp-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	chromeStop()
	os.RemoveAll(demoFolder)
	os.Exit(code)
}

// demoBinary builds the command, once for all tests.
var demoBinary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(demoFolder, "idp")
	out, err := exec.Command("go", "build", "-o", file, "github.com/focushq/idp/cmd/idp").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return file, nil
})

// demo is a running `idp demo`.
type demo struct {
	Provider, App string // origins
	passwords     map[string]string
	folder        string // its data
}

// demoStart runs the demo until the test ends, on the two ports or, without any, on free ones.
func demoStart(t *testing.T, ports ...int) *demo {
	t.Helper()
	binary, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	if len(ports) == 0 {
		ports = demoPorts(t, 2)
	}
	d := &demo{Provider: "http://localhost:" + strconv.Itoa(ports[0]), passwords: map[string]string{}, folder: t.TempDir()}
	cmd := exec.Command(binary, "demo", "--data", d.folder, "--port", strconv.Itoa(ports[0]), "--rp-port", strconv.Itoa(ports[1]))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demoStop(t, cmd, &complaints) })
	lines := bufio.NewScanner(out)
	for d.App == "" && lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "user":
			name, password, _ := strings.Cut(value, "  password: ")
			d.passwords[name] = password
		case "open":
			d.App = value
		}
	}
	if d.App == "" || d.passwords["alice"] == "" {
		t.Fatal("idp demo has not printed where to click and how to sign in")
	}
	go io.Copy(io.Discard, out)
	return d
}

// command runs the command on the demo's data, while the demo goes on. As an operator's would be, its environment is
// the server's: it writes the same mails, which the demo sends.
func (d *demo) command(t *testing.T, args ...string) string {
	t.Helper()
	binary, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = d.folder
	cmd.Env = append(os.Environ(),
		"IDP_PUBLIC_URL="+d.Provider, "IDP_DATABASE_URL=sqlite:"+filepath.Join(d.folder, "idp.db"),
		"IDP_KEYSET_FILE="+filepath.Join(d.folder, "keyset.json"),
		"IDP_SMTP_URL=smtp://127.0.0.1:9", "IDP_SMTP_FROM=idp@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("idp %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// demoStop tells the demo to end, as Ctrl-C does, and expects that it does.
func demoStop(t *testing.T, cmd *exec.Cmd, complaints *bytes.Buffer) {
	_ = cmd.Process.Signal(syscall.SIGINT)
	late := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	late.Stop()
	if err != nil {
		t.Errorf("idp demo: %v", err)
	}
	if t.Failed() {
		t.Logf("idp demo said:\n%s", complaints)
	}
}

// demoPorts returns ports that are free on both loopback addresses.
func demoPorts(t *testing.T, count int) (ports []int) {
	t.Helper()
	for len(ports) < count {
		four, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer four.Close()
		port := four.Addr().(*net.TCPAddr).Port
		six, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err == nil { // a machine without IPv6 is fine
			defer six.Close()
		}
		ports = append(ports, port)
	}
	return ports
}

// demoProgram runs a program that make deps installs.
func demoProgram(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s not found: run `make deps`", name)
	}
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// demoReadQR returns what stands in the QR code of a picture.
func demoReadQR(t *testing.T, picture []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.png")
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	return demoProgram(t, "zbarimg", "--nodbus", "-q", "--raw", file)
}

// demoPhone is an authenticator app: oathtool with a key, and the latest step of which it gave a code away.
type demoPhone struct {
	key  string
	used int64
}

func (p *demoPhone) code(t *testing.T, step int64) string {
	t.Helper()
	return demoProgram(t, "oathtool", "--totp", "-b", "-N", "@"+strconv.FormatInt(step*30, 10), p.key)
}

// pair returns the code before the present one and the present one, with some seconds left to send them.
func (p *demoPhone) pair(t *testing.T) (string, string) {
	t.Helper()
	if left := 30 - time.Now().Unix()%30; left <= 5 {
		time.Sleep(time.Duration(left) * time.Second)
	}
	p.used = time.Now().Unix() / 30
	return p.code(t, p.used-1), p.code(t, p.used)
}

// next returns a code that was not used before. The code of the coming step is accepted too; past it, one has to wait.
func (p *demoPhone) next(t *testing.T) string {
	t.Helper()
	p.used = max(p.used+1, time.Now().Unix()/30)
	time.Sleep(time.Until(time.Unix((p.used-1)*30, 0)))
	return p.code(t, p.used)
}
