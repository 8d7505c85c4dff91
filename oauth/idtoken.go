package oauth

import (
	"context"
	"slices"
	"time"

	"github.com/ory/fosite"
)

// GenerateIDToken makes an ID token (OpenID Connect Core 1.0 section 2) from the grant's facts. It implements
// openid.OpenIDConnectTokenStrategy.
func (t strategy) GenerateIDToken(ctx context.Context, lifespan time.Duration, request fosite.Requester) (string, error) {
	claims, err := t.server.idClaims(ctx, lifespan, request)
	if err != nil {
		return "", err
	}
	client := request.GetClient().(*Client)
	if response, ok := ctx.Value(fosite.AccessResponseContextKey).(fosite.AccessResponder); ok {
		if token := response.GetAccessToken(); token != "" {
			claims["at_hash"] = leftHalf(client.IDTokenAlg, token)
		}
	}
	return t.server.keys.sign(ctx, client.IDTokenAlg, typID, claims)
}

// idClaims returns what an ID token for request says, whatever access token it comes with.
func (s *Server) idClaims(ctx context.Context, lifespan time.Duration, request fosite.Requester) (map[string]any, error) {
	client, facts := request.GetClient().(*Client), request.GetSession().(*session)
	// First what the person's claims say, so that none of them can stand for one of the protocol's.
	claims := map[string]any{}
	if names := facts.claims.IDToken; len(names) > 0 {
		var err error
		if claims, err = s.personClaims(withClient(ctx, client), facts.subject, nil, names); err != nil {
			return nil, err
		}
		for name := range claims {
			if !slices.Contains(names, name) {
				delete(claims, name)
			}
		}
	}
	now := s.cfg.Now()
	claims["iss"] = s.cfg.Issuer
	claims["sub"] = facts.subject
	claims["aud"] = client.ID
	claims["iat"] = now.Unix()
	claims["exp"] = now.Add(lifespan).Unix()
	claims["auth_time"] = facts.authTime
	claims["acr"] = facts.acr
	claims["amr"] = facts.amr
	if facts.nonce != "" {
		claims["nonce"] = facts.nonce
	}
	if client.hasLogoutURI() && facts.sessionID != "" {
		claims["sid"] = facts.sessionID
	}
	return claims, nil
}
