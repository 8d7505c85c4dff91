package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/oauth"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// present asks userinfo with these headers, in pairs.
func (w *world) present(method string, headers ...string) answer {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, issuer+"/oauth2/userinfo", nil)
	if err != nil {
		w.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return w.do(w.browser, r)
}

// bound returns tokens that are bound to the key of p.
func (w *world) bound(client string, p *prover, changes ...string) map[string]any {
	w.Helper()
	a := w.proving(w.exchange(client, w.code(client, changes...)), p.proof())
	if a.status != 200 || a.json["token_type"] != "DPoP" {
		w.Fatalf("no bound tokens: %d %s", a.status, a.body)
	}
	return a.json
}

// alone returns an access token that a client has for itself.
func (w *world) alone(client string) string {
	w.Helper()
	a := w.token(w.machine(client))
	if a.status != 200 {
		w.Fatalf("no token: %d %s", a.status, a.body)
	}
	return a.json["access_token"].(string)
}

// wantChallenge checks a refusal by a resource: the error in the body and in the header of the scheme.
func (w *world) wantChallenge(what string, a answer, status int, scheme, code string) {
	w.Helper()
	header := a.header.Get("WWW-Authenticate")
	if a.status != status || a.json["error"] != code || !strings.HasPrefix(header, scheme+" ") || !strings.Contains(header, `error="`+code+`"`) {
		w.Errorf("%s: %d %s %s", what, a.status, header, a.body)
	}
	if algs := strings.Contains(header, `algs="ES256 PS256 EdDSA"`); algs != (scheme == "DPoP") {
		w.Errorf("%s: %s", what, header)
	}
}

func TestBoundTokensAreForTheirKey(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		for _, client := range []string{"web", "opaque", "spa"} {
			p, other := w.prover(), w.prover()
			token := w.bound(client, p)["access_token"].(string)
			free := w.tokens("web")["access_token"].(string)
			for _, scheme := range []string{"DPoP ", "dpop ", "DPOP "} {
				if a := w.present("GET", "Authorization", scheme+token, "DPoP", p.at(token)); a.status != 200 || a.json["sub"] != "alice-1" {
					w.Errorf("%s: %d %s", client, a.status, a.body)
				}
			}
			if a := w.present("POST", "Authorization", "DPoP "+token, "DPoP", p.at(token, "htm", "POST")); a.status != 200 {
				w.Errorf("%s by POST: %d %s", client, a.status, a.body)
			}
			once := p.at(token)
			w.present("GET", "Authorization", "DPoP "+token, "DPoP", once)
			for name, c := range map[string]struct {
				headers      []string
				scheme, code string
			}{
				"as a bearer token":   {[]string{"Authorization", "Bearer " + token}, "DPoP", "invalid_token"},
				"bearer with a proof": {[]string{"Authorization", "Bearer " + token, "DPoP", p.at(token)}, "DPoP", "invalid_token"},
				"no proof":            {[]string{"Authorization", "DPoP " + token}, "DPoP", "invalid_dpop_proof"},
				"another key":         {[]string{"Authorization", "DPoP " + token, "DPoP", other.at(token)}, "DPoP", "invalid_token"},
				"another token":       {[]string{"Authorization", "DPoP " + token, "DPoP", p.at(free)}, "DPoP", "invalid_dpop_proof"},
				"no ath":              {[]string{"Authorization", "DPoP " + token, "DPoP", p.at(token, "ath", nil)}, "DPoP", "invalid_dpop_proof"},
				"another method":      {[]string{"Authorization", "DPoP " + token, "DPoP", p.at(token, "htm", "POST")}, "DPoP", "invalid_dpop_proof"},
				"sent again":          {[]string{"Authorization", "DPoP " + token, "DPoP", once}, "DPoP", "invalid_dpop_proof"},
				"two proofs":          {[]string{"Authorization", "DPoP " + token, "DPoP", p.at(token), "DPoP", p.at(token)}, "DPoP", "invalid_dpop_proof"},
				"wrong nonce":         {[]string{"Authorization", "DPoP " + token, "DPoP", p.at(token, "nonce", "x")}, "DPoP", "use_dpop_nonce"},
				"not bound":           {[]string{"Authorization", "DPoP " + free, "DPoP", p.at(free)}, "DPoP", "invalid_token"},
				"no token":            {[]string{"Authorization", "DPoP x", "DPoP", p.at("x")}, "DPoP", "invalid_token"},
			} {
				w.wantChallenge(client+", "+name, w.present("GET", c.headers...), 401, c.scheme, c.code)
			}
			a := w.post("/oauth2/userinfo", url.Values{"access_token": {token}}, "DPoP", p.at(token, "htm", "POST"))
			w.wantChallenge("in the body", a, 401, "DPoP", "invalid_token")
		}
	})
}

