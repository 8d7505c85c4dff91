package oauth_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Who holds a refresh token of a person's is a connection, until the last grant has ended.
func TestConnections(t *testing.T) {
	both(t, func(w *world) {
		since := w.clock.Now().Unix()
		want := func(step string, clients ...string) {
			w.Helper()
			got, err := w.server.Connections(w.Context(), "alice-1")
			if err != nil {
				w.Fatal(err)
			}
			var ids []string
			for _, c := range got {
				ids = append(ids, c.Client)
				if c.Since.Unix() != since {
					w.Errorf("%s: %s since %s", step, c.Client, c.Since)
				}
			}
			if diff := cmp.Diff(clients, ids); diff != "" {
				w.Errorf("%s: -want +got\n%s", step, diff)
			}
		}
		want("nobody yet")
		w.code("web") // which nobody redeems
		w.tokens("web", "scope", "openid")
		want("no refresh token")
		w.tokens("web")
		w.tokens("spa")
		w.clock.Add(time.Minute)
		w.tokens("web")
		want("two", "spa", "web")
		if others, err := w.server.Connections(w.Context(), "bob-2"); err != nil || len(others) != 0 {
			w.Errorf("somebody else: %v %v", others, err)
		}
		if err := w.server.RevokeClient(w.Context(), "alice-1", "web"); err != nil {
			w.Fatal(err)
		}
		want("removed", "spa")
		w.clock.Add(400 * 24 * time.Hour)
		want("run out")
	})
}
