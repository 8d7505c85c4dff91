package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// rpAPI is a resource server that does what docs/resource-servers.md says: it wants a second factor and a sign-in of the
// last five minutes.
func rpAPI(t *testing.T, s *secSite, introspects bool) (uri string) {
	var api *httptest.Server
	look := func(token string) map[string]any {
		about := map[string]any{}
		if introspects {
			if err := json.Unmarshal([]byte(s.asks(s.Issuer+"/oauth2/introspect", token).Body), &about); err != nil {
				t.Error(err)
			}
			if about["active"] != true || about["token_type"] != "Bearer" || about["aud"] != api.URL {
				return nil
			}
			return about
		}
		verified, err := s.oidc.Verifier(&oidc.Config{ClientID: api.URL, Now: s.Clock.Now}).Verify(t.Context(), token)
		if err != nil || verified.Claims(&about) != nil || rpPart(t, token)["typ"] != "at+jwt" {
			return nil
		}
		return about
	}
	api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		about := look(token)
		if !ok || about == nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		signedIn := time.Unix(int64(about["auth_time"].(float64)), 0)
		if about["acr"] != "aal2" || s.Clock.Now().Sub(signedIn) > 5*time.Minute {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication", acr_values="aal2", max_age="300"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(about["sub"].(string)))
	}))
	t.Cleanup(api.Close)
	return api.URL
}

// rpPart returns the header of a JWT.
func rpPart(t *testing.T, token string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	out := map[string]any{}
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Error(err)
	}
	return out
}

var rpAsked = regexp.MustCompile(`acr_values="([^"]+)", max_age="([0-9]+)"`)

func TestResourceServersAskForMore(t *testing.T) {
	t.Parallel()
	for name, introspects := range map[string]bool{"JWT": false, "introspection": true} {
		t.Run(name, func(t *testing.T) {
			s := secOpen(t)
			api := rpAPI(t, s, introspects)
			app := s.client("caller", func(c *oauth.Client) { c.Resources = []string{api} })
			if introspects {
				s.app = s.client("api", func(c *oauth.Client) { c.Introspect = true })
			}
			call := func(token string) (status int, body, challenge string) {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, api, nil)
				r.Header.Set("Authorization", "Bearer "+token)
				page := s.Browser().Do(r)
				return page.Status, page.Body, page.Header.Get("WWW-Authenticate")
			}
			p, b := s.person("alice"), s.Browser()
			get := func(page *idptest.Page) *oauth2.Token {
				token, err := app.Exchange(t.Context(), secGranted(t, page), secVerifierOption())
				if err != nil {
					t.Fatal(err)
				}
				return token
			}
			forAPI := secParam("resource", api)
			token := get(p.signIn(b, app, forAPI))
			idToken, _ := token.Extra("id_token").(string)
			for _, other := range []string{idToken, get(p.signIn(b, app)).AccessToken, token.RefreshToken, "x"} {
				if status, _, challenge := call(other); status != http.StatusUnauthorized || !strings.Contains(challenge, "invalid_token") {
					t.Errorf("%s was taken: %d %s", other, status, challenge)
				}
			}
			p.enrol()
			for _, step := range []string{"/mfa", "/login"} { // only what is missing: the factor, and later the whole sign-in
				_, _, challenge := call(token.AccessToken)
				asked := rpAsked.FindStringSubmatch(challenge)
				if asked == nil {
					t.Fatalf("no challenge: %s", challenge)
				}
				page := secAt(t, s.begin(b, app, forAPI, secParam("acr_values", asked[1]), secParam("max_age", asked[2])), step)
				if step == "/login" {
					page = secAt(t, page.Submit("login-submit", "password", idptest.Password), "/mfa")
				}
				token = get(page.Submit("mfa-submit", "code", p.code()))
				if status, body, challenge := call(token.AccessToken); status != http.StatusOK || body != p.Subject {
					t.Errorf("after %s: %d %s %s", step, status, body, challenge)
				}
				s.Clock.Add(6 * time.Minute)
			}
		})
	}
}
