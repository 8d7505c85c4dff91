package oauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ory/fosite"
)

// token is POST /oauth2/token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	grantType := r.PostForm.Get("grant_type")
	switch {
	case grantType == "":
		s.failJSON(w, r, fault(fosite.ErrInvalidRequest, "grant_type", "The parameter grant_type is missing."))
		return
	case !supportsGrant(grantType):
		s.failJSON(w, r, fosite.ErrUnsupportedGrantType)
		return
	}
	ctx, u := s.store.begin(r.Context())
	ar, response, err := s.exchange(ctx, r, u)
	if err != nil {
		s.refuseToken(w, r, u, err)
		return
	}
	s.provider.WriteAccessResponse(ctx, w, ar, response)
}

// exchange turns a code or a refresh token into tokens. Nothing is written before all else has succeeded.
func (s *Server) exchange(ctx context.Context, r *http.Request, u *unit) (fosite.AccessRequester, fosite.AccessResponder, error) {
	ar, err := s.provider.NewAccessRequest(ctx, r, new(session))
	if err != nil {
		return ar, nil, err
	}
	client := ar.GetClient().(*Client)
	ctx = withClient(ctx, client)
	if client.DPoPBound {
		return ar, nil, fault(fosite.ErrInvalidRequest, "DPoP", "This client's requests must prove a key (DPoP).")
	}
	if err := checkTarget(r.PostForm, s.cfg.Issuer); err != nil {
		return ar, nil, err
	}
	if err := s.stands(ctx, client, u.grant, u.presented == 0); err != nil {
		return ar, nil, err
	}
	if ar.GetGrantTypes().ExactOne("refresh_token") {
		if err := narrow(ar.(*fosite.AccessRequest)); err != nil {
			return ar, nil, err
		}
	}
	response, err := s.provider.NewAccessResponse(ctx, ar)
	if err != nil {
		return ar, nil, err
	}
	if slices.Contains(ar.GetGrantedScopes(), "openid") && response.GetExtra("id_token") == nil {
		// fosite leaves it out silently when it finds no OpenID Connect data.
		return ar, nil, errors.New("oauth: openid was granted and there is no ID token")
	}
	response.SetTokenType("Bearer")
	err = s.store.flush(ctx, u, Event{
		Kind: EventTokenIssued, Subject: u.grant.Subject, Client: client.ID, Session: u.grant.SessionID, Grant: u.grant.ID,
		Detail: map[string]string{"grant_type": ar.GetGrantTypes()[0], "scope": strings.Join(ar.GetGrantedScopes(), " ")},
	})
	return ar, response, err
}

// narrow reduces a refreshed access token to the scopes that were asked for (RFC 6749 section 6). The grant keeps all.
func narrow(ar *fosite.AccessRequest) error {
	asked := strings.Fields(ar.GetRequestForm().Get("scope"))
	if len(asked) == 0 {
		return nil
	}
	for _, scope := range asked {
		if !slices.Contains(ar.GrantedScope, scope) {
			return fault(fosite.ErrInvalidScope, "scope", "The scope goes beyond what was granted.")
		}
	}
	ar.GrantedScope = nil
	for _, scope := range asked {
		ar.GrantScope(scope)
	}
	return nil
}

// refuseToken answers a failed token request, and ends what must not be tried again.
func (s *Server) refuseToken(w http.ResponseWriter, r *http.Request, u *unit, err error) {
	ctx := r.Context()
	p, ours := problemOf(err)
	if u.grant != nil && !ours {
		var ended error
		switch {
		case errors.Is(err, errLost) && u.redeem:
			// Two requests brought the code: one of them stole it.
			_, ended = s.store.revokeGrant(ctx, u.grant.ID, EventCodeReused)
		case u.redeemable && p.Code == "invalid_grant":
			ended = s.store.burn(ctx, u)
		}
		if ended != nil {
			err = ended
		}
	}
	if g := u.grant; g != nil && !ours { // without a grant anybody could fill the audit log
		s.note(ctx, Event{
			Kind: EventTokenRefused, Subject: g.Subject, Client: g.ClientID, Session: g.SessionID, Grant: g.ID,
			Detail: map[string]string{"error": p.Code},
		})
	}
	s.failJSON(w, r, err)
}
