package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
)

// flow is something that relying parties or people do all day.
type flow struct {
	id, title string
	app       string // that a provider must have for it
	// prepare makes ready what the operation needs, and returns it.
	prepare func(ctx context.Context, p *provider, a app) (operation, error)
}

// flows are those that are measured, in the order of the report.
func flows() []flow {
	return []flow{
		{"machine", "client credentials, JWT access token ES256", "machine", machine},
		{"code", "code + PKCE + ID token ES256, signed in and consented", "es256", wholeCode},
		{"code-rs256", "the same with RS256, opaque access token: one signature", "rs256", wholeCode},
		{"code-rs256-jwt", "the same with RS256, JWT access token: two signatures", "rs256-jwt", wholeCode},
		{"refresh", "refresh, ES256", "es256", refresh},
		{"introspect", "introspection, opaque token", "opaque", introspect},
		{"userinfo", "userinfo", "es256", userinfo},
	}
}

// ring gives out its members one after the other, to many at once.
type ring[T any] struct {
	all  []T
	next atomic.Int64
}

func (r *ring[T]) take() T { return r.all[int((r.next.Add(1)-1)%int64(len(r.all)))] }

func machine(_ context.Context, p *provider, a app) (operation, error) {
	return func(ctx context.Context) error {
		_, err := p.token(ctx, a, "grant_type", "client_credentials", "scope", a.scope)
		return err
	}, nil
}

func wholeCode(_ context.Context, p *provider, a app) (operation, error) {
	people := &ring[*person]{all: p.people}
	return func(ctx context.Context) error {
		who := people.take()
		code, err := p.authorize(ctx, a, who, who.browser, false)
		if err != nil {
			return err
		}
		_, err = p.exchange(ctx, a, code)
		return err
	}, nil
}

// grants makes one of the app for each of the people.
func (p *provider) grants(ctx context.Context, a app) ([]tokens, error) {
	out := make(chan tokens, len(p.people))
	err := each(ctx, p.people, func(who *person) error {
		var t tokens
		code, err := p.authorize(ctx, a, who, who.browser, false)
		if err == nil {
			t, err = p.exchange(ctx, a, code)
		}
		if err != nil && p.fails {
			return nil
		}
		out <- t
		return err
	})
	close(out)
	var all []tokens
	for t := range out {
		all = append(all, t)
	}
	if err == nil && len(all) == 0 {
		err = errors.New(p.name + ": nobody got tokens")
	}
	return all, err
}

func refresh(ctx context.Context, p *provider, a app) (operation, error) {
	all, err := p.grants(ctx, a)
	if err != nil {
		return nil, err
	}
	chains := make(chan string, len(all)) // a token is nobody else's while it is used
	for _, t := range all {
		chains <- t.Refresh
	}
	return func(ctx context.Context) error {
		old := <-chains
		t, err := p.token(ctx, a, "grant_type", "refresh_token", "refresh_token", old)
		if err == nil && (t.Refresh == "" || t.ID == "") {
			err = errors.New(p.name + ": a refresh without refresh token or ID token")
		}
		if err != nil {
			t.Refresh = old // it fails once more, and nobody waits for a chain
		}
		chains <- t.Refresh
		return err
	}, nil
}

func introspect(ctx context.Context, p *provider, a app) (operation, error) {
	all, err := p.grants(ctx, a)
	if err != nil {
		return nil, err
	}
	ring := &ring[tokens]{all: all}
	return func(ctx context.Context) error {
		var answer struct{ Active bool }
		err := p.call(ctx, http.MethodPost, p.metadata.Introspect, url.Values{"token": {ring.take().Access}}, a.basic(), &answer)
		if err == nil && !answer.Active {
			err = errors.New(p.name + ": a good token is not active")
		}
		return err
	}, nil
}

func userinfo(ctx context.Context, p *provider, a app) (operation, error) {
	all, err := p.grants(ctx, a)
	if err != nil {
		return nil, err
	}
	ring := &ring[tokens]{all: all}
	return func(ctx context.Context) error {
		var answer struct{ Sub string }
		err := p.call(ctx, http.MethodGet, p.metadata.UserInfo, nil, "Bearer "+ring.take().Access, &answer)
		if err == nil && answer.Sub == "" {
			err = errors.New(p.name + ": userinfo about nobody")
		}
		return err
	}, nil
}
