package conformance

import (
	"crypto"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v3"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

const (
	second = callback + "?dummy1=lorem&dummy2=ipsum" // the second client's redirect URI
	pushed = "urn:ietf:params:oauth:request_uri:"
)

// fapi is the provider with two clients that hold to the FAPI 2 Security Profile: private_key_jwt, PAR, PKCE and DPoP.
type fapi struct {
	*provider
	keys  map[string]crypto.Signer // of the clients' assertions
	proof crypto.Signer            // of the tokens
}

func openFAPI(t *testing.T) *fapi {
	f := &fapi{provider: open(t, ""), keys: map[string]crypto.Signer{}, proof: newKey(t, "ES256")}
	for id, uri := range map[string]string{"conf-fapi-1": callback, "conf-fapi-2": second} {
		key := newKey(t, "ES256")
		f.keys[id] = key
		set := public(t, key, "ES256")
		f.client(id, func(c *oauth.Client) {
			c.AuthMethod, c.AuthAlg, c.IDTokenAlg = "private_key_jwt", "ES256", "ES256"
			c.RequirePAR, c.DPoPBound, c.RequirePKCE, c.RedirectURIs = true, true, true, []string{uri}
			c.JWKS = older(t, set)
		})
	}
	return f
}

// older returns the set as the version of the JOSE library knows it that clients are described with.
func older(t testing.TB, set any) *jose.JSONWebKeySet {
	t.Helper()
	out := new(jose.JSONWebKeySet)
	remarshal(t, set, out)
	return out
}

// at returns f for one module.
func (f *fapi) at(p *provider) *fapi {
	return &fapi{provider: p, keys: f.keys, proof: f.proof}
}

// params returns an authorization request of a client.
func (f *fapi) params(client string, pairs ...string) url.Values {
	uri := callback
	if client == "conf-fapi-2" {
		uri = second
	}
	v := with(f.request(client), "redirect_uri", uri, "code_challenge", challenge(verifier), "code_challenge_method", "S256")
	return with(v, pairs...)
}

// push pushes a request, with a fresh assertion.
func (f *fapi) push(client string, v url.Values, headers ...string) reply {
	f.t.Helper()
	return f.form("/oauth2/par", asserted(v, f.assertion(client, f.keys[client], "ES256")), headers...)
}

// pushedURI pushes a request that must be taken, and returns its request_uri.
func (f *fapi) pushedURI(client string, v url.Values, headers ...string) string {
	f.t.Helper()
	got := f.push(client, v, headers...)
	if n, _ := got.body["expires_in"].(float64); got.status != 201 || !strings.HasPrefix(got.str("request_uri"), pushed) || n < 5 || n > 365*24*3600 {
		f.t.Fatalf("pushed: %d %s", got.status, got.text)
	}
	f.entropy(got.str("request_uri"))
	return got.str("request_uri")
}

// sees opens the authorization endpoint as a FAPI client sends the browser there.
func (f *fapi) sees(b *idptest.Browser, client, uri string, pairs ...string) *idptest.Page {
	f.t.Helper()
	return f.visit(b, with(url.Values{"client_id": {client}, "request_uri": {uri}}, pairs...))
}

// grant takes a pushed request through the sign-in and returns its code.
func (f *fapi) grant(b *idptest.Browser, client string, v url.Values, headers ...string) string {
	f.t.Helper()
	return f.code(v, f.sees(b, client, f.pushedURI(client, v, headers...)))
}

// redeem sends a code to the token endpoint with a fresh assertion and a proof by f.proof; pairs change the form.
func (f *fapi) redeem(client, code string, pairs ...string) reply {
	f.t.Helper()
	form := tokenRequest(code, "code_verifier", verifier)
	if client == "conf-fapi-2" {
		form.Set("redirect_uri", second)
	}
	return f.ask(client, with(form, pairs...), f.proofFor(f.proof, "ES256", "POST", "/oauth2/token", ""))
}

// ask sends a form to the token endpoint with a fresh assertion and a proof; nil: none.
func (f *fapi) ask(client string, form url.Values, with *proof) reply {
	f.t.Helper()
	form = asserted(form, f.assertion(client, f.keys[client], "ES256"))
	if with == nil {
		return f.form("/oauth2/token", form)
	}
	return f.form("/oauth2/token", form, "DPoP", with.sign(f.t))
}

// whole runs the flow of a client and returns the token response.
func (f *fapi) whole(b *idptest.Browser, client string, pairs ...string) reply {
	f.t.Helper()
	v := f.params(client, pairs...)
	got := f.good(f.redeem(client, f.grant(b, client, v)))
	if got.str("token_type") != "DPoP" {
		f.t.Errorf("token_type: %s", got.text)
	}
	claims := f.idToken(client, got.str("id_token"), "ES256")
	if nonce, _ := claims["nonce"].(string); nonce != v.Get("nonce") {
		f.t.Errorf("nonce is %q, want %q", nonce, v.Get("nonce"))
	}
	f.same(f.resource(got.str("access_token"), "DPoP", f.proofFor(f.proof, "ES256", "GET", "/oauth2/userinfo", got.str("access_token"))), claims["sub"])
	return got
}

// resource asks for userinfo with a token under a scheme and proofs.
func (f *fapi) resource(token, scheme string, proofs ...*proof) reply {
	f.t.Helper()
	r, _ := http.NewRequest(http.MethodGet, f.Issuer+"/oauth2/userinfo", nil)
	r.Header.Set("Authorization", scheme+" "+token)
	for _, one := range proofs {
		r.Header.Add("DPoP", one.sign(f.t))
	}
	return f.send(r)
}

// turned checks that a pushed request is refused.
func (f *fapi) turned(got reply, codes ...string) {
	f.t.Helper()
	if got.status < 400 || got.status > 499 || !slices.Contains(codes, got.str("error")) {
		f.t.Errorf("the answer is %d %s, want an error of %v", got.status, got.text, codes)
	}
}

// TestPlanFAPI2 is fapi2-security-profile-final-test-plan for private_key_jwt, DPoP, unsigned requests and plain responses.
// What it demands of TLS is tested where the listener is: see cmd/idp.
func TestPlanFAPI2(t *testing.T) {
	t.Parallel()
	f := openFAPI(t)
	var modules []module
	for name, run := range f.modules() {
		modules = append(modules, module{"fapi2-security-profile-final-" + name, func(p *provider, b *idptest.Browser) { run(f.at(p), b) }})
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.name, b.name) })
	if len(modules) != 56 {
		t.Errorf("%d modules, want 56", len(modules))
	}
	f.plan(t, modules)
}

