package oauth

import (
	"context"
	"slices"

	"github.com/ory/fosite"
)

// credentialsHandler is the client credentials grant (RFC 6749 section 4.4): a client asks for itself. Nobody signed in,
// so there is no grant, no refresh token and nothing about a person. It implements fosite.TokenEndpointHandler.
type credentialsHandler struct{ strategy }

// CanSkipClientAuth returns false.
func (credentialsHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

// CanHandleTokenEndpointRequest reports whether ar asks for this grant.
func (credentialsHandler) CanHandleTokenEndpointRequest(_ context.Context, ar fosite.AccessRequester) bool {
	return ar.GetGrantTypes().ExactOne("client_credentials")
}

// HandleTokenEndpointRequest grants the scopes that were asked for, or all that the client may have. Scopes that tell of
// a person are for nobody here.
func (credentialsHandler) HandleTokenEndpointRequest(_ context.Context, ar fosite.AccessRequester) error {
	client := ar.GetClient().(*Client)
	if client.IsPublic() || !slices.Contains(client.GrantTypes, "client_credentials") {
		return fosite.ErrUnauthorizedClient
	}
	scopes, err := client.ownScopes(ar.GetRequestedScopes())
	if err != nil {
		return err
	}
	for _, scope := range scopes {
		ar.GrantScope(scope)
	}
	facts := ar.GetSession().(*session)
	facts.subject, facts.machine = client.ID, true
	return nil
}

// ownScopes returns the scopes that the client has for itself of those that it asks for; all where it asks for none.
func (c *Client) ownScopes(asked []string) ([]string, error) {
	allowed := slices.DeleteFunc(slices.Clone(c.Scopes), func(scope string) bool {
		return slices.Contains(knownScopes(), scope)
	})
	if len(asked) == 0 {
		return allowed, nil
	}
	for _, scope := range asked {
		if !slices.Contains(allowed, scope) {
			return nil, fosite.ErrInvalidScope
		}
	}
	return asked, nil
}

// PopulateTokenEndpointResponse makes the access token.
func (h credentialsHandler) PopulateTokenEndpointResponse(
	ctx context.Context, ar fosite.AccessRequester, response fosite.AccessResponder,
) error {
	token, sig, err := h.GenerateAccessToken(ctx, ar)
	if err != nil {
		return err
	}
	response.SetAccessToken(token)
	response.SetTokenType("Bearer") // for fosite; exchange knows better
	response.SetExpiresIn(ar.GetClient().(*Client).AccessTokenLife.or(accessTokenLife))
	if scopes := ar.GetGrantedScopes(); len(scopes) > 0 {
		response.SetScopes(scopes)
	}
	return h.server.store.CreateAccessTokenSession(ctx, sig, ar)
}
