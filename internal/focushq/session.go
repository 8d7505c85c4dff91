package focushq

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

const (
	sessionLife = 12 * time.Hour
	maxSessions = 10_000
)

// session is one signed-in browser.
type session struct {
	idToken *idToken // of the sign-in; never replaced by a refresh
	started time.Time

	mu          sync.Mutex // held while tokens are refreshed: a refresh token may be used once
	token       *oauth2.Token
	info        claims
	refreshed   *idToken // of the latest refresh that brought one
	refreshedAt time.Time
}

// sessions are kept by the hash of the cookie's value.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	m   map[[sha256.Size]byte]*session
}

// add stores s and returns the cookie's value. It forgets sessions past their time and, when there are too many, the
// oldest.
func (ss *sessions) add(s *session) string {
	secret := rand.Text()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.m == nil {
		ss.m = make(map[[sha256.Size]byte]*session)
	}
	var oldest [sha256.Size]byte
	for key, other := range ss.m {
		if ss.over(other) {
			delete(ss.m, key)
		} else if first := ss.m[oldest]; first == nil || other.started.Before(first.started) {
			oldest = key
		}
	}
	if len(ss.m) >= maxSessions {
		delete(ss.m, oldest)
	}
	ss.m[sha256.Sum256([]byte(secret))] = s
	return secret
}

func (ss *sessions) over(s *session) bool { return ss.now().Sub(s.started) >= sessionLife }

func (ss *sessions) get(secret string) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.m[sha256.Sum256([]byte(secret))]
	if s == nil || ss.over(s) {
		return nil
	}
	return s
}

func (ss *sessions) remove(secret string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.m, sha256.Sum256([]byte(secret)))
}

// end removes the sessions that the provider has ended: those of sid, or all of subject when sid is "".
func (ss *sessions) end(subject, sid string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for key, s := range ss.m {
		if sid != "" && s.idToken.SID == sid || sid == "" && s.idToken.Subject == subject {
			delete(ss.m, key)
		}
	}
}

// session returns who is signed in, nil for nobody.
func (a *App) session(r *http.Request) *session {
	if secret := a.getCookie(r, "session"); secret != "" {
		return a.sessions.get(secret)
	}
	return nil
}

// start replaces whatever session the browser had: a new secret for each sign-in.
func (a *App) start(w http.ResponseWriter, r *http.Request, s *session) {
	a.sessions.remove(a.getCookie(r, "session"))
	http.SetCookie(w, a.cookie("session", a.sessions.add(s), 0))
}

func (a *App) drop(w http.ResponseWriter, r *http.Request) {
	a.sessions.remove(a.getCookie(r, "session"))
	a.clearCookie(w, "session")
}

// userinfo reads userinfo afresh, with a new access token when the old one is over or refused.
func (a *App) userinfo(ctx context.Context, s *session) (claims, error) {
	d, err := a.provider(ctx)
	if err != nil {
		return nil, err
	}
	ctx = a.outgoing(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	renewed := false
	if soon := a.cfg.Now().Add(30 * time.Second); !s.token.Expiry.IsZero() && s.token.Expiry.Before(soon) {
		if err := a.refresh(ctx, d, s); err != nil {
			return nil, err
		}
		renewed = true
	}
	info, err := d.userinfo(ctx, s.token, s.idToken.Subject)
	var network *url.Error
	var known *problem
	if err != nil && !renewed && !errors.As(err, &network) && !errors.As(err, &known) {
		// Refused before its time: revoked, or the provider's clock is another.
		if err := a.refresh(ctx, d, s); err != nil {
			return nil, err
		}
		info, err = d.userinfo(ctx, s.token, s.idToken.Subject)
	}
	if err != nil {
		return nil, trouble(err, "ended")
	}
	s.info = info
	return info, nil
}

// refresh gets new tokens. A refreshed ID token must be about the same sign-in (OpenID Connect Core 1.0 section 12.2).
func (a *App) refresh(ctx context.Context, d *discovered, s *session) error {
	if s.token.RefreshToken == "" {
		return &problem{id: "ended", cause: errors.New("there is no refresh token")}
	}
	ctx = context.WithoutCancel(ctx) // a browser that goes away must not lose the successor of a used refresh token
	token, err := d.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: s.token.RefreshToken}).Token()
	if err != nil {
		return trouble(err, "ended")
	}
	a.stamp(token)
	s.token = token
	if token.Extra("id_token") == nil {
		return nil
	}
	id, err := d.verified(ctx, a.cfg.ClientID, token, "")
	if err == nil && (id.Subject != s.idToken.Subject || id.AuthTime != s.idToken.AuthTime) {
		err = errors.New("the refreshed ID token is about another sign-in")
	}
	if err != nil {
		return &problem{id: "token", cause: err}
	}
	s.refreshed, s.refreshedAt = id, a.cfg.Now()
	return nil
}

// stamp sets the token's end by our own clock; the library would use another one.
func (a *App) stamp(token *oauth2.Token) {
	if token.ExpiresIn > 0 {
		token.Expiry = a.cfg.Now().Add(time.Duration(token.ExpiresIn) * time.Second)
	}
}
