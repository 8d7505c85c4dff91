package oauth_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/go-jose/go-jose/v3"
)

// asserter is a client that authenticates by private_key_jwt.
type asserter struct {
	w   *world
	id  string
	key crypto.Signer
	alg jose.SignatureAlgorithm
	n   int
}

// asserter registers c with a key for alg; it may ask for itself.
func (w *world) asserter(c oauth.Client, key crypto.Signer, alg jose.SignatureAlgorithm) *asserter {
	w.Helper()
	c.AuthMethod, c.AuthAlg = "private_key_jwt", string(alg)
	c.GrantTypes, c.Scopes = []string{"authorization_code", "client_credentials"}, []string{"openid", "read"}
	c.JWKS = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: string(alg), Use: "sig"}}}
	w.client(&c)
	return &asserter{w: w, id: c.ID, key: key, alg: alg}
}

// assertion returns a good assertion with changes of its claims in pairs; nil removes.
func (a *asserter) assertion(changes ...any) string {
	a.w.Helper()
	a.n++
	claims := map[string]any{
		"iss": a.id, "sub": a.id, "aud": issuer, "jti": fmt.Sprint(a.id, a.n), "exp": a.w.clock.Now().Add(time.Minute).Unix(),
	}
	for i := 0; i < len(changes); i += 2 {
		if claims[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(claims, changes[i].(string))
		}
	}
	return assertion(a.w, a.key, a.alg, "k1", claims)
}

// asserted adds the assertion to v.
func asserted(v url.Values, token string) url.Values {
	v.Set("client_assertion", token)
	v.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	return v
}

// at returns the status of a request to the endpoint path with that assertion.
func (a *asserter) at(path, token string) int {
	a.w.Helper()
	v := url.Values{"grant_type": {"client_credentials"}}
	headers := []string{}
	switch path {
	case "/oauth2/token":
		headers = []string{"DPoP", a.w.prover().proof()}
	case "/oauth2/par":
		v = request(a.id, "scope", "openid")
	case "/oauth2/revoke", "/oauth2/introspect":
		v = url.Values{"token": {"unknown"}}
	}
	return a.w.post(path, asserted(v, token), headers...).status
}

func TestSec_OA13_AudiencesOfAssertions(t *testing.T) {
	both(t, func(w *world) {
		ordinaryKey, _ := clientKey(w)
		parKey, _ := clientKey(w)
		boundKey, _ := clientKey(w)
		ordinary := w.asserter(oauth.Client{ID: "ordinary"}, ordinaryKey, jose.ES256)
		fapi := []*asserter{
			w.asserter(oauth.Client{ID: "pushes", RequirePAR: true}, parKey, jose.ES256),
			w.asserter(oauth.Client{ID: "bound", DPoPBound: true}, boundKey, jose.ES256),
		}
		for _, path := range []string{"/oauth2/token", "/oauth2/par", "/oauth2/revoke", "/oauth2/introspect"} {
			for name, c := range map[string]struct {
				aud            any
				ordinary, fapi bool
			}{
				"issuer": {issuer, true, true}, "token": {issuer + "/oauth2/token", true, false}, "endpoint": {issuer + path, true, false},
				"array": {[]string{issuer}, true, false}, "more": {[]string{issuer, "https://other.example"}, true, false},
				"slash": {issuer + "/", false, false}, "foreign": {"https://other.example", false, false}, "empty": {"", false, false},
				"none": {nil, false, false}, "no audience": {[]string{}, false, false}, "number": {1, false, false},
				"endpoint elsewhere": {"https://other.example" + path, false, false}, "prefix": {issuer[:len(issuer)-1], false, false},
			} {
				if got := ordinary.at(path, ordinary.assertion("aud", c.aud)); (got < 300) != c.ordinary || got >= 300 && got != 401 {
					w.Errorf("%s, %s: %d", path, name, got)
				}
				for _, client := range fapi {
					if got := client.at(path, client.assertion("aud", c.aud)); (got < 300) != c.fapi || got >= 300 && got != 401 {
						w.Errorf("%s, %s, %s: %d", path, client.id, name, got)
					}
				}
			}
		}
	})
}

