package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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

// saturation is what became of the token endpoint while passwords were checked without a pause.
type saturation struct {
	Quiet, Busy float64 // 99th percentile in milliseconds
	Rate        float64 // of token requests, per second
	SignIns     float64 // passwords per second meanwhile
	Refused     float64 // of them, per second: the queue was full
}

// signers is how many people try to sign in at once.
const signers = 16

// saturate measures the token endpoint at a fixed rate, without and with sign-ins.
func (p plan) saturate(ctx context.Context, at *provider) (*saturation, error) {
	byMachine, err := machine(ctx, at, at.apps["machine"])
	if err != nil {
		return nil, err
	}
	byRefresh, err := refresh(ctx, at, at.apps["es256"])
	if err != nil {
		return nil, err
	}
	var n atomic.Int64
	tokens := func(ctx context.Context) error {
		if n.Add(1)%2 == 0 {
			return byMachine(ctx)
		}
		return byRefresh(ctx)
	}
	out := &saturation{Rate: 100}
	quiet, busy := newSample(), newSample()
	for range 2 {
		quiet.merge(open(ctx, tokens, out.Rate, p.open))
		during, stop := context.WithCancel(ctx)
		passwords := make(chan *sample)
		go func() { passwords <- closed(during, at.password(), signers, time.Hour) }()
		time.Sleep(p.open / 10) // until all of them wait
		busy.merge(open(ctx, tokens, out.Rate, p.open))
		stop()
		s := <-passwords
		out.SignIns += float64(s.ops) / s.elapsed.Seconds() / 2
		out.Refused += float64(s.failed) / s.elapsed.Seconds() / 2
	}
	if err := errors.Join(quiet.err(false), busy.err(false)); err != nil {
		return nil, fmt.Errorf("tokens beside sign-ins: %w", err)
	}
	out.Quiet, out.Busy = float64(quiet.latency.ValueAtQuantile(99))/1000, float64(busy.latency.ValueAtQuantile(99))/1000
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
