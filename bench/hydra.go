package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/focushq/idp/internal/dbxtest"
)

// hydra is an Ory Hydra with the pages for sign-in and consent that it leaves to others, which agree to everything at once.
type hydra struct {
	admin     string // base of its administrative API
	transport *http.Transport
}

// startHydra starts the Hydra at a path, on a database of the server's, as it is by default but for ES256, with which it signs all, and
// for a pool of forty connections: with fewer, eight requests at once wait for one another for ever.
func startHydra(ctx context.Context, path string, server *dbxtest.Server, people int, transport *http.Transport) (*provider, func(), error) {
	database, err := server.Create(ctx, "hydra")
	if err != nil {
		return nil, nil, err
	}
	pages, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	h := &hydra{transport: transport}
	go http.Serve(pages, h) // until it is closed
	stop := func() { pages.Close() }
	p := &provider{name: hydraName, hint: true, fails: true, transport: transport, server: server, apps: map[string]app{}}
	if err := h.launch(ctx, path, database, "http://"+pages.Addr().String(), p); err != nil {
		stop()
		return nil, nil, err
	}
	stop = func() {
		p.process.stop()
		pages.Close()
	}
	if err := h.register(ctx, p); err != nil {
		stop()
		return nil, nil, err
	}
	for n := range people {
		p.people = append(p.people, &person{name: fmt.Sprintf("person-%d", n), browser: newBrowser(transport, "")})
	}
	err = p.discover(ctx)
	p.metadata.Introspect = h.admin + "/admin/oauth2/introspect" // which is no public endpoint there
	return p, stop, err
}

// launch migrates the database and starts Hydra.
func (h *hydra) launch(ctx context.Context, path, database, pages string, p *provider) error {
	public, errPublic := freeAddress()
	admin, errAdmin := freeAddress()
	if errPublic != nil || errAdmin != nil {
		return fmt.Errorf("no address: %w, %w", errPublic, errAdmin)
	}
	p.issuer, h.admin = "http://"+public, "http://"+admin
	_, publicPort, _ := net.SplitHostPort(public)
	_, adminPort, _ := net.SplitHostPort(admin)
	environment := []string{
		"DSN=" + database + "&max_conns=40", "SECRETS_SYSTEM=" + secret, "URLS_SELF_ISSUER=" + p.issuer, "URLS_LOGIN=" + pages + "/login",
		"URLS_CONSENT=" + pages + "/consent", "SERVE_PUBLIC_HOST=127.0.0.1", "SERVE_PUBLIC_PORT=" + publicPort,
		"SERVE_ADMIN_HOST=127.0.0.1", "SERVE_ADMIN_PORT=" + adminPort, "LOG_LEVEL=error", "SQA_OPT_OUT=true",
	}
	migration, err := launch(environment, path, "migrate", "sql", "-e", "--yes")
	if err != nil {
		return err
	}
	<-migration.ended
	if p.process, err = launch(environment, path, "serve", "all", "--dev"); err != nil {
		return err
	}
	if err := p.process.ready(ctx, p.issuer+"/health/ready"); err != nil {
		return fmt.Errorf("%w; its migration said: %s", err, migration.said.tail())
	}
	return nil
}

// register makes keys and clients.
func (h *hydra) register(ctx context.Context, p *provider) error {
	for _, set := range []string{"hydra.openid.id-token", "hydra.jwt.access-token"} {
		key := map[string]any{"alg": "ES256", "use": "sig", "kid": set}
		if err := h.call(ctx, http.MethodPost, "/admin/keys/"+set, key, nil); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		app
		grants []string
		tokens string
	}{
		{app{"machine", secret, "read"}, []string{"client_credentials"}, "jwt"},
		{app{"es256", secret, "openid offline_access"}, []string{"authorization_code", "refresh_token"}, "opaque"},
	} {
		client := map[string]any{
			"client_id": c.id, "client_secret": c.secret, "scope": c.scope, "grant_types": c.grants, "response_types": []string{"code"},
			"redirect_uris": []string{callback}, "token_endpoint_auth_method": "client_secret_basic", "access_token_strategy": c.tokens,
		}
		if err := h.call(ctx, http.MethodPost, "/admin/clients", client, nil); err != nil {
			return err
		}
		p.apps[c.id] = c.app
	}
	p.apps["opaque"] = p.apps["es256"]
	return nil
}

// call calls the administrative API.
func (h *hydra) call(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, h.admin+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := h.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode > 299 {
		return fmt.Errorf("hydra: %s %.40s…: %s: %.300s (%w)", method, path, response.Status, answer, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// ServeHTTP answers as the pages do that Hydra sends people to: it signs in whom the app expects, and consents.
func (h *hydra) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := r.URL.Path[1:]
	name := what + "_challenge"
	challenge := "?" + url.Values{name: {r.URL.Query().Get(name)}}.Encode()
	var asked struct {
		Scope []string `json:"requested_scope"`
		OIDC  struct {
			Hint string `json:"login_hint"`
		} `json:"oidc_context"`
	}
	var next struct {
		To string `json:"redirect_to"`
	}
	err := h.call(r.Context(), http.MethodGet, "/admin/oauth2/auth/requests/"+what+challenge, nil, &asked)
	if err == nil {
		agreed := map[string]any{"remember": true, "remember_for": 86400}
		if what == "login" {
			agreed["subject"] = asked.OIDC.Hint
		} else {
			agreed["grant_scope"] = asked.Scope
		}
		err = h.call(r.Context(), http.MethodPut, "/admin/oauth2/auth/requests/"+what+"/accept"+challenge, agreed, &next)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, next.To, http.StatusSeeOther)
}
