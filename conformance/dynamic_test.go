package conformance

import (
	"bytes"
	"crypto"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
)

// registrar opens a provider for clients that register themselves, and returns their initial access token.
func registrar(t *testing.T) (*provider, string) {
	t.Helper()
	p := open(t, "", near, func(c *idp.Config) { c.DynamicRegistration = true })
	token, err := p.OAuth.Clients().NewRegistrationToken(t.Context(), 24*time.Hour, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return p, token
}

// registering sends client metadata.
func (p *provider) registering(token string, metadata map[string]any) reply {
	p.t.Helper()
	body, _ := json.Marshal(metadata)
	r, err := http.NewRequest(http.MethodPost, p.Issuer+"/oauth2/register", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	return p.send(r)
}

// metadata is what the suite's clients register.
func metadata(t testing.TB, method string, key crypto.Signer) map[string]any {
	m := map[string]any{
		"client_name": "Conformance", "redirect_uris": []string{callback}, "grant_types": []string{"authorization_code", "refresh_token"},
		"response_types": []string{"code"}, "token_endpoint_auth_method": method, "contacts": []string{"certification@rp.example"},
		"post_logout_redirect_uris": []string{farewell}, "some_unknown_member": true,
	}
	if method == "private_key_jwt" {
		m["jwks"], m["token_endpoint_auth_signing_alg"] = public(t, key, "ES256"), "ES256"
	}
	return m
}

// register registers the client that the modules call name; edit may change its metadata.
func (p *provider) register(name, token, method string, edit func(map[string]any)) reply {
	p.t.Helper()
	key := newKey(p.t, "ES256")
	m := metadata(p.t, method, key)
	if edit != nil {
		edit(m)
	}
	got := p.registering(token, m)
	_, expires := got.body["client_secret_expires_at"].(float64)
	secret, uri := got.str("client_secret"), got.str("registration_client_uri")
	if got.status != 201 || got.str("client_id") == "" || (secret != "") != expires || (secret != "") == (method == "private_key_jwt") ||
		(uri == "") != (got.str("registration_access_token") == "") || uri != "" && !strings.HasPrefix(uri, "https://") {
		p.t.Fatalf("registration: %d %s", got.status, got.text)
	}
	p.clients[name] = &relying{id: got.str("client_id"), secret: secret, method: method, key: key}
	return got
}

// TestPlanDynamic is oidcc-test-plan with dynamic clients, for each way to authenticate that has a secret or a key: the
// modules of the basic plan again, and those of registration.
func TestPlanDynamic(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"client_secret_basic", "client_secret_post", "private_key_jwt"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			p, token := registrar(t)
			var modules []module
			for _, m := range basicModules() {
				modules = append(modules, module{m.name, func(p *provider, b *idptest.Browser) {
					p.register("conf-basic", token, method, nil)
					p.register("conf-basic-2", token, method, nil)
					p.register("conf-post", token, "client_secret_post", nil)
					m.run(p, b)
				}})
			}
			p.plan(t, append(modules, dynamicModules(token, method)...))
		})
	}
}

