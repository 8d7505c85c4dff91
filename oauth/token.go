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
	if u.failed != nil {
		err = u.failed // stolen tokens live on: never told as "refused"
	}
	if err != nil {
		s.refuseToken(w, r, u, because(err, ar.GetClient().GetID(), ""))
		return
	}
	writeJSON(w, http.StatusOK, response.ToMap())
}

// exchange turns a code, a refresh token or a client's own right into tokens. Nothing is written before all else has
// succeeded.
func (s *Server) exchange(
	ctx context.Context, r *http.Request, u *unit,
) (fosite.AccessRequester, fosite.AccessResponder, error) {
	ar, err := s.provider.NewAccessRequest(ctx, r, new(session))
	if err != nil {
		return ar, nil, err
	}
	client := ar.GetClient().(*Client)
	ctx = withClient(ctx, client)
	facts := ar.GetSession().(*session)
	if err := s.bind(ctx, r, client, facts); err != nil {
		return ar, nil, err
	}
	if err := s.target(ar.(*fosite.AccessRequest), client, u.grant); err != nil {
		return ar, nil, err
	}
	if u.grant != nil {
		what := refreshing
		if u.presented == 0 {
			what = redeeming
		}
		if err := s.stands(ctx, client, u.grant, what); err != nil {
			return ar, nil, err
		}
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
	if client.IsPublic() { // others authenticate, and may come with a new key
		u.jkt = facts.jkt
	}
	if facts.jkt != "" {
		response.SetTokenType("DPoP")
	}
	if u.grant == nil { // a client for itself: what it does all day would fill the audit log
		return ar, response, s.store.insertAccess(ctx, u.access)
	}
	err = s.store.flush(ctx, u, Event{
		Kind: EventTokenIssued, Subject: u.grant.Subject, Client: client.ID, Session: u.grant.SessionID, Grant: u.grant.ID,
		Detail: map[string]string{"grant_type": ar.GetGrantTypes()[0], "scope": strings.Join(ar.GetGrantedScopes(), " ")},
	})
	return ar, response, err
}

// bind notes whose key the tokens will be for (RFC 9449 section 5), and refuses a key that the code or the refresh token
// is not for.
func (s *Server) bind(ctx context.Context, r *http.Request, client *Client, facts *session) (err error) {
	facts.jkt, err = s.proof(ctx, r, "")
	switch {
	case err != nil:
		return err
	case facts.jkt == "" && (client.DPoPBound || facts.bound != ""):
		return fault(fosite.ErrInvalidRequest, "DPoP", "This request must prove a key by a DPoP header.")
	case facts.bound != "" && facts.bound != facts.jkt:
		return fault(fosite.ErrInvalidGrant, "DPoP", "The DPoP proof is by another key than the one that this was given to.")
	}
	return nil
}

// target selects what the access token is good for (RFC 8707 section 2.2): the resources that were asked for, or all of
// the grant; this server's own where none were named.
func (s *Server) target(ar *fosite.AccessRequest, client *Client, g *grant) error {
	selected := []string{s.cfg.Issuer}
	allowed := slices.Concat(selected, s.cfg.Resources, client.Resources)
	if g != nil {
		if granted := strings.Fields(g.Audience); len(granted) > 0 {
			selected = granted
		}
		allowed = selected
	}
	asked := slices.DeleteFunc(slices.Clone(ar.GetRequestForm()["resource"]), func(resource string) bool { return resource == "" })
	if len(asked) > 0 {
		selected = asked
	}
	for _, resource := range selected {
		if !slices.Contains(allowed, resource) {
			return fault(errInvalidTarget, "resource", "The resource is not one that this client was granted.")
		}
		ar.GrantAudience(resource)
	}
	return nil
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
	granted := len(ar.GrantedScope)
	ar.GrantedScope = nil
	for _, scope := range asked {
		ar.GrantScope(scope) // once, however often it was asked for
	}
	if facts := ar.GetSession().(*session); len(ar.GrantedScope) < granted {
		facts.claims = facts.claims.narrowed(asked)
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
