package oauth_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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

// publishedKeys returns the kids of the key set and checks that nothing private is in it.
func (w *world) publishedKeys() (kids []string) {
	w.Helper()
	for _, k := range w.get("/oauth2/jwks").json["keys"].([]any) {
		key := k.(map[string]any)
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if key[private] != nil {
				w.Errorf("private part %s is published", private)
			}
		}
		if key["use"] != "sig" || key["alg"] == nil || key["kid"] == "" {
			w.Errorf("%v", key)
		}
		kids = append(kids, key["kid"].(string))
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

func TestSec_TK02_ForgedHeaders(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["access_token"].(string)
	parts := strings.Split(token, ".")
	kid := part(t, token, 0)["kid"]
	evil, set := clientKey(t)
	jwk, _ := json.Marshal(set.Keys[0])
	for _, header := range []map[string]any{
		{"alg": "none"}, {"alg": "None", "kid": kid}, {"alg": "", "kid": kid}, {"alg": "HS256", "kid": kid}, {"alg": "HS512", "kid": kid},
		{"alg": "ES256", "kid": kid}, {"alg": "PS256", "kid": kid}, {"alg": "RS512", "kid": kid}, {"alg": "RS256"}, {"alg": "RS256", "kid": ""},
		{"alg": "RS256", "kid": "../../x"}, {"alg": "ES256", "jwk": json.RawMessage(jwk)}, {"alg": "ES256", "jku": "https://evil.example/"},
		{"alg": "ES256", "x5u": "https://evil.example/"}, {"alg": "RS256", "kid": kid, "crit": []string{"x"}, "x": 1},
		{"alg": "RS256", "kid": kid, "b64": false, "crit": []string{"b64"}},
	} {
		header["typ"] = "at+jwt"
		raw, _ := json.Marshal(header)
		head := base64.RawURLEncoding.EncodeToString(raw)
		for _, signature := range []string{"", parts[2], base64.RawURLEncoding.EncodeToString([]byte("signature"))} {
			if a := w.userinfo(head + "." + parts[1] + "." + signature); a.status != 401 {
				t.Errorf("%s: %d %s", raw, a.status, a.body)
			}
		}
	}
	_ = evil
}

func TestKeysAreSealedAndDistinct(t *testing.T) {
	w := newWorld(t)
	rows, err := w.server.Keys().List(t.Context())
	if err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
	var sealed [][]byte
	if err := w.db.Select(t.Context(), &sealed, `SELECT private FROM oauth_keys`); err != nil {
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
}
