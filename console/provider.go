package console

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	loginPath    = "/admin/login"
	callbackPath = "/admin/callback"
)

// provider is what discovery told.
type provider struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// direct hands requests to the provider's handler in this process: no network is between a console and its provider, and
// none has to be configured.
type direct struct{ handler func() http.Handler }

// RoundTrip implements [http.RoundTripper].
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	w := &answer{status: http.StatusOK, header: http.Header{}}
	d.handler().ServeHTTP(w, r)
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// answer collects what a handler writes.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// outgoing returns a context for requests to the provider.
func (c *Console) outgoing(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, &http.Client{Transport: direct{c.Provider}, Timeout: 10 * time.Second})
}

// discover makes the console known to the provider and returns the provider's metadata, once each (OpenID Connect Discovery 1.0 section 4).
func (c *Console) discover(ctx context.Context) (*provider, error) {
	if p := c.found.Load(); p != nil {
		return p, nil
	}
	if err := c.Register(ctx); err != nil {
		return nil, err
	}
	// The key set is fetched by this context for as long as the process lives.
	found, err := oidc.NewProvider(c.outgoing(context.WithoutCancel(ctx)), c.PublicURL)
	if err != nil {
		return nil, err
	}
	p := &provider{
		oauth: oauth2.Config{
			ClientID: ClientID, ClientSecret: c.Secret, Endpoint: found.Endpoint(), RedirectURL: c.PublicURL + callbackPath,
			Scopes: []string{oidc.ScopeOpenID},
		},
		verifier: found.Verifier(&oidc.Config{ClientID: ClientID, Now: c.Now}),
	}
	p.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	c.found.Store(p)
	return p, nil
}
