package oauth_test

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/focushq/idp/oauth"
)

// proofOfPush is a good proof of p for the PAR endpoint.
func proofOfPush(p *prover, changes ...any) string {
	return p.proof(append([]any{"htu", issuer + "/oauth2/par"}, changes...)...)
}

// The code is bound to the key whose possession the push proves, or that it names (RFC 9449 section 10).
func TestPushBindsTheCodeToAKey(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "bound", DPoPBound: true, RequirePAR: true})
		p, other := w.prover(), w.prover()
		for name, push := range map[string]func() answer{
			"by proof":    func() answer { return w.push(request("bound"), "DPoP", proofOfPush(p)) },
			"by dpop_jkt": func() answer { return w.push(request("bound", "dpop_jkt", p.jkt)) },
			"by both":     func() answer { return w.push(request("bound", "dpop_jkt", p.jkt), "DPoP", proofOfPush(p)) },
		} {
			a := push()
			uri, _ := a.json["request_uri"].(string)
			if nonce := a.header.Get("DPoP-Nonce"); a.status != http.StatusCreated || (nonce != "") != (name != "by dpop_jkt") {
				w.Fatalf("%s: %d %s %q", name, a.status, a.body, nonce)
			}
			w.signIn(nil) // a page comes between
			_, id, _ := strings.Cut(w.authorize(bring("bound", uri, "dpop_jkt", other.jkt)).header.Get("Location"), "/login?request=")
			w.signIn(signedIn(w.clock.Now()))
			code := w.get("/oauth2/authorize?resume=" + id).location().Query().Get("code")
			if got := w.proving(w.exchange("bound", code), p.proof()); got.status != 200 || got.json["token_type"] != "DPoP" {
				w.Errorf("%s: %s", name, got.body)
			}
			code = w.authorize(bring("bound", push().json["request_uri"].(string))).location().Query().Get("code")
			w.wantError(w.proving(w.exchange("bound", code), other.proof()), 400, "invalid_grant")
		}
		w.wantError(w.push(request("bound", "dpop_jkt", other.jkt), "DPoP", proofOfPush(p)), 400, "invalid_dpop_proof")
		w.wantError(w.push(request("bound"), "DPoP", p.proof()), 400, "invalid_dpop_proof") // for the token endpoint
		w.wantError(w.push(request("bound"), "DPoP", "x"), 400, "invalid_dpop_proof")
		spent := proofOfPush(p)
		w.push(request("bound"), "DPoP", spent)
		w.wantError(w.push(request("bound"), "DPoP", spent), 400, "invalid_dpop_proof")
		// Whoever names no key when pushing is bound when the token is asked for.
		code := w.authorize(bring("bound", w.pushed(request("bound")))).location().Query().Get("code")
		if got := w.proving(w.exchange("bound", code), other.proof()); got.status != 200 {
			w.Errorf("%s", got.body)
		}
	})
}

func TestPushAsksForANonce(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.RequireNonce = true
	_, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	p := w.prover()
	a := w.push(request("web"), "DPoP", proofOfPush(p))
	w.wantError(a, 400, "use_dpop_nonce")
	if a = w.push(request("web"), "DPoP", proofOfPush(p, "nonce", a.header.Get("DPoP-Nonce"))); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// The key may be named in the open, too.
func TestTheOpenRequestBindsTheCodeToAKey(t *testing.T) {
	both(t, func(w *world) {
		p, other := w.prover(), w.prover()
		w.wantRedirected(w.authorize(request("web", "dpop_jkt", "x")), "invalid_request")
		code := w.code("web", "dpop_jkt", p.jkt)
		w.wantError(w.proving(w.exchange("web", code), other.proof()), 400, "invalid_grant")
		if got := w.proving(w.exchange("web", w.code("web", "dpop_jkt", p.jkt)), p.proof()); got.status != 200 || got.json["token_type"] != "DPoP" {
			w.Errorf("%s", got.body)
		}
	})
}

func TestResources(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "api", Resources: []string{"https://one.example/api", "https://two.example/api"}})
		with := func(resources ...string) url.Values {
			v := request("api")
			v["resource"] = resources
			return v
		}
		for _, bad := range []string{
			"https://three.example", "https://one.example/api#x", "https://one.example/api/", "/api", "HTTPS://one.example/api", "x", issuer + "/",
		} {
			w.wantRedirected(w.authorize(with(bad)), "invalid_target")
			w.wantRedirected(w.authorize(with("https://one.example/api", bad)), "invalid_target")
			w.wantError(w.push(with("https://one.example/api", bad)), 400, "invalid_target")
		}
		w.wantRedirected(w.authorize(request("web", "resource", "https://one.example/api")), "invalid_target")
		for _, c := range []struct {
			ask  []string
			want any
		}{
			{nil, issuer}, {[]string{issuer}, issuer}, {[]string{""}, issuer}, {[]string{"https://two.example/api"}, "https://two.example/api"},
			{[]string{"https://two.example/api", issuer, "https://two.example/api"}, []any{"https://two.example/api", issuer}},
			{[]string{"https://one.example/api", "https://two.example/api"}, []any{"https://one.example/api", "https://two.example/api"}},
		} {
			w.signIn(nil)
			_, open, _ := strings.Cut(w.authorize(with(c.ask...)).header.Get("Location"), "/login?request=")
			_, pushed, _ := strings.Cut(w.authorize(bring("api", w.pushed(with(c.ask...)))).header.Get("Location"), "/login?request=")
			w.signIn(signedIn(w.clock.Now()))
			for _, id := range []string{open, pushed} {
				got := w.token(w.exchange("api", w.get("/oauth2/authorize?resume="+id).location().Query().Get("code")))
				if aud := payload(w, got.json["access_token"])["aud"]; !reflect.DeepEqual(aud, c.want) {
					w.Errorf("%q: aud %v, want %v", c.ask, aud, c.want)
				}
			}
		}
	})
}
