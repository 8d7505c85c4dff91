package idp

import (
	"testing"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
)

// Whoever happens to run the provider, from the command line even, has not made the keys that were due.
func TestKeysThatWereDueAreTheServersDeed(t *testing.T) {
	later := time.Duration(0)
	p, _ := start(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(later) } })
	later = 100 * 24 * time.Hour
	p.renewKeys(audit.WithActor(t.Context(), "command line"))
	rows, err := p.Audit.List(t.Context(), audit.Filter{Action: oauth.EventKeyCreated, Actor: audit.Server})
	if err != nil || len(rows) != 3 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}
