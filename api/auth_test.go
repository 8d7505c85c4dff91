package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
)

func TestSec_AD01_OnlyAGoodTokenOpensAnything(t *testing.T) {
	f := start(t)
	missing := f.refused(f.as("", "GET", "/people", nil), 401, "missing-token")
	challenge := strings.Join(missing.header.Values("WWW-Authenticate"), "\n")
	if !strings.Contains(challenge, "Bearer realm=") || !strings.Contains(challenge, "DPoP realm=") || strings.Contains(challenge, "error=") ||
		!strings.Contains(challenge, `resource_metadata="`+f.Issuer+`/.well-known/oauth-protected-resource/api/v1"`) {
		t.Errorf("%s", challenge)
	}
	garbage := f.refused(f.as("garbage", "GET", "/people", nil), 401, "invalid-token")
	if challenge := garbage.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="invalid_token"`) {
		t.Error(challenge)
	}
	reader := f.Machine("reader", "idp.people.read")
	token := reader.Token("")
	f.want(f.as(token, "GET", "/people", nil), 200)
	narrow := f.refused(f.as(token, "POST", "/groups", object{"name": "staff"}), 403, "insufficient-scope")
	if challenge := narrow.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_scope"`) || !strings.Contains(challenge, `scope="idp.people.write"`) {
		t.Error(challenge)
	}
	entries, err := f.Audit.List(t.Context(), audit.Filter{Action: "admin.refused", Actor: "reader"})
	if err != nil || len(entries) != 1 || entries[0].Client != "reader" || entries[0].Detail["permission"] != "idp.people.write" {
		t.Errorf("%+v %v", entries, err)
	}
	// Elsewhere than in the header it is nothing.
	f.refused(f.as("", "GET", "/people?access_token="+token, nil), 401, "missing-token")
	f.refused(f.as("", "POST", "/groups", url.Values{"access_token": {f.token}}.Encode(), "Content-Type", "application/x-www-form-urlencoded"), 401, "missing-token")
	f.refused(f.as("", "GET", "/people", nil, "Authorization", "Basic cmVhZGVyOng="), 401, "missing-token")
	// Time and revocation end it at once.
	revoke, _ := http.NewRequest("POST", f.Issuer+"/oauth2/revoke", strings.NewReader(url.Values{"token": {token}}.Encode()))
	revoke.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	revoke.SetBasicAuth(reader.ID, reader.Secret)
	if response, err := f.HTTP.Do(revoke); err != nil || response.StatusCode != 200 {
		t.Fatal(err)
	}
	f.refused(f.as(token, "GET", "/people", nil), 401, "invalid-token")
	token = reader.Token("")
	f.Clock.Add(time.Hour)
	f.refused(f.as(token, "GET", "/people", nil), 401, "invalid-token")
}

func TestSec_AD01_TokensForOtherResourcesAreRefused(t *testing.T) {
	f := start(t)
	c := &oauth.Client{ID: "both", GrantTypes: []string{"client_credentials"}, Scopes: everything(), Resources: []string{"https://other.example/"}}
	secret, err := f.OAuth.Clients().Create(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	m := f.Machine("only", "idp.people.read")
	f.want(f.as(m.Token("", "resource", f.Issuer+"/api/v1"), "GET", "/people", nil), 200)
	m.ID, m.Secret = "both", secret
	f.refused(f.as(m.Token("", "resource", "https://other.example/"), "GET", "/people", nil), 401, "invalid-token")
	both := m.Token("", "resource", "https://other.example/", "resource", f.Issuer+"/api/v1")
	f.want(f.as(both, "GET", "/people", nil), 200)
	// A token for the API is none for the userinfo endpoint's resource.
	app := f.app()
	admin := f.somebody(app, "root", account.Administrator)
	token := admin.token(oauth2.SetAuthURLParam("resource", f.Issuer+"/api/v1"))
	f.want(f.as(token, "GET", "/people", nil), 200)
	f.want(f.as(token, "GET", f.Issuer+"/oauth2/userinfo", nil), 401)
}

func TestSec_AD01_PeopleNeedTwoFactorsAndALivingSession(t *testing.T) {
	f := start(t)
	app := f.app()
	p := f.somebody(app, "root", account.Administrator)
	f.want(f.as(p.token(), "GET", "/people", nil), 200)

	weak := p.weak()
	for method, path := range map[string]string{"GET": "/people", "POST": "/people/" + p.Subject + "/enable", "DELETE": "/people/x"} {
		a := f.refused(f.as(weak, method, path, nil), 401, "insufficient-authentication")
		challenge := a.header.Get("WWW-Authenticate")
		if !strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, `acr_values="aal2"`) ||
			!strings.Contains(challenge, `max_age="43200"`) {
			t.Error(challenge)
		}
	}
	f.want(f.as(weak, "GET", "/openapi.json", nil), 200)

	// The step-up that it asks for gives a token that is good.
	f.Clock.Add(time.Minute)
	strong := p.tokens(oauth2.SetAuthURLParam("acr_values", "aal2"))
	f.want(f.as(strong.AccessToken, "GET", "/people", nil), 200)

	// What offline_access gave outlives the session, and does not administer any more.
	refresh := func() string {
		t.Helper()
		token, err := app.TokenSource(t.Context(), &oauth2.Token{RefreshToken: strong.RefreshToken}).Token()
		if err != nil {
			t.Fatal(err)
		}
		strong.RefreshToken = token.RefreshToken
		return token.AccessToken
	}
	f.want(f.as(refresh(), "GET", "/people", nil), 200)
	f.Clock.Add(13 * time.Hour)
	f.refused(f.as(refresh(), "GET", "/people", nil), 401, "insufficient-authentication")
	if err := f.Actions().EndSessions(t.Context(), p.Subject); err != nil {
		t.Fatal(err)
	}
	f.refused(f.as(refresh(), "GET", "/people", nil), 401, "insufficient-authentication")
}

