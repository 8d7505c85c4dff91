package idptest

import "github.com/focushq/idp"

// Config returns the configuration of the provider, for what is done beside it.
func (s *Server) Config() idp.Config { return s.cfg }

// Restart closes the provider, runs what is to happen while it does not, and opens it again at the same address. Browsers keep
// what they have.
func (s *Server) Restart(meanwhile func()) {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatal(err)
	}
	meanwhile()
	again, err := idp.New(s.t.Context(), s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.IdP = again
}
