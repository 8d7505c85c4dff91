package oauth

import (
	"context"
	"net/url"

	"github.com/ory/fosite"
)

// authenticateAssertion is private_key_jwt (RFC 7523 section 3).
func (s *Server) authenticateAssertion(ctx context.Context, form url.Values) (fosite.Client, error) {
	return nil, fosite.ErrInvalidClient
}
