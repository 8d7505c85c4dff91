package replicas

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// crush is a fleet at which many sign in at once, with passwords that cost what they cost outside of tests, and a machine that asks
// for tokens meanwhile.
type crush struct {
	*fleet
	ada     string
	machine *idptest.Client
	page    tab // where all of them sign in
}

func startCrush(t *testing.T, p plan) *crush {
	t.Helper()
	p.settings += "trusted_proxies: [127.0.0.0/8]\nlimits:\n  address: {waits: [{from: 10000, for: 1s}]}\n"
	p.env = append(p.env, "GOMAXPROCS=2")
	c := &crush{fleet: start(t, p)}
	c.ada = c.AddUser("ada").Username
	c.machine = c.client("machine", func(c *oauth.Client) { c.GrantTypes = []string{"client_credentials"} })
	page := c.Browser().Get("/login")
	c.page = tab{f: c.fleet, cookies: page.Browser().Jar.Cookies(page.URL), token: page.Fields("login-submit").Get("form_token")}
	return c
}

// signIn sends the password that everybody has to the replica, once, from the address behind a proxy, and returns what it said and when it
// is to be tried again.
func (c *crush) signIn(origin, who, address string) (status int, again string, err error) {
	form := url.Values{"username": {who}, "password": {idptest.Password}, "form_token": {c.page.token}}
	r, err := http.NewRequest(http.MethodPost, origin+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-For", address)
	for _, cookie := range c.page.cookies {
		r.AddCookie(cookie)
	}
	response, err := c.requests.Do(r)
	if err != nil {
		return 0, "", err
	}
	response.Body.Close()
	return response.StatusCode, response.Header.Get("Retry-After"), nil
}

// figure returns a line of /proc/PID/status, in MiB.
func (r *replica) figure(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindStringSubmatch(string(text))
	if found == nil {
		t.Fatalf("no %s in %s", name, text)
	}
	n, _ := strconv.Atoi(found[1])
	return n >> 10
}

// TestSec_DS02_TokensDoNotWaitForPasswords: 300 passwords at the same moment. As many are looked at as a moment allows, the others
// are told when to come again, tokens are given meanwhile, and little memory is taken.
func TestSec_DS02_TokensDoNotWaitForPasswords(t *testing.T) {
	c := startCrush(t, plan{})
	r := c.each[0]
	for range times(1, 20) {
		c.storm(t, r)
	}
	if peak := r.figure(t, "VmHWM"); peak >= 256 {
		t.Errorf("%d MiB of memory", peak)
	}
}

// TestFault_R19_ALimitOnMemory: the same, at a process that may have no more memory than a small container gives it.
func TestFault_R19_ALimitOnMemory(t *testing.T) {
	limits := []int{256}
	if os.Getenv("IDP_TORTURE") != "" {
		limits = []int{256, 128}
	}
	for _, limit := range limits {
		c := startCrush(t, plan{env: []string{fmt.Sprintf("GOMEMLIMIT=%dMiB", limit*5/8)}})
		r := c.limited(t, max(limit, 256)) // the heap grows by 64 MiB at a time, of which it need not use all
		for range times(1, 20) {
			c.storm(t, r)
		}
		if peak := r.figure(t, "VmHWM"); peak >= limit {
			t.Errorf("%d MiB of memory, with a limit of %d", peak, limit)
		}
	}
}

// limited starts one more process, which may write to that many MiB and no more. (What a Go program reserves of addresses is
// a multiple of that, and costs nothing.)
func (c *crush) limited(t *testing.T, limit int) *replica {
	t.Helper()
	file := filepath.Join(c.folder, "limited")
	script := fmt.Sprintf("#!/bin/sh\nulimit -s 256 && ulimit -d %d && exec %s \"$@\"\n", limit<<10, c.program)
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	c.program = file
	r := c.start()
	r.listening()
	return r
}

// storm lets 300 names that nobody has, each of which costs a hash, be tried at the replica at once, while a machine asks for
// tokens. Then ada signs in.
func (c *crush) storm(t *testing.T, r *replica) {
	t.Helper()
	const tries = 300
	var mu sync.Mutex
	statuses := map[int]int{}
	var waits []time.Duration
	over := make(chan struct{})
	var tokens sync.WaitGroup
	tokens.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			began := time.Now()
			if a, err := c.call(r.origin, "/oauth2/token", c.machine, "grant_type", "client_credentials"); a.status != http.StatusOK {
				t.Errorf("no token: %d %s %v", a.status, a.body, err)
				return
			}
			waits = append(waits, time.Since(began))
		}
	})
	atOnce(tries, func(i int) {
		began := time.Now()
		status, again, err := c.signIn(r.origin, fmt.Sprint("nobody", i), "192.0.2.1")
		mu.Lock()
		defer mu.Unlock()
		if statuses[status]++; err != nil {
			t.Error(err)
		}
		if status == http.StatusServiceUnavailable && again == "" {
			t.Error("503 does not say when to try again")
		}
		if took := time.Since(began); took > 10*time.Second { // two, and room for a busy machine
			t.Errorf("%d after %v", status, took)
		}
	})
	close(over)
	tokens.Wait()
	slices.Sort(waits)
	t.Logf("%v; %d tokens, median %v, p99 %v; peak of memory %d MiB", statuses, len(waits), waits[len(waits)/2], waits[len(waits)*99/100],
		r.figure(t, "VmHWM"))
	if statuses[http.StatusUnprocessableEntity] == 0 || statuses[http.StatusServiceUnavailable] == 0 ||
		statuses[http.StatusUnprocessableEntity]+statuses[http.StatusServiceUnavailable]+statuses[http.StatusTooManyRequests] != tries {
		t.Errorf("answers: %v", statuses)
	}
	if waits[len(waits)/2] > time.Second { // they wait for none of the hashes; milliseconds where nothing else is busy
		t.Errorf("half of the tokens took longer than %v", waits[len(waits)/2])
	}
	if status, _, err := c.signIn(r.origin, c.ada, "192.0.2.2"); status != http.StatusSeeOther {
		t.Errorf("then ada: %d, %v", status, err)
	}
}

// TestSec_DS08_AFloodWaitsForItself: one network tries ten times as many passwords as can be looked at, all the time. People in
// others sign in meanwhile, without being told to come again.
func TestSec_DS08_AFloodWaitsForItself(t *testing.T) {
	c := startCrush(t, plan{})
	r := c.each[0]
	over := make(chan struct{})
	var flood sync.WaitGroup
	var refused atomic.Int64
	for n := range 120 { // more than may wait
		flood.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				if status, _, _ := c.signIn(r.origin, fmt.Sprintf("nobody %d %d", n, i), "192.0.2.1"); status == http.StatusServiceUnavailable {
					refused.Add(1)
					time.Sleep(100 * time.Millisecond) // ten times as many as can be served, and not a thousand times
				}
			}
		})
	}
	until(t, "the flood is refused", func() bool { return refused.Load() > 0 })
	for n := range times(8, 200) {
		if status, _, err := c.signIn(r.origin, c.ada, fmt.Sprintf("198.51.100.%d", n%250+1)); status != http.StatusSeeOther {
			t.Errorf("ada, time %d: %d %v", n, status, err)
		}
	}
	close(over)
	flood.Wait()
}
