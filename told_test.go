package idp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// seenWithin is longer than another replica may take to see a change, two seconds, by what a busy machine adds, and shorter than
// what a listener's replica remembers lives if nobody tells of a change.
const seenWithin = 8 * time.Second

// TestReplicasSeeEachOthersChanges: clients, keys, policy and brand that one replica changes are soon those of another one that
// had remembered what was before: where it is told, where it is not, and when the telling has just been cut off.
func TestReplicasSeeEachOthersChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		database func(testing.TB, ...string) string
		listens  bool
		cut      bool
	}{
		{name: "SQLite", database: dbxtest.SQLiteURL},
		{name: "without a listener", database: dbxtest.PostgresURL},
		{name: "with a listener", database: dbxtest.PostgresURL, listens: true},
		{name: "a listener cut off", database: dbxtest.PostgresURL, listens: true, cut: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database, keyset := c.database(t), t.TempDir()+"/keyset.json"
			heard := &heard{began: make(chan struct{})}
			replica := func(log slog.Handler) *idptest.Server {
				return idptest.Start(t, func(c *idp.Config) {
					c.DatabaseURL, c.KeysetFile, c.Now, c.Log = database, keyset, time.Now, slog.New(log)
				})
			}
			p := &pair{t, replica(slog.DiscardHandler), replica(heard)}
			if c.listens {
				p.listen(heard)
			}
			p.changes(func() {
				if c.cut {
					cutListeners(t, database)
				}
			})
		})
	}
}

// pair are two replicas: one changes, the other sees.
type pair struct {
	*testing.T
	one, other *idptest.Server
}

// listen runs the other's background work until the test ends, and returns when it hears.
func (p *pair) listen(heard *heard) {
	p.Helper()
	ctx, cancel := context.WithCancel(p.Context())
	var wg sync.WaitGroup
	wg.Go(func() { p.other.Run(ctx) })
	p.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	select {
	case <-heard.began:
	case <-time.After(20 * time.Second):
		p.Fatal("it does not listen")
	}
}

// changes makes each kind of change, right after what before does.
func (p *pair) changes(before func()) {
	ctx := p.Context()
	app := p.one.AddClient(oauth.Client{ID: "app", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"},
		RedirectURIs: []string{"https://app.example/callback"}, AuthMethod: "client_secret_post"})
	var kid string
	for _, c := range []struct {
		what   string
		change func() error
		seen   func() bool
	}{
		{"a client that is disabled", func() error {
			client, err := p.one.OAuth.Clients().Get(ctx, "app")
			if err != nil {
				return err
			}
			client.Disabled = true
			return p.one.OAuth.Clients().Update(ctx, client)
		}, func() bool {
			return p.post("/oauth2/token", "grant_type", "client_credentials", "client_id", "app", "client_secret", app.ClientSecret) != http.StatusOK
		}},
		{"keys that are rotated", func() error {
			made, err := p.one.OAuth.Keys().Rotate(ctx)
			if err == nil {
				kid = made[0].KID
			}
			return err
		}, func() bool { return kid != "" && strings.Contains(p.get("/oauth2/jwks"), kid) }},
		{"a policy", func() error {
			return p.one.Accounts.SetPolicy(ctx, account.Policy{MFARequired: account.MFAEverybody})
		}, func() bool {
			rules, err := p.other.Accounts.Rules(ctx)
			if err != nil {
				p.Fatal(err)
			}
			return rules.MFARequired == account.MFAEverybody
		}},
		{"a brand", func() error { return p.rename("Another name") },
			func() bool { return strings.Contains(p.get("/login"), "Another name") }},
	} {
		if c.seen() {
			p.Fatalf("%s: seen before it was", c.what)
		}
		before()
		if err := c.change(); err != nil {
			p.Fatalf("%s: %v", c.what, err)
		}
		for end := time.Now().Add(seenWithin); !c.seen(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				p.Errorf("%s: not seen", c.what)
				break
			}
		}
	}
}

func (p *pair) rename(name string) error {
	b, err := p.one.Brand.Get(p.Context())
	if err != nil {
		return err
	}
	b.Name = name
	return p.one.Brand.Set(p.Context(), b, nil)
}

func (p *pair) get(path string) string {
	p.Helper()
	response, err := p.other.HTTP.Get(p.other.Issuer + path)
	if err != nil {
		p.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return string(body)
}

func (p *pair) post(path string, pairs ...string) int {
	p.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	response, err := p.other.HTTP.PostForm(p.other.Issuer+path, form)
	if err != nil {
		p.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// heard is a log that waits for the listener's word.
type heard struct {
	began chan struct{}
	once  sync.Once
}

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }
func (h *heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *heard) WithGroup(string) slog.Handler            { return h }

func (h *heard) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "changes are heard") {
		h.once.Do(func() { close(h.began) })
	}
	return nil
}

// cutListeners ends the connections that listen.
func cutListeners(t *testing.T, database string) {
	t.Helper()
	db, err := dbx.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var cut int
	err = db.Get(t.Context(), &cut, `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND (query LIKE 'NOTIFY%' OR query = ';')`)
	if err != nil {
		t.Fatal(err)
	}
}
