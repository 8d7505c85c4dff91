package replicas

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// Two replicas behind a proxy that looks at /readyz are replaced one after the other, again and again, while people sign in
// and apps refresh: nobody notices. The proxy tries nothing twice.
func TestFault_R16_RollingRestart(t *testing.T) {
	t.Parallel()
	f := start(t, plan{env: []string{"IDP_SHUTDOWN_DELAY=1500ms"}})
	ctx, cancel := context.WithCancel(t.Context())
	var load, watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	var mu sync.Mutex
	live := f.origins()
	watching.Go(func() {
		f.front.watch(ctx, 20*time.Millisecond, func() []string {
			mu.Lock()
			defer mu.Unlock()
			return append([]string(nil), live...)
		})
	})
	var flows atomic.Int64
	var stop atomic.Bool
	const people = 3
	for n := range people {
		name := fmt.Sprint("person", n)
		f.AddUser(name)
		load.Go(func() {
			for !stop.Load() && !t.Failed() {
				f.flow(name)
				flows.Add(1)
			}
		})
	}
	for range times(2, 20) {
		for i := range f.each {
			n := flows.Load()
			until(t, "a flow between two restarts", func() bool { return flows.Load() > n || t.Failed() })
			if err := f.each[i].stop(); err != nil {
				t.Errorf("a replica that was told to stop: %v", err)
			}
			next := f.start()
			next.listening()
			mu.Lock()
			f.each[i], live[i] = next, next.origin
			mu.Unlock()
			until(t, "the new one in rotation", func() bool { return f.front.has(next.origin) })
		}
	}
	stop.Store(true)
	load.Wait()
	t.Logf("%d flows, %d requests, %d not answered", flows.Load(), f.front.hops.Load(), f.front.failures.Load())
}

// flow signs somebody in, has their app redeem, refresh and ask who they are, and signs them out.
func (f *fleet) flow(name string) {
	t, b := f.t, idptest.NewBrowser(f.t, f.front.URL)
	b.Transport = f.requests.Transport
	page := at(t, b.Get(link(f.app)), "/login").Submit("login-submit", "username", name, "password", idptest.Password)
	tokens := f.token(f.app, "grant_type", "authorization_code", "code", granted(t, page), "redirect_uri", callback, "code_verifier", verifier)
	for range times(5, 50) { // one network may begin 600 sign-ins in ten minutes, no more
		tokens = f.token(f.app, "grant_type", "refresh_token", "refresh_token", tokens.json("refresh_token"))
		if a, _ := f.userinfo(tokens.json("access_token")); a.status != http.StatusOK {
			t.Errorf("userinfo: %d", a.status)
		}
	}
	at(t, b.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
}
