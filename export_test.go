package idp

import (
	"context"
	"time"
)

// Prune removes what has expired, as [IdP.Run] does every minute.
func (p *IdP) Prune(ctx context.Context) { p.prune(ctx) }

// Tend is what Run does to the trail and to lists of people.
func (p *IdP) Tend(ctx context.Context) {
	p.linkAudit(ctx)
	p.tendPeople(ctx)
}

// DeliverAudit sends the trail to the webhook once.
func (p *IdP) DeliverAudit(ctx context.Context) error { return p.hook.Deliver(ctx) }

// CountRequests returns what counts requests.
func CountRequests() func(route string, status int) {
	f := newFigures("")
	return func(route string, status int) { f.request(route, status, time.Millisecond) }
}
