package oauth_test

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/focushq/idp/oauth"
	"golang.org/x/oauth2"
)

// TestTrap10_EveryAlgorithmVerifies is an independent client's view, for each algorithm.
func TestTrap10_EveryAlgorithmVerifies(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			w := newWorld(t)
			w.host.claims = person()
			w.client(&oauth.Client{ID: "rp", IDTokenAlg: alg})
			ctx := oidc.ClientContext(t.Context(), w.browser)
			provider, err := oidc.NewProvider(ctx, issuer)
			if err != nil {
				t.Fatal(err)
			}
			cfg := oauth2.Config{
				ClientID: "rp", ClientSecret: w.secrets["rp"], Endpoint: provider.Endpoint(), RedirectURL: callback,
				Scopes: []string{"openid", "email", "offline_access"},
			}
			url := cfg.AuthCodeURL("state-1", oidc.Nonce("nonce-1"), oauth2.S256ChallengeOption(verifier))
			r, _ := http.NewRequest(http.MethodGet, url, nil)
			q := w.do(w.browser, r).location().Query()
			token, err := cfg.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			w.verify(ctx, provider, alg, token, "nonce-1")
			info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
			if err != nil || info.Subject != "alice-1" || info.Email != "alice@example.com" {
				t.Errorf("%+v %v", info, err)
			}
			token.Expiry = w.clock.Now().AddDate(-20, 0, 0)
			fresh, err := cfg.TokenSource(ctx, token).Token()
			if err != nil {
				t.Fatal(err)
			}
			w.verify(ctx, provider, alg, fresh, "")
		})
	}
}

func (w *world) verify(ctx context.Context, provider *oidc.Provider, alg string, token *oauth2.Token, nonce string) {
	w.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: "rp", Now: w.clock.Now}).Verify(ctx, raw)
	if err != nil {
		w.Fatal(err)
	}
	if got := part(w, raw, 0)["alg"]; got != alg || id.Nonce != nonce || id.Subject != "alice-1" {
		w.Errorf("alg %v, %+v", got, id)
	}
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(token.AccessToken))
		if want := base64.RawURLEncoding.EncodeToString(sum[:32]); id.AccessTokenHash != want {
			w.Errorf("at_hash %s, want %s", id.AccessTokenHash, want)
		}
		return
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		w.Error(err)
	}
}