type fapiModule = func(f *fapi, b *idptest.Browser)

func (f *fapi) modules() map[string]fapiModule {
	out := map[string]fapiModule{}
	for _, group := range []map[string]fapiModule{fapiFlows(), fapiRequests(), fapiPushed(), fapiCodes(), fapiAssertions(), fapiProofs()} {
		for name, run := range group {
			out[name] = run
		}
	}
	return out
}

func fapiFlows() map[string]fapiModule {
	flow := func(pairs ...string) fapiModule {
		return func(f *fapi, b *idptest.Browser) { f.whole(b, "conf-fapi-1", pairs...) }
	}
	return map[string]fapiModule{
		"discovery-end-point-verification": func(f *fapi, _ *idptest.Browser) {
			d := f.discovery()
			if d["authorization_response_iss_parameter_supported"] != true || d["pushed_authorization_request_endpoint"] != f.Issuer+"/oauth2/par" {
				f.t.Errorf("discovery: %v", d)
			}
			if _, ok := d["require_pushed_authorization_requests"].(bool); !ok {
				f.t.Errorf("require_pushed_authorization_requests: %v", d["require_pushed_authorization_requests"])
			}
			strong := []string{"PS256", "ES256", "EdDSA", "Ed25519"}
			for _, name := range []string{"dpop", "id_token", "token_endpoint_auth", "userinfo"} {
				list := set(d[name+"_signing_alg_values_supported"])
				if !slices.ContainsFunc(list, func(alg string) bool { return slices.Contains(strong, alg) }) {
					f.t.Errorf("%s: %v", name, list)
				}
			}
			if !slices.Contains(set(d["token_endpoint_auth_methods_supported"]), "private_key_jwt") ||
				!slices.Contains(set(d["code_challenge_methods_supported"]), "S256") {
				f.t.Errorf("discovery: %v", d)
			}
		},
		"happy-flow": func(f *fapi, b *idptest.Browser) {
			f.whole(b, "conf-fapi-1")
			f.whole(b, "conf-fapi-2", "dpop_jkt", thumbprint(f.t, f.proof), "nonce", strings.Repeat("n", 43))
		},
		"ensure-authorization-request-without-state-success":      flow("state", ""),
		"ensure-authorization-request-without-nonce-success":      flow("nonce", ""),
		"ensure-authorization-request-with-64-char-nonce-success": flow("nonce", strings.Repeat("0123456789abcdef", 4)),
		"ensure-other-scope-order-succeeds":                       flow("scope", "email openid profile"),
		"ensure-authorization-request-with-long-nonce":            flow("nonce", strings.Repeat("0123456789abcdef", 24)),
		"ensure-authorization-request-with-long-state":            flow("state", strings.Repeat("0123456789abcdef", 24)),
		"test-claims-parameter-identity-claims":                   claimed,
		"access-token-type-header-case-sensitivity":               schemes,
		"refresh-token": refreshing,
		"ensure-different-nonce-inside-and-outside-request-object": outside("nonce", "another-nonce"),
		"ensure-different-state-inside-and-outside-request-object": outside("state", "another-state"),
		"state-only-outside-request-object-not-used": func(f *fapi, b *idptest.Browser) {
			v := f.params("conf-fapi-1", "state", "")
			f.code(v, f.sees(b, "conf-fapi-1", f.pushedURI("conf-fapi-1", v), "state", "outside"))
		},
		"par-without-duplicate-parameters": func(f *fapi, b *idptest.Browser) {
			v := f.params("conf-fapi-1")
			f.good(f.redeem("conf-fapi-1", f.grant(b, "conf-fapi-1", v)))
		},
		"user-rejects-authentication": func(f *fapi, b *idptest.Browser) {
			v := f.params("conf-fapi-1", "prompt", "consent")
			page := b.Get("/oauth2/authorize?" + url.Values{"client_id": {"conf-fapi-1"}, "request_uri": {f.pushedURI("conf-fapi-1", v)}}.Encode())
			page = page.Submit("login-submit", "username", "alice", "password", idptest.Password)
			if page.URL.Path != "/consent" {
				f.t.Fatalf("at %s", page.URL)
			}
			f.refused(v, page.Submit("consent-deny"), "access_denied")
		},
	}
}

