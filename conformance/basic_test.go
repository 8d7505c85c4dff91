package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// TestPlanBasic is oidcc-basic-certification-test-plan.
func TestPlanBasic(t *testing.T) {
	t.Parallel()
	open(t, "").plan(t, basicModules())
}

// TestPlanFormPost is oidcc-formpost-basic-certification-test-plan: the same modules by response_mode=form_post.
func TestPlanFormPost(t *testing.T) {
	t.Parallel()
	open(t, "form_post").plan(t, basicModules())
}

func basicModules() []module {
	return slices.Concat(basicFlows(), basicScopes(), basicParameters(), basicSessions(), basicRefusals(), basicTokens())
}

// alter returns a module that runs the happy flow with the parameters changed.
func alter(name string, pairs ...string) module {
	return module{name, func(p *provider, b *idptest.Browser) { p.happy(b, "conf-basic", p.request("conf-basic", pairs...)) }}
}

func basicFlows() []module {
	return []module{
		alter("oidcc-server"),
		{"oidcc-response-type-missing", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic", "response_type", "")
			p.refused(v, p.visit(b, v), "invalid_request", "unsupported_response_type")
		}},
		{"oidcc-idtoken-signature", func(p *provider, b *idptest.Browser) {
			for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
				p.client("signs-"+alg, func(c *oauth.Client) { c.IDTokenAlg = alg })
				v := p.request("signs-" + alg)
				got := p.tokens("signs-"+alg, p.code(v, p.visit(b, v)))
				p.idToken("signs-"+alg, got.str("id_token"), alg)
			}
		}},
		{"oidcc-idtoken-unsigned", func(p *provider, _ *idptest.Browser) {
			if slices.Contains(set(p.discovery()["id_token_signing_alg_values_supported"]), "none") {
				p.t.Error("discovery offers unsigned ID tokens")
			}
		}},
		{"oidcc-userinfo-get", func(p *provider, b *idptest.Browser) {
			claims, got := p.happy(b, "conf-basic", p.request("conf-basic"))
			p.same(p.userinfo(got.str("access_token")), claims["sub"])
		}},
		{"oidcc-userinfo-post-header", func(p *provider, b *idptest.Browser) {
			claims, got := p.happy(b, "conf-basic", p.request("conf-basic"))
			r, _ := http.NewRequest(http.MethodPost, p.Issuer+"/oauth2/userinfo", nil)
			r.Header.Set("Authorization", "bearer "+got.str("access_token"))
			p.same(p.send(r), claims["sub"])
		}},
		{"oidcc-userinfo-post-body", func(p *provider, b *idptest.Browser) {
			claims, got := p.happy(b, "conf-basic", p.request("conf-basic"))
			p.same(p.post("/oauth2/userinfo", url.Values{"access_token": {got.str("access_token")}}, ""), claims["sub"])
		}},
		alter("oidcc-ensure-request-without-nonce-succeeds-for-code-flow", "nonce", ""),
		{"oidcc-ensure-post-request-succeeds", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic")
			p.tokens("conf-basic", p.code(v, p.walk(b.Post("/oauth2/authorize", v))))
		}},
		{"oidcc-server-client-secret-post", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-post")
			form := tokenRequest(p.code(v, p.visit(b, v)), "client_id", p.clients["conf-post"].id, "client_secret", p.clients["conf-post"].secret)
			p.idToken("conf-post", p.good(p.post("/oauth2/token", form, "")).str("id_token"), "RS256")
		}},
		{"oidcc-ensure-request-with-valid-pkce-succeeds", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic", "code_challenge", challenge(verifier), "code_challenge_method", "S256")
			p.happy(b, "conf-basic", v, "code_verifier", verifier)
		}},
	}
}

