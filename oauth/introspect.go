package oauth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/ory/fosite"
)

// introspect is POST /oauth2/introspect (RFC 7662): a confidential client asks about its own tokens or, if it may, about
// those that others present to it. Whatever else is asked for is inactive, and nothing more is said. token_type_hint is
// not needed: our tokens show what they are.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	client, token, err := s.presented(r, false)
	if err != nil {
		s.failJSON(w, r, err)
		return
	}
	about, err := s.describe(s.cfg.DB.Ahead(r.Context()), client, token)
	if errors.Is(err, errInvalidToken) {
		about, err = map[string]any{"active": false}, nil
	}
	if err != nil {
		s.failJSON(w, r, err) // never "inactive": that would be told as a fact
		return
	}
	writeJSON(w, http.StatusOK, about)
}

// presented returns who sent r, which brings a token to introspect or to revoke, and that token. public says whether a
// public client, which anybody can say to be, may do so.
func (s *Server) presented(r *http.Request, public bool) (client *Client, token string, err error) {
	found, err := s.authenticate(r.Context(), r, r.PostForm)
	if err == nil && !public && found.IsPublic() {
		err = fosite.ErrInvalidClient
	}
	if err != nil {
		return nil, "", err
	}
	if token = r.PostForm.Get("token"); token == "" {
		return nil, "", fault(fosite.ErrInvalidRequest, "token", "The parameter token is missing.")
	}
	return found.(*Client), token, nil
}

// describe returns what client may know of a token; errInvalidToken says that this is nothing.
func (s *Server) describe(ctx context.Context, client *Client, token string) (map[string]any, error) {
	if _, _, _, ok := parseRefresh(token); ok {
		return s.describeRefresh(ctx, client, token)
	}
	a, err := s.access(ctx, token)
	if err != nil {
		return nil, err
	}
	_, err = s.store.judged(ctx, client, func(client *Client) error {
		if a.clientID != client.ID && !client.Introspect {
			return errInvalidToken
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.about(a), nil
}

// about returns what an access token says to whoever may ask.
func (s *Server) about(a *access) map[string]any {
	about := map[string]any{
		"active": true, "iss": s.cfg.Issuer, "client_id": a.clientID, "exp": a.expiry, "aud": a.audience,
		"jti": a.jti, "token_type": schemeBearer,
	}
	if len(a.scopes) > 0 {
		about["scope"] = strings.Join(a.scopes, " ")
	}
	if len(a.audience) == 1 {
		about["aud"] = a.audience[0]
	}
	if a.issued != 0 {
		about["iat"] = a.issued
	}
	if a.jkt != "" {
		about["token_type"], about["cnf"] = schemeDPoP, map[string]string{"jkt": a.jkt}
	}
	if a.grant == nil {
		about["sub"] = a.clientID
		return about
	}
	a.grant.describe(about)
	return about
}

// describeRefresh is describe for a refresh token, by the rules of the token endpoint but without using it. It is for
// its own client alone, and has no token_type: a resource server must not take it for an access token.
func (s *Server) describeRefresh(ctx context.Context, client *Client, token string) (map[string]any, error) {
	ar := fosite.NewAccessRequest(nil)
	ar.Client = client
	ctx, u := s.store.begin(context.WithValue(ctx, fosite.AccessRequestContextKey, ar))
	_, err := s.store.GetRefreshTokenSession(ctx, token, nil)
	if err == nil {
		err = s.stands(ctx, client, u.grant, looking)
	}
	if errors.Is(err, fosite.ErrNotFound) || errors.Is(err, fosite.ErrInactiveToken) || errors.Is(err, ErrEnded) {
		return nil, errInvalidToken
	}
	if err != nil {
		return nil, err
	}
	about := map[string]any{
		"active": true, "iss": s.cfg.Issuer, "client_id": client.ID, "scope": u.grant.Scope, "exp": u.grant.RTExpiresAt,
		"iat": u.grant.RTRotatedAt,
	}
	if u.grant.DPoPKey != "" {
		about["cnf"] = map[string]string{"jkt": u.grant.DPoPKey}
	}
	u.grant.describe(about)
	return about, nil
}

// describe adds whom the grant is about and how they signed in (RFC 9470 section 6.2).
func (g *grant) describe(about map[string]any) {
	about["sub"], about["acr"], about["amr"], about["auth_time"] = g.Subject, g.ACR, strings.Fields(g.AMR), g.AuthTime
	if g.SessionID != "" {
		about["sid"] = g.SessionID
	}
}