// outside sends another value of a parameter beside the request_uri: the pushed one counts.
func outside(name, value string) fapiModule {
	return func(f *fapi, b *idptest.Browser) {
		v := f.params("conf-fapi-1")
		got := f.good(f.redeem("conf-fapi-1", f.code(v, f.sees(b, "conf-fapi-1", f.pushedURI("conf-fapi-1", v), name, value))))
		if claims := f.idToken("conf-fapi-1", got.str("id_token"), "ES256"); claims["nonce"] != v.Get("nonce") {
			f.t.Errorf("nonce: %v", claims["nonce"])
		}
	}
}

func claimed(f *fapi, b *idptest.Browser) {
	got := f.whole(b, "conf-fapi-1", "scope", "openid profile email", "claims", `{"userinfo":{"given_name":null},"id_token":{"auth_time":{"essential":true}}}`)
	info := f.resource(got.str("access_token"), "DPoP", f.proofFor(f.proof, "ES256", "GET", "/oauth2/userinfo", got.str("access_token")))
	if info.body["given_name"] == nil {
		f.t.Errorf("userinfo: %v", info.body)
	}
}

func schemes(f *fapi, b *idptest.Browser) {
	token := f.whole(b, "conf-fapi-1").str("access_token")
	for _, scheme := range []string{"dpop", "DPOP", "DPoP", "dPoP"} {
		if got := f.resource(token, scheme, f.proofFor(f.proof, "ES256", "GET", "/oauth2/userinfo", token)); got.status != 200 {
			f.t.Errorf("%s: %d %s", scheme, got.status, got.text)
		}
	}
}

