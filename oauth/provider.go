package oauth

import (
	"context"
	"net/url"
	"slices"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"
	"github.com/ory/fosite/token/jwt"
)

// config is fosite's configuration: constants in the embedded one, and what depends on the request by methods. All
// fields are set before the first request, because fosite would set the missing ones while serving.
type config struct {
	*fosite.Config
	server *Server
	tokens map[string]fosite.TokenEndpointHandlers // by grant type
}

// newProvider wires fosite for s: code, refresh and PKCE, with OpenID Connect. New grants get their handlers here.
func newProvider(s *Server) fosite.OAuth2Provider {
	cfg := &config{server: s, Config: &fosite.Config{
		AccessTokenLifespan:            accessTokenLife,
		RefreshTokenLifespan:           refreshIdle,
		AuthorizeCodeLifespan:          codeLife,
		IDTokenLifespan:                idTokenLife,
		IDTokenIssuer:                  s.cfg.Issuer,
		AccessTokenIssuer:              s.cfg.Issuer,
		TokenURL:                       s.cfg.Issuer + "/oauth2/token",
		ScopeStrategy:                  fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:       fosite.ExactAudienceMatchingStrategy,
		EnforcePKCEForPublicClients:    true,
		AllowedPromptValues:            promptValues,
		RefreshTokenScopes:             []string{"offline_access"},
		MinParameterEntropy:            1,
		OmitRedirectScopeParam:         true,
		SanitationWhiteList:            codeParameters,
		JWTScopeClaimKey:               jwt.JWTScopeFieldString,
		RedirectSecureChecker:          secureRedirect,
		FormPostHTMLTemplate:           formPostPage,
		ClientSecretsHasher:            noHasher{},
		DeviceAndUserCodeLifespan:      requestLife,
		PushedAuthorizeContextLifespan: codeLife,
	}}
	t := strategy{server: s}
	code := &oauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy: t, RefreshTokenStrategy: t, AuthorizeCodeStrategy: t,
		CoreStorage: s.store, TokenRevocationStorage: s.store, Config: cfg,
	}
	idToken := &openid.IDTokenHandleHelper{IDTokenStrategy: t}
	connect := &openid.OpenIDConnectExplicitHandler{
		OpenIDConnectRequestStorage:   s.store,
		OpenIDConnectRequestValidator: openid.NewOpenIDConnectRequestValidator(nil, cfg), // nil: hints are checked in parse
		Config:                        cfg, IDTokenHandleHelper: idToken,
	}
	proof := &pkce.Handler{AuthorizeCodeStrategy: t, Storage: s.store, Config: cfg}
	refresh := &oauth2.RefreshTokenGrantHandler{
		AccessTokenStrategy: t, RefreshTokenStrategy: t, TokenRevocationStorage: s.store, Config: cfg,
	}
	// The order of the first three matters: code, then ID token, then PKCE.
	cfg.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{code, connect, proof}
	cfg.tokens = map[string]fosite.TokenEndpointHandlers{
		"authorization_code": {code, connect, proof},
		"client_credentials": {credentialsHandler{t}},
		deviceGrant:          {&deviceHandler{store: s.store, strategy: t, idToken: idToken}},
		"refresh_token":      {refresh, &openid.OpenIDConnectRefreshHandler{IDTokenHandleHelper: idToken, Config: cfg}},
	}
	return fosite.NewOAuth2Provider(s.store, cfg)
}

// GetTokenEndpointHandlers returns the handlers of the request's grant type alone.
func (c *config) GetTokenEndpointHandlers(ctx context.Context) fosite.TokenEndpointHandlers {
	if ar, ok := ctx.Value(fosite.AccessRequestContextKey).(fosite.AccessRequester); ok {
		if types := ar.GetGrantTypes(); len(types) == 1 {
			return c.tokens[types[0]]
		}
	}
	return nil
}

// GetClientAuthenticationStrategy returns ours, which takes one registered method and nothing else.
func (c *config) GetClientAuthenticationStrategy(context.Context) fosite.ClientAuthenticationStrategy {
	return c.server.authenticate
}

// GetEnforcePKCE reports whether the client of the request has to use PKCE.
func (c *config) GetEnforcePKCE(ctx context.Context) bool {
	for _, key := range []fosite.ContextKey{fosite.AuthorizeRequestContextKey, fosite.AccessRequestContextKey} {
		if request, ok := ctx.Value(key).(fosite.Requester); ok {
			client, ok := request.GetClient().(*Client)
			return ok && client.RequirePKCE
		}
	}
	return false
}

// EnforcePushedAuthorize returns false: require_pushed_authorization_requests is checked in parse, per client.
func (c *config) EnforcePushedAuthorize(context.Context) bool { return false }

// secureRedirect allows what registration allows: https, loopback, and private-use schemes of native applications.
func secureRedirect(_ context.Context, u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) || privateUse.MatchString(u.Scheme)
}

// noHasher stands where fosite would compare secrets by bcrypt; [Server.authenticate] does that.
type noHasher struct{}

// Compare refuses everything.
func (noHasher) Compare(context.Context, []byte, []byte) error { return fosite.ErrInvalidClient }

// Hash refuses too.
func (noHasher) Hash(context.Context, []byte) ([]byte, error) { return nil, fosite.ErrMisconfiguration }

// supportsGrant reports whether there is such a grant type here.
func supportsGrant(grant string) bool { return slices.Contains(grantTypes, grant) }
