package oauth

import (
	"context"
	"net/http"

	"github.com/ory/fosite"
)

// deviceGrant is the grant type of RFC 8628.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// deviceRequest returns what a waiting device asks for, as a request that the dispatcher takes through its steps.
func (s *Server) deviceRequest(r *http.Request, kept keptRequest) (*Request, error) {
	return nil, fosite.ErrInvalidRequest
}

// approveDevice gives the waiting device of req what auth grants.
func (s *Server) approveDevice(ctx context.Context, req *Request, auth *Authentication) error {
	return fosite.ErrInvalidRequest
}

// denyDevice tells the waiting device of req that it gets nothing.
func (s *Server) denyDevice(ctx context.Context, req *Request) {}

// deviceAnswered sends the person to the page that says so.
func (s *Server) deviceAnswered(w http.ResponseWriter, r *http.Request, allowed bool) {}

// deviceAuthorization is POST /oauth2/device (RFC 8628 section 3.1).
func (s *Server) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	s.failJSON(w, r, fosite.ErrUnsupportedGrantType)
}
