package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// forty calls work at each of four replicas ten times at once.
func (w *world) forty(cfg oauth.Config, work func(*oauth.Server) error) {
	w.Helper()
	var all sync.WaitGroup
	for range 4 {
		replica, _ := w.start(cfg)
		for range 10 {
			all.Go(func() {
				if err := work(replica); err != nil {
					w.Error(err)
				}
			})
		}
	}
	all.Wait()
}

// TestQueuesOfFortyWorkers: what is in a queue is done once, and what somebody has begun and not ended is done by another one when
// its time has come.
func TestQueuesOfFortyWorkers(t *testing.T) {
	both(t, func(w *world) {
		notify := func(s *oauth.Server) error { return s.Notify(w.Context()) }
		p := w.told(0)
		w.in("sid-1", "one", "two", "three")
		w.end("sid-1")
		w.clock.Add(3 * time.Second)
		dying, die := context.WithCancel(w.Context())
		p.answers("one", func(r *http.Request) (int, error) {
			die() // while the client is being told
			<-r.Context().Done()
			return 0, r.Context().Err()
		})
		p.answers("two", always(http.StatusServiceUnavailable))
		if err := w.server.Notify(dying); err != nil && !errors.Is(err, context.Canceled) {
			w.Error(err)
		}
		p.answers("one", always(http.StatusOK))
		p.answers("two", always(http.StatusOK))
		for _, c := range []struct {
			wait time.Duration
			told int
		}{{5 * time.Second, 1}, {10 * time.Second, 2}} { // since the first time; the pause is ten seconds
			w.clock.Add(c.wait)
			w.forty(w.telling(p, 0), notify)
			if one, two := len(p.tokens("one")), len(p.tokens("two")); one != c.told || two > c.told {
				w.Errorf("told %d and %d times, not %d", one, two, c.told)
			}
		}
		w.clock.Add(time.Hour)
		w.forty(w.telling(p, 0), notify)
		if three, two := len(p.tokens("three")), len(p.tokens("two")); three != 1 || two < 1 || w.rows() != 0 {
			w.Errorf("told %d and %d times, %d rows left", three, two, w.rows())
		}

		const uri = "https://app.example/logo.png"
		remote := &web{pages: map[string]string{uri: dot}}
		cfg := w.config()
		cfg.Outbound = &http.Client{Transport: remote}
		w.client(&oauth.Client{ID: "pictured", LogoURI: uri})
		w.forty(cfg, func(s *oauth.Server) error { return s.Clients().FetchLogos(w.Context()) })
		if remote.calls[uri] != 1 {
			w.Errorf("a logo was fetched %d times", remote.calls[uri])
		}
	})
}