func TestUserinfoWantsTheNonce(t *testing.T) {
	w := newWorld(t)
	p := w.prover()
	token := w.bound("web", p)["access_token"].(string)
	cfg := w.config()
	cfg.RequireNonce = true
	_, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	a := w.present("GET", "Authorization", "DPoP "+token, "DPoP", p.at(token))
	w.wantChallenge("without", a, 401, "DPoP", "use_dpop_nonce")
	nonce := a.header.Get("DPoP-Nonce")
	if a := w.present("GET", "Authorization", "DPoP "+token, "DPoP", p.at(token, "nonce", nonce)); nonce == "" || a.status != 200 {
		t.Errorf("with %q: %d %s", nonce, a.status, a.body)
	}
	if a := w.present("GET", "Authorization", "DPoP "+token); a.header.Get("DPoP-Nonce") == "" {
		t.Error("without a proof none is offered")
	}
}

func TestUserinfoNamesBothSchemes(t *testing.T) {
	w := newWorld(t)
	for _, a := range []answer{w.present("GET"), w.present("POST"), w.present("GET", "Authorization", "Basic x")} {
		got := strings.Join(a.header.Values("WWW-Authenticate"), ", ")
		if a.status != 401 || !strings.Contains(got, "Bearer realm=") || !strings.Contains(got, "DPoP realm=") || strings.Contains(got, "error") || a.body != "" {
			t.Errorf("%d %s %s", a.status, got, a.body)
		}
	}
	a := w.userinfo(w.tokens("web", "scope", "profile")["access_token"].(string))
	w.wantChallenge("without openid", a, 403, "Bearer", "insufficient_scope")
	if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `scope="openid"`) {
		t.Error(got)
	}
}

func TestTokensForOtherResources(t *testing.T) {
	both(t, func(w *world) {
		const api = "https://api.example/v1"
		for _, kind := range []string{"jwt", "opaque"} {
			w.client(&oauth.Client{ID: kind, AccessToken: kind, Resources: []string{api}})
			here := w.tokens(kind, "resource", issuer)["access_token"].(string)
			there := w.tokens(kind, "resource", api)["access_token"].(string)
			if a := w.userinfo(here); a.status != 200 {
				w.Errorf("%s for us: %d %s", kind, a.status, a.body)
			}
			w.wantChallenge(kind+" for another", w.userinfo(there), 401, "Bearer", "invalid_token")
		}
	})
}

func TestTokensOfClientsAreAboutNobody(t *testing.T) {
	both(t, func(w *world) {
		for _, kind := range []string{"jwt", "opaque"} {
			w.client(&oauth.Client{ID: kind, AccessToken: kind, GrantTypes: []string{"client_credentials"}, Scopes: []string{"api", "openid"}})
			w.wantChallenge(kind, w.userinfo(w.alone(kind)), 403, "Bearer", "insufficient_scope")
		}
	})
}

