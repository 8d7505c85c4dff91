package oauth

import (
	"net/http"
	"slices"
)

// metadata is the provider's description (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2). It holds what
// exists and nothing else.
func (s *Server) metadata() map[string]any {
	issuer := s.cfg.Issuer
	claims := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"}
	person := make([]string, 0, len(claimScopes))
	for name := range claimScopes {
		person = append(person, name)
	}
	slices.Sort(person)
	document := map[string]any{
		"issuer":                                                   issuer,
		"authorization_endpoint":                                   issuer + "/oauth2/authorize",
		"token_endpoint":                                           issuer + "/oauth2/token",
		"userinfo_endpoint":                                        issuer + "/oauth2/userinfo",
		"jwks_uri":                                                 issuer + "/oauth2/jwks",
		"introspection_endpoint":                                   issuer + "/oauth2/introspect",
		"revocation_endpoint":                                      issuer + "/oauth2/revoke",
		"pushed_authorization_request_endpoint":                    issuer + "/oauth2/par",
		"device_authorization_endpoint":                            issuer + "/oauth2/device",
		"end_session_endpoint":                                     issuer + "/oauth2/logout",
		"scopes_supported":                                         slices.Concat(knownScopes(), s.cfg.Scopes),
		"response_types_supported":                                 []string{"code"},
		"response_modes_supported":                                 []string{"query", "fragment", "form_post"},
		"grant_types_supported":                                    grantTypes,
		"acr_values_supported":                                     s.acrValues(),
		"subject_types_supported":                                  []string{"public"},
		"id_token_signing_alg_values_supported":                    signingAlgs,
		"token_endpoint_auth_methods_supported":                    authMethods,
		"token_endpoint_auth_signing_alg_values_supported":         assertionAlgs,
		"code_challenge_methods_supported":                         []string{"S256"},
		"claim_types_supported":                                    []string{"normal"},
		"claims_supported":                                         append(claims, person...),
		"claims_parameter_supported":                               true,
		"request_parameter_supported":                              false,
		"request_uri_parameter_supported":                          false,
		"require_request_uri_registration":                         false,
		"request_object_signing_alg_values_supported":              []string{"RS256"}, // so that nobody expects none
		"authorization_response_iss_parameter_supported":           true,
		"prompt_values_supported":                                  promptValues,
		"ui_locales_supported":                                     []string{"en"},
		"introspection_endpoint_auth_methods_supported":            authMethods[:3], // a public client proves nothing
		"introspection_endpoint_auth_signing_alg_values_supported": assertionAlgs,
		"revocation_endpoint_auth_methods_supported":               authMethods,
		"revocation_endpoint_auth_signing_alg_values_supported":    assertionAlgs,
		"userinfo_signing_alg_values_supported":                    signingAlgs,
		"dpop_signing_alg_values_supported":                        proofAlgs,
		"require_pushed_authorization_requests":                    false, // each client says so for itself
		"backchannel_logout_supported":                             true,
		"backchannel_logout_session_supported":                     true,
		"frontchannel_logout_supported":                            true,
		"frontchannel_logout_session_supported":                    true,
	}
	if s.cfg.Registration {
		document["registration_endpoint"] = issuer + "/oauth2/register"
	}
	return document
}

func (s *Server) acrValues() []string {
	if len(s.cfg.ACRValues) == 0 {
		return []string{"aal1", "aal2"}
	}
	return s.cfg.ACRValues
}

// discovery is both well-known documents.
func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	writeJSON(w, http.StatusOK, s.metadata())
}

// jwks is GET /oauth2/jwks.
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) {
	keys, err := s.keys.published(r.Context())
	if err != nil {
		s.failJSON(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	writeJSON(w, http.StatusOK, keys)
}
