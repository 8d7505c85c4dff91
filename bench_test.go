package idp_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// BenchmarkProvider measures what relying parties do all day at a whole provider, with audit and all that a grant stands on:
// "handler" is our code and the database's driver, "http" adds net/http, the kernel and eight at a time, with clients that cost
// little more than their system calls. cpu-µs/op is the processor's time of this process, db-µs/op that of PostgreSQL's: under load they are
// steadier than the clock.
func BenchmarkProvider(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkProvider(b, "") })
	b.Run("postgres", func(b *testing.B) { benchmarkProvider(b, dbxtest.PostgresURL(b)) })
}

func benchmarkProvider(b *testing.B, database string) {
	s := idptest.Start(b, func(c *idp.Config) {
		if database != "" {
			c.DatabaseURL = database
		}
	})
	s.AddUser("alice")
	uris := []string{"https://app.example/callback"}
	app := &measured{relying: &relying{TB: b, s: s, browser: s.Browser(), clients: map[string]*idptest.Client{}}}
	if database != "" {
		var err error
		if app.watch, err = dbx.Open(b.Context(), database); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { app.watch.Close() })
	}
	for _, c := range []oauth.Client{
		{ID: "app", RedirectURIs: uris, IDTokenAlg: "ES256"},
		{ID: "opaque", RedirectURIs: uris, IDTokenAlg: "ES256", AccessToken: "opaque"},
		{ID: "asked", RedirectURIs: uris, AuthMethod: "none"},
		{ID: "machine", GrantTypes: []string{"client_credentials"}, RedirectURIs: uris, Scopes: []string{"read"}, IDTokenAlg: "ES256"},
	} {
		app.clients[c.ID] = s.AddClient(c)
	}
	app.signIn()
	b.Run("handler", func(b *testing.B) { app.benchmark(b, inMemory(s.Handler())) })
	var wires []sent
	for range 8 {
		wires = append(wires, onWire(b, s.Issuer))
	}
	b.Run("http", func(b *testing.B) { app.benchmark(b, wires...) })
}

// measured is a relying party that watches what it costs the database.
type measured struct {
	*relying
	watch *dbx.DB // PostgreSQL alone
}

// sent is a request as it goes over the wire, made before the clock runs.
type sent func(raw []byte) (status int, body []byte)

