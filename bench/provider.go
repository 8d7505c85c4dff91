package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa/mfatest"
)

// callback is where every app waits. Nobody goes there.
const callback = "https://app.example/callback"

// proof and challenge belong together (RFC 7636 appendix B).
const (
	proof     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// provider is an OpenID Connect provider that is measured.
type provider struct {
	name     string // in the report
	issuer   string
	metadata metadata
	apps     map[string]app
	people   []*person
	hint     bool // it signs in whom login_hint names
	fails    bool // that operations of others fail there under load is known, and a figure
	// signIn leads a browser from the first page on to the page that the app waits for; nil: there are no pages.
	signIn func(ctx context.Context, p *person, b *browser, first *page) (*page, error)

	process   *process
	server    *dbxtest.Server // of PostgreSQL, which it has for itself; nil: none
	watch     *watch          // a connection to its database
	transport *http.Transport
}

// metadata is what generators need of the discovery document (OpenID Connect Discovery 1.0 section 3).
type metadata struct {
	Authorize  string `json:"authorization_endpoint"`
	Token      string `json:"token_endpoint"`
	Introspect string `json:"introspection_endpoint"`
	UserInfo   string `json:"userinfo_endpoint"`
}

// app is a client of a provider.
type app struct{ id, secret, scope string }

// person is somebody with a browser, who may have an authenticator.
type person struct {
	name, address string
	browser       *browser

	mu    sync.Mutex
	phone mfatest.Phone
	last  int64 // step of the code that was used last
}

// period is that of one-time codes (RFC 6238).
const period = 30 * time.Second

// code returns the next code that was not used yet, and waits for it: a provider takes each once.
func (p *person) code(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		now := time.Now().Unix() / int64(period.Seconds())
		step := max(p.last+1, now-1)
		if step <= now+1 {
			p.last = step
			return p.phone.Code(int(step - now)), nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// discover reads the discovery document.
func (p *provider) discover(ctx context.Context) error {
	var m metadata
	if err := p.call(ctx, http.MethodGet, strings.TrimSuffix(p.issuer, "/")+"/.well-known/openid-configuration", nil, "", &m); err != nil {
		return err
	}
	p.metadata = m
	return nil
}

// call sends a request, with values as its form, and decodes the answer, which must be a good one.
func (p *provider) call(ctx context.Context, method, address string, values url.Values, authorization string, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	if values != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	client := http.Client{Transport: p.transport, Timeout: answerWithin}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %.300s", p.name, r.URL.Path, response.Status, text)
	}
	return json.Unmarshal(text, into)
}

// tokens is an answer of the token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
}

// token asks the token endpoint for the app.
func (p *provider) token(ctx context.Context, a app, pairs ...string) (tokens, error) {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	var t tokens
	err := p.call(ctx, http.MethodPost, p.metadata.Token, values, a.basic(), &t)
	if err == nil && t.Access == "" {
		err = errors.New(p.name + ": an answer without an access token")
	}
	return t, err
}

// basic is the client's authentication (RFC 6749 section 2.3.1); neither part needs escaping.
func (a app) basic() string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(a.id, a.secret)
	return r.Header.Get("Authorization")
}

// asks returns the authorization request of an app for somebody.
func (p *provider) asks(a app, who *person) string {
	values := url.Values{
		"client_id": {a.id}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {a.scope}, "state": {"some-state-of-the-app"},
		"nonce": {"some-nonce-of-the-app"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	if p.hint {
		values.Set("login_hint", who.name)
	}
	return p.metadata.Authorize + "?" + values.Encode()
}

// authorize returns a code for an app. Pages on the way are an error unless the person may be asked.
func (p *provider) authorize(ctx context.Context, a app, who *person, b *browser, mayAsk bool) (string, error) {
	arrived, err := b.get(ctx, p.asks(a, who))
	if err == nil && mayAsk && p.signIn != nil && !strings.HasPrefix(arrived.url.String(), callback) {
		arrived, err = p.signIn(ctx, who, b, arrived)
	}
	if err != nil {
		return "", err
	}
	code := arrived.url.Query().Get("code")
	if code == "" {
		return "", fmt.Errorf("%s: no code for %s but %d %s?%s: %.300s", p.name, who.name, arrived.status, arrived.url.Path, arrived.url.Query().Get("error"), arrived.body)
	}
	return code, nil
}

// exchange redeems a code; there must be an ID token.
func (p *provider) exchange(ctx context.Context, a app, code string) (tokens, error) {
	t, err := p.token(ctx, a, "grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", proof)
	if err == nil && t.ID == "" {
		err = errors.New(p.name + ": an answer without an ID token")
	}
	return t, err
}

// signInEverybody signs all people in, who then consent to all apps, so many at a time.
func (p *provider) signInEverybody(ctx context.Context) error {
	return each(ctx, p.people, func(who *person) error {
		for _, id := range []string{"es256", "rs256", "rs256-jwt", "opaque"} {
			if a, has := p.apps[id]; has {
				if _, err := p.authorize(ctx, a, who, who.browser, true); err != nil && !p.fails {
					return err
				}
			}
		}
		return nil
	})
}

// each does something for all people, eight at a time.
func each(ctx context.Context, people []*person, do func(*person) error) error {
	queue, failed := make(chan *person), make(chan error, workers)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range workers {
		go func() {
			for who := range queue {
				if err := do(who); err != nil {
					cancel(err)
					break
				}
			}
			failed <- context.Cause(ctx)
		}()
	}
	for _, who := range people {
		select {
		case queue <- who:
		case <-ctx.Done():
		}
	}
	close(queue)
	var err error
	for range workers {
		err = errors.Join(err, <-failed)
		if err != nil {
			return err
		}
	}
	return nil
}