func dynamicModules(token, method string) []module {
	// refused registers with a change that must be refused.
	refused := func(edit func(map[string]any), codes ...string) func(*provider, *idptest.Browser) {
		return func(p *provider, _ *idptest.Browser) {
			m := metadata(p.t, method, newKey(p.t, "ES256"))
			edit(m)
			p.bad(p.registering(token, m), 400, codes...)
		}
	}
	// query registers a redirect URI with a query and asks for another one.
	query := func(asked string, good bool) func(*provider, *idptest.Browser) {
		return func(p *provider, b *idptest.Browser) {
			p.register("query", token, method, func(m map[string]any) {
				if asked != callback+"?foo=bar" || good {
					m["redirect_uris"] = []string{callback + "?foo=bar"}
				}
			})
			v := p.request("query", "redirect_uri", asked)
			if !good {
				p.shown(b.Get("/oauth2/authorize?"+v.Encode()), "redirect_uri")
				return
			}
			page := p.visit(b, v)
			if page.URL.Query().Get("foo") != "bar" || page.URL.Query().Get("code") == "" {
				p.t.Errorf("the browser is at %s", page.URL)
			}
		}
	}
	// linked registers a link and looks for it on the sign-in page.
	linked := func(member, uri, selector string) func(*provider, *idptest.Browser) {
		return func(p *provider, b *idptest.Browser) {
			p.register("linked", token, method, func(m map[string]any) { m[member] = uri })
			page := b.Get("/oauth2/authorize?" + p.request("linked").Encode())
			if page.URL.Path != "/login" || !page.Has(selector) {
				p.t.Errorf("%s does not show %s: %s", page.URL, member, page.Body)
			}
		}
	}
	return []module{
		{"oidcc-idtoken-rs256", func(p *provider, b *idptest.Browser) {
			p.register("rs256", token, method, func(m map[string]any) { m["id_token_signed_response_alg"] = "RS256" })
			p.happy(b, "rs256", p.request("rs256"))
		}},
		{"oidcc-userinfo-rs256", func(p *provider, b *idptest.Browser) { p.signedUserinfo(b, token, method) }},
		{"oidcc-ensure-redirect-uri-in-authorization-request", func(p *provider, b *idptest.Browser) {
			p.register("two", token, method, func(m map[string]any) { m["redirect_uris"] = []string{callback, callback + "2"} })
			p.shown(b.Get("/oauth2/authorize?"+p.request("two", "redirect_uri", "").Encode()), "redirect_uri")
		}},
		{"oidcc-redirect-uri-query-OK", query(callback+"?foo=bar", true)},
		{"oidcc-redirect-uri-query-mismatch", query(callback+"?bar=foo", false)},
		{"oidcc-redirect-uri-query-added", query(callback+"?foo=bar", false)},
		{"oidcc-redirect-uri-regfrag", refused(func(m map[string]any) { m["redirect_uris"] = []string{callback + "#fragment"} },
			"invalid_redirect_uri", "invalid_client_metadata")},
		{"oidcc-registration-logo-uri", func(p *provider, b *idptest.Browser) { p.logo(b, token, method) }},
		{"oidcc-registration-policy-uri", linked("policy_uri", rp+"/policy", `a[href="`+rp+`/policy"]`)},
		{"oidcc-registration-tos-uri", linked("tos_uri", rp+"/terms", `a[href="`+rp+`/terms"]`)},
		{"oidcc-registration-jwks-uri", func(p *provider, b *idptest.Browser) {
			key := newKey(p.t, "ES256")
			p.registerKeysAt(token, func() any { return public(p.t, key, "ES256") })
			p.clients["published"].key = key
			p.happy(b, "published", p.request("published"))
		}},
		{"oidcc-registration-sector-uri", func(p *provider, b *idptest.Browser) {
			p.register("sector", token, method, func(m map[string]any) { m["sector_identifier_uri"] = serve(p.t, []string{callback}) })
			p.happy(b, "sector", p.request("sector"))
		}},
		{"oidcc-registration-sector-bad", func(p *provider, b *idptest.Browser) {
			refused(func(m map[string]any) { m["sector_identifier_uri"] = serve(p.t, []string{rp + "/other"}) }, "invalid_client_metadata")(p, b)
		}},
		{"oidcc-server-rotate-keys", func(p *provider, _ *idptest.Browser) {
			before := p.keys(p.Issuer + "/oauth2/jwks")
			if _, err := p.OAuth.Keys().Rotate(p.t.Context()); err != nil {
				p.t.Fatal(err)
			}
			p.Clock.Add(2 * time.Second)
			after := p.keys(p.Issuer + "/oauth2/jwks")
			for _, key := range before.Keys {
				if len(after.Key(key.KeyID)) != 1 {
					p.t.Errorf("%s is gone at once", key.KeyID)
				}
			}
			if len(after.Keys) != 2*len(before.Keys) {
				p.t.Errorf("%d keys, then %d", len(before.Keys), len(after.Keys))
			}
			p.Clock.Add(20 * time.Minute) // the new ones sign by now, and wait no more when this runs again
		}},
		{"oidcc-refresh-token-rp-key-rotation", func(p *provider, b *idptest.Browser) {
			key := newKey(p.t, "ES256")
			p.registerKeysAt(token, func() any { return public(p.t, key, "ES256") })
			p.clients["published"].key = key
			v := p.request("published", "scope", "openid offline_access", "prompt", "consent")
			_, got := p.happy(b, "published", v)
			key = newKey(p.t, "ES256")
			p.clients["published"].key = key
			p.Clock.Add(time.Minute)
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.str("refresh_token")}}
			p.good(p.post("/oauth2/token", form, "published"))
		}},
		{"oidcc-ensure-client-assertion-with-iss-aud-succeeds", func(p *provider, b *idptest.Browser) {
			p.register("asserts", token, "private_key_jwt", nil)
			p.happy(b, "asserts", p.request("asserts")) // assertion's audience is the issuer
		}},
	}
}

