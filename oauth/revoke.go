package oauth

import (
	"net/http"

	"github.com/ory/fosite"
)

// revoke is POST /oauth2/revoke (RFC 7009).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	s.failJSON(w, r, fosite.ErrInvalidRequest)
}
