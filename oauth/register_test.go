package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// web is the part of the web that clients point to, by address.
type web struct {
	mu    sync.Mutex
	pages map[string]string
	calls map[string]int
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		w.calls = map[string]int{}
	}
	w.calls[r.URL.String()]++
	body, ok := w.pages[r.URL.String()]
	if !ok {
		return nil, errors.New("nothing is there")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// openRegistration turns registration on and returns a token for many clients.
func (w *world) openRegistration(pages map[string]string) (token string, remote *web) {
	w.Helper()
	remote = &web{pages: pages}
	cfg := w.config()
	cfg.Registration, cfg.Outbound = true, &http.Client{Transport: remote}
	w.server, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	token, err := w.server.Clients().NewRegistrationToken(w.Context(), time.Hour, 1000)
	if err != nil {
		w.Fatal(err)
	}
	return token, remote
}

// fields are members of a registration.
type fields map[string]any

// with returns the fields with changes; nil removes.
func (f fields) with(changes fields) fields {
	out := maps.Clone(f)
	for name, value := range changes {
		if out[name] = value; value == nil {
			delete(out, name)
		}
	}
	return out
}

// asked is an ordinary registration.
func asked(changes fields) fields {
	return fields{
		"client_name": "Notes", "redirect_uris": []string{callback}, "grant_types": []string{"authorization_code", "refresh_token"},
		"response_types": []string{"code"}, "token_endpoint_auth_method": "client_secret_basic", "contacts": []string{"ops@app.example"},
	}.with(changes)
}

// manage sends a registration request with a bearer token.
func (w *world) manage(method, address, token string, body any) answer {
	w.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			w.Fatal(err)
		}
		text = string(raw)
	}
	r, _ := http.NewRequestWithContext(w.Context(), method, issuer+strings.TrimPrefix(address, issuer), strings.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.do(w.browser, r)
}