func TestSec_AD01_ARoleThatIsTakenAwayIsGoneAtOnce(t *testing.T) {
	f := start(t)
	app := f.app()
	f.AddUser("other", staff(account.Administrator))
	p := f.somebody(app, "root", account.Administrator)
	token := p.token()
	f.want(f.as(token, "GET", "/people", nil), 200)
	if err := f.Accounts.SetRole(t.Context(), p.Subject, ""); err != nil {
		t.Fatal(err)
	}
	f.refused(f.as(token, "GET", "/people", nil), 403, "forbidden")
	// And nobody without a role gives these scopes to an app.
	q := app.AuthCodeURL("s")
	page := p.browser.Get(q)
	exchanged, err := app.Exchange(t.Context(), page.URL.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	if scope, _ := exchanged.Extra("scope").(string); strings.Contains(scope, "idp.") || !strings.Contains(scope, "openid") {
		t.Errorf("scope %q", scope)
	}
	page = p.browser.Get(app.AuthCodeURL("s", oauth2.SetAuthURLParam("scope", "idp.people.read")))
	if page.URL.Query().Get("error") != "access_denied" {
		t.Errorf("%s", page.URL)
	}
}

// Whoever administers nothing fills no trail with refusals, whatever tokens they have; those of others stand there each.
func TestSec_AD01_RefusalsOfStrangersAreNoRows(t *testing.T) {
	f := start(t)
	app := f.app()
	narrow := oauth2.SetAuthURLParam("scope", "openid")
	person, auditor := f.somebody(app, "alice", "").token(narrow), f.somebody(app, "ada", account.Auditor).token(narrow)
	for _, c := range []struct {
		name, token string
		rows        int
	}{
		{"a person", person, 0}, {"a program for something else", f.Machine("other", "read").Token(""), 0},
		{"an auditor", auditor, 20}, {"a program that administers", f.Machine("groups", "idp.people.read").Token(""), 20},
	} {
		before := f.refusals()
		for range 20 {
			f.refused(f.as(c.token, "GET", "/audit", nil), 403, "insufficient-scope")
		}
		if rows := f.refusals() - before; rows != c.rows {
			t.Errorf("%s: %d rows instead of %d", c.name, rows, c.rows)
		}
	}
}

// refusals returns how many stand in the trail.
func (f *fixture) refusals() int {
	f.T.Helper()
	entries, err := f.Audit.List(f.T.Context(), audit.Filter{Action: admin.EventRefused, Limit: 500})
	if err != nil {
		f.T.Fatal(err)
	}
	return len(entries)
}

func TestSec_AD01_BoundTokensNeedTheirProof(t *testing.T) {
	f := start(t)
	c := &oauth.Client{ID: "bound", GrantTypes: []string{"client_credentials"}, Scopes: []string{"idp.people.read"}}
	secret, err := f.OAuth.Clients().Create(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	key := newProver(t, f)
	token := key.token("bound", secret)
	f.refused(f.as(token, "GET", "/people", nil), 401, "invalid-token")
	f.refused(f.as("", "GET", "/people", nil, "Authorization", "DPoP "+token), 401, "invalid-token")
	proof := key.proof("GET", f.Issuer+"/api/v1/people", token)
	f.want(f.as("", "GET", "/people", nil, "Authorization", "DPoP "+token, "DPoP", proof), 200)
	f.refused(f.as("", "GET", "/people", nil, "Authorization", "DPoP "+token, "DPoP", proof), 401, "invalid-token") // used
	elsewhere := key.proof("GET", f.Issuer+"/api/v1/groups", token)
	f.refused(f.as("", "GET", "/people", nil, "Authorization", "DPoP "+token, "DPoP", elsewhere), 401, "invalid-token")
	other := newProver(t, f).proof("GET", f.Issuer+"/api/v1/people", token)
	f.refused(f.as("", "GET", "/people", nil, "Authorization", "DPoP "+token, "DPoP", other), 401, "invalid-token")
}

func TestSec_AD01_NobodyRegistersForTheseScopes(t *testing.T) {
	f := start(t, func(c *idpConfig) { c.DynamicRegistration = true })
	initial, err := f.OAuth.Clients().NewRegistrationToken(t.Context(), time.Hour, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range everything() {
		a := f.as(initial, "POST", f.Issuer+"/oauth2/register", object{"redirect_uris": []string{"https://a.example/"}, "scope": "openid " + scope})
		if a.status != 400 || !strings.Contains(a.body, "invalid_client_metadata") {
			t.Errorf("%s: %d %s", scope, a.status, a.body)
		}
	}
	discovery := f.as("", "GET", f.Issuer+"/.well-known/openid-configuration", nil)
	for _, scope := range everything() {
		if !strings.Contains(discovery.body, `"`+scope+`"`) {
			t.Errorf("discovery does not name %s", scope)
		}
	}
}

func TestCookiesOpenTheDescriptionAlone(t *testing.T) {
	f := start(t)
	app := f.app()
	admin, plain := f.somebody(app, "root", account.Administrator), f.somebody(app, "alice", "")
	for path, want := range map[string][2]int{"/openapi.json": {200, 401}, "/docs": {200, 401}, "/people": {401, 401}, "/policy": {401, 401}} {
		for i, p := range []*somebody{admin, plain} {
			page := p.browser.Get("/api/v1" + path)
			if page.Status != want[i] || len(page.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s as %s: %d, %v", path, p.Username, page.Status, page.Header)
			}
			if allowed := page.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
				t.Errorf("%s: other origins: %s", path, allowed)
			}
		}
	}
	page := admin.browser.Get("/api/v1/docs")
	if policy := page.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || page.Has("script, link[rel=stylesheet], img, iframe") {
		t.Errorf("%s", policy)
	}
	if !page.Has("#listPeople") || !page.Has("#thing-Person") {
		t.Error("the page lists nothing")
	}
	f.want(f.call("GET", "/openapi.json", nil), 200)
	f.refused(f.as(f.Machine("other", "read").Token(""), "GET", "/openapi.json", nil), 403, "forbidden")
	f.refused(f.as("", "GET", "/docs", nil), 401, "missing-token")
}

func TestTheResourceDescribesItself(t *testing.T) {
	f := start(t)
	a := f.want(f.as("", "GET", f.Issuer+"/.well-known/oauth-protected-resource/api/v1", nil), 200)
	if a.get(t, "resource") != f.Issuer+"/api/v1" {
		t.Errorf("%s", a.body)
	}
}

func TestOpaqueTokensEndWithTheirClient(t *testing.T) {
	f := start(t)
	c := &oauth.Client{ID: "opaque", GrantTypes: []string{"client_credentials"}, Scopes: []string{"idp.people.read"}, AccessToken: "opaque"}
	secret, err := f.OAuth.Clients().Create(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	m := f.Machine("other", "idp.people.read")
	m.ID, m.Secret = "opaque", secret
	token := m.Token("", "resource", f.Issuer+"/api/v1")
	if strings.Contains(token, ".") {
		t.Fatal("no opaque token")
	}
	f.want(f.as(token, "GET", "/people", nil), 200)
	f.want(f.call("POST", "/clients/opaque/disable", nil, "If-Match", versionOf(f, "/clients/opaque")), 204)
	f.refused(f.as(token, "GET", "/people", nil), 401, "invalid-token")
	f.want(f.call("POST", "/clients/opaque/enable", nil, "If-Match", versionOf(f, "/clients/opaque")), 204)
	f.want(f.as(token, "GET", "/people", nil), 200)
	// A scope that is taken away is gone at once too.
	client, err := f.OAuth.Clients().Get(t.Context(), "opaque")
	if err != nil {
		t.Fatal(err)
	}
	less := *client
	less.Scopes = []string{"read"}
	if err := f.OAuth.Clients().Update(t.Context(), &less); err != nil {
		t.Fatal(err)
	}
	f.refused(f.as(token, "GET", "/people", nil), 401, "invalid-token")
}