func TestSignedUserinfo(t *testing.T) {
	w := newWorld(t)
	w.host.claims = person()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.get("/oauth2/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		w.client(&oauth.Client{ID: alg, UserinfoAlg: alg})
		got := w.tokens(alg, "scope", "openid email")
		a := w.userinfo(got["access_token"].(string))
		if a.status != 200 || a.header.Get("Content-Type") != "application/jwt" {
			t.Fatalf("%s: %d %s %s", alg, a.status, a.header.Get("Content-Type"), a.body)
		}
		parsed, err := jwt.ParseSigned(a.body, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatal(err)
		}
		claims := map[string]any{}
		if err := parsed.Claims(set.Key(parsed.Headers[0].KeyID)[0].Key, &claims); err != nil {
			t.Fatal(err)
		}
		if claims["iss"] != issuer || claims["aud"] != alg || claims["sub"] != "alice-1" || claims["email"] != "alice@example.com" || claims["name"] != nil || claims["nonce"] != nil {
			t.Errorf("%s: %v", alg, claims)
		}
		if typ := part(t, a.body, 0)["typ"]; typ != "userinfo+jwt" {
			t.Errorf("%s: typ %v", alg, typ)
		}
		if again := w.userinfo(a.body); again.status != 401 {
			t.Errorf("%s: taken for an access token: %s", alg, again.body)
		}
		w.wantRedirected(w.authorize(request(alg, "id_token_hint", a.body)), "invalid_request")
		w.wantChallenge(alg, w.userinfo("x"), 401, "Bearer", "invalid_token") // an error is JSON all the same
	}
}

func TestUserinfoHasADate(t *testing.T) {
	w := newWorld(t)
	token := w.tokens("web")["access_token"].(string)
	server := httptest.NewServer(w.mux)
	t.Cleanup(server.Close)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "bEaReR "+token)
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if _, err := http.ParseTime(response.Header.Get("Date")); err != nil || response.StatusCode != 200 {
		t.Errorf("%d, %v", response.StatusCode, err)
	}
}

// malformed are 40 values that are no token, made from one that is.
func malformed(token string) []string {
	parts := strings.Split(token, ".")
	for len(parts) < 3 { // of an opaque one
		parts = append(parts, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)))
	}
	last := token[len(token)-1]
	flipped := byte('A')
	if last == 'A' {
		flipped = 'B'
	}
	return []string{
		token[1:], token[:len(token)-1], token[:len(token)/2], token[len(token)/2:], token[:1], token[:8], token[:16], token[:22],
		token[:33], token + "A", "A" + token, token + "=", token + "==", token + ".", "." + token, token + "..", token + "%00", token + "%20",
		token + token, token + "." + token, token + "," + token, strings.ToUpper(token), strings.ToLower(token), strings.ReplaceAll(token, token[3:4], "-"),
		token[:len(token)-2] + string(flipped) + string(last), string(flipped) + token[1:], parts[0] + ".." + parts[2], parts[0] + "." + parts[1],
		parts[0] + "." + parts[1] + ".", parts[1] + "." + parts[0] + "." + parts[2], "..", "...", ".", "null", "undefined", "true", "0", "*", "%", "' OR '1'='1",
	}
}

func TestSec_TK10_MalformedTokensOpenNothing(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "opaque", AccessToken: "opaque"})
		for _, client := range []string{"web", "opaque"} {
			got := w.tokens(client)
			access, refresh := got["access_token"].(string), got["refresh_token"].(string)
			for _, good := range []string{access, refresh} {
				bad := malformed(good)
				if len(bad) != 40 {
					w.Fatalf("%d values", len(bad))
				}
				for _, token := range bad {
					if token == good { // without capitals or letters to change
						continue
					}
					if a := w.userinfo(token); a.status != 401 {
						w.Errorf("userinfo takes %q: %d", token, a.status)
					}
					if a := w.ask(client, "introspect", token); a.status != 200 || a.body != `{"active":false}` {
						w.Errorf("introspection of %q: %d %s", token, a.status, a.body)
					}
					if a := w.ask(client, "revoke", token); a.status != 200 {
						w.Errorf("revocation of %q: %d %s", token, a.status, a.body)
					}
					if a := w.token(w.refreshing(client, token)); a.status != 400 || a.json["error"] != "invalid_grant" {
						w.Errorf("refresh by %q: %d %s", token, a.status, a.body)
					}
				}
			}
			if a := w.userinfo(access); a.status != 200 {
				w.Errorf("a malformed token has ended the good one: %s", a.body)
			}
			if a := w.token(w.refreshing(client, refresh)); a.status != 200 {
				w.Errorf("a malformed token has ended the good one: %s", a.body)
			}
		}
		if n := w.host.count(oauth.EventTokenRevoked); n != 0 {
			w.Errorf("%d events", n)
		}
	})
}