// refreshing takes a new key with the refresh token, which works again half a minute later.
func refreshing(f *fapi, b *idptest.Browser) {
	got := f.whole(b, "conf-fapi-1", "scope", "openid offline_access", "prompt", "consent")
	form := func() url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.str("refresh_token")}}
	}
	other := newKey(f.t, "ES256")
	proof := func() *proof { return f.proofFor(other, "ES256", "POST", "/oauth2/token", "") }
	f.bad(f.form("/oauth2/token", with(form(), "client_id", "conf-fapi-1"), "DPoP", proof().sign(f.t)), 401, "invalid_client")
	f.turned(f.ask("conf-fapi-2", form(), proof()), "invalid_grant")
	next := f.good(f.ask("conf-fapi-1", form(), proof()))
	token := next.str("access_token")
	if info := f.resource(token, "DPoP", f.proofFor(other, "ES256", "GET", "/oauth2/userinfo", token)); info.status != 200 {
		f.t.Errorf("userinfo with the new key: %d %s", info.status, info.text)
	}
	f.Clock.Add(30 * time.Second)
	f.good(f.ask("conf-fapi-1", form(), proof()))
}

func fapiRequests() map[string]fapiModule {
	pushRefused := func(codes []string, pairs ...string) fapiModule {
		return func(f *fapi, _ *idptest.Browser) {
			f.turned(f.push("conf-fapi-1", f.params("conf-fapi-1", pairs...)), codes...)
		}
	}
	return map[string]fapiModule{
		"ensure-unsigned-authorization-request-without-using-par-fails": func(f *fapi, b *idptest.Browser) {
			v := f.params("conf-fapi-1")
			f.refused(v, f.visit(b, v), "invalid_request")
		},
		"ensure-redirect-uri-in-authorization-request":     pushRefused([]string{"invalid_request"}, "redirect_uri", ""),
		"ensure-request-object-without-redirect-uri-fails": pushRefused([]string{"invalid_request"}, "redirect_uri", ""),
		"plain-fapi-tolerate-unregistered-redirect-uri":    pushRefused([]string{"invalid_request"}, "redirect_uri", rp+"/unregistered"),
		"ensure-response-type-code-idtoken-fails":          pushRefused([]string{"invalid_request", "unsupported_response_type"}, "response_type", "code id_token"),
		"ensure-response-type-token-fails":                 pushRefused([]string{"invalid_request", "unsupported_response_type"}, "response_type", "token"),
		"par-ensure-pkce-required":                         pushRefused([]string{"invalid_request"}, "code_challenge", "", "code_challenge_method", ""),
		"par-plain-pkce-rejected":                          pushRefused([]string{"invalid_request"}, "code_challenge", verifier, "code_challenge_method", "plain"),
		"par-authorization-request-containing-request_uri-form-param": pushRefused(
			[]string{"invalid_request", "request_uri_not_supported"}, "request_uri", pushed+"x"),
	}
}

