package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"idp": main}) }

// TestScripts runs the command line as people and their scripts do, each script in an empty directory.
func TestScripts(t *testing.T) {
	testscript.Run(t, scripts(testscript.Params{Dir: "testdata"}))
}

// TestSec_DR03_AnotherKeyStopsTheStart: with keys that are not those of the database, or none, nothing starts and nothing is
// made.
func TestSec_DR03_AnotherKeyStopsTheStart(t *testing.T) {
	testscript.Run(t, scripts(testscript.Params{Files: []string{"testdata/sec/dr03.txtar"}}))
}

// TestSec_DR04_FilesAreTheOwnersAlone, whatever the umask, and what others may read is refused.
func TestSec_DR04_FilesAreTheOwnersAlone(t *testing.T) {
	testscript.Run(t, scripts(testscript.Params{Files: []string{"testdata/sec/dr04.txtar"}}))
}

// scripts completes what a test says of its scripts.
func scripts(p testscript.Params) testscript.Params {
	p.RequireExplicitExec, p.Setup = true, freePorts
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "json": oneValue, "ready": ready, "fetch": fetch, "mode": mode, "terminate": terminate, "sql": execSQL,
		"link": link, "certificate": certificate, "keyset": keySet, "kid": keyID, "anchor": anchor,
	}
	return p
}

// freePorts gives the script ports of its own and a provider that listens there.
func freePorts(env *testscript.Env) error {
	for _, name := range []string{"PORT", "PORT2"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close()
		env.Setenv(name, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	}
	// With the race detector every command would wait a second at its end for races of goroutines that end with it.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Setenv("IDP_LISTEN", "127.0.0.1:"+env.Getenv("PORT"))
	env.Setenv("IDP_PUBLIC_URL", "http://localhost:"+env.Getenv("PORT"))
	return nil
}

// exits STATUS COMMAND… runs a command that must end with exactly this status.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// json FILE [REGEXP…] wants FILE (or stdout) to hold one JSON value, whose compact form matches each expression.
func oneValue(ts *testscript.TestScript, _ bool, args []string) {
	text := []byte(ts.ReadFile(args[0]))
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		ts.Fatalf("not one JSON value (%v):\n%s", err, text)
	}
	for _, pattern := range args[1:] {
		if !regexp.MustCompile(pattern).Match(compact.Bytes()) {
			ts.Fatalf("no match for %s in %s", pattern, compact.Bytes())
		}
	}
}

// ready URL waits until URL answers 200.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(args[0])
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("%s does not answer", args[0])
}

// fetch STATUS URL prints the page at URL, which must answer with the status; redirects are not followed.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(args[1])
	ts.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), string(body))
	if strconv.Itoa(response.StatusCode) != args[0] {
		ts.Fatalf("%s: status %d, want %s", args[1], response.StatusCode, args[0])
	}
}

// mode MODE FILE wants FILE to have exactly these permissions.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// terminate asks every program in the background to stop, as a service manager does.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

// sql FILE STATEMENT changes a SQLite database behind the program's back.
func execSQL(ts *testscript.TestScript, _ bool, args []string) {
	db, err := dbx.Open(context.Background(), "sqlite:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(context.Background(), strings.Join(args[1:], " "))
	ts.Check(err)
}

// link FILE puts the set-up link that FILE holds into $LINK.
func link(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(`http\S+/setup\S+`).FindString(ts.ReadFile(args[0]))
	if found == "" {
		ts.Fatalf("no link in %s", args[0])
	}
	ts.Setenv("LINK", found)
}

// certificate CERT KEY makes a certificate for localhost and its key.
func certificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// keyset N URL waits until the key set at URL holds N keys, which takes a second or two.
func keySet(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var set struct{ Keys []json.RawMessage }
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		response, err := http.Get(args[1])
		ts.Check(err)
		err = json.NewDecoder(response.Body).Decode(&set)
		ts.Check(errors.Join(err, response.Body.Close()))
		if len(set.Keys) == want {
			return
		}
	}
	ts.Fatalf("%d keys, want %d", len(set.Keys), want)
}

// kid ALGORITHM STATE puts into $KID the id of such a key, of what the last command listed.
func keyID(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if f := strings.Fields(line); f[1] == args[0] && f[2] == args[1] {
			ts.Setenv("KID", f[0])
			return
		}
	}
	ts.Fatalf("no %s key is %s", args[0], args[1])
}

// anchor puts into $ANCHOR the end of the trail that the last command, idp audit verify --output json, has found.
func anchor(ts *testscript.TestScript, _ bool, _ []string) {
	var report struct{ Head audit.Anchor }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &report))
	ts.Setenv("ANCHOR", report.Head.String())
}
