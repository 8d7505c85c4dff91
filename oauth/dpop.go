package oauth

import (
	"context"
	"net/http"

	"github.com/ory/fosite"
)

// errInvalidProof and errUseNonce are those of RFC 9449 sections 5 and 8.
var (
	errInvalidProof = &fosite.RFC6749Error{ErrorField: "invalid_dpop_proof", CodeField: http.StatusBadRequest}
	errUseNonce     = &fosite.RFC6749Error{ErrorField: "use_dpop_nonce", CodeField: http.StatusBadRequest}
)

// proof verifies the DPoP proof of r (RFC 9449 section 4.3) and returns the thumbprint of its key, "" when r brings
// none. A proof at a resource must be for the access token there; token is "" elsewhere. A bad proof is errInvalidProof,
// one that lacks a good nonce errUseNonce.
func (s *Server) proof(ctx context.Context, r *http.Request, token string) (jkt string, err error) {
	return "", nil
}

// offerNonce tells the client which nonce its next proof should hold (RFC 9449 section 8.2).
func (s *Server) offerNonce(w http.ResponseWriter) {}
