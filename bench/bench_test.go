package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/internal/dbxtest"
)

// atOurs returns ours in this process, with so many people who are signed in, on a database that is watched.
func atOurs(t *testing.T, people int) *provider {
	t.Helper()
	server, err := startPostgres(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	o := &ours{name: onPostgres, folder: t.TempDir(), people: people, hashMemory: cheap, server: server, transport: newTransport()}
	if o.databaseURL, err = server.Create(t.Context(), "measured"); err != nil {
		t.Fatal(err)
	}
	p, err := o.prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.issuer, p.process = serveHere(t, o.config()), &process{pid: os.Getpid()}
	for _, who := range p.people {
		who.browser = newBrowser(p.transport, who.address)
	}
	if p.watch, err = newWatch(t.Context(), o.databaseURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.watch.db.Close() })
	if err := errors.Join(p.discover(t.Context()), p.signInEverybody(t.Context())); err != nil {
		t.Fatal(err)
	}
	return p
}

// serveHere serves a provider until the test ends and returns its URL.
func serveHere(t *testing.T, cfg idp.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.PublicURL, cfg.TrustedProxies = "http://"+listener.Addr().String(), []string{"127.0.0.1/32"}
	p, err := idp.New(t.Context(), cfg)
	if err != nil {
		listener.Close()
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: p.Handler()}}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		p.Close()
	})
	return cfg.PublicURL
}

// TestEveryFlow measures all flows for a moment: what the generator asks for is what ours answers.
func TestEveryFlow(t *testing.T) {
	p := atOurs(t, 12)
	short := plan{rounds: 1, round: 40 * time.Millisecond, open: 100 * time.Millisecond, share: 0.2}
	var found results
	for _, f := range append(flows(), signInFlow) {
		s := short
		if f.id == signInFlow.id {
			s.round, s.open = time.Millisecond, 5*time.Millisecond // everybody has three codes
			s.share = 1
		}
		all, err := s.measure(t.Context(), f, []*provider{p})
		if err != nil {
			t.Fatal(err)
		}
		one := all[onPostgres]
		if one == nil || one.Rate <= 0 || one.P50 <= 0 || one.P999 < one.P50 || one.Work == nil {
			t.Fatalf("%s: %+v", f.id, one)
		}
		found.Rows = append(found.Rows, row{f.id, f.title, onPostgres, *one})
	}
	for flow, writes := range map[string]bool{"machine": false, "code": true, "refresh": true, "introspect": false, "userinfo": false} {
		if w := found.of(flow, onPostgres).Work; (w.Transactions >= 0.5) != writes || (w.WAL > 100) != writes {
			t.Errorf("%s: %+v", flow, w)
		}
	}
	if w := found.of("code", onPostgres).Work; w.Statements < 3 {
		t.Errorf("a code flow with %.1f statements", w.Statements)
	}
	if err := p.password()(t.Context()); err != nil {
		t.Error(err)
	}
	who := p.people[0]
	if err := who.browser.forget(p.issuer, knownCookie); err != nil {
		t.Error(err)
	}
	at, _ := url.Parse(p.issuer)
	if left := who.browser.client.Jar.Cookies(at); len(left) != 1 || !strings.HasSuffix(left[0].Name, knownCookie) || left[0].Value == "" {
		t.Errorf("a browser without its session keeps %v", left)
	}
	if _, err := p.authorize(t.Context(), p.apps["trusted"], who, who.browser, false); err == nil {
		t.Error("a browser without its session is signed in")
	}
	now, most, err := memory(p.process.pid)
	if err != nil || now <= 0 || most < now {
		t.Errorf("memory %d, at most %d: %v", now, most, err)
	}
	scans, err := p.watch.scans(t.Context())
	if _, has := scans["oauth_grants"]; err != nil || !has {
		t.Errorf("%v %v", scans, err)
	}
}

// A provider that refuses is no fast one.
func TestRefusalsAreNoFigures(t *testing.T) {
	refused := errors.New("refused")
	for name, s := range map[string]*sample{
		"closed": closed(t.Context(), func(context.Context) error { return refused }, 2, time.Millisecond),
		"open":   open(t.Context(), func(context.Context) error { return refused }, 1000, 5*time.Millisecond),
	} {
		if s.ops != 0 || s.failed == 0 || !errors.Is(s.err(false), refused) || s.err(true) == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if newSample().err(true) == nil {
		t.Error("nothing was done, and that is no error")
	}
}

// TestLatencyCountsFromWhenItWasDue: while one operation holds all others up, theirs count from their own times.
func TestLatencyCountsFromWhenItWasDue(t *testing.T) {
	const count = 50
	begun, all := make(chan bool, count), make(chan bool)
	go func() {
		for range count {
			<-begun
		}
		close(all)
	}()
	s := open(t.Context(), func(context.Context) error {
		begun <- true
		<-all
		return nil
	}, 1000, count*time.Millisecond)
	// The first was due 49 ms before the last, which ended it; they spread evenly over that.
	if s.ops != count || s.latency.Max() < 45_000 || s.latency.ValueAtQuantile(50) < 20_000 {
		t.Errorf("%d operations, p50 %d µs, at most %d µs", s.ops, s.latency.ValueAtQuantile(50), s.latency.Max())
	}
}

func TestServersOfProgramsSync(t *testing.T) {
	s, err := dbxtest.NewServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	url, err := s.Create(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWatch(t.Context(), url)
	if err == nil {
		t.Error("statements are counted where nobody asked for it")
		w.db.Close()
	}
	if used, err := usage(s.PID); err != nil || used[0] <= 0 {
		t.Errorf("%v %v", used, err)
	}
}
