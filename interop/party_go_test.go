package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// session is what a relying party in Go keeps about one browser.
type session struct {
	state, nonce, verifier string
	maxAge                 time.Duration
	token                  *oauth2.Token
	wait                   func(context.Context) (answer, error)
}

// route returns an address to go to, or an answer to show.
type route func(r *http.Request, s *session) (address string, shown answer, err error)

// serve runs a relying party in Go until the test ends and returns its home. make gets that home.
func serve(t testing.TB, name string, make func(home string) map[string]route) string {
	t.Helper()
	var mu sync.Mutex
	var routes map[string]route
	sessions := map[string]*session{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id := oauth2.GenerateVerifier()
		if cookie, err := r.Cookie("rp_session"); err == nil {
			id = cookie.Value
		}
		if sessions[id] == nil {
			sessions[id] = &session{}
		}
		http.SetCookie(w, &http.Cookie{Name: "rp_session", Value: id, Path: "/", HttpOnly: true})
		if routes[r.URL.Path] == nil {
			http.NotFound(w, r)
			return
		}
		address, shown, err := routes[r.URL.Path](r, sessions[id])
		if err == nil && address != "" {
			http.Redirect(w, r, address, http.StatusSeeOther)
			return
		}
		if shown.RP = name; err != nil {
			shown.OK, shown.Error = false, reason(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(shown)
	}))
	t.Cleanup(server.Close)
	home := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	mu.Lock()
	defer mu.Unlock()
	routes = make(home)
	return home
}

func reason(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode != "" {
		return refused.ErrorCode
	}
	return err.Error()
}

// parameters returns what /login was given for the authorization request.
func parameters(r *http.Request) (list []oauth2.AuthCodeOption, maxAge time.Duration) {
	for _, name := range []string{"prompt", "max_age", "acr_values"} {
		if value := r.FormValue(name); value != "" {
			list = append(list, oauth2.SetAuthURLParam(name, value))
		}
	}
	seconds, _ := strconv.Atoi(r.FormValue("max_age"))
	return list, time.Duration(seconds) * time.Second
}

func told(claims, userinfo map[string]any) answer {
	a := answer{OK: true, Claims: claims, Userinfo: userinfo}
	a.ACR, _ = claims["acr"].(string)
	amr, _ := claims["amr"].([]any)
	for _, method := range amr {
		a.AMR = append(a.AMR, fmt.Sprint(method))
	}
	return a
}

// goOIDC is a relying party with github.com/coreos/go-oidc and golang.org/x/oauth2.
func goOIDC(t testing.TB, known environment) string {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), known.issuer)
	if err != nil {
		t.Fatal(err)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: known.id})
	return serve(t, "go-oidc", func(home string) map[string]route {
		cfg := oauth2.Config{
			ClientID: known.id, ClientSecret: known.secret, Endpoint: provider.Endpoint(),
			RedirectURL: home + "/callback", Scopes: strings.Fields(known.scope),
		}
		keep := func(ctx context.Context, s *session, token *oauth2.Token, nonce string) (_ string, a answer, err error) {
			raw, _ := token.Extra("id_token").(string)
			id, err := verifier.Verify(ctx, raw)
			if err == nil && id.AccessTokenHash != "" { // which the known provider leaves out where it may
				err = id.VerifyAccessToken(token.AccessToken)
			}
			if err != nil {
				return "", a, err
			}
			if id.Nonce != nonce {
				return "", a, fmt.Errorf("nonce %q", id.Nonce)
			}
			var claims, userinfo map[string]any
			info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
			if err == nil {
				err = errors.Join(id.Claims(&claims), info.Claims(&userinfo))
			}
			s.token = token
			return "", told(claims, userinfo), err
		}
		return map[string]route{
			"/login": func(r *http.Request, s *session) (string, answer, error) {
				s.state, s.nonce, s.verifier = oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
				more, _ := parameters(r)
				more = append(more, oidc.Nonce(s.nonce), oauth2.S256ChallengeOption(s.verifier))
				return cfg.AuthCodeURL(s.state, more...), answer{}, nil
			},
			"/callback": func(r *http.Request, s *session) (_ string, a answer, err error) {
				if r.FormValue("state") != s.state || r.FormValue("error") != "" {
					return "", a, errors.New(r.FormValue("error"))
				}
				token, err := cfg.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(s.verifier))
				if err != nil {
					return "", a, err
				}
				return keep(r.Context(), s, token, s.nonce)
			},
			"/refresh": func(r *http.Request, s *session) (_ string, a answer, err error) {
				token, err := cfg.TokenSource(r.Context(), &oauth2.Token{RefreshToken: s.token.RefreshToken}).Token()
				if err != nil {
					return "", a, err
				}
				raw, _ := token.Extra("id_token").(string)
				id, err := verifier.Verify(r.Context(), raw)
				if err != nil {
					return "", a, err
				}
				return keep(r.Context(), s, token, id.Nonce)
			},
			"/machine": func(r *http.Request, _ *session) (string, answer, error) {
				machine := clientcredentials.Config{ClientID: known.id, ClientSecret: known.secret, TokenURL: cfg.Endpoint.TokenURL}
				token, err := machine.Token(r.Context())
				if err != nil {
					return "", answer{}, err
				}
				return "", answer{OK: true, TokenType: token.Type()}, nil
			},
		}
	})
}
