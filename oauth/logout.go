package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/ory/fosite"
)

// logoutParameters are those of OpenID Connect RP-Initiated Logout 1.0 section 2 that we read.
var logoutParameters = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}

// logout is GET and POST /oauth2/logout: it checks the parameters, and the host does the rest.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	hint, err := s.logoutHint(r.Context(), r.Form)
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	if err := s.cfg.Interaction.EndSession(w, r, hint); err != nil {
		s.failPage(w, r, err)
	}
}

// logoutHint checks the parameters of a logout request. Nobody is redirected to what is not registered.
func (s *Server) logoutHint(ctx context.Context, form url.Values) (LogoutHint, error) {
	hint := LogoutHint{State: form.Get("state"), Query: keep(form, logoutParameters).Encode()}
	clientID := form.Get("client_id")
	if raw := form.Get("id_token_hint"); raw != "" {
		claims, err := s.hinted(ctx, raw)
		if errors.Is(err, errToken) || err == nil && len(claims.Audience) != 1 {
			return hint, fault(fosite.ErrInvalidRequest, "id_token_hint", "The id_token_hint is no ID token of this server.")
		}
		if err != nil {
			return hint, err
		}
		if clientID != "" && !slices.Contains(claims.Audience, clientID) {
			return hint, fault(fosite.ErrInvalidRequest, "client_id", "The id_token_hint was issued to another client.")
		}
		clientID = claims.Audience[0]
		hint.Subject, hint.SessionID, hint.Valid = claims.Subject, claims.Session, true
	}
	if clientID != "" {
		client, err := s.store.client(ctx, clientID)
		if errors.Is(err, fosite.ErrNotFound) && hint.Valid {
			// The app is gone or switched off. Its people can still sign out: they are asked, and stay here.
			return LogoutHint{Query: url.Values{}.Encode()}, nil
		}
		if errors.Is(err, fosite.ErrNotFound) {
			return hint, fault(fosite.ErrInvalidClient, "client_id", "There is no client of this client_id.")
		}
		if err != nil {
			return hint, err
		}
		hint.Client = client
	}
	target := form.Get("post_logout_redirect_uri")
	switch {
	case target == "":
		return hint, nil
	case hint.Client == nil:
		return hint, fault(fosite.ErrInvalidRequest, "id_token_hint",
			"A post_logout_redirect_uri needs an id_token_hint, which says whose it is.")
	}
	_, err := s.store.judged(ctx, hint.Client, func(client *Client) error {
		if !slices.Contains(client.PostLogoutRedirectURIs, target) {
			return fault(fosite.ErrInvalidRequest, "post_logout_redirect_uri",
				"The post_logout_redirect_uri is not one of those that the client registered.")
		}
		return nil
	})
	if err == nil {
		hint.RedirectURI = target
	}
	return hint, err
}
