package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// operation is done again and again, by many at once. An error means that the provider did not do it.
type operation func(context.Context) error

// longest is the latency above which nothing is told apart.
const longest = time.Minute

// outstanding bounds how many operations are under way at a fixed rate. Beyond it a planned operation waits, and its wait counts.
const outstanding = 512

// sample is what a load showed.
type sample struct {
	ops     int64
	failed  int64
	first   error // of those that failed
	elapsed time.Duration
	latency *hdrhistogram.Histogram // in microseconds, of those that succeeded
}

func newSample() *sample {
	return &sample{latency: hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// add counts an operation.
func (s *sample) add(took time.Duration, err error) {
	if err != nil {
		s.failed++
		if s.first == nil {
			s.first = err
		}
		return
	}
	s.ops++
	s.latency.RecordValue(min(max(took, time.Microsecond), longest).Microseconds()) // within its range, and so without an error
}

// merge adds what another one counted.
func (s *sample) merge(other *sample) {
	s.ops, s.failed = s.ops+other.ops, s.failed+other.failed
	if s.first == nil {
		s.first = other.first
	}
	s.latency.Merge(other.latency)
}

// err says that operations failed: figures of a provider that refuses are worth nothing. Where some may fail, it says that none
// succeeded.
func (s *sample) err(mayFail bool) error {
	if s.ops > 0 && (mayFail || s.failed == 0) {
		return nil
	}
	return fmt.Errorf("%d of %d operations failed: %w", s.failed, s.failed+s.ops, s.first)
}

// closed lets so many workers do op one after the other, at least once, until the time is over, and waits for the last ones.
func closed(ctx context.Context, op operation, workers int, d time.Duration) *sample {
	start := time.Now()
	total, parts := newSample(), make([]*sample, workers)
	var wg sync.WaitGroup
	for w := range workers {
		parts[w] = newSample()
		wg.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				err := op(ctx)
				parts[w].add(time.Since(began), err)
				if time.Since(start) >= d {
					break
				}
			}
		})
	}
	wg.Wait()
	total.elapsed = time.Since(start)
	for _, part := range parts {
		total.merge(part)
	}
	return total
}

// open starts op at a fixed rate per second, whatever became of those before. A latency counts from the moment at which the
// operation was due: one that could not start because others held everything up has waited, too.
func open(ctx context.Context, op operation, rate float64, d time.Duration) *sample {
	total, results := newSample(), make(chan func(*sample), outstanding)
	collected := make(chan struct{})
	go func() {
		for add := range results {
			add(total)
		}
		close(collected)
	}()
	start, count := time.Now(), max(1, int64(rate*d.Seconds()))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(outstanding, count) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= count {
					return
				}
				due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
				time.Sleep(time.Until(due))
				err := op(ctx)
				took := time.Since(due)
				results <- func(s *sample) { s.add(took, err) }
			}
		})
	}
	wg.Wait()
	close(results)
	<-collected
	total.elapsed = time.Since(start)
	return total
}
