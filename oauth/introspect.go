package oauth

import (
	"net/http"

	"github.com/ory/fosite"
)

// introspect is POST /oauth2/introspect (RFC 7662).
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	s.failJSON(w, r, fosite.ErrInvalidRequest)
}
