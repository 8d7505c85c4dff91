package oauth

import (
	"net/http"

	"github.com/ory/fosite"
)

// push is POST /oauth2/par (RFC 9126).
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	s.failJSON(w, r, fosite.ErrInvalidRequest)
}