// Each kind of secret is taken where it belongs and nowhere else.
func TestSec_TK11_TokensAtTheOtherEndpoints(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "all", UserinfoAlg: "RS256", GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}})
		got := w.tokens("all")
		kinds := map[string]string{
			"access token": got["access_token"].(string), "refresh token": got["refresh_token"].(string), "ID token": got["id_token"].(string),
			"client's token": w.alone("all"), "userinfo": w.userinfo(got["access_token"].(string)).body, "code": w.code("all"),
			"client secret": w.secrets["all"], "request": w.suspend(request("all")), "client id": "all",
		}
		for name, secret := range kinds {
			isAccess, isRefresh := name == "access token" || name == "client's token", name == "refresh token"
			about := w.ask("all", "introspect", secret).json
			if about["active"] != (isAccess || isRefresh) || (about["token_type"] == "Bearer") != isAccess {
				w.Errorf("introspection of %s: %v", name, about)
			}
			if a := w.userinfo(secret); (a.status == 200) != (name == "access token") {
				w.Errorf("userinfo with %s: %d", name, a.status)
			}
		}
		for name, secret := range kinds {
			if name == "access token" || name == "refresh token" || name == "client's token" {
				continue
			}
			if a := w.ask("all", "revoke", secret); a.status != 200 || a.body != "" {
				w.Errorf("revocation of %s: %d %s", name, a.status, a.body)
			}
		}
		for _, name := range []string{"access token", "refresh token", "client's token"} {
			if about := w.ask("all", "introspect", kinds[name]).json; about["active"] != true {
				w.Errorf("%s was revoked by something else", name)
			}
		}
		if a := w.token(w.exchange("all", kinds["code"])); a.status != 200 {
			w.Errorf("the code was revoked: %s", a.body)
		}
	})
}

// Each kind of token is good in its own place alone.
func TestSec_TK01_OnlyTheDiagonal(t *testing.T) {
	both(t, func(w *world) {
		notices := w.told(0)
		w.in("sid-9", "one")
		w.end("sid-9")
		w.server.NotifySession(w.Context(), "sid-9")
		w.in("sid-1")
		w.client(&oauth.Client{ID: "signed", UserinfoAlg: "RS256"})
		p, got := w.prover(), w.tokens("one")
		kinds := map[string]string{
			"access token": got["access_token"].(string), "refresh token": got["refresh_token"].(string), "ID token": got["id_token"].(string),
			"logout token": notices.tokens("one")[0], "proof": p.at(got["access_token"].(string)),
			"userinfo": w.userinfo(w.tokens("signed")["access_token"].(string)).body,
		}
		places := map[string]func(token string) bool{
			"access token": func(token string) bool { return w.userinfo(token).status == 200 },
			"refresh token": func(token string) bool {
				return w.ask("one", "introspect", token).json["active"] == true && w.token(w.refreshing("one", token)).status == 200
			},
			"ID token": func(token string) bool {
				return w.authorize(request("one", "id_token_hint", token)).location().Query().Has("code")
			},
			"code": func(token string) bool { return w.token(w.exchange("one", token)).status == 200 },
			"proof": func(token string) bool {
				a := w.present("GET", "Authorization", "DPoP "+kinds["access token"], "DPoP", token)
				return a.json["error"] == "invalid_token" // the proof is good, and the token not bound
			},
		}
		for kind, token := range kinds {
			for place, takes := range places {
				if got := takes(token); got != (kind == place) {
					w.Errorf("%s as %s: %v", kind, place, got)
				}
			}
		}
	})
}
