package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/focushq/idp"
)

type serveCmd struct {
	Listen string `help:"Address to listen on, instead of IDP_LISTEN." placeholder:"ADDRESS"`
}

// room is how much more garbage than usual may lie about. The live heap is so small that the collector, which lets it double,
// would run every few hundred requests and take a quarter of all processor time. A
// higher GOGC would not do: the room would grow with the memory that password hashes take.
const room = 16 << 20

// Run serves until it is told to stop, then finishes what has begun.
func (c *serveCmd) Run(a *app) error {
	// It counts as live, and takes no memory: no page of it is ever touched.
	ballast := make([]byte, room)
	defer runtime.KeepAlive(ballast)
	follow := shareMachine(a.getenv)

	a.flags["IDP_LISTEN"] = c.Listen
	cfg, err := a.config()
	if err != nil {
		return err
	}
	p, err := idp.New(a, cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	all, err := c.listen(a, cfg, p)
	if err != nil {
		return err
	}
	// Only now: a new link voids the one before, which a process that cannot serve must not do to one that does.
	link, err := p.SetupLink(a)
	if err != nil {
		return err
	}
	a.log.Info("start", "version", cfg.Version, "listen", all[0].listener.Addr().String(), "public_url", cfg.PublicURL)
	if strings.HasPrefix(cfg.PublicURL, "https:") && cfg.TLSCertFile == "" && len(cfg.TrustedProxies) == 0 {
		a.log.Warn("trusted_proxies is empty: everybody counts as the proxy's address, also for limits per address")
	}
	fmt.Fprintf(a.out, "listening on %s, public URL %s\n", all[0].listener.Addr(), cfg.PublicURL)
	if link != "" {
		fmt.Fprintf(a.out, "no administrator yet: make the first one within 24 hours at\n\n    %s\n\n(a link printed before is void)\n", link)
	}
	defer a.log.Info("stop")
	return serveAll(a, all, time.Duration(cfg.ShutdownDelay), func(ctx context.Context) {
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { follow(ctx) })
		p.Run(ctx)
	})
}

// listen opens the public listener and, where one is wanted, that for metrics.
func (c *serveCmd) listen(a *app, cfg idp.Config, p *idp.IdP) ([]served, error) {
	public, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	all := []served{{listener: public, handler: p.Handler()}}
	if cfg.TLSCertFile != "" {
		if all[0].certificate, err = loadPair(cfg.TLSCertFile, cfg.TLSKeyFile, a.log); err != nil {
			public.Close()
			return nil, err
		}
	}
	if cfg.MetricsListen == "" {
		return all, nil
	}
	metrics, err := net.Listen("tcp", cfg.MetricsListen)
	if err != nil {
		public.Close()
		return nil, fmt.Errorf("metrics_listen: %w", err)
	}
	return append(all, served{listener: metrics, handler: p.Metrics()}), nil
}

// served is one listener and what answers on it.
type served struct {
	listener    net.Listener
	handler     http.Handler
	certificate *filePair // nil: plain http
}

// serveAll serves all of them beside the background work until a is done. It serves on for the delay, in which proxies and
// balancers notice that this one is not ready any more and send nobody here, and then lets open requests finish. The background
// work goes on until then: what is remembered of the database is told of changes, letters and logout notices are sent.
func serveAll(a *app, all []served, delay time.Duration, background func(context.Context)) error {
	working, rest := context.WithCancel(context.WithoutCancel(a))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer rest()
	wg.Go(func() { background(working) })
	wg.Go(debug.FreeOSMemory) // a start leaves behind several times what stays; by itself it would go as slowly as new garbage comes

	failed := make(chan error, len(all))
	var leaving atomic.Bool
	var servers []*http.Server
	for _, s := range all {
		server := newServer(farewell(s.handler, &leaving), a.log)
		servers = append(servers, server)
		go func() {
			if s.certificate != nil {
				server.TLSConfig.GetCertificate = s.certificate.get
				failed <- server.ServeTLS(s.listener, "", "")
				return
			}
			failed <- server.Serve(s.listener)
		}()
	}
	var err error
	select {
	case <-a.Done():
		leaving.Store(true)
		select {
		case <-time.After(delay):
		case err = <-failed:
		}
	case err = <-failed:
	}
	grace, end := context.WithTimeout(working, 10*time.Second)
	defer end()
	for _, server := range servers {
		err = errors.Join(err, server.Shutdown(grace))
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// farewell is handler until its server is leaving. Then readiness is denied, and the answer to each request closes its
// connection (of HTTP/2: once all requests on it are answered): those that are open in the end are of nobody who still sends
// requests here, and cutting them cuts nothing off.
func farewell(handler http.Handler, leaving *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leaving.Load() {
			w.Header().Set("Connection", "close")
			if r.URL.Path == "/readyz" {
				http.Error(w, "stopping", http.StatusServiceUnavailable)
				return
			}
		}
		handler.ServeHTTP(w, r)
	})
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			// Of TLS 1.2 what FAPI 2 (section 5.2.2) and RFC 9325 agree on; Go's own list still has CBC suites. Those of 1.3
			// are all good and not to be chosen.
			CipherSuites: []uint16{
				tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
				tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			},
		},
	}
}
