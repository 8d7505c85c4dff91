package focushq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// provider is what discovery told, once it did.
type provider struct{ at atomic.Pointer[discovered] }

type discovered struct {
	*oidc.Provider
	oauth      oauth2.Config
	verifier   *oidc.IDTokenVerifier
	endSession string // end_session_endpoint (RP-Initiated Logout 1.0 section 2.1); "": none
	sendsISS   bool   // authorization_response_iss_parameter_supported (RFC 9207 section 3)
}

// outgoing returns a context for requests to the provider.
func (a *App) outgoing(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, a.cfg.HTTPClient)
}

// provider returns the provider's metadata, asking for it until it has been got once. Requests that come meanwhile
// wait for the same answer.
func (a *App) provider(ctx context.Context) (*discovered, error) {
	if d := a.found.at.Load(); d != nil {
		return d, nil
	}
	// The one who asks may go away; the others still want the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	got, err, _ := a.discovery.Do("", func() (any, error) { return a.discover(ctx) })
	if err != nil {
		return nil, &problem{id: "unreachable", cause: err}
	}
	d := got.(*discovered)
	a.found.at.Store(d)
	return d, nil
}

func (a *App) discover(ctx context.Context) (*discovered, error) {
	p, err := oidc.NewProvider(a.outgoing(ctx), a.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
		SendsISS   bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&more); err != nil {
		return nil, err
	}
	endpoint := p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if a.cfg.ClientSecret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &discovered{
		Provider: p, endSession: more.EndSession, sendsISS: more.SendsISS,
		verifier: p.Verifier(&oidc.Config{ClientID: a.cfg.ClientID, Now: a.cfg.Now}),
		oauth: oauth2.Config{ClientID: a.cfg.ClientID, ClientSecret: a.cfg.ClientSecret, Endpoint: endpoint,
			RedirectURL: a.public + "/callback", Scopes: []string{"openid", "profile", "email", "mfa", "offline_access"}},
	}, nil
}

// claims are a token's or userinfo's members; numbers stay as they were written.
type claims map[string]any

// idToken is a verified ID token.
type idToken struct {
	raw      string
	all      claims
	Subject  string   `json:"sub"`
	Party    string   `json:"azp"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	AuthTime int64    `json:"auth_time"`
	SID      string   `json:"sid"`
}

// verified checks the ID token of a token response (OpenID Connect Core 1.0 section 3.1.3.7). The nonce "" stands for
// a refresh, where none is due.
func (d *discovered) verified(ctx context.Context, clientID string, token *oauth2.Token, nonce string) (*idToken, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, errors.New("the token response has no ID token")
	}
	checked, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if nonce != "" && checked.Nonce != nonce {
		return nil, errors.New("the nonce is not the one of this attempt")
	}
	if checked.AccessTokenHash != "" {
		if err := checked.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, err
		}
	}
	id := &idToken{raw: raw}
	if err := checked.Claims(id); err != nil {
		return nil, err
	}
	if id.Party != "" && id.Party != clientID || id.Party == "" && len(checked.Audience) > 1 {
		return nil, fmt.Errorf("the ID token was issued to %q", id.Party)
	}
	id.all, err = decode(raw)
	return id, err
}

// userinfo asks the userinfo endpoint and insists on the subject of the ID token (OpenID Connect Core 1.0 section
// 5.3.2).
func (d *discovered) userinfo(ctx context.Context, token *oauth2.Token, subject string) (claims, error) {
	info, err := d.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, err
	}
	if info.Subject != subject {
		return nil, &problem{id: "token", cause: errors.New("userinfo is about another subject")}
	}
	var raw json.RawMessage
	if err := info.Claims(&raw); err != nil {
		return nil, err
	}
	return parseClaims(raw)
}

// trouble turns an error of a request to the provider into the problem that a person is told.
func trouble(err error, refused string) error {
	var known *problem
	if errors.As(err, &known) {
		return err
	}
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) {
		// The body may hold anything; the code says enough.
		cause := fmt.Errorf("the token endpoint answered %d %q", answer.Response.StatusCode, answer.ErrorCode)
		switch {
		case answer.Response.StatusCode >= http.StatusInternalServerError:
			return &problem{id: "temporarily_unavailable", cause: cause}
		case answer.ErrorCode == "invalid_grant":
			return &problem{id: refused, cause: cause}
		}
		return &problem{id: "setup", code: answer.ErrorCode, cause: cause}
	}
	var network *url.Error
	if errors.As(err, &network) {
		return &problem{id: "unreachable", cause: err}
	}
	return &problem{id: "unknown", cause: err}
}
