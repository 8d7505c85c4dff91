package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ory/fosite"
)

// The schemes by which an access token is presented.
const (
	schemeBearer = "Bearer" // RFC 6750
	schemeDPoP   = "DPoP"   // RFC 9449
)

// errBound refuses a token that is presented as if nobody had to prove a key for it.
var errBound = fault(errInvalidToken, "", "The access token is bound to a key: present it by the scheme DPoP, with a proof.")

// userinfo is GET and POST /oauth2/userinfo (OpenID Connect Core 1.0 section 5.3).
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, err := presented(r)
	if err == nil && token == "" {
		// Nothing was presented, so nothing was wrong with it (RFC 6750 section 3.1).
		s.challenge(w, schemeBearer, "")
		s.challenge(w, schemeDPoP, "")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var claims map[string]any
	var client *Client
	if err == nil {
		claims, client, err = s.tell(r, scheme, token)
	}
	if err == nil && client.UserinfoAlg != "" {
		err = s.writeSigned(w, r, client, claims)
	} else if err == nil {
		writeJSON(w, http.StatusOK, claims)
	}
	if err != nil {
		s.refuseAccess(w, r, scheme, err)
	}
}

// tell returns what the owner of an access token may know, and who that is.
func (s *Server) tell(r *http.Request, scheme, token string) (map[string]any, *Client, error) {
	ctx := s.cfg.DB.Ahead(r.Context())
	a, err := s.access(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	if err := s.possessed(r, scheme, token, a); err != nil {
		return nil, nil, err
	}
	if !slices.Contains(a.audience, s.cfg.Issuer) {
		return nil, nil, errInvalidToken
	}
	if a.grant == nil || !slices.Contains(a.scopes, "openid") { // a client's own token is about nobody
		return nil, nil, errInsufficientScope
	}
	extra, err := decodeClaims(a.grant.Claims)
	if err != nil {
		return nil, nil, err
	}
	if len(a.scopes) < len(strings.Fields(a.grant.Scope)) {
		extra = extra.narrowed(a.scopes)
	}
	claims, err := s.userClaims(ctx, a.client, a.grant.Subject, a.scopes, extra.UserInfo)
	return claims, a.client, err
}

// userClaims returns what client learns of subject by scopes and the names of further claims.
func (s *Server) userClaims(ctx context.Context, client *Client, subject string, scopes, names []string) (map[string]any, error) {
	claims, err := s.personClaims(withClient(ctx, client), subject, scopes, names)
	if err != nil {
		return nil, err
	}
	claims["sub"] = subject
	if client.UserinfoAlg != "" { // OpenID Connect Core 1.0 section 5.3.2
		claims["iss"], claims["aud"] = s.cfg.Issuer, client.ID
	}
	return claims, nil
}

// possessed refuses a token that is not presented as it was given: one that is bound to a key needs a proof of that key
// (RFC 9449 section 7.1), and must not be taken without one for a bearer token (section 7.2).
func (s *Server) possessed(r *http.Request, scheme, token string, a *access) error {
	if scheme == schemeBearer {
		if a.jkt != "" {
			return errBound
		}
		return nil
	}
	jkt, err := s.proof(r.Context(), r, token)
	switch {
	case err != nil:
		return err
	case jkt == "":
		return errInvalidProof
	case jkt != a.jkt:
		return errInvalidToken
	}
	return nil
}

// writeSigned answers by a JWT (OpenID Connect Core 1.0 section 5.3.2).
func (s *Server) writeSigned(w http.ResponseWriter, r *http.Request, client *Client, claims map[string]any) error {
	text, err := s.keys.sign(r.Context(), client.UserinfoAlg, typUserinfo, claims)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, err = w.Write([]byte(text))
	if err != nil {
		s.cfg.Log.DebugContext(r.Context(), "oauth: the caller has gone", "error", err)
	}
	return nil
}

// presented returns the access token of r and the scheme of its header (RFC 6750 section 2, RFC 9449 section 7.1); ""
// when there is none. One that comes twice is refused.
func presented(r *http.Request) (scheme, token string, err error) {
	header := r.Header.Values("Authorization")
	body := r.PostForm.Get("access_token")
	if len(header) > 1 || len(header) == 1 && body != "" {
		return schemeBearer, "", fault(fosite.ErrInvalidRequest, "access_token", "The access token must be sent once.")
	}
	if len(header) == 0 {
		return schemeBearer, body, nil
	}
	name, token, _ := strings.Cut(header[0], " ")
	switch {
	case strings.EqualFold(name, schemeBearer):
		return schemeBearer, strings.TrimSpace(token), nil
	case strings.EqualFold(name, schemeDPoP):
		return schemeDPoP, strings.TrimSpace(token), nil
	}
	return schemeBearer, "", nil
}

// refuseAccess answers as RFC 6750 section 3 and RFC 9449 section 7.1 want it.
func (s *Server) refuseAccess(w http.ResponseWriter, r *http.Request, scheme string, err error) {
	switch {
	case errors.Is(err, ErrEnded):
		err = errInvalidToken
	case errors.Is(err, errBound):
		scheme = schemeDPoP
	}
	p, ours := problemOf(err)
	if ours {
		s.failJSON(w, r, err)
		return
	}
	detail := fmt.Sprintf(`error="%s", error_description="%s"`, p.Code, p.Description)
	switch p.Code {
	case "insufficient_scope":
		detail += `, scope="openid"`
	case "invalid_dpop_proof", "use_dpop_nonce":
		p.Status = http.StatusUnauthorized // at a resource; at the token endpoint it is 400
	}
	s.challenge(w, scheme, detail)
	if scheme == schemeDPoP {
		s.offerNonce(w)
	}
	writeJSON(w, p.Status, map[string]string{"error": p.Code, "error_description": p.Description})
}

// challenge adds a WWW-Authenticate header of scheme.
func (s *Server) challenge(w http.ResponseWriter, scheme, detail string) {
	text := fmt.Sprintf(`%s realm="%s"`, scheme, s.cfg.Issuer)
	if detail != "" {
		text += ", " + detail
	}
	if scheme == schemeDPoP {
		text += fmt.Sprintf(`, algs="%s"`, strings.Join(proofAlgs, " "))
	}
	w.Header().Add("WWW-Authenticate", text)
}
