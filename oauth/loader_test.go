package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

const keySetText = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// bench is a loader with a clock and a client's server of its own, without a network.
type bench struct {
	*loader
	mu    sync.Mutex
	now   time.Time
	calls int
	serve func(*http.Request) (*http.Response, error)
	log   bytes.Buffer
}

func newBench() *bench {
	b := &bench{now: time.Unix(1_900_000_000, 0)}
	b.loader = &loader{http: &http.Client{Transport: b}, log: slog.New(slog.NewTextHandler(&b.log, nil)), sets: map[string]*keySet{}, now: func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.now
	}}
	b.answer(keySetText)
	return b
}

func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.calls++
	serve := b.serve
	b.mu.Unlock()
	return serve(r)
}

func (b *bench) set(serve func(*http.Request) (*http.Response, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serve = serve
}

func (b *bench) answer(text string) {
	b.set(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text))}, nil
	})
}

func (b *bench) add(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

const keySetURI = "https://app.example/jwks"

// want fails unless the keys of kid are found or not, after that many requests so far.
func (b *bench) want(t *testing.T, kid string, found bool, calls int) {
	t.Helper()
	set, err := b.load(t.Context(), keySetURI, kid)
	if got := err == nil && (kid == "" || len(set.Key(kid)) == 1); got != found || b.calls != calls {
		t.Errorf("%q: found %v after %d requests, want %v after %d (%v)", kid, got, b.calls, found, calls, err)
	}
}

func TestTrap17_OneRequestPerKindOfNews(t *testing.T) {
	b := newBench()
	b.want(t, "k1", true, 1)
	b.want(t, "", true, 1)
	b.answer(strings.Replace(keySetText, "k1", "k2", 1))
	b.want(t, "k2", true, 2) // a client's new key is found at once
	for range 5 {
		b.want(t, "invented", false, 3) // one look, whatever follows
		b.want(t, "another", false, 3)
		b.want(t, "k2", true, 3)
	}
	b.answer(strings.Replace(keySetText, "k1", "k3", 1))
	b.want(t, "k3", false, 3)
	b.add(31 * time.Second)
	b.want(t, "k3", true, 4)
	b.add(9 * time.Minute)
	b.want(t, "k3", true, 4)
	b.add(2 * time.Minute)
	b.want(t, "k3", true, 5)
}

func TestTrap17_FailuresAreRemembered(t *testing.T) {
	b := newBench()
	down := errors.New("down")
	b.set(func(*http.Request) (*http.Response, error) { return nil, down })
	for range 5 {
		b.want(t, "k1", false, 1)
	}
	b.add(31 * time.Second)
	b.want(t, "k1", false, 2)
	b.answer(keySetText)
	b.want(t, "k1", false, 2)
	b.add(31 * time.Second)
	b.want(t, "k1", true, 3)
	// An outage of less than an hour is bridged, at a request in half a minute; a longer one is not.
	b.set(func(*http.Request) (*http.Response, error) { return nil, down })
	b.add(11 * time.Minute)
	b.want(t, "k1", true, 4)
	b.want(t, "k1", true, 4)
	b.add(48 * time.Minute)
	b.want(t, "k1", true, 5)
	b.add(2 * time.Minute)
	b.want(t, "k1", false, 6)
}

// A failed look is logged once, for whoever mends it, without the query of the address, which may be a secret.
func TestTrap17_AFailedLookIsLoggedOnceWithoutTheAddress(t *testing.T) {
	b := newBench()
	b.set(func(*http.Request) (*http.Response, error) { return nil, errors.New("down") })
	for range 5 {
		if _, err := b.load(t.Context(), keySetURI+"?secret=s3", "k1"); err == nil || strings.Contains(err.Error(), "s3") {
			t.Errorf("%v", err)
		}
	}
	if log := b.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "at=https://app.example error=down") {
		t.Errorf("log:\n%s", log)
	}
}

