package focushq_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// fake is an OpenID provider that asks no questions. Tests change its fields between requests.
type fake struct {
	*httptest.Server
	key *rsa.PrivateKey
	now func() time.Time

	mu        sync.Mutex
	claims    map[string]any                     // of the ID token, besides the usual ones
	userinfo  map[string]any                     // besides sub
	answer    func(asked, answer url.Values)     // edits the authorization response
	token     func(id map[string]any)            // edits the ID token
	refuse    string                             // error code of the token endpoint
	blocked   bool                               // userinfo answers 401 until the next refresh
	opaque    bool                               // access tokens are no JWTs
	noRefresh bool                               // no refresh tokens
	asked     []url.Values                       // authorization requests
	refreshes int                                // answered
	codes     map[string]url.Values              // code → its request
	ended     url.Values                         // the last logout request
	exchanged func(r *http.Request) (status int) // looks at token requests; 0: go on
}

func newFake(t *testing.T, now func() time.Time) *fake {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{key: key, now: now, codes: map[string]url.Values{}, userinfo: map[string]any{
		"name": "Alice Example", "email": "alice@example.com", "email_verified": true, "mfa_enrolled": false}}
	f.signedInWith("aal1", "pwd")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", f.discovery)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		write(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", f.authorize)
	mux.HandleFunc("POST /token", f.tokenEndpoint)
	mux.HandleFunc("GET /userinfo", f.userinfoEndpoint)
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) {
		f.ended = r.URL.Query()
		http.Redirect(w, r, f.ended.Get("post_logout_redirect_uri"), http.StatusSeeOther)
	})
	locked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		mux.ServeHTTP(w, r)
	})
	f.Server = httptest.NewServer(locked)
	t.Cleanup(f.Close)
	return f
}

// signedInWith sets how the person signs in next.
func (f *fake) signedInWith(acr string, amr ...string) {
	f.claims = map[string]any{"amr": amr, "acr": acr, "auth_time": f.now().Unix(), "sid": "session-1"}
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fake) discovery(w http.ResponseWriter, _ *http.Request) {
	write(w, 200, map[string]any{
		"issuer": f.URL, "authorization_endpoint": f.URL + "/authorize", "token_endpoint": f.URL + "/token",
		"jwks_uri": f.URL + "/jwks", "userinfo_endpoint": f.URL + "/userinfo", "end_session_endpoint": f.URL + "/logout",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "authorization_response_iss_parameter_supported": true,
	})
}

func (f *fake) authorize(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	f.asked = append(f.asked, asked)
	code := rand.Text()
	f.codes[code] = asked
	answer := url.Values{"code": {code}, "state": {asked.Get("state")}, "iss": {f.URL}}
	if f.answer != nil {
		f.answer(asked, answer)
	}
	http.Redirect(w, r, asked.Get("redirect_uri")+"?"+answer.Encode(), http.StatusSeeOther)
}

func (f *fake) tokenEndpoint(w http.ResponseWriter, r *http.Request) {
	client, secret, _ := r.BasicAuth()
	switch {
	case f.exchanged != nil && f.exchanged(r) != 0:
		w.WriteHeader(f.exchanged(r))
		return
	case f.refuse != "":
		write(w, 400, map[string]any{"error": f.refuse})
		return
	case client != "focus-hq" || secret != "s3cret":
		write(w, 401, map[string]any{"error": "invalid_client"})
		return
	}
	nonce := ""
	if r.PostFormValue("grant_type") == "authorization_code" {
		asked, ok := f.codes[r.PostFormValue("code")]
		delete(f.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
			write(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
		nonce = asked.Get("nonce")
	} else {
		f.refreshes++
		f.blocked = false
	}
	id := map[string]any{"iss": f.URL, "sub": "alice-1", "aud": "focus-hq", "iat": f.now().Unix(), "exp": f.now().Add(time.Hour).Unix()}
	maps.Copy(id, f.claims)
	if nonce != "" {
		id["nonce"] = nonce
	}
	if f.token != nil {
		f.token(id)
	}
	answer := map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": f.sign(id)}
	if !f.opaque {
		answer["access_token"] = f.sign(map[string]any{"iss": f.URL, "client_id": "focus-hq", "acr": f.claims["acr"], "scope": "openid"})
	}
	if !f.noRefresh {
		answer["refresh_token"] = rand.Text()
	}
	write(w, 200, answer)
}

func (f *fake) userinfoEndpoint(w http.ResponseWriter, r *http.Request) {
	if f.blocked || r.Header.Get("Authorization") == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	info := map[string]any{"sub": "alice-1"}
	maps.Copy(info, f.userinfo)
	write(w, 200, info)
}

func (f *fake) sign(claims map[string]any) string {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: f.key}, options)
	if err != nil {
		panic(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return text
}
