package idp

import (
	"context"
	"crypto/rand"
	"runtime/debug"
	"sync"
	"time"
)

// job is something that every replica does again and again. What must be done once is claimed row by row, by conditional
// statements, or in turns (see docs/operations.md): so any of them may do it at any time, and whoever dies over it has left it to
// the others.
type job struct {
	what  string
	pause time.Duration // between two times, a fifth more or less: replicas that start together do not stay together
	idle  time.Duration // to this the pause grows, doubling, while there is nothing to do; 0: it does not
	first bool          // at the start too, at once
	wake  <-chan struct{}
	do    func(context.Context) (busy bool)
}

// jobs are all that Run does. Each is by itself: a slow mail server holds nothing else up.
func (p *IdP) jobs() []job {
	always := func(work func(context.Context)) func(context.Context) bool {
		return func(ctx context.Context) bool {
			work(ctx)
			return true
		}
	}
	jobs := []job{
		{what: "logout notices", pause: 4 * time.Second, do: always(p.Notify)},
		{what: "logos", pause: 10 * time.Second, do: always(p.fetchLogos)},
		{what: "audit chain", pause: time.Second, idle: 4 * time.Second, do: p.linkAudit},
		{what: "audit anchor", pause: time.Hour, first: true, do: always(p.anchorAudit)},
		{what: "signing keys", pause: time.Minute, do: always(p.renewKeys)},
		{what: "expiry", pause: time.Minute, do: always(p.prune)},
		{what: "lists of people", pause: 10 * time.Minute, first: true, do: always(p.tendPeople)},
		{what: "clocks", pause: 10 * time.Minute, first: true, do: always(p.compareClocks)},
	}
	if p.mailing {
		jobs = append(jobs, job{what: "mail", pause: 4 * time.Second, wake: p.posted, do: always(p.Deliver)})
	}
	if p.hook != nil {
		jobs = append(jobs, job{what: "audit webhook", pause: 2 * time.Second, do: always(p.deliverAudit)})
	}
	return jobs
}

// Run does the background work until ctx ends: it sends mail and removes what has expired, and it hears of what other replicas
// change. Every replica may run it.
func (p *IdP) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	p.tellOfPasskeys(ctx)
	wg.Go(func() { p.db.Listen(ctx, func(err error) { p.heard(ctx, err) }) })
	for _, j := range p.jobs() {
		wg.Go(func() { p.repeat(ctx, j) })
	}
}

// heard says in the log whether other replicas' changes are told of.
func (p *IdP) heard(ctx context.Context, err error) {
	if err != nil {
		p.log.WarnContext(ctx, "no notifications: what is remembered is read anew every second", "error", err)
		return
	}
	p.log.DebugContext(ctx, "notifications of other replicas' changes are heard")
}

// repeat does a job until ctx ends, the first time at a random moment.
func (p *IdP) repeat(ctx context.Context, j job) {
	pause, next := j.pause, part(j.pause)
	if j.first {
		next = 0
	}
	for waited(ctx, next, j.wake) {
		switch {
		case p.attempt(ctx, j):
			pause = j.pause
		case j.idle > 0:
			pause = min(2*pause, j.idle)
		}
		next = pause - pause/5 + part(pause*2/5)
	}
}

// attempt does a job once. A panic ends this attempt alone: what cannot be done must not end the sign-ins of everybody, and it is
// claimed again when its time has come.
func (p *IdP) attempt(ctx context.Context, j job) (busy bool) {
	defer func() {
		if panicked := recover(); panicked != nil {
			p.log.ErrorContext(ctx, "background work panicked", "work", j.what, "panic", panicked, "stack", string(debug.Stack()))
		}
	}()
	return j.do(ctx)
}

// waited waits for so long, or till a moment after somebody wakes it, and reports false when ctx has ended.
func waited(ctx context.Context, pause time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-wake:
		// Not at once: who asked for a link must not see by this server's haste that there is somebody to write to, and a
		// crowd of letters needs one look.
		return waited(ctx, part(time.Second), nil)
	}
}

// part returns a random time up to most.
func part(most time.Duration) time.Duration {
	var b [2]byte
	rand.Read(b[:]) // never fails
	return most * time.Duration(int(b[0])<<8|int(b[1])) / 0xffff
}

// post wakes whoever sends mail, here, when the transaction of ctx has been committed. If this process dies before, another one
// finds the letter by itself.
func (p *IdP) post(ctx context.Context) {
	p.db.AfterCommit(ctx, func() {
		select {
		case p.posted <- struct{}{}:
		default:
		}
	})
}
