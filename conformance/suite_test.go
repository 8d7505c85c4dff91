// Package conformance holds what the OpenID Foundation's conformance plans demand of a provider, as tests of ours: one
// function per plan, one subtest per module, named as there. They speak HTTPS to the whole provider and know nothing else
// of it; a browser of a few lines finds its way by the paths of the pages, as the official suite's browser does.
package conformance

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

const (
	rp       = "https://rp.example"
	callback = rp + "/callback"
	farewell = rp + "/post_logout_redirect"
	verifier = "the-verifier-of-these-tests-is-long-enough-to-pass"
)

// profileClaims are those of the scope profile; the test person has them all.
var profileClaims = []string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
	"gender", "birthdate", "zoneinfo", "locale", "updated_at",
}

// provider is the provider under test, with alice and the clients that the plans need.
type provider struct {
	*idptest.Server
	t       testing.TB
	mode    string // the response_mode that is asked for; "" leaves it out
	oidc    *oidc.Provider
	clients map[string]*relying // by the names that the modules use
}

// relying is a registered client.
type relying struct {
	id, secret, method string
	key                crypto.Signer // of private_key_jwt, ES256
}

func open(t testing.TB, mode string, edit ...func(*idp.Config)) *provider {
	t.Helper()
	p := &provider{Server: idptest.StartTLS(t, edit...), t: t, mode: mode, clients: map[string]*relying{}}
	p.AddUser("alice", func(a *account.NewAccount) {
		a.Name = "Alice Example"
		a.Profile = map[string]any{
			"given_name": "Alice", "family_name": "Example", "middle_name": "Ada", "nickname": "Al",
			"profile": "https://example.com/alice", "picture": "https://example.com/alice.png", "website": "https://alice.example",
			"gender": "female", "birthdate": "1990-05-06", "zoneinfo": "Europe/Berlin", "locale": "en-GB",
			"address": map[string]any{"formatted": "1 Canal Walk\nBerlin", "country": "DE"}, "phone_number": "+49 30 123456",
		}
	})
	var err error
	if p.oidc, err = oidc.NewProvider(oidc.ClientContext(t.Context(), p.HTTP), p.Issuer); err != nil {
		t.Fatal(err)
	}
	for id, edit := range map[string]func(*oauth.Client){
		"conf-basic": nil, "conf-basic-2": nil, "conf-post": func(c *oauth.Client) { c.AuthMethod = "client_secret_post" },
	} {
		p.client(id, edit)
	}
	return p
}

// client registers a client as the plans describe theirs; edit may change it.
func (p *provider) client(id string, edit func(*oauth.Client)) {
	p.t.Helper()
	c := oauth.Client{
		ID: id, Name: "App " + id, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{farewell}, Consent: "ask",
		Scopes: []string{"openid", "profile", "email", "address", "phone", "offline_access"},
	}
	if edit != nil {
		edit(&c)
	}
	added := p.AddClient(c)
	p.clients[id] = &relying{id: id, secret: added.ClientSecret, method: added.AuthMethod}
}

// request returns the parameters of an authorization request of a client; pairs change them, "" leaves one out.
func (p *provider) request(client string, pairs ...string) url.Values {
	v := url.Values{
		"client_id": {p.clients[client].id}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"},
		"state": {"state-" + strings.Repeat("-._~", 32)}, "nonce": {"nonce-1"},
	}
	if p.mode != "" {
		v.Set("response_mode", p.mode)
	}
	return with(v, pairs...)
}

