package oauth_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/oauth"
)

func TestReplicasStartTogether(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		keys := sharedSeal(t)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := oauth.New(t.Context(), oauth.Config{Issuer: issuer, DB: db, Seal: keys, Secret: keys.Derive}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var rows []string
		if err := db.Select(t.Context(), &rows, `SELECT alg FROM oauth_keys ORDER BY alg`); err != nil || fmt.Sprint(rows) != "[ES256 EdDSA RS256]" {
			t.Errorf("%v %v", rows, err)
		}
	}, "oauth")
}

func TestAnotherKeysetIsRefused(t *testing.T) {
	w := newWorld(t)
	other, err := seal.Random()
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.config()
	cfg.Seal = other
	if _, err := oauth.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "keyset") {
		t.Errorf("got %v", err)
	}
}

// publishedKeys returns the kids of the key set, after checking that it holds what RFC 7517 and RFC 7518 name for a public
// key and nothing else.
func (w *world) publishedKeys() (kids []string) {
	w.Helper()
	members := map[string]string{"RS256": "RSA alg e kid kty n use", "ES256": "EC alg crv kid kty use x y", "EdDSA": "OKP alg crv kid kty use x"}
	for _, k := range w.get("/oauth2/jwks").json["keys"].([]any) {
		key := k.(map[string]any)
		got := fmt.Sprint(key["kty"], " ", strings.Join(slices.Sorted(maps.Keys(key)), " "))
		kid, alg := fmt.Sprint(key["kid"]), fmt.Sprint(key["alg"])
		if got != members[alg] || key["use"] != "sig" || len(kid) != 43 || slices.Contains(kids, kid) {
			w.Errorf("%v", key)
		}
		kids = append(kids, kid)
	}
	return kids
}

func TestTrap09_OldTokensSurviveARotation(t *testing.T) {
	both(t, func(w *world) {
		before := w.tokens("web")
		w.rotate()
		if kids := w.publishedKeys(); len(kids) != 6 {
			w.Errorf("published: %v", kids)
		}
		kid := func(token any) string { return part(w, token, 0)["kid"].(string) }
		if got := w.tokens("web"); kid(got["id_token"]) != kid(before["id_token"]) {
			w.Error("the new key signs before verifiers know it")
		}
		if _, err := w.server.Keys().Rotate(w.Context()); !errors.Is(err, oauth.ErrKeyWaits) {
			w.Errorf("rotated while a key waits: %v", err)
		}
		w.clock.Add(5 * time.Minute)
		if a := w.userinfo(before["access_token"].(string)); a.status != 200 {
			w.Error(a.body)
		}
		w.clock.Add(10 * time.Minute)
		w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		after := w.tokens("web")
		if kid(after["id_token"]) == kid(before["id_token"]) {
			w.Error("the new key doesn't sign")
		}
		// Whoever signs out with an old ID token is known for another year after its key is gone.
		hint := before["id_token"].(string)
		for _, step := range []struct {
			wait      time.Duration
			published int
			known     bool
		}{{47 * time.Hour, 6, true}, {2 * time.Hour, 3, true}, {364 * 24 * time.Hour, 3, true}, {2 * 24 * time.Hour, 3, false}} {
			w.clock.Add(step.wait)
			if err := w.server.Prune(w.Context()); err != nil {
				w.Fatal(err)
			}
			w.host.set(func(h *host) { h.auth, h.logout = signedIn(w.clock.Now()), oauth.LogoutHint{} })
			if kids := w.publishedKeys(); len(kids) != step.published {
				w.Errorf("published: %v", kids)
			}
			w.get("/oauth2/logout?id_token_hint=" + hint)
			if w.host.logout.Valid != step.known {
				w.Errorf("after %v more: %+v", step.wait, w.host.logout)
			}
			if step.known {
				w.code("web", "id_token_hint", hint)
				continue
			}
			w.wantRedirected(w.authorize(request("web", "id_token_hint", hint)), "invalid_request")
		}
	})
}

// rotate makes new keys, which are three.
func (w *world) rotate() {
	w.Helper()
	made, err := w.server.Keys().Rotate(w.Context())
	if err != nil || len(made) != 3 {
		w.Fatalf("%v, %v", made, err)
	}
}

func TestSec_TK12_AReplicaSeesTheOthersKeys(t *testing.T) {
	w := newWorld(t)
	first, firstMux := w.server, w.mux
	w.server, w.mux = w.start(w.config())
	if _, err := first.Keys().Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(2 * time.Second)
	w.browser = w.newBrowser()
	if kids := w.publishedKeys(); len(kids) != 6 {
		t.Errorf("published: %v", kids)
	}
	w.clock.Add(20 * time.Minute)
	w.host.auth = signedIn(w.clock.Now())
	token := w.tokens("web")["access_token"].(string)
	w.mux = firstMux
	w.browser = w.newBrowser()
	if a := w.userinfo(token); a.status != 200 {
		t.Error(a.body)
	}
}

