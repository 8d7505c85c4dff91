package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/focushq/idp/internal/dbxtest"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == serveCheaply {
		exit(serveCheap())
	}
	quick := flag.Bool("quick", false, "some seconds per flow: to see that it works")
	write := flag.Bool("write", false, "renew the measured part of docs/performance.md")
	only := flag.String("flows", ".", "regular expression of the flows to measure")
	hydra := flag.String("hydra", "", "path of Hydra's program, to measure it, too")
	dex := flag.String("dex", "", "path of Dex's program, to measure it, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wanted, err := regexp.Compile(*only)
	if err != nil || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	p := plan{people: 200, rounds: 5, round: 2 * time.Second, open: 5 * time.Second, share: 0.4, starts: 5}
	if *quick {
		p = plan{people: 80, rounds: 3, round: 700 * time.Millisecond, open: 2 * time.Second, share: 0.4, starts: 3}
	}
	s := &session{plan: p, wanted: wanted, dex: *dex, hydra: *hydra}
	exit(s.run(ctx, *write))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// log says what is being done.
func log(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

// session is one run.
type session struct {
	plan   plan
	wanted *regexp.Regexp
	dex    string // paths of programs; "": none
	hydra  string

	root, folder string // of the module; for what is needed now
	closers      []func()
	providers    []*provider
	cheap        *provider
	results      results
}

func (s *session) onClose(f func()) { s.closers = append(s.closers, f) }

func (s *session) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}

// run measures everything, prints the report and, if asked, writes it.
func (s *session) run(ctx context.Context, write bool) (err error) {
	defer s.close()
	began := time.Now()
	mod, err := run(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return err
	}
	s.root = filepath.Dir(mod)
	if s.folder, err = os.MkdirTemp("", "idp-bench-"); err != nil {
		return err
	}
	s.onClose(func() { os.RemoveAll(s.folder) })
	s.results.describe(ctx)
	if err := s.start(ctx); err != nil {
		return err
	}
	for _, measure := range []func(context.Context) error{s.flows, s.signIns, s.ends} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	s.results.Took = time.Since(began)
	fmt.Print(s.results.report())
	if write {
		return s.results.write(filepath.Join(s.root, "docs", "performance.md"))
	}
	return nil
}

// start starts all providers and signs everybody in.
func (s *session) start(ctx context.Context) error {
	transport := newTransport()
	program := filepath.Join(s.folder, "idp")
	log("building")
	if _, err := run(ctx, s.root, "go", "build", "-o", program, "./cmd/idp"); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, o := range []*ours{
		{name: onPostgres, program: program, people: s.plan.people},
		{name: onSQLite, program: program, people: s.plan.people},
		{name: cheaply, program: self, people: 100 + s.plan.people*3, hashMemory: cheap},
	} {
		o.transport = transport
		if err := s.startOurs(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	if err := s.startOthers(ctx, transport); err != nil {
		return err
	}
	for _, p := range append(s.providers[:len(s.providers):len(s.providers)], s.cheap) {
		log("signing %d people in at %s", len(p.people), p.name)
		if err := p.signInEverybody(ctx); err != nil {
			return err
		}
	}
	return nil
}

// postgres starts a server for one provider alone: what it does is that provider's doing.
func (s *session) postgres(ctx context.Context) (*dbxtest.Server, error) {
	server, err := startPostgres(ctx)
	if err != nil {
		return nil, err
	}
	s.onClose(func() { server.Close() })
	s.results.Postgres = server.Version
	return server, nil
}

// startOthers starts those that ours are measured beside.
func (s *session) startOthers(ctx context.Context, transport *http.Transport) error {
	folder := filepath.Join(s.root, "bench", "oidc-provider")
	log("starting oidc-provider")
	version, err := install(ctx, folder)
	if err != nil {
		return err
	}
	s.results.Peer = version
	peer, err := startPeer(ctx, folder, s.plan.people, transport)
	if err != nil {
		return err
	}
	s.onClose(peer.process.stop)
	s.providers = append(s.providers, peer)
	if s.dex != "" {
		log("starting Dex")
		server, err := s.postgres(ctx)
		if err != nil {
			return err
		}
		dex, err := startDex(ctx, s.dex, s.folder, server, s.plan.people, transport)
		if err != nil {
			return err
		}
		s.onClose(dex.process.stop)
		s.providers = append(s.providers, dex)
	}
	if s.hydra != "" {
		log("starting Hydra")
		server, err := s.postgres(ctx)
		if err != nil {
			return err
		}
		hydra, stop, err := startHydra(ctx, s.hydra, server, s.plan.people, transport)
		if err != nil {
			return err
		}
		s.onClose(stop)
		s.providers = append(s.providers, hydra)
	}
	return nil
}

// startOurs prepares one of ours, starts it several times, as its start is measured, and leaves it running.
func (s *session) startOurs(ctx context.Context, o *ours) (err error) {
	log("preparing %s with %d people", o.name, o.people)
	if o.folder, err = os.MkdirTemp(s.folder, "ours-"); err != nil {
		return err
	}
	if o.name != onSQLite {
		if o.server, err = s.postgres(ctx); err != nil {
			return err
		}
		if o.databaseURL, err = o.server.Create(ctx, "idp"); err != nil {
			return err
		}
	}
	p, err := o.prepare(ctx)
	if err != nil {
		return err
	}
	var starts []float64
	for n := range s.plan.starts {
		took, err := o.serve(ctx, p)
		if err != nil {
			return err
		}
		starts = append(starts, took.Seconds()*1000)
		if n < s.plan.starts-1 {
			p.process.stop()
		}
	}
	s.onClose(p.process.stop)
	if o.server != nil {
		if p.watch, err = newWatch(ctx, o.databaseURL); err != nil {
			return err
		}
	}
	if o.hashMemory != 0 {
		s.cheap = p
		return nil
	}
	time.Sleep(time.Second) // its background work has been done once
	now, _, err := memory(p.process.pid)
	s.providers = append(s.providers, p)
	s.results.Ours = append(s.results.Ours, installation{Name: o.name, Start: median(starts), Idle: now})
	return err
}

// flows measures what relying parties do.
func (s *session) flows(ctx context.Context) error {
	before, err := s.providers[0].watch.scans(ctx)
	if err != nil {
		return err
	}
	for _, f := range flows() {
		if !s.wanted.MatchString(f.id) {
			continue
		}
		log("%s", f.title)
		if err := s.measure(ctx, s.plan, f, s.providers); err != nil {
			return err
		}
	}
	after, err := s.providers[0].watch.scans(ctx)
	if err != nil {
		return err
	}
	s.results.scanned(before, after)
	return nil
}

func (s *session) measure(ctx context.Context, p plan, f flow, providers []*provider) error {
	found, err := p.measure(ctx, f, providers)
	if err != nil {
		return err
	}
	for _, provider := range providers {
		if r := found[provider.name]; r != nil {
			s.results.Rows = append(s.results.Rows, row{Flow: f.id, Title: f.title, Provider: provider.name, figures: *r})
			log("  %-22s %6.0f/s, CPU %.3f + %.3f ms, p50 %.1f p99 %.1f p99.9 %.1f ms at %.0f/s", provider.name, r.Rate, r.Server, r.Database,
				r.P50, r.P99, r.P999, r.Arrivals)
		}
	}
	return nil
}

// signIns measures what people do, and what that does to relying parties.
func (s *session) signIns(ctx context.Context) (err error) {
	if !s.wanted.MatchString(signInFlow.id) {
		return nil
	}
	log("%s", signInFlow.title)
	p := s.plan
	p.round, p.share = p.round/2, 0.2 // there are not so many codes
	if err := s.measure(ctx, p, signInFlow, append([]*provider{s.cheap}, s.providers[:2]...)); err != nil {
		return err
	}
	s.results.Hash = hashCost(8 * p.rounds)
	log("tokens beside sign-ins")
	if s.results.Saturation, err = s.plan.saturate(ctx, s.providers[0]); err != nil {
		return err
	}
	p.rounds, p.share = (p.rounds+1)/2, p.share/2
	return s.measure(ctx, p, newSignInFlow, []*provider{s.cheap})
}

// ends reads what the run has made of the providers.
func (s *session) ends(ctx context.Context) error {
	for i := range s.results.Ours {
		_, most, err := memory(s.providers[i].process.pid)
		if err != nil {
			return err
		}
		s.results.Ours[i].Most = most
	}
	_, most, err := memory(s.providers[len(s.results.Ours)].process.pid)
	s.results.PeerMost = most
	return err
}