func TestSec_OA13_TimesOfAssertions(t *testing.T) {
	w := newWorld(t)
	key, _ := clientKey(t)
	client := w.asserter(oauth.Client{ID: "fapi", RequirePAR: true, DPoPBound: true}, key, jose.ES256)
	now := w.clock.Now().Unix()
	for name, c := range map[string]struct {
		changes []any
		good    bool
	}{
		"nbf 8 s ahead": {[]any{"nbf", now + 8}, true}, "nbf 60 s ahead": {[]any{"nbf", now + 60}, false},
		"iat 8 s ahead": {[]any{"iat", now + 8}, true}, "iat 60 s ahead": {[]any{"iat", now + 60}, false},
		"expired": {[]any{"exp", now - 300}, false}, "exp now": {[]any{"exp", now}, false}, "no exp": {[]any{"exp", nil}, false},
		"exp in 10 min": {[]any{"exp", now + 600}, true}, "exp in 11 min": {[]any{"exp", now + 660}, false},
		"no sub": {[]any{"sub", nil}, false}, "no iss": {[]any{"iss", nil}, false}, "no jti": {[]any{"jti", nil}, false},
		"iss": {[]any{"iss", "web"}, false}, "other claims": {[]any{"x", "y"}, true},
	} {
		for _, path := range []string{"/oauth2/token", "/oauth2/par"} {
			if got := client.at(path, client.assertion(c.changes...)); (got < 300) != c.good || got >= 300 && got != 401 {
				t.Errorf("%s, %s: %d", path, name, got)
			}
		}
	}
	v := w.machine("other")
	w.wantError(w.post("/oauth2/token", asserted(v, client.assertion())), 401, "invalid_client")
	w.wantError(w.post("/oauth2/token", w.machine("fapi")), 401, "invalid_client")
	w.wantError(w.post("/oauth2/token", w.machine("fapi", "client_assertion_type", "x", "client_assertion", client.assertion())), 400, "invalid_request")
}

func TestSec_OA13_AlgorithmsOfAssertions(t *testing.T) {
	w := newWorld(t)
	long, _ := rsa.GenerateKey(rand.Reader, 2048)
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	_, edwards, _ := ed25519.GenerateKey(rand.Reader)
	for _, c := range []struct {
		id      string
		fapi    bool
		key     crypto.Signer
		alg     jose.SignatureAlgorithm
		allowed bool
	}{
		{"rs", false, long, jose.RS256, true}, {"ps", false, long, jose.PS256, true}, {"ed", false, edwards, jose.EdDSA, true},
		{"fapi-rs", true, long, jose.RS256, false}, {"fapi-ps", true, long, jose.PS256, true}, {"fapi-ed", true, edwards, jose.EdDSA, true},
		{"weak", false, weak, jose.PS256, false},
	} {
		if c.allowed {
			client := w.asserter(oauth.Client{ID: c.id, DPoPBound: c.fapi}, c.key, c.alg)
			if got := client.at("/oauth2/token", client.assertion()); got != 200 {
				t.Errorf("%s: %d", c.id, got)
			}
			continue
		}
		// What could never authenticate is not registered, whether the client names the algorithm or its key does.
		for _, named := range []string{string(c.alg), ""} {
			_, err := w.server.Clients().Create(t.Context(), &oauth.Client{
				ID: c.id, DPoPBound: c.fapi, RedirectURIs: []string{callback}, AuthMethod: "private_key_jwt", AuthAlg: named,
				JWKS: &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: c.key.Public(), KeyID: "k1", Algorithm: string(c.alg)}}},
			}, "")
			if !errors.As(err, new(*oauth.InvalidError)) {
				t.Errorf("%s %q: %v", c.id, named, err)
			}
		}
	}
	testPublished(t, w, long, weak)
	// The registered algorithm and no other, though the key would do.
	client := w.asserter(oauth.Client{ID: "only-ps"}, long, jose.PS256)
	client.alg = jose.RS256
	if got := client.at("/oauth2/token", client.assertion()); got != 401 {
		t.Errorf("another algorithm: %d", got)
	}
}

// testPublished: a client that names no algorithm may sign by any that suits its published key, but for what FAPI forbids.
func testPublished(t *testing.T, w *world, long, weak *rsa.PrivateKey) {
	t.Helper()
	published := map[string]crypto.Signer{"long": long, "weak": weak}
	curve, _ := clientKey(t)
	published["curve"] = curve
	pages := map[string]string{}
	for name, key := range published {
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1"}}})
		if err != nil {
			t.Fatal(err)
		}
		pages["https://app.example/"+name] = string(set)
	}
	w.openRegistration(pages)
	for n, c := range []struct {
		name    string
		fapi    bool
		alg     jose.SignatureAlgorithm
		allowed bool
	}{
		{"long", false, jose.RS256, true}, {"long", false, jose.PS256, true}, {"long", true, jose.PS256, true}, {"long", true, jose.RS256, false},
		{"curve", false, jose.ES256, true}, {"curve", true, jose.ES256, true}, {"weak", false, jose.PS256, false},
	} {
		id := fmt.Sprint(c.name, n)
		w.client(&oauth.Client{
			ID: id, AuthMethod: "private_key_jwt", JWKSURI: "https://app.example/" + c.name, RequirePAR: c.fapi,
			GrantTypes: []string{"authorization_code", "client_credentials"}, Scopes: []string{"openid", "read"},
		})
		client := &asserter{w: w, id: id, key: published[c.name], alg: c.alg}
		if got := client.at("/oauth2/token", client.assertion()); (got == 200) != c.allowed || !c.allowed && got != 401 {
			t.Errorf("%s %s: %d", id, c.alg, got)
		}
	}
}
