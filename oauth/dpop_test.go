package oauth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// machines is a world with a client that asks for itself, the shortest way to the token endpoint.
func machines(w *world) {
	w.client(&oauth.Client{ID: "machine", GrantTypes: []string{"client_credentials"}, Scopes: []string{"jobs"}})
}

func TestSec_TK09_BadProofsAreRefused(t *testing.T) {
	w := newWorld(t)
	machines(w)
	p, other := w.prover(), w.prover()
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	strong, _ := rsa.GenerateKey(rand.Reader, 2048)
	now := w.clock.Now().Unix()
	good := p.proof()
	for name, proof := range map[string]string{
		"empty": "", "malformed": "x", "no JWS": "a.b", "JSON": `{"payload":"x"}`, "two in one": p.proof() + "," + p.proof(),
		"no typ": p.proof("header.typ", nil), "typ": p.proof("header.typ", "JWT"), "typ in capitals": p.proof("header.typ", "DPoP+JWT"),
		"typ is a number": p.proof("header.typ", 1),
		"no alg":          p.proof("header.alg", nil), "none": p.proof("header.alg", "none"), "HS256": p.proof("header.alg", "HS256"),
		"RS256": w.proverOf(strong, "RS256").proof(), "ES384": p.proof("header.alg", "ES384"),
		"PS256 by an EC key": p.proof("header.alg", "PS256"), "another curve": w.proverOf(p384, "ES256").proof(),
		"weak key": w.proverOf(weak, "PS256").proof(),
		"no jwk":   p.proof("header.jwk", nil), "private jwk": p.proof("header.jwk", p.jwk(true)), "jwk is text": p.proof("header.jwk", "x"),
		"symmetric jwk": p.proof("header.jwk", map[string]any{"kty": "oct", "k": "AAAA"}), "other jwk": p.proof("header.jwk", other.jwk(false)),
		"point off the curve": p.proof("header.jwk", map[string]any{"kty": "EC", "crv": "P-256", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)}),
		"crit":                p.proof("header.crit", []string{"x"}, "header.x", true),
		"no jti":              p.proof("jti", nil), "empty jti": p.proof("jti", ""), "jti is a number": p.proof("jti", 7), "long jti": p.proof("jti", strings.Repeat("x", 513)),
		"no htm": p.proof("htm", nil), "htm": p.proof("htm", "GET"), "htm in lower case": p.proof("htm", "post"),
		"no htu": p.proof("htu", nil), "htu elsewhere": p.proof("htu", "https://evil.example/oauth2/token"), "htu of another endpoint": p.proof("htu", issuer+"/oauth2/par"),
		"htu over http": p.proof("htu", "http://id.example.com/oauth2/token"), "htu on another port": p.proof("htu", issuer+":8443/oauth2/token"),
		"htu with a user": p.proof("htu", "https://id.example.com@evil.example/oauth2/token"), "relative htu": p.proof("htu", "/oauth2/token"),
		"htu path in capitals": p.proof("htu", issuer+"/OAuth2/token"), "htu with a slash more": p.proof("htu", issuer+"/oauth2/token/"), "htu is no URI": p.proof("htu", "https://%zz"),
		"no iat": p.proof("iat", nil), "an hour ago": p.proof("iat", now-3600), "in an hour": p.proof("iat", now+3600),
		"61 s ago": p.proof("iat", now-62), "in 61 s": p.proof("iat", now+62), "iat is text": p.proof("iat", "now"), "iat beyond time": p.proof("iat", 1e300),
		"expired": p.proof("exp", now), "not yet": p.proof("nbf", now+60),
		"signature changed": good[:len(good)-4] + "AAAA", "no signature": good[:strings.LastIndex(good, ".")+1],
	} {
		a := w.proving(w.machine("machine"), proof)
		if a.status != 400 || a.json["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	w.wantError(w.proving(w.machine("machine"), p.proof(), p.proof()), 400, "invalid_dpop_proof")
	once := p.proof()
	if a := w.proving(w.machine("machine"), once); a.status != 200 {
		t.Fatal(a.body)
	}
	w.wantError(w.proving(w.machine("machine"), once), 400, "invalid_dpop_proof")
	w.wantError(w.proving(w.machine("machine", "client_id", "web"), p.proof()), 400, "unauthorized_client")
}

func TestSec_TK09_GoodProofsPass(t *testing.T) {
	w := newWorld(t)
	machines(w)
	p := w.prover()
	_, edwards, _ := ed25519.GenerateKey(rand.Reader)
	long, _ := rsa.GenerateKey(rand.Reader, 2048)
	now := w.clock.Now().Unix()
	for name, proof := range map[string]string{
		"plain": p.proof(), "PS256": w.proverOf(long, "PS256").proof(), "EdDSA": w.proverOf(edwards, "EdDSA").proof(),
		"10 s ago": p.proof("iat", now-10), "in 10 s": p.proof("iat", now+10), "a minute ago": p.proof("iat", now-59),
		"nbf": p.proof("nbf", now+8), "exp": p.proof("exp", now+1), "long jti": p.proof("jti", strings.Repeat("x", 512)),
		"query": p.proof("htu", issuer+"/oauth2/token?x=1"), "fragment": p.proof("htu", issuer+"/oauth2/token#x"),
		"host in capitals": p.proof("htu", "HTTPS://ID.Example.COM/oauth2/token"), "default port": p.proof("htu", issuer+":443/oauth2/token"),
		"more claims": p.proof("x", []int{1}, "ath", "whatever"), "kid": p.proof("header.kid", "k"),
	} {
		if a := w.proving(w.machine("machine"), proof); a.status != 200 || a.json["token_type"] != "DPoP" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	a := w.proving(w.machine("machine"), p.proof())
	if cnf, _ := payload(t, a.json["access_token"])["cnf"].(map[string]any); cnf["jkt"] != p.jkt {
		t.Errorf("bound to %v, the key is %s", cnf, p.jkt)
	}
	if a := w.proving(w.machine("machine")); a.json["token_type"] != "Bearer" || payload(t, a.json["access_token"])["cnf"] != nil {
		t.Errorf("without a proof: %s", a.body)
	}
}

func TestSec_TK09_AProofIsGoodOnce(t *testing.T) {
	both(t, func(w *world) {
		machines(w)
		_, replica := w.start(w.config())
		first := w.mux
		p := w.prover()
		for range 5 {
			proof := p.proof()
			var wins atomic.Int64
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					r := w.proofRequest(w.machine("machine"), proof)
					mux := first
					if i%2 == 1 {
						mux = replica
					}
					response, err := transport{mux}.RoundTrip(r)
					if err != nil || response.StatusCode >= 500 {
						w.Errorf("%v %v", response, err)
					} else if response.StatusCode == 200 {
						wins.Add(1)
					}
				})
			}
			wg.Wait()
			if wins.Load() != 1 {
				w.Errorf("one proof was taken %d times", wins.Load())
			}
		}
		// Another key may use the same jti, and what was refused for another reason is not spent.
		jti := p.proof("jti", "same")
		if a := w.proving(w.machine("machine"), jti); a.status != 200 {
			w.Error(a.body)
		}
		if a := w.proving(w.machine("machine"), w.prover().proof("jti", "same")); a.status != 200 {
			w.Error(a.body)
		}
		w.clock.Add(3 * time.Hour)
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		var n int
		if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM oauth_proofs`); err != nil || n != 0 {
			w.Errorf("%d proofs are kept, %v", n, err)
		}
	})
}

func TestDPoPNonces(t *testing.T) {
	w := newWorld(t)
	machines(w)
	p := w.prover()
	a := w.proving(w.machine("machine"), p.proof())
	nonce := a.header.Get("DPoP-Nonce")
	if a.status != 200 || nonce == "" {
		t.Fatalf("%d, nonce %q", a.status, nonce)
	}
	if a := w.proving(w.machine("machine")); a.header.Get("DPoP-Nonce") != "" {
		t.Error("a nonce for nobody")
	}
	for _, bad := range []string{"x", nonce + "A", nonce[1:], strings.ToUpper(nonce)} {
		a := w.proving(w.machine("machine"), p.proof("nonce", bad))
		w.wantError(a, 400, "use_dpop_nonce")
		if a.header.Get("DPoP-Nonce") != nonce {
			t.Error("the refusal offers no nonce")
		}
	}
	cfg := w.config()
	cfg.RequireNonce = true
	_, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	proof := p.proof()
	for range 2 { // it is not spent
		w.wantError(w.proving(w.machine("machine"), proof), 400, "use_dpop_nonce")
	}
	for range 2 { // the nonce of one replica is good at another, for five to ten minutes
		if a := w.proving(w.machine("machine"), p.proof("nonce", nonce)); a.status != 200 {
			t.Error(a.body)
		}
		w.clock.Add(5 * time.Minute)
	}
	w.wantError(w.proving(w.machine("machine"), p.proof("nonce", nonce)), 400, "use_dpop_nonce")

	// A code is not spent by a proof without a nonce, nor is a refresh token.
	code := w.code("spa")
	a = w.proving(w.exchange("spa", code), p.proof())
	w.wantError(a, 400, "use_dpop_nonce")
	a = w.proving(w.exchange("spa", code), p.proof("nonce", a.header.Get("DPoP-Nonce")))
	if a.status != 200 || a.json["token_type"] != "DPoP" {
		t.Fatal(a.body)
	}
	token := a.json["refresh_token"].(string)
	a = w.proving(w.refreshing("spa", token), p.proof())
	w.wantError(a, 400, "use_dpop_nonce")
	if a = w.proving(w.refreshing("spa", token), p.proof("nonce", a.header.Get("DPoP-Nonce"))); a.status != 200 {
		t.Error(a.body)
	}
}

func TestSec_TK09_RefreshTokensOfPublicClientsAreBound(t *testing.T) {
	both(t, func(w *world) {
		p, thief := w.prover(), w.prover()
		a := w.proving(w.exchange("spa", w.code("spa")), p.proof())
		if a.status != 200 || a.json["token_type"] != "DPoP" {
			w.Fatal(a.body)
		}
		first := a.json["refresh_token"].(string)
		w.wantError(w.proving(w.refreshing("spa", first)), 400, "invalid_request")
		w.wantError(w.proving(w.refreshing("spa", first), thief.proof()), 400, "invalid_grant")
		a = w.proving(w.refreshing("spa", first), p.proof())
		if a.status != 200 || a.json["token_type"] != "DPoP" {
			w.Fatalf("a stranger's attempt ended the family: %s", a.body)
		}
		// The grace is for the key that it was given to, too.
		w.wantError(w.proving(w.refreshing("spa", first), thief.proof()), 400, "invalid_grant")
		again := w.proving(w.refreshing("spa", first), p.proof())
		if again.json["refresh_token"] != a.json["refresh_token"] {
			w.Errorf("within the grace: %s", again.body)
		}

		// A confidential client authenticates, and may bring a new key or none.
		a = w.proving(w.exchange("web", w.code("web")), p.proof())
		a = w.proving(w.refreshing("web", a.json["refresh_token"].(string)), thief.proof())
		if cnf, _ := payload(w, a.json["access_token"])["cnf"].(map[string]any); cnf["jkt"] != thief.jkt {
			w.Errorf("a new key: %s", a.body)
		}
		if a = w.proving(w.refreshing("web", a.json["refresh_token"].(string))); a.json["token_type"] != "Bearer" {
			w.Errorf("no key: %s", a.body)
		}
	})
}

func TestSec_TK09_ClientsThatMustProveAKey(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "bound", DPoPBound: true, AccessToken: "opaque"})
	p := w.prover()
	code := w.code("bound")
	w.wantError(w.proving(w.exchange("bound", code)), 400, "invalid_request")
	a := w.proving(w.exchange("bound", code), p.proof())
	if a.status != 200 || a.json["token_type"] != "DPoP" {
		t.Fatalf("the attempt without a proof spent the code: %s", a.body)
	}
	w.wantError(w.proving(w.refreshing("bound", a.json["refresh_token"].(string))), 400, "invalid_request")
	var jkt string
	if err := w.db.Get(t.Context(), &jkt, `SELECT dpop_jkt FROM oauth_access`); err != nil || jkt != p.jkt {
		t.Errorf("the opaque token is bound to %q, %v", jkt, err)
	}
}

func TestSec_TK09_CodesAreBound(t *testing.T) {
	both(t, func(w *world) {
		p, thief := w.prover(), w.prover()
		for _, client := range []string{"web", "spa"} {
			code := w.code(client, "dpop_jkt", p.jkt)
			w.wantError(w.proving(w.exchange(client, code)), 400, "invalid_request")
			if a := w.proving(w.exchange(client, code), p.proof()); a.status != 200 || a.json["token_type"] != "DPoP" {
				w.Errorf("%s: %s", client, a.body)
			}
			code = w.code(client, "dpop_jkt", p.jkt)
			w.wantError(w.proving(w.exchange(client, code), thief.proof()), 400, "invalid_grant")
			w.wantError(w.proving(w.exchange(client, code), p.proof()), 400, "invalid_grant") // spent by the thief
		}
	})
}

func TestSec_TK09_BoundAccessTokensNeedTheirKey(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		for _, client := range []string{"web", "opaque"} {
			p, thief := w.prover(), w.prover()
			token := w.proving(w.exchange(client, w.code(client)), p.proof()).json["access_token"].(string)
			other := w.proving(w.exchange(client, w.code(client)), p.proof()).json["access_token"].(string)
			ask := func(scheme string, proofs ...string) int {
				r, _ := http.NewRequestWithContext(w.Context(), http.MethodGet, issuer+"/oauth2/userinfo", nil)
				r.Header.Set("Authorization", scheme+" "+token)
				for _, proof := range proofs {
					r.Header.Add("dpop", proof)
				}
				return w.do(w.browser, r).status
			}
			for _, scheme := range []string{"DPoP", "dpop"} {
				if got := ask(scheme, p.at(token)); got != 200 {
					w.Errorf("%s %s: %d", client, scheme, got)
				}
			}
			now := w.clock.Now().Unix()
			once := p.at(token)
			for name, status := range map[string]int{
				"no proof": ask("DPoP"), "Bearer": ask("Bearer"), "Bearer with a proof": ask("Bearer", p.at(token)),
				"several": ask("DPoP", p.at(token), p.at(token)), "malformed": ask("DPoP", "x"), "other key": ask("DPoP", thief.at(token)),
				"no ath": ask("DPoP", p.at(token, "ath", nil)), "wrong ath": ask("DPoP", p.at(token, "ath", hashed(other))), "empty ath": ask("DPoP", p.at(token, "ath", "")),
				"htm": ask("DPoP", p.at(token, "htm", "POST")), "htu": ask("DPoP", p.at(token, "htu", issuer+"/oauth2/token")),
				"an hour ago": ask("DPoP", p.at(token, "iat", now-3600)), "in an hour": ask("DPoP", p.at(token, "iat", now+3600)),
				"no jti": ask("DPoP", p.at(token, "jti", nil)), "nonce": ask("DPoP", p.at(token, "nonce", "x")),
				"of the token endpoint": ask("DPoP", p.proof("ath", hashed(token))),
			} {
				if status != 401 && status != 400 {
					w.Errorf("%s, %s: %d", client, name, status)
				}
			}
			if first, second := ask("DPoP", once), ask("DPoP", once); first != 200 || second == 200 {
				w.Errorf("%s, a replay: %d %d", client, first, second)
			}
		}
	})
}
