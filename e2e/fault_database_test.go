package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
)

// torture chooses the long form of an experiment.
func torture() bool { return os.Getenv("IDP_TORTURE") != "" }

// soon is within what every request has an answer: five seconds, and what a machine adds that is busy with other tests.
func soon() time.Duration {
	if torture() {
		return 6 * time.Second
	}
	return 12 * time.Second
}

// faultAsks are requests without a browser, on connections that are closed after each: programs' and people's, which all need the
// database.
func faultAsks(t *testing.T, s *secSite, b *idptest.Browser, tokens *rpTokens) []func() (*http.Response, error) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ask := func(method, path string, form url.Values, edit func(*http.Request)) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			r, err := http.NewRequestWithContext(t.Context(), method, s.Issuer+path, strings.NewReader(form.Encode()))
			if err != nil {
				return nil, err
			}
			if form != nil {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			edit(r)
			answer, err := client.Do(r)
			if err == nil {
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			return answer, err
		}
	}
	cookies := secCookies(b, s.Issuer)
	return []func() (*http.Response, error){
		ask(http.MethodPost, "/oauth2/introspect", url.Values{"token": {tokens.AccessToken}}, func(r *http.Request) {
			r.SetBasicAuth(url.QueryEscape(s.app.ClientID), url.QueryEscape(s.app.ClientSecret))
		}),
		ask(http.MethodGet, "/oauth2/userinfo", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tokens.AccessToken) }),
		ask(http.MethodGet, "/account", nil, func(r *http.Request) {
			for _, c := range cookies {
				r.AddCookie(c)
			}
		}),
	}
}

// faultAll asks so often at once, and returns how often each status was answered and the longest time it took.
func faultAll(t *testing.T, asks []func() (*http.Response, error), n int) (map[int]int, time.Duration) {
	t.Helper()
	var mu sync.Mutex
	seen, longest := map[int]int{}, time.Duration(0)
	secAtOnce(n, func(i int) {
		began := time.Now()
		answer, err := asks[i%len(asks)]()
		took := time.Since(began)
		mu.Lock()
		defer mu.Unlock()
		longest = max(longest, took)
		if err != nil {
			t.Error(err)
			return
		}
		if seen[answer.StatusCode]++; answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s: 503 without Retry-After", answer.Request.URL.Path)
		}
	})
	t.Logf("%v, the longest after %v", seen, longest)
	if longest > soon() {
		t.Errorf("an answer took %v", longest)
	}
	return seen, longest
}

// faultSite is a provider with four connections to its database, and somebody who is signed in.
func faultSite(t *testing.T) (*secSite, *secWire, []func() (*http.Response, error)) {
	s, wire := secOverWire(t, func(c *idp.Config) { c.DatabasePool = 4 })
	p, b := s.person("alice"), s.Browser()
	tokens := s.exchange(s.app, p.signIn(b, s.app))
	asks := faultAsks(t, s, b, tokens)
	faultWorks(t, asks)
	return s, wire, asks
}

// faultWorks fails unless everything is answered as it should be, at once.
func faultWorks(t *testing.T, asks []func() (*http.Response, error)) {
	t.Helper()
	for _, ask := range asks {
		if answer, err := ask(); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%v, %v", answer, err)
		}
	}
}

// faultHealth checks what the probes say.
func faultHealth(t *testing.T, s *secSite, ready int) {
	t.Helper()
	for path, want := range map[string]int{"/livez": http.StatusOK, "/readyz": ready} {
		if page := s.Browser().Get(path); page.Status != want {
			t.Errorf("%s: %d, want %d", path, page.Status, want)
		}
	}
}

// TestSec_DS07_PoolOf4Crowd200Frozen is not parallel: it counts goroutines.
func TestSec_DS07_PoolOf4Crowd200Frozen(t *testing.T) {
	s, wire, asks := faultSite(t)
	before := runtime.NumGoroutine()
	wire.Freeze()
	seen, _ := faultAll(t, asks, 200)
	if seen[http.StatusServiceUnavailable] != 200 {
		t.Errorf("%v", seen)
	}
	faultHealth(t, s, http.StatusServiceUnavailable)
	wire.Mend()
	faultWorks(t, asks)
	faultHealth(t, s, http.StatusOK)
	after := 0
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if after = runtime.NumGoroutine(); after <= before+10 {
			return
		}
	}
	t.Errorf("%d goroutines, %d before", after, before)
}

