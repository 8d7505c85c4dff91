package conformance

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/focushq/idp/idptest"
)

func remarshal(t testing.TB, from, into any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func fapiProofs() map[string]fapiModule {
	// timed redeems a code with a proof whose times are moved.
	timed := func(good bool, edit func(f *fapi, claims map[string]any)) func(f *fapi, b *idptest.Browser) {
		return func(f *fapi, b *idptest.Browser) {
			one := f.proofFor(f.proof, "ES256", "POST", "/oauth2/token", "")
			edit(f, one.claims)
			got := f.ask("conf-fapi-1", tokenRequest(f.grant(b, "conf-fapi-1", f.params("conf-fapi-1")), "code_verifier", verifier), one)
			if good {
				f.good(got)
			} else {
				f.bad(got, 400, "invalid_dpop_proof")
			}
		}
	}
	issued := func(d time.Duration) fapiModule {
		return timed(true, func(f *fapi, c map[string]any) { c["iat"] = f.Clock.Now().Add(d).Unix() })
	}
	return map[string]fapiModule{
		"ensure-dpopproof-with-iat-10seconds-before-succeeds": issued(-10 * time.Second),
		"ensure-dpopproof-with-iat-10seconds-after-succeeds":  issued(10 * time.Second),
		"check-dpop-proof-nbf-exp": func(f *fapi, b *idptest.Browser) {
			timed(true, func(f *fapi, c map[string]any) {
				c["nbf"], c["exp"] = f.Clock.Now().Add(-time.Minute).Unix(), f.Clock.Now().Add(time.Minute).Unix()
			})(f, b)
			timed(false, func(f *fapi, c map[string]any) { c["exp"] = f.Clock.Now().Add(-5 * time.Minute).Unix() })(f, b)
			timed(false, func(f *fapi, c map[string]any) { c["nbf"] = f.Clock.Now().Add(5 * time.Minute).Unix() })(f, b)
		},
		"ensure-mismatched-dpop-jkt-fails": func(f *fapi, _ *idptest.Browser) {
			v := f.params("conf-fapi-1", "dpop_jkt", thumbprint(f.t, newKey(f.t, "ES256")))
			got := f.push("conf-fapi-1", v, "DPoP", f.proofFor(f.proof, "ES256", "POST", "/oauth2/par", "").sign(f.t))
			f.turned(got, "invalid_request", "invalid_dpop_proof")
		},
		"ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt": func(f *fapi, b *idptest.Browser) {
			other := newKey(f.t, "ES256")
			code := f.grant(b, "conf-fapi-1", f.params("conf-fapi-1"), "DPoP", f.proofFor(other, "ES256", "POST", "/oauth2/par", "").sign(f.t))
			f.bad(f.redeem("conf-fapi-1", code), 400, "invalid_grant", "invalid_dpop_proof")
		},
		"ensure-token-endpoint-fails-with-mismatched-dpop-jkt": func(f *fapi, b *idptest.Browser) {
			code := f.grant(b, "conf-fapi-1", f.params("conf-fapi-1", "dpop_jkt", thumbprint(f.t, newKey(f.t, "ES256"))))
			f.bad(f.redeem("conf-fapi-1", code), 400, "invalid_grant", "invalid_dpop_proof")
		},
		"ensure-dpopproof-at-par-endpoint-binding-success": func(f *fapi, b *idptest.Browser) {
			code := f.grant(b, "conf-fapi-1", f.params("conf-fapi-1"), "DPoP", f.proofFor(f.proof, "ES256", "POST", "/oauth2/par", "").sign(f.t))
			f.good(f.redeem("conf-fapi-1", code))
		},
		"ensure-dpop-auth-code-binding-success": func(f *fapi, b *idptest.Browser) {
			f.good(f.redeem("conf-fapi-1", f.grant(b, "conf-fapi-1", f.params("conf-fapi-1", "dpop_jkt", thumbprint(f.t, f.proof)))))
		},
		"dpop-negative-tests": proofsRefused,
	}
}

// proofsRefused brings proofs that are wrong in one thing each to userinfo, and some that look odd and are right.
func proofsRefused(f *fapi, b *idptest.Browser) {
	token := f.whole(b, "conf-fapi-1").str("access_token")
	good := func() *proof { return f.proofFor(f.proof, "ES256", "GET", "/oauth2/userinfo", token) }
	change := func(edit func(*proof)) *proof {
		one := good()
		edit(one)
		return one
	}
	claim := func(name string, value any) *proof {
		return change(func(p *proof) {
			if p.claims[name] = value; value == nil {
				delete(p.claims, name)
			}
		})
	}
	header := func(name string, value any) *proof {
		return change(func(p *proof) {
			if p.header[name] = value; value == nil {
				delete(p.header, name)
			}
		})
	}
	rsa, other, now := newKey(f.t, "RS256"), newKey(f.t, "ES256"), f.Clock.Now()
	for name, proofs := range map[string][]*proof{
		"several": {good(), good()}, "none": nil, "no typ": {header("typ", nil)}, "wrong typ": {header("typ", "JWT")},
		"no jwk": {header("jwk", nil)}, "private key": {header("jwk", jose.JSONWebKey{Key: f.proof})},
		"no jti": {claim("jti", nil)}, "no htm": {claim("htm", nil)}, "no htu": {claim("htu", nil)}, "no iat": {claim("iat", nil)},
		"no ath": {claim("ath", nil)}, "wrong htm": {claim("htm", "POST")}, "wrong htu": {claim("htu", f.Issuer+"/oauth2/token")},
		"old": {claim("iat", now.Add(-time.Hour).Unix())}, "early": {claim("iat", now.Add(time.Hour).Unix())},
		"wrong ath":     {claim("ath", "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")},
		"RS256":         {change(func(p *proof) { p.key, p.alg, p.header["jwk"] = rsa, "RS256", jose.JSONWebKey{Key: rsa.Public()} })},
		"other key":     {change(func(p *proof) { p.key, p.header["jwk"] = other, jose.JSONWebKey{Key: other.Public()} })},
		"bad signature": {change(func(p *proof) { p.key = other })},
	} {
		if got := f.resource(token, "DPoP", proofs...); got.status != 400 && got.status != 401 {
			f.t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if got := f.resource(token, "Bearer", good()); got.status != 400 && got.status != 401 {
		f.t.Errorf("as a bearer token: %d %s", got.status, got.text)
	}
	for name, raw := range map[string]string{"malformed": "x.y.z", "unsigned": "eyJhbGciOiJub25lIn0." + strings.Split(good().sign(f.t), ".")[1] + "."} {
		if got := f.raw(token, "DPoP", raw); got.status != 400 && got.status != 401 {
			f.t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	host := strings.TrimPrefix(f.Issuer, "https://")
	for name, one := range map[string]*proof{
		"query in htu": claim("htu", f.Issuer+"/oauth2/userinfo?a=b"), "fragment in htu": claim("htu", f.Issuer+"/oauth2/userinfo#f"),
		"more claims": claim("extra", "more"), "upper case": claim("htu", "HTTPS://"+strings.ToUpper(host)+"/oauth2/userinfo"),
	} {
		if got := f.resource(token, "DPoP", one); got.status != 200 {
			f.t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	once := good().sign(f.t)
	if first, again := f.raw(token, "dpop", once), f.raw(token, "dpop", once); first.status != 200 || again.status != 401 {
		f.t.Errorf("a proof is good once: %d, then %d", first.status, again.status)
	}
}

// raw asks for userinfo with a proof as it is, under a header name of that spelling.
func (f *fapi) raw(token, header, proof string) reply {
	f.t.Helper()
	r := f.get("/oauth2/userinfo")
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header[header] = []string{proof}
	return f.send(r)
}
