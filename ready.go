package idp

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// ready answers /readyz: whether requests can be served now.
func (p *IdP) ready(w http.ResponseWriter, r *http.Request) {
	var offset time.Duration
	err := within(r.Context(), 2*time.Second, func(ctx context.Context) (err error) {
		if err := p.db.Ping(ctx); err != nil {
			return err
		}
		offset, err = p.clockOffset(ctx)
		return err
	})
	switch {
	case err != nil:
		p.log.WarnContext(r.Context(), "not ready", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
	case offset != 0:
		fmt.Fprintln(w, "ok; clock", describeOffset(offset))
	default:
		fmt.Fprintln(w, "ok")
	}
}

// ping asks whether the database answers within that time.
func (p *IdP) ping(ctx context.Context, limit time.Duration) error {
	return within(ctx, limit, p.db.Ping)
}

// within waits for work no longer than that. The PostgreSQL driver waits on while the server is silent, whatever its
// context says: nobody else does.
func within(ctx context.Context, limit time.Duration, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- work(ctx) }()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