// benchmark has every sender send its share.
func (r *measured) benchmark(b *testing.B, senders ...sent) {
	for _, op := range []struct {
		name   string
		status int
		make   func() []byte
	}{
		{"nothing", 200, func() []byte { return r.raw("", "GET", "/livez") }},
		{"client credentials", 200, func() []byte { return r.raw("machine", "POST", "/oauth2/token", "grant_type", "client_credentials") }},
		{"authorize", 303, func() []byte { return r.raw("", "GET", strings.TrimPrefix(r.address("app"), r.s.Issuer)) }},
		{"exchange", 200, func() []byte {
			return r.raw("app", "POST", "/oauth2/token", "grant_type", "authorization_code", "code", r.authorize("app"),
				"redirect_uri", r.clients["app"].RedirectURL, "code_verifier", proofKey)
		}},
		{"refresh", 200, func() []byte {
			token := r.exchange("app", r.authorize("app"))["refresh_token"].(string)
			return r.raw("app", "POST", "/oauth2/token", "grant_type", "refresh_token", "refresh_token", token)
		}},
		{"introspection", 200, once(func() []byte { return r.raw("opaque", "POST", "/oauth2/introspect", "token", r.accessToken("opaque")) })},
		{"userinfo", 200, once(func() []byte { return r.raw("", "GET", "/oauth2/userinfo", "Bearer", r.accessToken("app")) })},
	} {
		b.Run(strings.ReplaceAll(op.name, " ", "-"), func(b *testing.B) {
			requests := make([][]byte, b.N)
			for i := range requests {
				requests[i] = op.make()
			}
			b.ReportAllocs()
			own, database := ownTime(b), r.databaseTime()
			b.ResetTimer()
			var wg sync.WaitGroup
			for n, send := range senders {
				wg.Go(func() {
					for i := n; i < len(requests); i += len(senders) {
						if status, body := send(requests[i]); status != op.status {
							b.Errorf("%d %s", status, body)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			perOp := func(spent time.Duration) float64 { return float64(spent.Nanoseconds()) / 1000 / float64(b.N) }
			b.ReportMetric(perOp(ownTime(b)-own), "cpu-µs/op")
			if spent := r.databaseTime() - database; spent > 0 {
				b.ReportMetric(perOp(spent), "db-µs/op")
			}
		})
	}
}

// once makes one request for all rounds.
func once(made func() []byte) func() []byte {
	var raw []byte
	return func() []byte {
		if raw == nil {
			raw = made()
		}
		return raw
	}
}

func (r *measured) accessToken(id string) string {
	r.Helper()
	return r.exchange(id, r.authorize(id))["access_token"].(string)
}

// raw returns a request of the client id, "" for alice's browser, with a form of these pairs; "Bearer" is a header.
func (r *measured) raw(id, method, target string, pairs ...string) []byte {
	r.Helper()
	request, _ := http.NewRequest(method, r.s.Issuer+target, nil)
	switch {
	case len(pairs) == 2 && pairs[0] == "Bearer":
		request.Header.Set("Authorization", "Bearer "+pairs[1])
	case id == "":
		for _, cookie := range r.browser.Jar.Cookies(request.URL) {
			request.AddCookie(cookie)
		}
	default:
		form := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		body := form.Encode()
		request.Body, request.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth(id, r.clients[id].ClientSecret)
	}
	var out bytes.Buffer
	if err := request.Write(&out); err != nil {
		r.Fatal(err)
	}
	return out.Bytes()
}

// inMemory sends requests to a handler.
func inMemory(h http.Handler) sent {
	return func(raw []byte) (int, []byte) {
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return 0, []byte(err.Error())
		}
		request.RemoteAddr = "127.0.0.1:1234"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		return w.Code, w.Body.Bytes()
	}
}

// onWire sends requests over one connection to the server at address, and looks at no more of the answer than it must.
func onWire(b *testing.B, address string) sent {
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	answer := make([]byte, 64<<10)
	return func(raw []byte) (int, []byte) {
		if _, err := conn.Write(raw); err != nil {
			return 0, []byte(err.Error())
		}
		for n := 0; ; {
			read, err := conn.Read(answer[n:])
			if err != nil {
				return 0, []byte(err.Error())
			}
			n += read
			if status, whole := answered(answer[:n]); whole {
				return status, answer[:n]
			}
		}
	}
}

// answered returns the status of an answer, and whether all of it has come.
func answered(text []byte) (status int, whole bool) {
	head, body, ok := bytes.Cut(text, []byte("\r\n\r\n"))
	if !ok || len(head) < 12 {
		return 0, false
	}
	status, _ = strconv.Atoi(string(head[9:12]))
	const field = "\r\nContent-Length: "
	at := bytes.Index(head, []byte(field))
	if at < 0 {
		return status, true
	}
	length, _, _ := bytes.Cut(head[at+len(field):], []byte("\r\n"))
	n, err := strconv.Atoi(string(length))
	return status, err == nil && len(body) >= n
}

// ownTime is the processor's time that this process has taken so far.
func ownTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// databaseTime is the processor's time that PostgreSQL's processes have taken so far; 0 for SQLite.
func (r *measured) databaseTime() (sum time.Duration) {
	r.Helper()
	if r.watch == nil {
		return 0
	}
	var pids []int
	if err := r.watch.Select(r.Context(), &pids, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"); err != nil {
		r.Fatal(err)
	}
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/schedstat")
		if err != nil {
			continue // it has ended
		}
		running, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(running, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}
