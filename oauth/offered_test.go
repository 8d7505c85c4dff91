package oauth_test

import "testing"

// TestGrantTypesThatAreNotOffered: RFC 6749 section 4.3, RFC 7521, RFC 7522, RFC 8693, CIBA, UMA.
func TestGrantTypesThatAreNotOffered(t *testing.T) {
	w := newWorld(t)
	for _, grant := range []string{
		"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:openid:params:grant-type:ciba",
		"urn:ietf:params:oauth:grant-type:uma-ticket", "Authorization_Code", "authorization_code refresh_token",
	} {
		form := w.exchange("web", "x", "grant_type", grant, "username", "alice", "password", "secret", "assertion", "x")
		w.wantError(w.token(form), 400, "unsupported_grant_type")
	}
}
