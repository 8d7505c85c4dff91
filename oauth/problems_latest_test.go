package oauth_test

import (
	"slices"
	"testing"
	"time"
)

// The last problem of each client that is not settled, the last client first; not of ids that nobody has.
func TestLatestProblems(t *testing.T) {
	both(t, func(w *world) {
		w.crowd()
		same := func(got, want []string) {
			w.Helper()
			if !slices.Equal(got, want) {
				w.Errorf("got %q, want %q", got, want)
			}
		}
		latest := func(limit int) (ids []string) {
			w.Helper()
			all, err := w.server.Clients().LatestProblems(w.Context(), w.clock.Now().Add(-time.Hour), limit)
			if err != nil {
				w.Fatal(err)
			}
			for _, p := range all {
				ids = append(ids, p.Client.ID+" "+string(p.Kind))
			}
			return ids
		}
		ask := func(client, uri string) {
			v := request(client)
			v.Set("redirect_uri", uri)
			w.authorize(v)
			w.last(client)
		}
		same(latest(5), nil)
		ask("web", "https://app.example/other")
		w.clock.Add(time.Minute)
		w.with("web", "wrong-and-wrong")
		w.last("web")
		ask("spa", "https://spa.example/other")
		v := request("nobody")
		w.authorize(v)
		w.clock.Add(time.Second)
		same(latest(5), []string{"spa redirect_uri", "web secret"})
		same(latest(1), []string{"spa redirect_uri"})

		settled := w.stored("spa")
		settled.RedirectURIs = append(settled.RedirectURIs, "https://spa.example/other")
		w.update(settled)
		same(latest(5), []string{"web secret"})
		if err := w.server.Clients().Delete(w.Context(), "web"); err != nil {
			w.Fatal(err)
		}
		same(latest(5), nil)
	})
}
