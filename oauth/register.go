package oauth

import "net/http"

// mountRegistration registers the endpoints of dynamic client registration, if it is on.
func (s *Server) mountRegistration(mux *http.ServeMux) {}
