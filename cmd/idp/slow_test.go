package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// TestSec_DS03_SlowConnectionsStopNobody: hundreds of connections that send half a header, half a form or nothing do not keep
// a person from signing in, and the server lets go of every one.
func TestSec_DS03_SlowConnectionsStopNobody(t *testing.T) {
	i := serve(t)
	i.idp("plum lantern river 42\n", "user", "add", "alice")
	address := strings.TrimPrefix(i.url, "http://")
	each := 100
	if os.Getenv("IDP_TORTURE") != "" {
		each = 350
	}
	before := files(t)
	var slow []net.Conn
	for range each {
		for _, begun := range []string{
			"", "GET /login HTTP/1.1\r\nHost: " + address + "\r\nX-Slow: ",
			"POST /login HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nusername=",
			"POST /oauth2/token HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ngrant_type=",
		} {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, begun)
			slow = append(slow, c)
		}
	}
	began := time.Now()
	b := idptest.NewBrowser(t, i.url)
	page := b.Get("/account").Submit("login-submit", "username", "alice", "password", "plum lantern river 42")
	if page.URL.Path != "/account" {
		t.Errorf("at %s: %s", page.URL, page.Text("main"))
	}
	if took := time.Since(began); took > 5*time.Second { // one, and room for a busy machine
		t.Errorf("signing in took %v", took)
	}
	for _, c := range slow {
		c.Close()
	}
	for end := time.Now().Add(20 * time.Second); files(t) > before+20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d files are open, %d before", files(t), before)
		}
	}
}

// files returns how many are open in this process, which has both ends of all connections.
func files(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// TestSec_DS03_EveryPhaseEnds: the server has a limit for each phase of a request, after which the connection is closed, however
// slowly anything comes; here all of them are a hundred times as short.
func TestSec_DS03_EveryPhaseEnds(t *testing.T) {
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }), slog.New(slog.DiscardHandler))
	for phase, limit := range map[string]*time.Duration{
		"header": &server.ReadHeaderTimeout, "request": &server.ReadTimeout, "answer": &server.WriteTimeout, "idle": &server.IdleTimeout,
	} {
		if *limit <= 0 || *limit > 2*time.Minute {
			t.Errorf("%s: %v", phase, *limit)
		}
		*limit /= 100
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	for what, begun := range map[string]string{
		"nothing": "", "half a header": "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
		"half a body": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", "nothing more": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, begun)
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the connection stays", what)
		}
	}
}
