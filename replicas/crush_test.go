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
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// crush is a fleet with many people, whose passwords cost what they cost outside of tests, and a machine that asks for tokens.
type crush struct {
	*fleet
	people  []string
	machine *idptest.Client
	page    tab // where all of them sign in
}

func startCrush(t *testing.T, p plan, people int) *crush {
	t.Helper()
	p.settings += "limits:\n  address: {waits: [{from: 10000, for: 1s}]}\n"
	c := &crush{fleet: start(t, p)}
	hash, err := account.NewHasher(account.Params{}).Hash(t.Context(), idptest.Password)
	if err != nil {
		t.Fatal(err)
	}
	for n := range people {
		c.people = append(c.people, c.AddUser(fmt.Sprint("person", n)).Username)
	}
	c.exec(`UPDATE accounts SET password = $1`, hash)
	c.machine = c.client("machine", func(c *oauth.Client) { c.GrantTypes = []string{"client_credentials"} })
	page := c.Browser().Get("/login")
	c.page = tab{f: c.fleet, cookies: page.Browser().Jar.Cookies(page.URL), token: page.Fields("login-submit").Get("form_token")}
	return c
}

// signIn sends a person's password to the replica, once, from the address behind a proxy, and returns what it said and when it
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

// TestFault_R19_ALimitOnMemory: 300 passwords at the same moment, at a process that may have no more memory than a small
// container gives it. It lives, answers every one, and tokens meanwhile.
func TestFault_R19_ALimitOnMemory(t *testing.T) {
	t.Parallel()
	limits := []int{256}
	if os.Getenv("IDP_TORTURE") != "" {
		limits = []int{256, 128}
	}
	for _, limit := range limits {
		t.Run(fmt.Sprint(limit, " MiB"), func(t *testing.T) {
			c := startCrush(t, plan{env: []string{fmt.Sprintf("GOMEMLIMIT=%dMiB", limit*3/4)}}, 300)
			r := c.limited(t, limit)
			t.Logf("idle %d MiB, data %d", r.figure(t, "VmRSS"), r.figure(t, "VmData"))
			for range times(1, 20) {
				c.storm(t, r)
			}
			t.Logf("peak %d MiB, now %d, data %d", r.figure(t, "VmHWM"), r.figure(t, "VmRSS"), r.figure(t, "VmData"))
			if peak := r.figure(t, "VmHWM"); peak > limit {
				t.Errorf("%d MiB of memory, more than %d", peak, limit)
			}
		})
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

// storm lets everybody sign in at once.
func (c *crush) storm(t *testing.T, r *replica) {
	t.Helper()
	var mu sync.Mutex
	statuses := map[int]int{}
	var waits []time.Duration
	over := make(chan struct{})
	var tokens sync.WaitGroup
	tokens.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-over:
				return
			default:
			}
			began := time.Now()
			c.must(r.origin, "/oauth2/token", c.machine, "grant_type", "client_credentials")
			waits = append(waits, time.Since(began))
		}
	})
	atOnce(len(c.people), func(i int) {
		status, again, err := c.signIn(r.origin, c.people[i], "")
		mu.Lock()
		defer mu.Unlock()
		if statuses[status]++; err != nil {
			t.Error(err)
		}
		if status == http.StatusServiceUnavailable && again == "" {
			t.Error("503 does not say when to try again")
		}
	})
	close(over)
	tokens.Wait()
	slices.Sort(waits)
	t.Logf("%v, %d tokens, median %v, p99 %v", statuses, len(waits), waits[len(waits)/2], waits[len(waits)*99/100])
	if statuses[http.StatusSeeOther] == 0 || statuses[http.StatusSeeOther]+statuses[http.StatusServiceUnavailable] != len(c.people) {
		t.Errorf("answers: %v", statuses)
	}
}
