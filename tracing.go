package idp

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/tracing"
)

// validateTracing refuses an endpoint that is none.
func (c *Config) validateTracing() error {
	if c.TracingEndpoint == "" {
		return nil
	}
	u, err := url.Parse(c.TracingEndpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("tracing_endpoint: %q is no URL of a collector, such as http://127.0.0.1:4318", c.TracingEndpoint)
	}
	return nil
}

// wireTracing begins to trace, if that is set.
func (p *IdP) wireTracing(ctx context.Context) (err error) {
	if p.cfg.TracingEndpoint == "" {
		return nil
	}
	p.tracer, err = tracing.New(ctx, tracing.Config{Endpoint: p.cfg.TracingEndpoint, Version: p.cfg.Version, Log: p.log})
	return err
}

// endTracing sends what has been gathered.
func (p *IdP) endTracing() {
	if p.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := p.tracer.Close(ctx); err != nil {
		p.log.Warn("the last traces are lost", "error", err)
	}
}

// traced puts a span around every request; without tracing there is nothing around them.
func (p *IdP) traced(next http.Handler, mux *http.ServeMux) http.Handler {
	if p.tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		r, span := p.tracer.Request(r, p.trusted(host))
		if span == nil { // not among those that are sampled
			next.ServeHTTP(w, r)
			return
		}
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { // also when the answer was broken off
			_, route := mux.Handler(r)
			span.End(route, seen.status)
		}()
		next.ServeHTTP(seen, r)
	})
}

// observer returns who is told of round trips to the database: nobody unless somebody looks at metrics or traces.
func (p *IdP) observer() dbx.Observer {
	var count dbx.Observer
	if p.cfg.MetricsListen != "" {
		count = newDatabaseFigures(p.figures.registry).observe
	}
	if p.tracer == nil {
		return count
	}
	return func(ctx context.Context, name string, began time.Time, err error) {
		if count != nil {
			count(ctx, name, began, err)
		}
		p.tracer.Part(ctx, tracing.Client, name, began, err)
	}
}

// hashed is told of each run of argon2id.
func (p *IdP) hashed(ctx context.Context, began time.Time) {
	p.figures.hashes.Observe(time.Since(began).Seconds())
	p.tracer.Part(ctx, tracing.Internal, "argon2id", began, nil)
}
