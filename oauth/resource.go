package oauth

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Access is what an access token says for whom a resource of this process opens: what introspection would tell, at this moment.
type Access struct {
	Scheme    string // by which it was presented, Bearer or DPoP
	Client    string // client_id
	Subject   string // the person; "": the client acts for itself (RFC 6749 section 4.4)
	Scopes    []string
	SessionID string    // the browser session in which it was granted, which may have ended
	AMR       []string  // of that sign-in; this and AuthTime are zero where there is no person
	AuthTime  time.Time // in seconds
}

// RefusedError says why a request opens no resource (RFC 6750 section 3.1). With an empty Code it brought no token.
type RefusedError struct {
	Status            int // 400 or 401
	Code, Description string
}

func (e *RefusedError) Error() string { return "oauth: refused: " + e.Code }

// Access returns what the access token of r allows at resource, an identifier as in RFC 8707. A token that is for no resource
// in particular is for all of this server's own; one that is bound to a key needs its proof (RFC 9449 section 7). The token
// must come in the Authorization header.
//
// For a [*RefusedError] the answer's WWW-Authenticate and DPoP-Nonce headers are set, with params, such as `scope="x"`, in
// each challenge. Every other error is a failure of ours.
func (s *Server) Access(w http.ResponseWriter, r *http.Request, resource string, params ...string) (*Access, error) {
	scheme, token, err := headerToken(r)
	if err == nil && token == "" {
		s.Challenge(w, schemeBearer, params...)
		s.Challenge(w, schemeDPoP, params...)
		return nil, &RefusedError{Status: http.StatusUnauthorized, Description: "An access token is needed."}
	}
	var a *access
	if err == nil {
		a, err = s.opens(r, scheme, token, resource)
	}
	if err != nil {
		return nil, s.refused(w, scheme, err, params)
	}
	out := &Access{Scheme: scheme, Client: a.clientID, Scopes: slices.Clone(a.scopes)}
	if a.grant != nil {
		out.Subject, out.SessionID, out.AMR = a.grant.Subject, a.grant.SessionID, strings.Fields(a.grant.AMR)
		out.AuthTime = time.Unix(a.grant.AuthTime, 0)
	}
	return out, nil
}

// headerToken is presented without the body of a form, which is a page's way and not a program's.
func headerToken(r *http.Request) (scheme, token string, err error) {
	bare := *r
	bare.PostForm = nil
	return presented(&bare)
}

func (s *Server) opens(r *http.Request, scheme, token, resource string) (*access, error) {
	a, err := s.access(s.cfg.DB.Ahead(r.Context()), token)
	if err != nil {
		return nil, err
	}
	if err := s.possessed(r, scheme, token, a); err != nil {
		return nil, err
	}
	if !slices.Contains(a.audience, s.cfg.Issuer) && !slices.Contains(a.audience, resource) {
		return nil, errInvalidToken
	}
	return a, nil
}

// refused says what is wrong with a token in the answer's headers; a failure of ours is returned as it is.
func (s *Server) refused(w http.ResponseWriter, scheme string, err error, params []string) error {
	switch {
	case errors.Is(err, ErrEnded):
		err = errInvalidToken
	case errors.Is(err, errBound):
		scheme = schemeDPoP
	}
	p, ours := problemOf(err)
	if ours {
		return err
	}
	if p.Code == "invalid_dpop_proof" || p.Code == "use_dpop_nonce" {
		p.Status = http.StatusUnauthorized // at a resource; at the token endpoint it is 400
	}
	s.Challenge(w, scheme, append([]string{`error="` + p.Code + `"`, `error_description="` + p.Description + `"`}, params...)...)
	if scheme == schemeDPoP {
		s.offerNonce(w)
	}
	return &RefusedError{Status: p.Status, Code: p.Code, Description: p.Description}
}

// Challenge adds a WWW-Authenticate header of a scheme to an answer, with params such as `error="insufficient_scope"`.
func (s *Server) Challenge(w http.ResponseWriter, scheme string, params ...string) {
	s.challenge(w, scheme, strings.Join(params, ", "))
}

// own reports whether a resource is this server's, which every client may name: its scopes say what it may do there.
func (s *Server) own(resource string) bool {
	return resource == s.cfg.Issuer || slices.Contains(s.cfg.Resources, resource)
}
