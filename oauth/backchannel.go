package oauth

import "context"

// Notify sends the logout notices that are due to clients (OpenID Connect Back-Channel Logout 1.0). Every replica may
// call it at any time.
func (s *Server) Notify(ctx context.Context) error { return nil }