// TestFault_R09_ServerProcessesStopped: those that serve the provider are stopped, as by a debugger or a machine that is paused.
func TestFault_R09_ServerProcessesStopped(t *testing.T) {
	t.Parallel()
	s, _, asks := faultSite(t)
	db := s.database()
	rounds := 1
	if torture() {
		rounds = 10
	}
	for range rounds {
		var stopped []int
		if err := db.Select(t.Context(), &stopped, `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
			AND state = 'idle' ORDER BY pid`); err != nil || len(stopped) == 0 {
			t.Fatalf("%v, %v", stopped, err)
		}
		signal := func(what syscall.Signal) {
			for _, pid := range stopped {
				syscall.Kill(pid, what)
			}
		}
		t.Cleanup(func() { signal(syscall.SIGCONT) })
		signal(syscall.SIGSTOP)
		faultAll(t, asks, 40)
		if page := s.Browser().Get("/livez"); page.Status != http.StatusOK {
			t.Errorf("/livez: %d", page.Status)
		}
		signal(syscall.SIGCONT)
		faultWorks(t, asks)
	}
}

// TestFault_R10_SlowRoundTrips: a request takes as long as its round trips, not more; one that needs more than its time is told so;
// and limits count as always.
func TestFault_R10_SlowRoundTrips(t *testing.T) {
	t.Parallel()
	var trips *dbxtest.Trips
	slow := newSecWire(t, "")
	s := secOpen(t, func(c *idp.Config) {
		direct := dbxtest.PostgresURL(t)
		var counted string
		counted, trips = dbxtest.Wire(t, direct)
		u, err := url.Parse(counted)
		if err != nil {
			t.Fatal(err)
		}
		slow.target = u.Host
		u.Host = slow.address
		c.DatabaseURL = u.String()
	})
	p, b := s.person("alice"), s.Browser()
	tokens := s.exchange(s.app, p.signIn(b, s.app))
	asks := faultAsks(t, s, b, tokens)
	faultWorks(t, asks)
	s.mustRefresh(s.app, tokens)
	for _, delay := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		slow.Delay(delay)
		for i, ask := range asks {
			trips.Reset()
			began := time.Now()
			answer, err := ask()
			took, made := time.Since(began), len(trips.All())
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("%v, %v", answer, err)
			}
			t.Logf("+%v: request %d took %v with %d round trips", delay, i, took, made)
			// Two of a connection that is new, and what runs in the background, may come on top.
			if least := delay * time.Duration(min(made, 1)); took < least || took > delay*time.Duration(made+4)+5*time.Second {
				t.Errorf("+%v: request %d took %v with %d round trips", delay, i, took, made)
			}
		}
	}
	slow.Delay(50 * time.Millisecond)
	looked := s.secGuesses("alice", 20)
	if looked > 10 {
		t.Errorf("%d wrong passwords were looked at", looked)
	}
	slow.Delay(3 * time.Second)
	if seen, _ := faultAll(t, asks, 9); seen[http.StatusServiceUnavailable] == 0 {
		t.Errorf("%v", seen)
	}
	slow.Mend()
	faultWorks(t, asks)
}

// secGuesses types so many wrong passwords at once, and returns how many of them were looked at.
func (s *secSite) secGuesses(name string, n int) (looked int) {
	s.t.Helper()
	pages := make([]*idptest.Page, n)
	for i := range pages {
		pages[i] = secAt(s.t, s.begin(s.Browser(), s.app), "/login")
	}
	var mu sync.Mutex
	secAtOnce(n, func(i int) {
		page := pages[i].Submit("login-submit", "username", name, "password", fmt.Sprintf("not the right one, %d", i))
		mu.Lock()
		defer mu.Unlock()
		if page.Status == http.StatusUnprocessableEntity {
			looked++
		}
	})
	return looked
}

// TestFault_R11_PoolExhausted: somebody holds a lock that everybody needs, and all four connections wait for it.
func TestFault_R11_PoolExhausted(t *testing.T) {
	t.Parallel()
	s, _, asks := faultSite(t)
	clients := 100
	if torture() {
		clients = 300
	}
	tx, err := s.database().SQLX().BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), `LOCK TABLE sessions, oauth_grants IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for round := 0; round == 0 || torture() && time.Since(began) < 10*time.Second; round++ {
		if seen, _ := faultAll(t, asks, clients); seen[http.StatusServiceUnavailable] != clients {
			t.Errorf("%v", seen)
		}
	}
	if page := s.Browser().Get("/livez"); page.Status != http.StatusOK {
		t.Errorf("/livez: %d", page.Status)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	faultWorks(t, asks)
	if seen, _ := faultAll(t, asks, clients); seen[http.StatusOK] != clients {
		t.Errorf("afterwards: %v", seen)
	}
	faultHealth(t, s, http.StatusOK)
}