// registers registers a client and returns the answer.
func (w *world) registers(token string, body fields) map[string]any {
	w.Helper()
	a := w.manage(http.MethodPost, "/oauth2/register", token, body)
	if a.status != http.StatusCreated {
		w.Fatalf("not registered: %d %s", a.status, a.body)
	}
	if secret, ok := a.json["client_secret"].(string); ok {
		w.secrets[a.json["client_id"].(string)] = secret
	}
	return a.json
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func TestRegistration(t *testing.T) {
	both(t, func(w *world) {
		token, _ := w.openRegistration(nil)
		got := w.registers(token, asked(nil))
		id, uri, access := text(got["client_id"]), text(got["registration_client_uri"]), text(got["registration_access_token"])
		if text(got["client_secret"]) == "" || got["client_secret_expires_at"] != 0.0 || uri != issuer+"/oauth2/register/"+id ||
			got["client_id_issued_at"] != float64(w.clock.Now().Unix()) || len(access) < 40 {
			w.Errorf("registered: %v", got)
		}
		tokens := w.tokens(id)
		if again := w.token(w.refreshing(id, text(tokens["refresh_token"]))); again.status != 200 {
			w.Errorf("refresh: %d %s", again.status, again.body)
		}
		shown := w.manage(http.MethodGet, uri, access, nil)
		if shown.status != 200 || shown.json["client_id"] != id || shown.json["client_name"] != "Notes" || shown.json["client_secret"] != nil {
			w.Errorf("shown: %d %s", shown.status, shown.body)
		}

		// Whatever was registered with another token, or with none, is nobody's business.
		other := w.registers(token, asked(fields{"client_name": "Other"}))
		for _, wrong := range []string{"", token, "x", text(other["registration_access_token"])} {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				a := w.manage(method, uri, wrong, asked(fields{"client_id": id}))
				w.wantError(a, 401, "invalid_token")
				challenge := `Bearer realm="` + issuer + `"`
				if wrong != "" { // RFC 6750 section 3.1: who brought nothing is told of no error
					challenge += `, error="invalid_token"`
				}
				if got := a.header.Get("WWW-Authenticate"); got != challenge {
					w.Errorf("%q: the challenge is %q", wrong, got)
				}
			}
		}
		if a := w.manage(http.MethodDelete, uri, access, nil); a.status != http.StatusNoContent {
			w.Errorf("deleted: %d %s", a.status, a.body)
		}
		w.wantError(w.manage(http.MethodGet, uri, access, nil), 401, "invalid_token")
		if a := w.userinfo(text(tokens["access_token"])); a.status != 401 {
			w.Errorf("userinfo after the deletion: %d", a.status)
		}
		w.wantError(w.token(w.refreshing(id, text(tokens["refresh_token"]))), 401, "invalid_client")
		w.wantPage(w.authorize(request(id)), "invalid_client", "")
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		for _, table := range []string{"oauth_grants", "oauth_clients", "oauth_origins", "oauth_gone"} {
			var n int
			column := map[string]string{"oauth_clients": "id"}[table]
			if column == "" {
				column = "client_id"
			}
			if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM `+table+` WHERE `+column+` = $1`, id); err != nil || n != 0 {
				w.Errorf("%s: %d rows left (%v)", table, n, err)
			}
		}
		if w.host.count(oauth.EventClientDeleted) != 1 || w.host.count(oauth.EventRegistrationToken) != 1 {
			w.Error(w.host.events)
		}
	})
}

func TestGoldenRegistration(t *testing.T) {
	w := newWorld(t)
	token, _ := w.openRegistration(nil)
	got := w.registers(token, asked(fields{
		"client_name#fr": "Notes en français", "nobody_knows": map[string]any{"this": 1}, "request_uris": []string{"https://app.example/r"},
		"logo_uri": "https://app.example/logo.png", "policy_uri": "https://app.example/privacy", "tos_uri": "https://app.example/terms",
		"client_uri": "https://app.example/", "initiate_login_uri": "https://app.example/login", "default_max_age": 3600,
		"require_auth_time": true, "default_acr_values": []string{"aal2"}, "subject_type": "public",
		"post_logout_redirect_uris": []string{"https://app.example/bye"}, "application_type": "web",
		"backchannel_logout_uri": "https://app.example/bc", "backchannel_logout_session_required": true,
		"frontchannel_logout_uri": "https://app.example/fc", "frontchannel_logout_session_required": true,
		"id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "RS256", "software_id": "notes", "software_version": "1.2",
		"dpop_bound_access_tokens": false, "require_pushed_authorization_requests": false,
	}))
	got["registration_client_uri"] = strings.Replace(text(got["registration_client_uri"]), text(got["client_id"]), "…", 1)
	golden(t, "registration.json", still(got, "client_id", "client_secret", "registration_access_token"))
}

func TestSec_OA02_ARegistrationGetsNoMoreThanAnybody(t *testing.T) {
	w := newWorld(t)
	token, _ := w.openRegistration(nil)
	got := w.registers(token, asked(fields{
		"consent": "skip", "mfa": "optional", "introspect": true, "resources": []string{"https://api.example"}, "groups": []string{"x"},
		"dynamic": false, "disabled": false, "client_id": "web", "client_secret": "chosen-by-the-client",
	}))
	c, err := w.server.Clients().Get(t.Context(), text(got["client_id"]))
	if err != nil || c.ID == "web" || c.Consent != "ask" || c.Introspect || c.Resources != nil || c.Groups != nil || !c.Dynamic ||
		w.server.Clients().SecretIs(c, "chosen-by-the-client") {
		t.Errorf("%+v %v", c, err)
	}
	public := w.registers(token, asked(fields{"token_endpoint_auth_method": "none"}))
	if public["client_secret"] != nil || public["client_secret_expires_at"] != nil {
		t.Errorf("a public client with a secret: %v", public)
	}
	w.wantRedirected(w.authorize(request(text(public["client_id"]), "code_challenge", "-", "code_challenge_method", "-")), "invalid_request")
}

func TestRegistrationIsReplaced(t *testing.T) {
	both(t, func(w *world) {
		token, _ := w.openRegistration(nil)
		got := w.registers(token, asked(fields{"policy_uri": "https://app.example/privacy"}))
		id, uri, access := text(got["client_id"]), text(got["registration_client_uri"]), text(got["registration_access_token"])
		secret := w.secrets[id]
		clients := w.server.Clients()
		c, err := clients.Get(w.Context(), id)
		if err != nil {
			w.Fatal(err)
		}
		c.MFA, c.Groups, c.Scopes = "always", []string{"staff"}, append(c.Scopes, "acme.read")
		if err := clients.Update(w.Context(), c); err != nil {
			w.Fatal(err)
		}

		a := w.manage(http.MethodPut, uri, access, asked(fields{
			"client_id": id, "client_secret": secret, "client_name": "New", "scope": "openid acme.read", "redirect_uris": []string{callback, callback + "?x=y"},
		}))
		if a.status != 200 || a.json["client_name"] != "New" || a.json["policy_uri"] != nil || a.json["scope"] != "openid acme.read" || a.json["client_secret"] != nil {
			w.Errorf("replaced: %d %s", a.status, a.body)
		}
		if c, err = clients.Get(w.Context(), id); err != nil || c.MFA != "always" || len(c.Groups) != 1 || !c.Dynamic || !clients.SecretIs(c, secret) {
			w.Errorf("what an administrator decided, or the secret: %+v %v", c, err)
		}
		for name, wrong := range map[string]fields{
			"client_id":     {"client_id": "web"},
			"client_secret": {"client_id": id, "client_secret": "chosen-by-the-client"},
			"client_uri":    {"client_id": id, "client_uri": "x"},
		} {
			a := w.manage(http.MethodPut, uri, access, asked(wrong))
			w.wantError(a, 400, "invalid_client_metadata")
			if !strings.HasPrefix(text(a.json["error_description"]), name+":") {
				w.Errorf("%s: %s", name, a.body)
			}
		}

		// No more than it has, and less is for good: an administrator may have decided so.
		c.Scopes, c.GrantTypes, c.RequirePAR = []string{"openid", "email"}, []string{"authorization_code"}, true
		if err := clients.Update(w.Context(), c); err != nil {
			w.Fatal(err)
		}
		for name, wrong := range map[string]fields{
			"scope": {"scope": "openid profile", "grant_types": nil}, "grant_types": {"grant_types": []string{"authorization_code", "refresh_token"}},
		} {
			a := w.manage(http.MethodPut, uri, access, asked(wrong).with(fields{"client_id": id}))
			w.wantError(a, 400, "invalid_client_metadata")
			if !strings.HasPrefix(text(a.json["error_description"]), name+":") {
				w.Errorf("%s: %s", name, a.body)
			}
		}
		a = w.manage(http.MethodPut, uri, access, asked(fields{"client_id": id, "grant_types": nil, "dpop_bound_access_tokens": true}))
		if a.status != 200 || a.json["scope"] != "openid email" || fmt.Sprint(a.json["grant_types"]) != "[authorization_code]" ||
			a.json["require_pushed_authorization_requests"] != true || a.json["dpop_bound_access_tokens"] != true {
			w.Errorf("within what it has: %d %s", a.status, a.body)
		}
		if c, err = clients.Get(w.Context(), id); err != nil {
			w.Fatal(err)
		}
		c.RequirePAR, c.DPoPBound = false, false
		c.GrantTypes = append(c.GrantTypes, "refresh_token")
		if err := clients.Update(w.Context(), c); err != nil {
			w.Fatal(err)
		}

		// Another way to authenticate: the secret goes, and a new one comes.
		if a = w.manage(http.MethodPut, uri, access, asked(fields{"client_id": id, "token_endpoint_auth_method": "none"})); a.status != 200 {
			w.Errorf("public: %d %s", a.status, a.body)
		}
		a = w.manage(http.MethodPut, uri, access, asked(fields{"client_id": id, "token_endpoint_auth_method": "client_secret_post"}))
		c, err = clients.Get(w.Context(), id)
		if err != nil || text(a.json["client_secret"]) == "" || !clients.SecretIs(c, text(a.json["client_secret"])) || clients.SecretIs(c, secret) {
			w.Errorf("a new secret: %d %s %v", a.status, a.body, err)
		}
		c.Disabled = true
		if err := clients.Update(w.Context(), c); err != nil {
			w.Fatal(err)
		}
		w.wantError(w.manage(http.MethodPut, uri, access, asked(fields{"client_id": id})), 401, "invalid_token")
	})
}

func TestInitialAccessTokens(t *testing.T) {
	both(t, func(w *world) {
		long, _ := w.openRegistration(nil)
		clients := w.server.Clients()
		short, err := clients.NewRegistrationToken(w.Context(), time.Minute, 3)
		if err != nil {
			w.Fatal(err)
		}
		for _, wrong := range []string{"", "x", short + "x", short[:40]} {
			w.wantError(w.manage(http.MethodPost, "/oauth2/register", wrong, asked(nil)), 401, "invalid_token")
		}
		w.wantError(w.manage(http.MethodPost, "/oauth2/register", short, asked(fields{"redirect_uris": nil})), 400, "invalid_redirect_uri")

		// Ten come at once for three uses.
		var done sync.WaitGroup
		results := make(chan int, 10)
		for range 10 {
			done.Go(func() { results <- w.manage(http.MethodPost, "/oauth2/register", short, asked(nil)).status })
		}
		done.Wait()
		close(results)
		count := map[int]int{}
		for status := range results {
			count[status]++
		}
		if count[201] != 3 || count[401] != 7 {
			w.Errorf("got %v", count)
		}
		w.clock.Add(time.Hour)
		w.wantError(w.manage(http.MethodPost, "/oauth2/register", long, asked(nil)), 401, "invalid_token")
		var kept string
		if err := w.db.Get(w.Context(), &kept, `SELECT token_hash FROM oauth_registration_tokens WHERE uses_left = 0`); err != nil || strings.Contains(kept, short) {
			w.Errorf("%q %v", kept, err)
		}
		w.clock.Add(2 * time.Hour)
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		var n int
		if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM oauth_registration_tokens`); err != nil || n != 0 {
			w.Errorf("%d tokens left (%v)", n, err)
		}
		for _, bad := range []struct {
			life time.Duration
			uses int
		}{{0, 1}, {-1, 1}, {time.Hour, 0}, {10000 * time.Hour, 1}, {time.Hour, 1 << 30}} {
			if _, err := clients.NewRegistrationToken(w.Context(), bad.life, bad.uses); !errors.As(err, new(*oauth.InvalidError)) {
				w.Errorf("%v: %v", bad, err)
			}
		}
	})
}

