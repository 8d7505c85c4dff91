package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/argon2"
)

// knownCookie is how the name of the cookie ends by which a browser is known after its session, too.
const knownCookie = "_known"

// signInFlow is a whole sign-in with password and code, from the app and back to it, of people who come back to their browser: it
// was signed in with before, and so they get no letter about a new one. There are as many as people have codes that were not
// used yet.
var signInFlow = flow{"sign-in", "whole sign-in, password + code", "trusted", func(_ context.Context, p *provider, a app) (operation, error) {
	people := &ring[*person]{all: p.people}
	return func(ctx context.Context) error {
		who := people.take()
		if err := who.browser.forget(p.issuer, knownCookie); err != nil {
			return err
		}
		_, err := p.authorize(ctx, a, who, who.browser, true)
		return err
	}, nil
}}

// newSignInFlow is the same in a browser that nobody has signed in with, about which a letter is written.
var newSignInFlow = flow{"sign-in-new", "the same in a new browser", "trusted", func(_ context.Context, p *provider, a app) (operation, error) {
	people := &ring[*person]{all: p.people}
	return func(ctx context.Context) error {
		who := people.take()
		_, err := p.authorize(ctx, a, who, newBrowser(p.transport, who.address), true)
		return err
	}, nil
}}

// hashCost returns the processor's time that one hash of a password takes, in milliseconds: argon2id as package account runs it
// by default, two at a time.
func hashCost(hashes int) float64 {
	used := func() time.Duration {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range (hashes + 1) / 2 {
				argon2.IDKey([]byte(password), make([]byte, 16), 2, 19*1024, 1, 32)
			}
		})
	}
	wg.Wait()
	return float64((used() - before).Microseconds()) / 1000 / float64((hashes+1)/2*2)
}

// saturation is what became of the token endpoint while passwords were checked without a pause: 99th percentiles in milliseconds, the
// median of those of the rounds.
type saturation struct {
	Quiet, Busy               float64 // client credentials and refreshes, as many of either
	MachineQuiet, MachineBusy float64 // of them client credentials, which wait for no disk
	Rate                      float64 // of token requests, per second
	SignIns                   float64 // passwords per second meanwhile
	Refused                   float64 // of them, per second: the queue was full
}

// signers is how many people try to sign in at once.
const signers = 16

// saturate measures the token endpoint at a fixed rate, without and with sign-ins, in rounds that take turns: what else
// disk and machine do meets both.
func (p plan) saturate(ctx context.Context, at *provider) (*saturation, error) {
	byMachine, err := machine(ctx, at, at.apps["machine"])
	if err != nil {
		return nil, err
	}
	byRefresh, err := refresh(ctx, at, at.apps["es256"])
	if err != nil {
		return nil, err
	}
	out := &saturation{Rate: 200}
	tokens := func() (machines, both *sample) {
		refreshes := make(chan *sample)
		go func() { refreshes <- open(ctx, byRefresh, out.Rate/2, p.open/2) }()
		machines, both = open(ctx, byMachine, out.Rate/2, p.open/2), newSample()
		both.merge(machines)
		both.merge(<-refreshes)
		return machines, both
	}
	var found [4][]float64
	note := func(i int, machines, both *sample) error {
		for j, s := range []*sample{both, machines} {
			found[i+j] = append(found[i+j], float64(s.latency.ValueAtQuantile(99))/1000)
		}
		return both.err(false)
	}
	for range p.rounds {
		machines, both := tokens()
		quiet := note(0, machines, both)
		during, stop := context.WithCancel(ctx)
		passwords := make(chan *sample)
		go func() { passwords <- closed(during, at.password(), signers, time.Hour) }()
		time.Sleep(p.open / 10) // until all of them wait
		machines, both = tokens()
		stop()
		s := <-passwords
		out.SignIns += float64(s.ops) / s.elapsed.Seconds() / float64(p.rounds)
		out.Refused += float64(s.failed) / s.elapsed.Seconds() / float64(p.rounds)
		if err := errors.Join(quiet, note(2, machines, both)); err != nil {
			return nil, fmt.Errorf("tokens beside sign-ins: %w", err)
		}
	}
	out.Quiet, out.MachineQuiet, out.Busy, out.MachineBusy = median(found[0]), median(found[1]), median(found[2]), median(found[3])
	return out, nil
}

// password signs people in as far as the page for the code.
func (p *provider) password() operation {
	people := &ring[*person]{all: p.people}
	return func(ctx context.Context) error {
		who := people.take()
		b := newBrowser(p.transport, who.address)
		at, err := b.get(ctx, p.asks(p.apps["trusted"], who))
		if err == nil {
			at, err = b.submit(ctx, at, "login-submit", "username", who.name, "password", password)
		}
		if err == nil && at.url.Path != "/mfa" {
			err = fmt.Errorf("no page for the code but %d %s", at.status, at.url.Path)
		}
		return err
	}
}