// TestSec_TK02_ForgedHeaders: a token's header names a key of ours and decides nothing else.
func TestSec_TK02_ForgedHeaders(t *testing.T) {
	w := newWorld(t)
	outgoing := &published{}
	cfg := w.config()
	cfg.Outbound = &http.Client{Transport: outgoing}
	w.server, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	token := w.tokens("web")["access_token"].(string)
	parts := strings.Split(token, ".")
	kid := part(t, token, 0)["kid"]
	evil, set := clientKey(t)
	jwk, _ := json.Marshal(set.Keys[0])
	var other string
	var secrets [][]byte // the public key in every form that a library might take for an HMAC's
	for _, k := range w.get("/oauth2/jwks").json["keys"].([]any) {
		key := k.(map[string]any)
		if key["kid"] != kid {
			other = key["kid"].(string)
			continue
		}
		text, _ := json.Marshal(key)
		n, _ := base64.RawURLEncoding.DecodeString(key["n"].(string))
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, text, n, []byte(key["n"].(string)), der, x509.MarshalPKCS1PublicKey(public),
			pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	for _, header := range []map[string]any{
		{"alg": "none"}, {"alg": "None", "kid": kid}, {"alg": "nOnE", "kid": kid}, {"alg": "", "kid": kid}, {"kid": kid},
		{"alg": "HS256", "kid": kid}, {"alg": "HS384", "kid": kid}, {"alg": "HS512", "kid": kid}, {"alg": "HS256"},
		{"alg": "ES256", "kid": kid}, {"alg": "PS256", "kid": kid}, {"alg": "RS384", "kid": kid}, {"alg": "RS512", "kid": kid},
		{"alg": "EdDSA", "kid": kid}, {"alg": "rs256", "kid": kid}, {"alg": "RS256"}, {"alg": "RS256", "kid": ""}, {"alg": "RS256", "kid": other},
		{"alg": "RS256", "kid": "../../x"}, {"alg": "RS256", "kid": "' OR 1=1 --"}, {"alg": "RS256", "kid": 7}, {"alg": "RS256", "kid": nil},
		{"alg": "ES256", "jwk": json.RawMessage(jwk)}, {"alg": "ES256", "jwk": json.RawMessage(jwk), "kid": kid},
		{"alg": "ES256", "jku": "https://evil.example/"}, {"alg": "ES256", "x5u": "https://evil.example/"},
		{"alg": "ES256", "x5c": []string{"AAAA"}}, {"alg": "ES256", "x5t": "AAAA"},
		{"alg": "RS256", "kid": kid, "crit": []string{"x"}, "x": 1}, {"alg": "RS256", "kid": kid, "crit": []string{}},
		{"alg": "RS256", "kid": kid, "b64": false, "crit": []string{"b64"}}, {"alg": "RS256", "kid": kid, "zip": "DEF"},
	} {
		header["typ"] = "at+jwt"
		raw, _ := json.Marshal(header)
		signed := base64.RawURLEncoding.EncodeToString(raw) + "." + parts[1]
		sum := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, evil, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		forged := []string{"", parts[2], base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))}
		for _, secret := range secrets {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(signed))
			forged = append(forged, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
		}
		for _, signature := range forged {
			if a := w.userinfo(signed + "." + signature); a.status != 401 {
				t.Errorf("%s: %d %s", raw, a.status, a.body)
			}
		}
	}
	if outgoing.calls > 0 {
		t.Errorf("%d outgoing requests", outgoing.calls)
	}
	if a := w.userinfo(token); a.status != 200 {
		t.Errorf("the token itself: %d", a.status)
	}
}

// TestSec_DR02_KeysAreSealedAndDistinct: a sealed key opens in its own row alone.
func TestSec_DR02_KeysAreSealedAndDistinct(t *testing.T) {
	w := newWorld(t)
	rows, err := w.server.Keys().List(t.Context())
	if err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
	var sealed [][]byte
	if err := w.db.Select(t.Context(), &sealed, `SELECT private FROM oauth_keys ORDER BY alg`); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, row := range rows {
		if seen[row.KID] {
			t.Errorf("kid %s twice", row.KID)
		}
		seen[row.KID] = true
		if _, err := sharedSeal(t).Decrypt(sealed[i], []byte("oauth_keys/private/other")); err == nil {
			t.Error("a key opens in another row's place")
		}
	}
	for _, k := range w.get("/oauth2/jwks").json["keys"].([]any) {
		if key := k.(map[string]any); key["kty"] == "RSA" {
			n, _ := base64.RawURLEncoding.DecodeString(key["n"].(string))
			if bits := len(n) * 8; bits != 2048 {
				t.Errorf("RSA key of %d bits (%T)", bits, rsa.PublicKey{})
			}
		}
	}
	// Exchanged between two rows they are refused, and nothing starts.
	if _, err := w.db.Exec(t.Context(), `UPDATE oauth_keys SET private = CASE alg WHEN 'ES256' THEN $1 ELSE $2 END WHERE alg <> 'RS256'`,
		sealed[1], sealed[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := oauth.New(t.Context(), w.config()); err == nil || !strings.Contains(err.Error(), "cannot be opened") {
		t.Errorf("exchanged keys: %v", err)
	}
}
