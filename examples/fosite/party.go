package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// party is a relying party: an app that shows what the ID token says about the sign-in.
type party struct {
	issuer, home string

	mu      sync.Mutex
	waiting map[string]asked // by state
}

// asked is one sign-in that has begun.
type asked struct{ browser, nonce, verifier string }

func newParty(issuer, home string) *party {
	return &party{issuer: issuer, home: home, waiting: map[string]asked{}}
}

func (p *party) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><title>App</title><h1>App</h1><p><a href="/login">Sign in</a></p>`+
			`<p><a href="/login?acr_values=aal2">Sign in with two factors</a></p>`)
	})
	mux.HandleFunc("GET /login", p.login)
	mux.HandleFunc("GET /callback", p.callback)
	return mux
}

// client reads the provider's discovery document.
func (p *party) client(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	provider, err := oidc.NewProvider(ctx, p.issuer)
	if err != nil {
		return nil, nil, err
	}
	return provider, &oauth2.Config{
		ClientID: "app", Endpoint: provider.Endpoint(), RedirectURL: p.home + "/callback", Scopes: []string{oidc.ScopeOpenID},
	}, nil
}

func (p *party) login(w http.ResponseWriter, r *http.Request) {
	_, client, err := p.client(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	state, a := random(), asked{browser: random(), nonce: random(), verifier: oauth2.GenerateVerifier()}
	p.mu.Lock()
	p.waiting[state] = a
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "example_app", Value: a.browser, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)}
	for _, name := range []string{"acr_values", "prompt", "max_age"} {
		if value := r.URL.Query().Get(name); value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	http.Redirect(w, r, client.AuthCodeURL(state, options...), http.StatusSeeOther)
}

func (p *party) callback(w http.ResponseWriter, r *http.Request) {
	claims, err := p.claims(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	text, err := json.MarshalIndent(claims, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><title>App</title><h1>Signed in</h1><pre>%s</pre><p><a href="/">Again</a></p>`,
		html.EscapeString(string(text)))
}

// claims redeems the code that the browser brings and returns what the ID token says.
func (p *party) claims(r *http.Request) (map[string]any, error) {
	query := r.URL.Query()
	p.mu.Lock()
	a, ok := p.waiting[query.Get("state")]
	delete(p.waiting, query.Get("state"))
	p.mu.Unlock()
	if cookie, err := r.Cookie("example_app"); !ok || err != nil || cookie.Value != a.browser {
		return nil, errors.New("this sign-in did not begin here")
	}
	if code := query.Get("error"); code != "" {
		return nil, errors.New(code)
	}
	provider, client, err := p.client(r.Context())
	if err != nil {
		return nil, err
	}
	token, err := client.Exchange(r.Context(), query.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: "app"}).Verify(r.Context(), raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != a.nonce {
		return nil, errors.New("the ID token answers another request")
	}
	claims := map[string]any{}
	return claims, id.Claims(&claims)
}
