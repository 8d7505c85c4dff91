package replicas

import (
	"context"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// front is the proxy at the public URL: requests go around the replicas that are in rotation. It tries nothing twice and
// keeps connections open, as proxies do: whatever a replica cuts off, a person sees.
type front struct {
	*httptest.Server
	failures atomic.Int64 // requests that a replica did not answer
	hops     atomic.Int64

	mu   sync.Mutex
	turn int
	in   []*url.URL // in rotation
}

func newFront(t testing.TB) *front {
	f := &front{}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	f.Server = httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(t.Output(), "", 0),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(f.next())
			p.Out.Host = p.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				f.failures.Add(1)
				t.Errorf("%s %s was not answered: %v", r.Method, r.URL.Path, err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	})
	t.Cleanup(func() {
		f.Close()
		transport.CloseIdleConnections()
	})
	return f
}

// next returns whose turn it is.
func (f *front) next() *url.URL {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hops.Add(1)
	f.turn++
	if len(f.in) == 0 {
		return &url.URL{Scheme: "http", Host: "127.0.0.1:1"} // where nobody answers
	}
	return f.in[f.turn%len(f.in)]
}

// only puts these replicas into rotation, and no others.
func (f *front) only(origins ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in = nil
	for _, origin := range origins {
		u, _ := url.Parse(origin) // of a running replica
		f.in = append(f.in, u)
	}
}

// has reports whether a replica is in rotation.
func (f *front) has(origin string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.in, func(u *url.URL) bool { return u.String() == origin })
}

// watch keeps those in rotation that say that they are ready, until ctx ends; among lists who there is at the moment.
func (f *front) watch(ctx context.Context, pause time.Duration, among func() []string) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		var ready []string
		for _, origin := range among() {
			if isReady(origin) {
				ready = append(ready, origin)
			}
		}
		f.only(ready...)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func isReady(origin string) bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Get(origin + "/readyz")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// until fails the test unless done becomes true within a time in which it surely does where all is well.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	late := time.Now().Add(30 * time.Second)
	for ; !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%s: not after half a minute", what)
		}
	}
}