func fapiPushed() map[string]fapiModule {
	return map[string]fapiModule{
		"par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": func(f *fapi, b *idptest.Browser) {
			v := f.params("conf-fapi-1")
			uri := f.pushedURI("conf-fapi-1", v)
			first := b.Get("/oauth2/authorize?" + url.Values{"client_id": {"conf-fapi-1"}, "request_uri": {uri}}.Encode())
			if first.URL.Path != "/login" {
				f.t.Fatalf("at %s", first.URL)
			}
			f.code(v, f.sees(b, "conf-fapi-1", uri))
		},
		"par-attempt-reuse-request_uri": func(f *fapi, b *idptest.Browser) {
			v := f.params("conf-fapi-1")
			uri := f.pushedURI("conf-fapi-1", v)
			f.code(v, f.sees(b, "conf-fapi-1", uri))
			f.shown(f.sees(b, "conf-fapi-1", uri), "invalid_request_uri")
		},
		"par-attempt-to-use-expired-request_uri": func(f *fapi, b *idptest.Browser) {
			uri := f.pushedURI("conf-fapi-1", f.params("conf-fapi-1"))
			f.Clock.Add(61 * time.Second)
			f.shown(f.sees(b, "conf-fapi-1", uri), "invalid_request_uri")
		},
		"par-attempt-to-use-request_uri-for-different-client": func(f *fapi, b *idptest.Browser) {
			f.shown(f.sees(b, "conf-fapi-2", f.pushedURI("conf-fapi-1", f.params("conf-fapi-1"))), "invalid_request_uri")
		},
		"par-attempt-invalid-http-method": func(f *fapi, _ *idptest.Browser) {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				r, _ := http.NewRequest(method, f.Issuer+"/oauth2/par", nil)
				if got := f.send(r); got.status < 400 {
					f.t.Errorf("%s: %d", method, got.status)
				}
			}
		},
	}
}

func fapiCodes() map[string]fapiModule {
	refused := func(pairs ...string) fapiModule {
		return func(f *fapi, b *idptest.Browser) {
			f.bad(f.redeem("conf-fapi-1", f.grant(b, "conf-fapi-1", f.params("conf-fapi-1")), pairs...), 400, "invalid_grant")
		}
	}
	return map[string]fapiModule{
		"ensure-pkce-code-verifier-required":    refused("code_verifier", ""),
		"incorrect-pkce-code-verifier-rejected": refused("code_verifier", verifier+"x"),
		"ensure-client-id-in-token-endpoint": func(f *fapi, b *idptest.Browser) {
			got := f.redeem("conf-fapi-1", f.grant(b, "conf-fapi-1", f.params("conf-fapi-1")), "client_id", "conf-fapi-2")
			f.turned(got, "invalid_client", "invalid_grant")
		},
		"ensure-holder-of-key-required": func(f *fapi, b *idptest.Browser) {
			code := f.grant(b, "conf-fapi-1", f.params("conf-fapi-1"))
			f.bad(f.ask("conf-fapi-1", tokenRequest(code, "code_verifier", verifier), nil), 400, "invalid_request", "invalid_dpop_proof")
		},
		"ensure-authorization-code-is-bound-to-client": func(f *fapi, b *idptest.Browser) {
			code := f.grant(b, "conf-fapi-1", f.params("conf-fapi-1"))
			f.turned(f.redeem("conf-fapi-2", code, "redirect_uri", callback), "invalid_grant")
		},
		"attempt-reuse-authorization-code-after-one-second": func(f *fapi, b *idptest.Browser) {
			code := f.grant(b, "conf-fapi-1", f.params("conf-fapi-1"))
			token := f.good(f.redeem("conf-fapi-1", code)).str("access_token")
			f.Clock.Add(time.Second)
			f.bad(f.redeem("conf-fapi-1", code), 400, "invalid_grant")
			if got := f.resource(token, "DPoP", f.proofFor(f.proof, "ES256", "GET", "/oauth2/userinfo", token)); got.status != 401 {
				f.t.Errorf("the token of the first use lives: %d", got.status)
			}
		},
		"ensure-token-endpoint-fails-with-expired-auth-code": func(f *fapi, b *idptest.Browser) {
			code := f.grant(b, "conf-fapi-1", f.params("conf-fapi-1"))
			f.Clock.Add(62 * time.Second)
			f.bad(f.redeem("conf-fapi-1", code), 400, "invalid_grant")
		},
	}
}