// basicScopes look at what each scope tells: all of it, no more, and not in the ID token.
func basicScopes() []module {
	var out []module
	for _, row := range []struct {
		name, scope string
		claims      []string
	}{
		{"oidcc-scope-profile", "openid profile", profileClaims},
		{"oidcc-scope-email", "openid email", []string{"email", "email_verified"}},
		{"oidcc-scope-address", "openid address", []string{"address"}},
		{"oidcc-scope-phone", "openid phone", []string{"phone_number", "phone_number_verified"}},
		{"oidcc-scope-all", "openid profile email address phone", slices.Concat(profileClaims,
			[]string{"email", "email_verified", "address", "phone_number", "phone_number_verified"})},
		{"oidcc-alternate-happy-flow", "phone openid address email profile", slices.Concat(profileClaims,
			[]string{"email", "email_verified", "address", "phone_number", "phone_number_verified"})},
	} {
		out = append(out, module{row.name, func(p *provider, b *idptest.Browser) {
			claims, got := p.happy(b, "conf-basic", p.request("conf-basic", "scope", row.scope))
			info := p.same(p.userinfo(got.str("access_token")), claims["sub"])
			for _, name := range row.claims {
				if info[name] == nil {
					p.t.Errorf("userinfo lacks %s", name)
				}
			}
			if len(info) != len(row.claims)+1 {
				p.t.Errorf("userinfo tells more than was asked for: %v", info)
			}
		}})
	}
	return out
}

// basicParameters are those that may be ignored and must not be an error.
func basicParameters() []module {
	return []module{
		alter("oidcc-display-page", "display", "page"),
		alter("oidcc-display-popup", "display", "popup"),
		alter("oidcc-ensure-request-with-unknown-parameter-succeeds", "extra", "foobar"),
		alter("oidcc-login-hint", "login_hint", "somebody@example.org"),
		alter("oidcc-ui-locales", "ui_locales", "sv de fr-CA"),
		alter("oidcc-claims-locales", "claims_locales", "sv de fr-CA"),
		{"oidcc-ensure-request-with-acr-values-succeeds", func(p *provider, b *idptest.Browser) {
			values := set(p.discovery()["acr_values_supported"])
			claims, _ := p.happy(b, "conf-basic", p.request("conf-basic", "acr_values", strings.Join(values, " ")))
			if acr, _ := claims["acr"].(string); !slices.Contains(values, acr) {
				p.t.Errorf("acr %q was not asked for", acr)
			}
		}},
		{"oidcc-claims-essential", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic", "claims", `{"userinfo":{"name":{"essential":true}}}`)
			claims, got := p.happy(b, "conf-basic", v)
			if info := p.same(p.userinfo(got.str("access_token")), claims["sub"]); info["name"] == nil {
				p.t.Errorf("userinfo lacks the name that was asked for: %v", info)
			}
		}},
	}
}

func basicSessions() []module {
	silent := func(p *provider, b *idptest.Browser, hint bool) {
		v := p.request("conf-basic")
		first, got := p.happy(b, "conf-basic", v)
		p.Clock.Add(2 * time.Second)
		v = with(v, "prompt", "none")
		if hint {
			v.Set("id_token_hint", got.str("id_token"))
		}
		page := b.Get("/oauth2/authorize?" + v.Encode())
		again := p.idToken("conf-basic", p.tokens("conf-basic", p.code(v, page)).str("id_token"), "RS256")
		if first["sub"] != again["sub"] || first["auth_time"] != again["auth_time"] {
			p.t.Errorf("another sign-in: %v, then %v", first, again)
		}
	}
	return []module{
		{"oidcc-prompt-login", func(p *provider, b *idptest.Browser) {
			first, _ := p.happy(b, "conf-basic", p.request("conf-basic"))
			p.Clock.Add(time.Second)
			v := p.request("conf-basic", "prompt", "login")
			p.asked(b, v, "/login")
			again, _ := p.happy(b, "conf-basic", v)
			if !authTime(again).After(authTime(first)) {
				p.t.Errorf("auth_time did not move: %v, %v", first["auth_time"], again["auth_time"])
			}
		}},
		{"oidcc-prompt-none-not-logged-in", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic", "prompt", "none")
			p.refused(v, b.Get("/oauth2/authorize?"+v.Encode()),
				"login_required", "consent_required", "interaction_required", "account_selection_required")
		}},
		{"oidcc-prompt-none-logged-in", func(p *provider, b *idptest.Browser) { silent(p, b, false) }},
		{"oidcc-id-token-hint", func(p *provider, b *idptest.Browser) { silent(p, b, true) }},
		{"oidcc-max-age-1", func(p *provider, b *idptest.Browser) {
			first, _ := p.happy(b, "conf-basic", p.request("conf-basic"))
			p.Clock.Add(2 * time.Second)
			v := p.request("conf-basic", "max_age", "1")
			p.asked(b, v, "/login")
			again, _ := p.happy(b, "conf-basic", v)
			if !authTime(again).After(authTime(first)) || p.Clock.Now().Sub(authTime(again)) > time.Minute {
				p.t.Errorf("auth_time: %v, then %v", first["auth_time"], again["auth_time"])
			}
		}},
		{"oidcc-max-age-10000", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic", "max_age", "10000")
			first, _ := p.happy(b, "conf-basic", v)
			p.Clock.Add(time.Second)
			again, _ := p.happy(b, "conf-basic", v)
			if first["auth_time"] == nil || first["auth_time"] != again["auth_time"] {
				p.t.Errorf("auth_time: %v, then %v", first["auth_time"], again["auth_time"])
			}
		}},
	}
}