// signedUserinfo registers for signed userinfo and verifies it.
func (p *provider) signedUserinfo(b *idptest.Browser, token, method string) {
	p.t.Helper()
	p.register("signed", token, method, func(m map[string]any) { m["userinfo_signed_response_alg"] = "RS256" })
	v := p.request("signed")
	tokens := p.tokens("signed", p.code(v, p.visit(b, v)))
	id := p.idToken("signed", tokens.str("id_token"), "RS256")
	got := p.userinfo(tokens.str("access_token"))
	if got.status != 200 || got.header.Get("Content-Type") != "application/jwt" {
		p.t.Fatalf("userinfo: %d %s", got.status, got.header.Get("Content-Type"))
	}
	parsed, err := jwt.ParseSigned(got.text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		p.t.Fatal(err)
	}
	var claims map[string]any
	keys := p.keys(p.Issuer + "/oauth2/jwks").Key(parsed.Headers[0].KeyID)
	if len(keys) != 1 || parsed.Claims(keys[0], &claims) != nil {
		p.t.Fatalf("userinfo is not signed by a key of the provider's")
	}
	if claims["sub"] != id["sub"] || claims["iss"] != p.Issuer || !slices.Contains(audience(claims), p.clients["signed"].id) || claims["nonce"] != nil {
		p.t.Errorf("userinfo: %v", claims)
	}
}

// registerKeysAt registers a client, "published", whose keys stand at a URL; keys are asked for at every visit.
func (p *provider) registerKeysAt(token string, keys func() any) {
	p.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(keys()) }))
	p.t.Cleanup(server.Close)
	p.register("published", token, "private_key_jwt", func(m map[string]any) {
		delete(m, "jwks")
		m["jwks_uri"] = server.URL + "/jwks.json"
	})
}

// serve returns where a document stands.
func serve(t testing.TB, document any) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(document)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/document.json"
}

// picture is a PNG of one pixel.
var picture = sync.OnceValue(func() []byte {
	return []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89" +
		"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82")
})

// logo registers a logo, which the sign-in page shows from the provider's own copy.
func (p *provider) logo(b *idptest.Browser, token, method string) {
	p.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(picture()) }))
	p.t.Cleanup(server.Close)
	p.register("pictured", token, method, func(m map[string]any) { m["logo_uri"] = server.URL + "/logo.png" })
	if err := p.OAuth.Clients().FetchLogos(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	page := b.Get("/oauth2/authorize?" + p.request("pictured").Encode())
	src := page.Attr(`img[src^="/oauth2/logo/"]`, "src")
	if src == "" {
		p.t.Fatalf("no logo at %s: %s", page.URL, page.Body)
	}
	if got := p.send(p.get(src)); got.status != 200 || got.text != string(picture()) || got.header.Get("Content-Type") != "image/png" {
		p.t.Errorf("the logo: %d %s", got.status, got.header.Get("Content-Type"))
	}
}
