package oauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/internal/throttle"
	"github.com/focushq/idp/oauth"
)

// crowd is a world whose requests come from a network that tests choose.
type crowd struct {
	*world
	from string
}

func (w *world) crowd() *crowd {
	w.Helper()
	c := &crowd{world: w, from: "192.0.2.1"}
	cfg := w.config()
	cfg.Address = func(*http.Request) string { return c.from }
	w.server, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	return c
}

// wantWait checks an answer to a flood: it says when to come again, and redirects nowhere.
func (w *world) wantWait(a answer) {
	w.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusTooManyRequests || err != nil || seconds < 1 || seconds > 600 || a.header.Get("Location") != "" {
		w.Errorf("got %d, Retry-After %q, Location %q: %s", a.status, a.header.Get("Retry-After"), a.header.Get("Location"), a.body)
	}
}

// flood sends what ask does many times at once, from one network, and returns how many were taken.
func (w *world) flood(times int, ask func() answer) int {
	w.Helper()
	var taken atomic.Int64
	var wg sync.WaitGroup
	next := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			for range next {
				switch a := ask(); a.status {
				case http.StatusCreated, http.StatusSeeOther, http.StatusOK:
					taken.Add(1)
				default:
					w.wantWait(a)
				}
			}
		})
	}
	for range times {
		next <- struct{}{}
	}
	close(next)
	wg.Wait()
	return int(taken.Load())
}

// Nobody has to show who they are for these, so that there is a bound on what each network leaves behind.
func TestSec_DS04_ANetworkLeavesSoMuch(t *testing.T) {
	both(t, func(w *world) {
		c := w.crowd()
		w.television()
		w.signIn(nil)
		for _, tt := range []struct {
			what, table string
			most        int
			ask         func() answer
		}{
			{"posted", "oauth_requests", 600, func() answer { return w.post("/oauth2/authorize", request("web")) }},
			{"pushed", "oauth_pushed", 600, func() answer { return w.push(request("spa")) }},
			{"devices", "oauth_devices", 200, func() answer { return w.asDevice("tv") }},
		} {
			if n := w.flood(tt.most+20, tt.ask); n != tt.most {
				t.Errorf("%s: %d were taken", tt.what, n)
			}
			if n := w.count(tt.table); n != tt.most {
				t.Errorf("%s: %d rows", tt.what, n)
			}
			w.wantWait(tt.ask())
		}
		w.wantWait(w.authorize(request("web"))) // by GET too, and a page of its own is not worth a redirect
		// Those who show who they are, and those who are signed in, are not strangers.
		if a := w.push(request("web")); a.status != http.StatusCreated {
			t.Errorf("a client with a secret: %d %s", a.status, a.body)
		}
		if a := w.asDevice("box"); a.status != http.StatusOK {
			t.Errorf("a device with a secret: %d %s", a.status, a.body)
		}
		w.signIn(signedIn(w.clock.Now()))
		w.code("web")
		w.signIn(nil)
		// Other networks go on, and so does this one after a while.
		for _, move := range []func(){func() { c.from = "2001:db8::1" }, func() { c.from = "192.0.2.1"; w.clock.Add(10 * time.Minute) }} {
			move()
			for _, a := range []answer{w.authorize(request("web")), w.push(request("spa")), w.asDevice("tv")} {
				if a.status >= 400 {
					t.Errorf("from %s: %d %s", c.from, a.status, a.body)
				}
			}
		}
	})
}

// One client's devices are bounded too, whatever networks they ask from; counting them reads one row.
func TestSec_DS04_DevicesOfOneClient(t *testing.T) {
	both(t, func(w *world) {
		c := w.crowd()
		w.television()
		w.codes("tv")
		if _, err := w.db.Exec(w.Context(), `UPDATE oauth_device_attempts SET n = 10000 WHERE key LIKE 'devices/tv/%'`); err != nil {
			t.Fatal(err)
		}
		c.from = "198.51.100.7"
		w.wantWait(w.asDevice("tv"))
		w.codes("box")
		w.clock.Add(10 * time.Minute)
		w.codes("tv")
	})
}

// A flood in one client's name leaves the devices of other networks alone.
func TestSec_DS08_AFloodOfDevicesLocksNobodyOut(t *testing.T) {
	both(t, func(w *world) {
		c := w.crowd()
		w.television()
		if n := w.flood(230, func() answer { return w.asDevice("tv") }); n != 200 {
			t.Errorf("%d were taken", n)
		}
		c.from = "198.51.100.7"
		w.codes("tv")
	})
}

// Typing a device's code keeps a request, like anything else that needs a page.
func TestSec_DS04_OpeningDevicesIsCounted(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		if _, err := w.db.Exec(w.Context(), `DELETE FROM oauth_device_attempts`); err != nil {
			t.Fatal(err)
		}
		_, user := w.codes("tv")
		if _, err := w.open(user); err != nil {
			t.Fatal(err)
		}
		if _, err := w.db.Exec(w.Context(), `UPDATE oauth_device_attempts SET n = 600 WHERE key LIKE 'request/%'`); err != nil {
			t.Fatal(err)
		}
		if _, err := w.open(user); !errors.As(err, new(*throttle.Error)) {
			t.Errorf("opened: %v", err)
		}
	})
}