func TestTrap17_AHangingServerHoldsUpNobodyElse(t *testing.T) {
	b := newBench()
	b.want(t, "k1", true, 1)
	b.add(11 * time.Minute)
	asked, goOn := make(chan struct{}), make(chan struct{})
	b.set(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "app.example" {
			return nil, errors.New("another")
		}
		close(asked)
		<-goOn
		if _, ok := r.Context().Deadline(); !ok {
			t.Error("the request may last for ever")
		}
		return nil, errors.New("late")
	})
	gone, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.load(gone, keySetURI, "k1"); err != nil { // it asks; when it goes, the request goes on
			t.Error(err)
		}
	})
	<-asked
	leave()
	b.want(t, "k1", true, 2) // served from what is there
	if _, err := b.load(t.Context(), "https://other.example/jwks", "k1"); err == nil || !strings.Contains(err.Error(), "another") {
		t.Error(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.load(impatient, keySetURI, "k2"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for range 4 {
		wg.Go(func() {
			if set, err := b.load(t.Context(), keySetURI, "k2"); err != nil || len(set.Key("k2")) > 0 {
				t.Error(err)
			}
		})
	}
	close(goOn)
	wg.Wait()
	if b.calls != 3 { // one of them to the other client
		t.Errorf("%d requests", b.calls)
	}
}

func TestTrap17_WhatIsNoKeySet(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "<html>", "null": "null", "an array": "[]", "no keys": "{}", "keys of text": `{"keys":"x"}`,
		"half": `{"keys":[`, "huge": keySetText + strings.Repeat(" ", 64<<10),
	} {
		b := newBench()
		b.answer(text)
		if _, err := b.load(t.Context(), keySetURI, "k1"); err == nil {
			t.Errorf("%s is a key set", name)
		}
	}
	// What is unknown or nobody's to publish is left out, the rest is good.
	b := newBench()
	b.answer(strings.Replace(keySetText, `[`, `[{"kty":"ML","kid":"new"},{"kty":"oct","kid":"mac","k":"c2VjcmV0"},7,`, 1))
	set, err := b.load(t.Context(), keySetURI, "k1")
	if err != nil || len(set.Keys) != 1 {
		t.Errorf("%+v, %v", set, err)
	}
	for _, status := range []int{204, 302, 404, 500} {
		b := newBench()
		b.set(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(keySetText))}, nil
		})
		if _, err := b.load(t.Context(), keySetURI, "k1"); err == nil {
			t.Errorf("status %d", status)
		}
	}
	for _, uri := range []string{
		"http://app.example/jwks", "ftp://app.example/jwks", "file:///etc/passwd", "", "//app.example", "http://localhost.example/", "https://\x7f/",
	} {
		b := newBench()
		if _, err := b.load(t.Context(), uri, "k1"); err == nil || b.calls > 0 {
			t.Errorf("%q was asked", uri)
		}
	}
}

func TestTrap17_TheCacheIsBounded(t *testing.T) {
	b := newBench()
	for i := range maxKeySets + 10 {
		b.add(time.Millisecond)
		if _, err := b.load(t.Context(), fmt.Sprintf("https://app%d.example/", i), "k1"); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.sets) != maxKeySets || b.sets["https://app0.example/"] != nil || b.sets["https://app1000.example/"] == nil {
		t.Errorf("%d entries", len(b.sets))
	}
}

// TestTrap17_OverTheNetwork: the same through the one client of outgoing requests.
func TestTrap17_OverTheNetwork(t *testing.T) {
	var calls int
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, keySetText) })
	mux.HandleFunc("/counted", func(http.ResponseWriter, *http.Request) { calls++ })
	mux.HandleFunc("/redirecting", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/counted", http.StatusFound)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1<<10)); err != nil {
				return // the reader has gone
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	try := func(client *http.Client, uri string) error {
		l := &loader{http: client, now: time.Now, log: slog.New(slog.DiscardHandler), sets: map[string]*keySet{}}
		_, err := l.load(t.Context(), uri, "k1")
		return err
	}
	open := NewOutbound([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")})
	if err := try(open, server.URL+"/good"); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/redirecting", "/endless", "/missing"} {
		if err := try(open, server.URL+path); err == nil {
			t.Errorf("%s is a key set", path)
		}
	}
	// A name is as good as what it stands for at the moment of dialling: localhost is this machine.
	byName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	for _, uri := range []string{server.URL, byName} {
		if err := try(NewOutbound(nil), uri+"/counted"); err == nil || !strings.Contains(err.Error(), "not a public one") {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if calls > 0 {
		t.Errorf("%d requests to where none may go", calls)
	}
}