func TestRegistrationIsOffUnlessTurnedOn(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/oauth2/register", "/oauth2/register/web"} {
		if a := w.manage(http.MethodPost, path, "x", asked(nil)); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if w.get("/.well-known/openid-configuration").json["registration_endpoint"] != nil {
		t.Error("discovery says otherwise")
	}
	token, _ := w.openRegistration(nil)
	if w.get("/.well-known/openid-configuration").json["registration_endpoint"] != issuer+"/oauth2/register" {
		t.Error("discovery doesn't say so")
	}
	w.host.auditErr = errors.New("no audit")
	w.wantError(w.manage(http.MethodPost, "/oauth2/register", token, asked(nil)), 503, "temporarily_unavailable")
	if all, err := w.server.Clients().List(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("unrecorded: %v %v", all, err)
	}
}

// TestAReplacementUndoesNoDecision: a client writes its registration while an administrator demands a second factor.
func TestAReplacementUndoesNoDecision(t *testing.T) {
	both(t, func(w *world) {
		token, _ := w.openRegistration(nil)
		got := w.registers(token, asked(nil))
		id, uri, access := text(got["client_id"]), text(got["registration_client_uri"]), text(got["registration_access_token"])
		clients := w.server.Clients()
		for _, want := range []string{"always", "optional", "required", "always", "optional", "required"} {
			var writing sync.WaitGroup
			for range 3 {
				writing.Go(func() { w.manage(http.MethodPut, uri, access, asked(fields{"client_id": id})) })
			}
			c, err := clients.Get(w.Context(), id)
			if err != nil {
				w.Fatal(err)
			}
			c.MFA, c.Version = want, 0 // whatever the client writes
			if err := clients.Update(w.Context(), c); err != nil {
				w.Fatal(err)
			}
			writing.Wait()
			if c, err = clients.Get(w.Context(), id); err != nil || c.MFA != want {
				w.Errorf("%q stands where %q was decided (%v)", c.MFA, want, err)
			}
		}
	})
}

