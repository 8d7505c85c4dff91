package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"

	"github.com/focushq/idp/mfa"
)

// keys is the signing key, which lives as long as the process.
type keys struct{ key jose.JSONWebKey }

// protocol makes the fosite server: authorization code with PKCE and ID tokens, for one public client.
func (s *server) protocol(c config) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	s.keys.key = jose.JSONWebKey{Key: private, KeyID: random()[:8], Algorithm: "RS256", Use: "sig"}
	store := storage.NewMemoryStore()
	store.Clients["app"] = &fosite.DefaultClient{
		ID: "app", Public: true, RedirectURIs: []string{c.App + "/callback"},
		GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, Scopes: []string{"openid"},
	}
	settings := &fosite.Config{
		GlobalSecret: []byte(random()), IDTokenIssuer: s.origin, AccessTokenIssuer: s.origin,
		EnforcePKCE: true, EnforcePKCEForPublicClients: true,
		AccessTokenLifespan: 10 * time.Minute, AuthorizeCodeLifespan: time.Minute, IDTokenLifespan: 10 * time.Minute,
	}
	key := func(context.Context) (any, error) { return &s.keys.key, nil }
	s.oauth = compose.Compose(settings, store, &compose.CommonStrategy{
		CoreStrategy:               compose.NewOAuth2HMACStrategy(settings),
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(key, settings),
	}, compose.OAuth2AuthorizeExplicitFactory, compose.OpenIDConnectExplicitFactory, compose.OAuth2PKCEFactory)
	return nil
}

// authorize decides what is missing between an app's request and its code, and sends the browser there; each step leads
// back here. Nothing travels with the browser but the request itself, which is judged anew every time.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	answer := r.PostFormValue("answer")
	if r.Method == http.MethodPost && answer == "" { // an app may post; the steps need the request in the URL
		http.Redirect(w, r, "/oauth2/auth?"+r.Form.Encode(), http.StatusSeeOther)
		return
	}
	request, err := s.oauth.NewAuthorizeRequest(ctx, r)
	if err != nil {
		s.oauth.WriteAuthorizeError(ctx, w, request, err)
		return
	}
	form, who := request.GetRequestForm(), s.sessions.of(r)
	strict := slices.Contains(strings.Fields(form.Get("acr_values")), "aal2")
	step, err := s.next(ctx, who, strict)
	query := r.URL.Query()
	if step == "" && s.passwordAgain(form, who) {
		step = "/login"
		query.Del("prompt") // asked for once; the app finds the time in auth_time
		query.Del("max_age")
	}
	silent := form.Get("prompt") == "none"
	switch {
	case err != nil:
		s.fail(w, r, err)
	case step == "/login" && silent:
		s.oauth.WriteAuthorizeError(ctx, w, request, fosite.ErrLoginRequired)
	case step != "" && silent:
		s.oauth.WriteAuthorizeError(ctx, w, request, fosite.ErrInteractionRequired)
	case step != "":
		http.Redirect(w, r, step+"?"+url.Values{"request": {query.Encode()}}.Encode(), http.StatusSeeOther)
	case silent:
		s.oauth.WriteAuthorizeError(ctx, w, request, fosite.ErrConsentRequired)
	case answer == "" || http.NewCrossOriginProtection().Check(r) != nil:
		s.render(w, r, http.StatusOK, "Allow access?", "consent", map[string]any{
			"Client": request.GetClient().GetID(), "Action": r.URL.RequestURI(),
		})
	case answer != "allow":
		s.oauth.WriteAuthorizeError(ctx, w, request, fosite.ErrAccessDenied)
	default:
		s.issue(w, r, request, who)
	}
}

// passwordAgain reports whether the app wants the password again.
func (s *server) passwordAgain(form url.Values, who session) bool {
	if strings.Contains(form.Get("prompt"), "login") {
		return true
	}
	seconds, err := strconv.Atoi(form.Get("max_age"))
	return err == nil && s.now().Sub(who.AuthTime) > time.Duration(seconds)*time.Second
}

// issue gives the app its code. What the ID token will say about the sign-in is what the session has seen.
func (s *server) issue(w http.ResponseWriter, r *http.Request, request fosite.AuthorizeRequester, who session) {
	request.GrantScope("openid")
	response, err := s.oauth.NewAuthorizeResponse(r.Context(), request, &openid.DefaultSession{
		Subject: who.Subject,
		Claims: &jwt.IDTokenClaims{
			Subject: who.Subject, AuthTime: who.AuthTime, RequestedAt: time.Now(),
			AuthenticationMethodsReferences: who.AMR, AuthenticationContextClassReference: mfa.ACR(who.AMR),
		},
		Headers: &jwt.Headers{Extra: map[string]any{"kid": s.keys.key.KeyID}},
	})
	if err != nil {
		s.oauth.WriteAuthorizeError(r.Context(), w, request, err)
		return
	}
	s.oauth.WriteAuthorizeResponse(r.Context(), w, request, response)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	request, err := s.oauth.NewAccessRequest(ctx, r, openid.NewDefaultSession())
	if err != nil {
		s.oauth.WriteAccessError(ctx, w, request, err)
		return
	}
	response, err := s.oauth.NewAccessResponse(ctx, request)
	if err != nil {
		s.oauth.WriteAccessError(ctx, w, request, err)
		return
	}
	s.oauth.WriteAccessResponse(ctx, w, request, response)
}

func (s *server) jwks(w http.ResponseWriter, _ *http.Request) {
	write(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.keys.key.Public()}})
}

func (s *server) discovery(w http.ResponseWriter, _ *http.Request) {
	write(w, map[string]any{
		"issuer": s.origin, "authorization_endpoint": s.origin + "/oauth2/auth", "token_endpoint": s.origin + "/oauth2/token",
		"jwks_uri": s.origin + "/oauth2/jwks", "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported": []string{"openid"}, "acr_values_supported": []string{"aal1", "aal2"},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
	})
}

func write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Print(err)
	}
}
