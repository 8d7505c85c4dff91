package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ory/fosite"
)

// logoutParameters are those of OpenID Connect RP-Initiated Logout 1.0 section 2 that we read, but for the id_token_hint.
var logoutParameters = []string{"client_id", "post_logout_redirect_uri", "state"}

const (
	provenParameter = "proven"  // what an id_token_hint said, sealed by us
	provenLife      = time.Hour // somebody reads our question meanwhile
)

// proven is what an id_token_hint said that has been checked. It goes on in the address instead of the token, which
// tells about a person and is good for ever.
type proven struct {
	Client  string `json:"c"`
	Subject string `json:"s"`
	Session string `json:"i,omitempty"`
	Until   int64  `json:"u"` // Unix seconds
}

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
	query := keep(form, logoutParameters)
	hint := LogoutHint{State: form.Get("state")}
	clientID := form.Get("client_id")
	facts, err := s.proven(ctx, form)
	if err != nil {
		return hint, err
	}
	if facts != nil {
		if clientID != "" && clientID != facts.Client {
			return hint, fault(fosite.ErrInvalidRequest, "client_id", "The id_token_hint was issued to another client.")
		}
		clientID = facts.Client
		hint.Subject, hint.SessionID, hint.Valid = facts.Subject, facts.Session, true
		query.Set("client_id", clientID)
		sealed, err := s.sealProven(facts)
		if err != nil {
			return hint, err
		}
		query.Set(provenParameter, sealed)
	}
	hint.Query = query.Encode()
	if clientID != "" {
		client, err := s.store.client(ctx, clientID)
		if errors.Is(err, fosite.ErrNotFound) && hint.Valid {
			// The app is gone or switched off. Its people can still sign out: they are asked, and stay here.
			return LogoutHint{Query: url.Values{}.Encode()}, nil
		}
		if errors.Is(err, fosite.ErrNotFound) {
			return hint, fault(fosite.ErrInvalidClient, "client_id", "No app is known here by this client_id.")
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
	_, err = s.store.judged(ctx, hint.Client, func(client *Client) error {
		if !slices.Contains(client.PostLogoutRedirectURIs, target) {
			return because(fault(fosite.ErrInvalidRequest, "post_logout_redirect_uri",
				"The post_logout_redirect_uri is not one of those that the client registered."), client.ID, "")
		}
		return nil
	})
	if err == nil {
		hint.RedirectURI = target
	}
	return hint, err
}

// proven returns what the request proves about whose sign-out it is, nil when nothing.
func (s *Server) proven(ctx context.Context, form url.Values) (*proven, error) {
	raw := form.Get("id_token_hint")
	if raw == "" {
		return s.openProven(form.Get(provenParameter)), nil
	}
	claims, err := s.hinted(ctx, raw)
	if errors.Is(err, errToken) || err == nil && len(claims.Audience) != 1 {
		return nil, fault(fosite.ErrInvalidRequest, "id_token_hint", "The id_token_hint is no ID token of this server.")
	}
	if err != nil {
		return nil, err
	}
	return &proven{
		Client: claims.Audience[0], Subject: claims.Subject, Session: claims.Session, Until: s.cfg.Now().Add(provenLife).Unix(),
	}, nil
}

func (s *Server) sealProven(facts *proven) (string, error) {
	text, err := json.Marshal(facts)
	if err != nil {
		return "", fmt.Errorf("oauth: logout: %w", err)
	}
	sealed, err := s.cfg.Seal.Encrypt(text, []byte(provenParameter))
	if err != nil {
		return "", fmt.Errorf("oauth: logout: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// openProven returns what we sealed, nil when it is not ours or too old: the person is asked.
func (s *Server) openProven(sealed string) *proven {
	if sealed == "" || len(sealed) > maxJWT {
		return nil
	}
	bytes, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil
	}
	text, err := s.cfg.Seal.Decrypt(bytes, []byte(provenParameter))
	if err != nil {
		return nil
	}
	var facts proven
	if json.Unmarshal(text, &facts) != nil || s.cfg.Now().Unix() > facts.Until {
		return nil
	}
	return &facts
}