func fapiAssertions() map[string]fapiModule {
	claim := func(name string, value func(f *fapi) any) func(f *fapi) string {
		return func(f *fapi) string {
			return f.assertion("conf-fapi-1", f.keys["conf-fapi-1"], "ES256", func(c map[string]any) {
				if c[name] = value(f); c[name] == nil {
					delete(c, name)
				}
			})
		}
	}
	in := func(d time.Duration) func(f *fapi) any {
		return func(f *fapi) any { return f.Clock.Now().Add(d).Unix() }
	}
	atToken := func(assertion func(f *fapi) string) fapiModule {
		return func(f *fapi, b *idptest.Browser) {
			form := tokenRequest(f.grant(b, "conf-fapi-1", f.params("conf-fapi-1")), "code_verifier", verifier)
			got := f.form("/oauth2/token", asserted(form, assertion(f)), "DPoP", f.proofFor(f.proof, "ES256", "POST", "/oauth2/token", "").sign(f.t))
			f.turned(got, "invalid_client")
		}
	}
	atPAR := func(status int, assertion func(f *fapi) string) fapiModule {
		return func(f *fapi, _ *idptest.Browser) {
			got := f.form("/oauth2/par", asserted(f.params("conf-fapi-1"), assertion(f)))
			if got.status != status || status == 401 && got.str("error") != "invalid_client" {
				f.t.Errorf("the answer is %d %s, want %d", got.status, got.text, status)
			}
		}
	}
	at := func(path string) func(*fapi) any { return func(f *fapi) any { return f.Issuer + path } }
	return map[string]fapiModule{
		"ensure-signed-client-assertion-with-RS256-fails": func(f *fapi, _ *idptest.Browser) {
			key := newKey(f.t, "RS256")
			f.client("conf-rs256", func(c *oauth.Client) {
				c.AuthMethod, c.AuthAlg, c.RequirePAR, c.DPoPBound = "private_key_jwt", "ES256", true, true
				keys := public(f.t, key, "RS256")
				keys.Keys = append(keys.Keys, public(f.t, newKey(f.t, "ES256"), "ES256").Keys...)
				c.JWKS = older(f.t, keys)
			})
			got := f.form("/oauth2/par", asserted(f.params("conf-rs256"), f.assertion("conf-rs256", key, "RS256")))
			f.turned(got, "invalid_client")
		},
		"ensure-client-assertion-in-token-endpoint": func(f *fapi, b *idptest.Browser) {
			form := tokenRequest(f.grant(b, "conf-fapi-1", f.params("conf-fapi-1")), "code_verifier", verifier, "client_id", "conf-fapi-1")
			got := f.form("/oauth2/token", form, "DPoP", f.proofFor(f.proof, "ES256", "POST", "/oauth2/token", "").sign(f.t))
			f.turned(got, "invalid_client", "invalid_request")
		},
		"ensure-client-assertion-with-exp-is-5-minutes-in-past-fails": atToken(claim("exp", in(-5*time.Minute))),
		"ensure-client-assertion-with-wrong-aud-fails":                atToken(claim("aud", func(*fapi) any { return "https://other.example" })),
		"ensure-client-assertion-with-no-sub-fails":                   atToken(claim("sub", func(*fapi) any { return nil })),
		"par-test-array-as-audience-fails":                            atPAR(401, claim("aud", func(f *fapi) any { return []string{f.Issuer, "https://other.example"} })),
		"par-test-par-endpoint-url-as-audience-fails":                 atPAR(401, claim("aud", at("/oauth2/par"))),
		"par-test-token-endpoint-url-as-audience-fails":               atPAR(401, claim("aud", at("/oauth2/token"))),
		"par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted": atPAR(201,
			claim("nbf", in(8*time.Second))),
		"par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails": atPAR(401,
			claim("nbf", in(65*time.Second))),
	}
}
