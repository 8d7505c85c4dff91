package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
)

// authenticate finds out who calls: a program for itself, or for a person who has a role. Revoked tokens are good no more at
// once, as each is looked at as introspection does.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, c *call) *Problem {
	access, err := s.cfg.Actions.OAuth.Access(w, r, s.resource(), s.metadataParam())
	var refused *oauth.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Code == "":
		return problem(missingToken, "Send one in the Authorization header.")
	case errors.As(err, &refused) && refused.Status == http.StatusBadRequest:
		return problem(malformed, refused.Description)
	case errors.As(err, &refused):
		return problem(invalidToken, refused.Description)
	case err != nil:
		return s.problem(r.Context(), c, err)
	}
	c.scheme, c.access = access.Scheme, access
	c.actor = admin.Actor{Subject: access.Subject, Client: access.Client, Scopes: []admin.Permission{}}
	for _, p := range admin.Permissions() {
		if slices.Contains(access.Scopes, string(p)) {
			c.actor.Scopes = append(c.actor.Scopes, p)
		}
	}
	if access.Subject == "" {
		return nil
	}
	who, err := s.cfg.Actions.Accounts.Active(r.Context(), access.Subject)
	if errors.Is(err, account.ErrNotFound) || errors.Is(err, account.ErrDisabled) { // since the token was looked at
		return problem(invalidToken, "The person may not sign in.")
	}
	if err != nil {
		return s.problem(r.Context(), c, err)
	}
	c.actor.Role = who.Role()
	return nil
}

// strong wants two factors of a person, proven not too long ago in a session that goes on (RFC 9470): refresh tokens live for
// months, and administering is no matter of one sign-in long ago.
func (s *Server) strong(w http.ResponseWriter, r *http.Request, c *call) *Problem {
	alive := c.access.SessionID != ""
	if alive {
		var err error
		if alive, err = s.cfg.Actions.Sessions.Alive(r.Context(), c.access.Subject, c.access.SessionID); err != nil {
			return s.problem(r.Context(), c, err)
		}
	}
	age := s.cfg.Now().Sub(c.access.AuthTime)
	if alive && mfa.ACR(c.access.AMR) == "aal2" && age <= s.cfg.Recent {
		return nil
	}
	s.cfg.Actions.OAuth.Challenge(w, c.scheme, `error="insufficient_user_authentication"`,
		`error_description="The person has to sign in again, with two factors."`, `acr_values="aal2"`,
		fmt.Sprintf(`max_age="%d"`, int(s.cfg.Recent/time.Second)), s.metadataParam())
	return problem(stepUp, "The person has to sign in again, with two factors.")
}

func (s *Server) metadataParam() string { return `resource_metadata="` + s.metadataURL() + `"` }

// metadata is what RFC 9728 section 2 tells clients of a resource.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	s.writeJSON(w, r, map[string]any{
		"resource": s.resource(), "authorization_servers": []string{s.cfg.PublicURL}, "scopes_supported": admin.Permissions(),
		"bearer_methods_supported": []string{"header"}, "resource_name": "Administration",
	})
}