// asked checks that the person is asked at path.
func (p *provider) asked(b *idptest.Browser, v url.Values, path string) {
	p.t.Helper()
	if page := b.Get("/oauth2/authorize?" + v.Encode()); page.URL.Path != path {
		p.t.Errorf("nobody is asked at %s: %s", path, page.URL)
	}
}

func basicRefusals() []module {
	object := "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9."
	return []module{
		{"oidcc-ensure-registered-redirect-uri", func(p *provider, b *idptest.Browser) {
			p.shown(b.Get("/oauth2/authorize?"+p.request("conf-basic", "redirect_uri", callback+"/random").Encode()), "redirect_uri")
		}},
		{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic", "request_uri", rp+"/requests/1")
			p.refused(v, p.visit(b, v), "request_uri_not_supported")
		}},
		{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic", "request", object)
			p.refused(v, p.visit(b, v), "request_not_supported")
		}},
		{"oidcc-ensure-request-object-with-redirect-uri", func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic", "request", object, "redirect_uri", callback+"/random")
			p.shown(b.Get("/oauth2/authorize?"+v.Encode()), "redirect_uri")
		}},
	}
}

func basicTokens() []module {
	reused := func(wait time.Duration) func(p *provider, b *idptest.Browser) {
		return func(p *provider, b *idptest.Browser) {
			v := p.request("conf-basic")
			code := p.code(v, p.visit(b, v))
			got := p.tokens("conf-basic", code)
			p.Clock.Add(wait)
			p.bad(p.post("/oauth2/token", tokenRequest(code), "conf-basic"), 400, "invalid_grant")
			if info := p.userinfo(got.str("access_token")); info.status != 401 || info.header.Get("WWW-Authenticate") == "" {
				p.t.Errorf("the access token of the first use lives: %d", info.status)
			}
		}
	}
	return []module{
		{"oidcc-codereuse", reused(0)},
		{"oidcc-codereuse-30seconds", reused(30 * time.Second)},
		{"oidcc-refresh-token", func(p *provider, b *idptest.Browser) {
			for _, client := range []string{"conf-basic", "conf-basic-2"} {
				p.refreshed(b, client, "conf-basic-2")
				p.refreshed(b, client, "conf-basic")
			}
		}},
	}
}

// refreshed signs in for offline access and refreshes; the other client must not be able to.
func (p *provider) refreshed(b *idptest.Browser, client, other string) {
	p.t.Helper()
	v := p.request(client, "scope", "openid offline_access", "prompt", "consent")
	first, got := p.happy(b, client, v)
	p.asked(b, v, "/consent")
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.str("refresh_token")}, "scope": {"openid offline_access"}}
	if client != other {
		p.bad(p.post("/oauth2/token", form, other), 400, "invalid_grant")
	}
	p.Clock.Add(time.Second)
	next := p.good(p.post("/oauth2/token", form, client))
	if next.str("access_token") == got.str("access_token") || !strings.EqualFold(next.str("token_type"), "Bearer") {
		p.t.Errorf("refreshed: %s", next.text)
	}
	claims := p.idToken(client, next.str("id_token"), "RS256")
	for _, name := range []string{"iss", "sub", "aud", "azp", "auth_time", "acr"} {
		if name != "aud" && claims[name] != first[name] || name == "aud" && !slices.Equal(audience(claims), audience(first)) {
			p.t.Errorf("%s is %v, was %v", name, claims[name], first[name])
		}
	}
	if claims["iat"] == first["iat"] {
		p.t.Error("iat did not move")
	}
	p.same(p.userinfo(next.str("access_token")), first["sub"])
}