func with(v url.Values, pairs ...string) url.Values {
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Del(pairs[i])
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// visit opens the authorization endpoint and, when the provider asks, signs alice in and consents, until the browser
// leaves for a redirect URI or a page remains that is neither.
func (p *provider) visit(b *idptest.Browser, v url.Values) *idptest.Page {
	p.t.Helper()
	return p.walk(b.Get("/oauth2/authorize?" + v.Encode()))
}

// walk goes on from page as the suite's browser does.
func (p *provider) walk(page *idptest.Page) *idptest.Page {
	p.t.Helper()
	for range 6 {
		switch page.URL.Path {
		case "/login":
			pairs := []string{"password", idptest.Password}
			if page.Has("input#username:not([type=hidden])") {
				pairs = append(pairs, "username", "alice")
			}
			page = page.Submit("login-submit", pairs...)
		case "/consent":
			page = page.Submit("consent-allow")
		default:
			return page
		}
	}
	return page
}

// answer returns what came back to the redirect URI, as the mode of the plan wants it, and checks that it holds nothing
// else than it may.
func (p *provider) answer(page *idptest.Page) url.Values {
	p.t.Helper()
	var got url.Values
	if p.mode == "form_post" {
		form := cascadia.Query(page.Doc, cascadia.MustCompile(`form[method=post][action^="`+rp+`"]`))
		if page.Status != 200 || form == nil || !strings.Contains(page.Body, "document.forms[0].submit()") {
			p.t.Fatalf("no form_post document at %s: %d %s", page.URL, page.Status, page.Body)
		}
		got = url.Values{}
		for _, input := range cascadia.QueryAll(form, cascadia.MustCompile("input[type=hidden]")) {
			var name, value string
			for _, a := range input.Attr {
				switch a.Key {
				case "name":
					name = a.Val
				case "value":
					value = a.Val
				}
			}
			got.Add(name, value)
		}
	} else {
		if !strings.HasPrefix(page.URL.String(), rp) {
			p.t.Fatalf("still at the provider: %s: %d %s", page.URL, page.Status, page.Body)
		}
		got = page.URL.Query()
	}
	allowed := []string{"code", "state", "iss"}
	if got.Has("error") {
		allowed = []string{"error", "error_description", "error_uri", "state", "iss"}
		for _, name := range []string{"error", "error_description"} {
			if !regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`).MatchString(got.Get(name)) {
				p.t.Errorf("%s holds other characters than it may: %q", name, got.Get(name))
			}
		}
	}
	for name, values := range got {
		if !slices.Contains(allowed, name) && name != "bar" && name != "dummy1" && name != "dummy2" || len(values) != 1 {
			p.t.Errorf("unexpected in the response: %s=%q", name, values)
		}
	}
	if got.Get("iss") != p.Issuer {
		p.t.Errorf("iss is %q, want %q", got.Get("iss"), p.Issuer)
	}
	return got
}

// code returns the code of a successful answer to v and checks state and entropy.
func (p *provider) code(v url.Values, page *idptest.Page) string {
	p.t.Helper()
	got := p.answer(page)
	if got.Get("error") != "" || got.Get("code") == "" {
		p.t.Fatalf("no code: %v", got)
	}
	if got.Get("state") != v.Get("state") || got.Has("state") != v.Has("state") {
		p.t.Errorf("state is %q, want %q", got.Get("state"), v.Get("state"))
	}
	p.entropy(got.Get("code"))
	return got.Get("code")
}

// refused checks that the client was told one of the errors.
func (p *provider) refused(v url.Values, page *idptest.Page, codes ...string) {
	p.t.Helper()
	got := p.answer(page)
	if !slices.Contains(codes, got.Get("error")) || got.Has("code") {
		p.t.Errorf("the answer is %v, want an error of %v", got, codes)
	}
	if got.Get("state") != v.Get("state") {
		p.t.Errorf("state is %q, want %q", got.Get("state"), v.Get("state"))
	}
}

// shown checks that a person sees an error page of the provider that names the parameter.
func (p *provider) shown(page *idptest.Page, parameter string) {
	p.t.Helper()
	if page.URL.Host != strings.TrimPrefix(p.Issuer, "https://") || page.Status < 400 ||
		!strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		p.t.Fatalf("no error page: %d %s", page.Status, page.URL)
	}
	if !strings.Contains(page.Text("body"), parameter) {
		p.t.Errorf("the page does not say %s: %s", parameter, page.Text("main"))
	}
}

// entropy checks that a secret has more than 96 bits of Shannon entropy, and only characters that it may have.
func (p *provider) entropy(secret string) {
	p.t.Helper()
	counts := map[rune]float64{}
	for _, r := range secret {
		counts[r]++
		if r < 0x20 || r > 0x7E {
			p.t.Errorf("a character of %q", secret)
		}
	}
	sum := 0.0
	for _, n := range counts {
		sum -= n * math.Log2(n/float64(len(secret)))
	}
	if sum <= 96 {
		p.t.Errorf("%d bits of entropy", int(sum))
	}
}

// reply is an answer to a program.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

// tokenRequest returns the form that redeems a code.
func tokenRequest(code string, pairs ...string) url.Values {
	return with(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}}, pairs...)
}

// post sends a form to an endpoint; auth is the client that authenticates by its method, "" for none.
func (p *provider) post(path string, form url.Values, auth string) reply {
	p.t.Helper()
	c := p.clients[auth]
	if c == nil {
		return p.form(path, form)
	}
	form = maps.Clone(form)
	switch c.method {
	case "client_secret_post":
		return p.form(path, with(form, "client_id", c.id, "client_secret", c.secret))
	case "private_key_jwt":
		return p.form(path, asserted(form, p.assertion(c.id, c.key, "ES256")))
	}
	pair := url.QueryEscape(c.id) + ":" + url.QueryEscape(c.secret) // RFC 6749 section 2.3.1
	return p.form(path, form, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
}

func (p *provider) send(r *http.Request) reply {
	p.t.Helper()
	response, err := p.HTTP.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	out := reply{status: response.StatusCode, header: response.Header, text: string(text)}
	if strings.HasPrefix(out.header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &out.body); err != nil {
			p.t.Fatalf("%s: %s", err, text)
		}
	}
	return out
}

// tokens redeems a code and checks the answer as every module does.
func (p *provider) tokens(client, code string, pairs ...string) reply {
	p.t.Helper()
	return p.good(p.post("/oauth2/token", tokenRequest(code, pairs...), client))
}

// good checks a successful token response.
func (p *provider) good(got reply) reply {
	p.t.Helper()
	if got.status != 200 || got.body == nil {
		p.t.Fatalf("no tokens: %d %s", got.status, got.text)
	}
	if !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
		p.t.Errorf("Cache-Control: %s", got.header.Get("Cache-Control"))
	}
	if n, ok := got.body["expires_in"].(float64); !ok || n <= 0 || n > 365*24*3600 {
		p.t.Errorf("expires_in: %v", got.body["expires_in"])
	}
	p.entropy(got.str("access_token"))
	if got.body["refresh_token"] != nil {
		p.entropy(got.str("refresh_token"))
	}
	return got
}

func (r reply) str(name string) string {
	text, _ := r.body[name].(string)
	return text
}

// bad checks an error of a program's endpoint.
func (p *provider) bad(got reply, status int, codes ...string) {
	p.t.Helper()
	if got.status != status || !slices.Contains(codes, got.str("error")) {
		p.t.Errorf("the answer is %d %s, want %d %v", got.status, got.text, status, codes)
	}
}

// idToken verifies an ID token as every module does and returns its claims.
func (p *provider) idToken(client, raw, alg string) map[string]any {
	p.t.Helper()
	ctx := oidc.ClientContext(p.t.Context(), p.HTTP)
	verifier := p.oidc.VerifierContext(ctx, &oidc.Config{ClientID: p.clients[client].id, Now: p.Clock.Now, SupportedSigningAlgs: []string{alg}})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		p.t.Fatal(err)
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		p.t.Fatal(err)
	}
	known := strings.Fields("iss sub aud exp iat nbf jti auth_time nonce acr amr azp at_hash c_hash s_hash sid txn")
	for name := range claims {
		if !slices.Contains(known, name) {
			p.t.Errorf("the ID token holds %s, which nobody asked for", name)
		}
	}
	now := p.Clock.Now()
	if iat := token.IssuedAt; iat.Before(now.Add(-5*time.Minute)) || iat.After(now.Add(5*time.Minute)) {
		p.t.Errorf("iat: %v", iat)
	}
	if at := authTime(claims); at.After(now) || at.Before(now.Add(-365*24*time.Hour)) {
		p.t.Errorf("auth_time: %v", claims["auth_time"])
	}
	if acr, _ := claims["acr"].(string); acr == "" {
		p.t.Errorf("acr: %v", claims["acr"])
	}
	if !regexp.MustCompile(`^[\x20-\x7E]{1,255}$`).MatchString(token.Subject) {
		p.t.Errorf("sub: %q", token.Subject)
	}
	return claims
}

func authTime(claims map[string]any) time.Time {
	n, _ := claims["auth_time"].(float64)
	return time.Unix(int64(n), 0)
}

// get returns a request that a program sends.
func (p *provider) get(path string) *http.Request {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.Issuer+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// userinfo asks for the claims by GET with the token in the header.
func (p *provider) userinfo(token string) reply {
	p.t.Helper()
	r := p.get("/oauth2/userinfo")
	r.Header.Set("Authorization", "Bearer "+token)
	return p.send(r)
}

// same checks a userinfo answer: 200, JSON, dated, the subject of the ID token.
func (p *provider) same(got reply, subject any) map[string]any {
	p.t.Helper()
	if got.status != 200 || got.body == nil || got.body["sub"] != subject || got.header.Get("Date") == "" {
		p.t.Fatalf("userinfo: %d %s, want sub %v", got.status, got.text, subject)
	}
	for name, value := range got.body {
		if value == "" || value == nil || value == "null" {
			p.t.Errorf("userinfo holds an empty %s", name)
		}
	}
	return got.body
}

// happy runs the whole flow and returns the claims of the ID token and the token response.
func (p *provider) happy(b *idptest.Browser, client string, v url.Values, pairs ...string) (map[string]any, reply) {
	p.t.Helper()
	got := p.tokens(client, p.code(v, p.visit(b, v)), pairs...)
	claims := p.idToken(client, got.str("id_token"), "RS256")
	if claims["nonce"] != nil && claims["nonce"] != v.Get("nonce") || claims["nonce"] == nil && v.Has("nonce") {
		p.t.Errorf("nonce is %v, want %q", claims["nonce"], v.Get("nonce"))
	}
	p.same(p.userinfo(got.str("access_token")), claims["sub"])
	return claims, got
}

// module is one module of a plan. Each begins with an empty browser, as in the official suite.
type module struct {
	name string
	run  func(p *provider, b *idptest.Browser)
}

func (p *provider) plan(t *testing.T, modules []module) {
	for _, m := range modules {
		t.Run(m.name, func(t *testing.T) {
			part := *p
			part.t = t
			b := idptest.NewBrowser(t, p.Issuer)
			b.Transport = p.HTTP.Transport
			m.run(&part, b)
		})
	}
}

// set returns a JSON list of texts.
func set(v any) (out []string) {
	list, _ := v.([]any)
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}