// TestSec_CO03_WhatPeopleReadIsWhatTheyAllowed: decisions about an app that registered itself are forgotten when it goes
// by another name or leads elsewhere, in the transaction that changes it.
func TestSec_CO03_WhatPeopleReadIsWhatTheyAllowed(t *testing.T) {
	w := newWorld(t)
	var forgotten []string
	var failing error
	cfg := w.config()
	cfg.Registration = true
	cfg.ClientGone = func(_ context.Context, id string) error {
		forgotten = append(forgotten, id)
		return failing
	}
	w.server, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	token, err := w.server.Clients().NewRegistrationToken(t.Context(), time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	got := w.registers(token, asked(nil))
	id, uri, access := text(got["client_id"]), text(got["registration_client_uri"]), text(got["registration_access_token"])
	for _, row := range []struct {
		name    string
		change  fields
		forgets bool
	}{
		{"nothing", nil, false}, {"another page of the same place", fields{"redirect_uris": []string{callback, callback + "/more"}}, false},
		{"another name", fields{"client_name": "Acme"}, true}, {"another host", fields{"redirect_uris": []string{"https://evil.example/callback"}}, true},
		{"one host more", fields{"redirect_uris": []string{callback, "https://evil.example/callback"}}, true},
		{"another port", fields{"redirect_uris": []string{"https://app.example:8443/callback"}}, true},
	} {
		if a := w.manage(http.MethodPut, uri, access, asked(fields{"client_id": id})); a.status != 200 {
			t.Fatalf("%s: %d %s", row.name, a.status, a.body)
		}
		forgotten = nil
		a := w.manage(http.MethodPut, uri, access, asked(row.change).with(fields{"client_id": id}))
		if a.status != 200 || (len(forgotten) == 1) != row.forgets {
			t.Errorf("%s: %d, forgotten %v", row.name, a.status, forgotten)
		}
	}
	failing = errors.New("no consents")
	w.wantError(w.manage(http.MethodPut, uri, access, asked(fields{"client_id": id, "client_name": "Evil"})), 503, "temporarily_unavailable")
	if c, err := w.server.Clients().Get(t.Context(), id); err != nil || c.Name == "Evil" {
		t.Errorf("renamed all the same: %+v %v", c, err)
	}
}
