package idp

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
)

// Whoever happens to run the provider, from the command line even, has not made the keys that were due.
func TestKeysThatWereDueAreTheServersDeed(t *testing.T) {
	later := time.Duration(0)
	p, _ := start(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(later) } })
	made := func() int {
		t.Helper()
		rows, err := p.Audit.List(t.Context(), audit.Filter{Action: oauth.EventKeyCreated, Actor: audit.Server})
		if err != nil {
			t.Fatal(err)
		}
		return len(rows)
	}
	before := made()
	later = 100 * 24 * time.Hour
	p.renewKeys(audit.WithActor(t.Context(), "command line"))
	if n := made() - before; n != 3 {
		t.Errorf("%d rows", n)
	}
}

// What a provider does at its first start is its own deed, from whichever shell it is started: its keys, the link that makes the
// first administrator, and the console as a client, whoever comes to it first.
func TestTheFirstStartIsTheServersDeed(t *testing.T) {
	dir := t.TempDir()
	ctx := audit.WithActor(t.Context(), "command line")
	cfg := Defaults()
	cfg.DatabaseURL, cfg.HashMemory = "sqlite:"+filepath.Join(dir, "idp.db"), 64
	p, err := New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if link, err := p.SetupLink(ctx); err != nil || link == "" {
		t.Fatal(link, err)
	}
	if err := p.console.Register(audit.WithActor(ctx, audit.Anonymous)); err != nil {
		t.Fatal(err)
	}
	rows, err := p.Audit.List(t.Context(), audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, row := range rows {
		seen[row.Action]++
		if row.Actor != audit.Server {
			t.Errorf("%s by %q", row.Action, row.Actor)
		}
	}
	if seen[oauth.EventKeyCreated] == 0 || seen["account.link_made"] != 1 || seen[oauth.EventClientCreated] != 1 {
		t.Errorf("%v", seen)
	}
}