// What is kept of a request has a size, and whoever asks for more is told which parameter it was.
func TestSec_DS04_WhatIsKeptIsShort(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "more", Resources: []string{"https://api.example"}})
		w.television()
		w.signIn(nil)
		long := func(n int) string { return strings.Repeat("x", n) }
		for _, tt := range []struct {
			changes   []string
			parameter string // "": it is kept
		}{
			{[]string{"state", long(2048), "nonce", long(512)}, ""},
			{[]string{"state", strings.Repeat("ä", 1024), "nonce", long(384)}, ""},
			{[]string{"state", long(2049)}, "state"},
			{[]string{"nonce", long(513)}, "nonce"},
			{[]string{"login_hint", long(7000)}, ""},
			{[]string{"login_hint", long(8192)}, "parameters"},
			{[]string{"ui_locales", long(4000), "acr_values", long(4000)}, "parameters"},
			{[]string{"claims", `{"id_token":{"sub":{"value":"` + long(8000) + `"}}}`}, "parameters"},
			{[]string{"unheard_of", long(9000)}, ""}, // and not kept
		} {
			v := request("more", tt.changes...)
			for how, a := range map[string]answer{"GET": w.authorize(v), "POST": w.post("/oauth2/authorize", v), "pushed": w.push(v)} {
				text := a.location().Query().Get("error_description") + a.body
				if tt.parameter == "" {
					if a.status >= 400 || a.location().Query().Has("error") {
						t.Errorf("%s %.40q: %d %.200s %.200s", how, tt.changes, a.status, a.header.Get("Location"), a.body)
					}
					continue
				}
				if how == "pushed" {
					w.wantError(a, http.StatusBadRequest, "invalid_request")
				} else {
					w.wantRedirected(a, "invalid_request")
				}
				if !strings.Contains(text, tt.parameter) {
					t.Errorf("%s %.40q: %.300s", how, tt.changes, text)
				}
			}
		}
		many := url.Values{"client_id": {"tv"}, "scope": {"openid"}, "resource": {}}
		for range 400 {
			many.Add("resource", "https://api.example")
		}
		w.wantError(w.post("/oauth2/device", many), http.StatusBadRequest, "invalid_request")
		for _, column := range []string{"oauth_requests", "oauth_pushed", "oauth_devices"} {
			var longest int
			if err := w.db.Get(w.Context(), &longest, `SELECT COALESCE(MAX(LENGTH(form)), 0) FROM `+column); err != nil || longest > 8<<10 {
				t.Errorf("%s: %d, %v", column, longest, err)
			}
		}
	})
}

// Strangers' rows go minutes after their end, but for a pushed request that somebody still answers.
func TestSec_DS04_WhatStrangersLeaveGoesSoon(t *testing.T) {
	both(t, func(w *world) {
		w.signIn(nil)
		w.pushed(request("spa"))
		w.authorize(bring("spa", w.pushed(request("spa"))))
		for _, step := range []struct {
			wait              time.Duration
			pushed, suspended int
		}{{5 * time.Minute, 2, 1}, {62 * time.Second, 1, 1}, {time.Hour - 2*time.Minute, 1, 1}, {time.Minute, 0, 0}} {
			w.clock.Add(step.wait)
			if err := w.server.Prune(w.Context()); err != nil {
				t.Fatal(err)
			}
			if n, m := w.count("oauth_pushed"), w.count("oauth_requests"); n != step.pushed || m != step.suspended {
				t.Errorf("after another %v: %d pushed, %d suspended", step.wait, n, m)
			}
		}
	})
}

// A host that does not say where requests come from is told by the connection.
func TestSec_DS04_WithoutAnAddress(t *testing.T) {
	w := newWorld(t)
	w.signIn(nil)
	w.authorize(request("web"))
	r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize?"+request("web").Encode(), nil)
	for _, remote := range []string{"198.51.100.7:99", "[2001:db8::9]:1", "@"} {
		r.RemoteAddr = remote
		w.mux.ServeHTTP(httptest.NewRecorder(), r)
	}
	var keys []string
	if err := w.db.Select(w.Context(), &keys, `SELECT key FROM oauth_device_attempts ORDER BY key`); err != nil || len(keys) != 4 {
		t.Fatalf("%v, %v", keys, err)
	}
	for i, network := range []string{"192.0.2.1/32", "198.51.100.7/32", "2001:db8::/64", "other"} {
		if !strings.HasPrefix(keys[i], "request/network/"+network+"/") {
			t.Errorf("%s, want the network %s", keys[i], network)
		}
	}
}
