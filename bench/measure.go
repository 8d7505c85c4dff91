package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// workers is how many do operations without a pause.
const workers = 8

// plan says how long everything is measured.
type plan struct {
	people int
	rounds int           // of each flow at each provider
	round  time.Duration // without a pause
	open   time.Duration // at a fixed rate
	share  float64       // of the rate without a pause at which latencies are measured
	starts int
}

// figures are what one flow costs at one provider, per operation.
type figures struct {
	Rate             float64 // operations per second without a pause
	Server, Database float64 // milliseconds of the processor
	Arrivals         float64 // per second, at which the latencies are
	P50, P99, P999   float64 // milliseconds
	Failed           float64 // share of operations that failed, where that is known to happen
	Work             *work   // of the database server, where there is one
}

// cpu is what it costs altogether, in CPU-seconds per 1,000 operations: that is milliseconds per operation.
func (f *figures) cpu() float64 { return f.Server + f.Database }

// trial is a flow at a provider.
type trial struct {
	*provider
	op     operation
	rounds []figures
	ops    int64
	failed int64
	syncs  float64 // of the database server before the first round
	out    figures
}

// measure measures a flow at those providers that have what it needs, in rounds that take turns: what else the machine does
// meets all of them. It returns the figures by the provider's name.
func (p plan) measure(ctx context.Context, f flow, providers []*provider) (map[string]*figures, error) {
	var trials []*trial
	fail := func(t *trial, err error) (map[string]*figures, error) {
		return nil, fmt.Errorf("%s at %s: %w; it said: %s", f.id, t.name, err, t.process.said.tail())
	}
	for _, provider := range providers {
		if _, has := provider.apps[f.app]; has {
			t := &trial{provider: provider}
			if err := t.begin(ctx, f, p.round/4); err != nil {
				return fail(t, err)
			}
			trials = append(trials, t)
		}
	}
	for range p.rounds {
		for _, t := range trials {
			if err := t.round(ctx, p.round); err != nil {
				return fail(t, err)
			}
		}
	}
	for _, t := range trials {
		t.settle()
		if err := t.arrivals(ctx, t.out.Rate*p.share, p.open); err != nil {
			return fail(t, err)
		}
	}
	out := map[string]*figures{}
	for _, t := range trials {
		if err := t.end(ctx); err != nil {
			return fail(t, err)
		}
		out[t.name] = &t.out
	}
	return out, nil
}

// begin prepares the operation and does it for a while: caches fill, code is compiled.
func (t *trial) begin(ctx context.Context, f flow, warm time.Duration) (err error) {
	if t.op, err = f.prepare(ctx, t.provider, t.apps[f.app]); err != nil {
		return err
	}
	if err := closed(ctx, t.op, workers, warm).err(t.fails); err != nil || t.watch == nil {
		return err
	}
	before, err := t.watch.done(ctx) // now that the connections have told what they did for the flow before
	t.syncs = before.Syncs
	return err
}

// round measures the processor's time.
func (t *trial) round(ctx context.Context, d time.Duration) error {
	before, err := t.usage()
	if err != nil {
		return err
	}
	s := closed(ctx, t.op, workers, d)
	after, err := t.usage()
	if err != nil {
		return err
	}
	if err := s.err(t.fails); err != nil {
		return err
	}
	t.ops, t.failed = t.ops+s.ops, t.failed+s.failed
	per := func(i int) float64 { return float64((after[i] - before[i]).Microseconds()) / 1000 / float64(s.ops) }
	t.rounds = append(t.rounds, figures{Rate: float64(s.ops) / s.elapsed.Seconds(), Server: per(0), Database: per(1)})
	return nil
}

// usage returns the processor's time of provider and database server so far.
func (p *provider) usage() ([]time.Duration, error) {
	if p.server == nil {
		return usage(p.process.pid, 0)
	}
	return usage(p.process.pid, p.server.PID)
}

// settle takes the medians of the rounds.
func (t *trial) settle() {
	of := func(value func(figures) float64) float64 {
		var all []float64
		for _, f := range t.rounds {
			all = append(all, value(f))
		}
		return median(all)
	}
	t.out.Rate = of(func(f figures) float64 { return f.Rate })
	t.out.Server = of(func(f figures) float64 { return f.Server })
	t.out.Database = of(func(f figures) float64 { return f.Database })
}

// median returns the middle one, and 0 of none.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// arrivals measures latencies at a fixed rate, and what the database server does meanwhile.
func (t *trial) arrivals(ctx context.Context, rate float64, d time.Duration) (err error) {
	var before, after work
	if t.watch != nil {
		if err := t.watch.count(ctx, true); err != nil {
			return err
		}
		if before, err = t.watch.done(ctx); err != nil {
			return err
		}
	}
	s := open(ctx, t.op, rate, d)
	if err := s.err(t.fails); err != nil {
		return err
	}
	t.ops, t.failed = t.ops+s.ops, t.failed+s.failed
	t.out.Arrivals = rate
	at := func(percent float64) float64 { return float64(s.latency.ValueAtQuantile(percent)) / 1000 }
	t.out.P50, t.out.P99, t.out.P999 = at(50), at(99), at(99.9)
	if t.watch == nil {
		return nil
	}
	if after, err = t.watch.done(ctx); err != nil {
		return err
	}
	done := after.minus(before).per(float64(s.ops))
	t.out.Work = &done
	return t.watch.count(ctx, false)
}

// end reads how often the database server has synced: by now its connections have told.
func (t *trial) end(ctx context.Context) error {
	t.out.Failed = float64(t.failed) / float64(t.failed+t.ops)
	if t.watch == nil {
		return nil
	}
	after, err := t.watch.done(ctx)
	t.out.Work.Syncs = (after.Syncs - t.syncs) / float64(t.ops)
	return err
}
