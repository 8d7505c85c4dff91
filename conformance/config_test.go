package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/text/language"

	"github.com/focushq/idp/idptest"
)

// registered are the metadata names of OpenID Connect Discovery, RFC 8414, RFC 9126, RFC 9207, RFC 8628, RFC 9449 and the
// logout documents that a provider of this kind has a use for.
var registered = strings.Fields(`issuer authorization_endpoint token_endpoint userinfo_endpoint jwks_uri registration_endpoint
	scopes_supported response_types_supported response_modes_supported grant_types_supported acr_values_supported
	subject_types_supported id_token_signing_alg_values_supported userinfo_signing_alg_values_supported
	request_object_signing_alg_values_supported token_endpoint_auth_methods_supported
	token_endpoint_auth_signing_alg_values_supported display_values_supported claim_types_supported claims_supported
	service_documentation claims_locales_supported ui_locales_supported claims_parameter_supported request_parameter_supported
	request_uri_parameter_supported require_request_uri_registration op_policy_uri op_tos_uri revocation_endpoint
	revocation_endpoint_auth_methods_supported revocation_endpoint_auth_signing_alg_values_supported introspection_endpoint
	introspection_endpoint_auth_methods_supported introspection_endpoint_auth_signing_alg_values_supported
	code_challenge_methods_supported authorization_response_iss_parameter_supported device_authorization_endpoint
	pushed_authorization_request_endpoint require_pushed_authorization_requests dpop_signing_alg_values_supported
	end_session_endpoint backchannel_logout_supported backchannel_logout_session_supported frontchannel_logout_supported
	frontchannel_logout_session_supported prompt_values_supported protected_resources`)

// discovery returns the provider's description.
func (p *provider) discovery() map[string]any {
	p.t.Helper()
	r, _ := http.NewRequest(http.MethodGet, p.Issuer+"/.well-known/openid-configuration", nil)
	got := p.send(r)
	if got.status != 200 || got.body == nil {
		p.t.Fatalf("discovery: %d %s", got.status, got.header.Get("Content-Type"))
	}
	return got.body
}

// TestPlanConfig is oidcc-config-certification-test-plan.
func TestPlanConfig(t *testing.T) {
	t.Parallel()
	open(t, "").plan(t, []module{{"oidcc-discovery-endpoint-verification", func(p *provider, _ *idptest.Browser) {
		d := p.discovery()
		if d["issuer"] != p.Issuer || !strings.HasPrefix(p.Issuer, "https://") {
			p.t.Errorf("issuer: %v", d["issuer"])
		}
		for name, value := range d {
			if !slices.Contains(registered, name) {
				p.t.Errorf("%s is no registered name", name)
			}
			if text, _ := value.(string); (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") && !strings.HasPrefix(text, p.Issuer+"/") {
				p.t.Errorf("%s: %v", name, value)
			}
		}
		for name, wanted := range map[string]string{
			"response_types_supported": "code", "subject_types_supported": "public", "id_token_signing_alg_values_supported": "RS256",
			"scopes_supported": "openid profile email address phone offline_access", "grant_types_supported": "authorization_code refresh_token",
			"code_challenge_methods_supported": "S256", "response_modes_supported": "query form_post", "acr_values_supported": "aal1 aal2",
			"token_endpoint_auth_methods_supported":       "client_secret_basic client_secret_post private_key_jwt none",
			"request_object_signing_alg_values_supported": "RS256", "claims_supported": "sub mfa_enrolled amr acr auth_time",
			"prompt_values_supported": "none login consent select_account",
		} {
			for _, value := range strings.Fields(wanted) {
				if !slices.Contains(set(d[name]), value) {
					p.t.Errorf("%s lacks %s: %v", name, value, d[name])
				}
			}
		}
		for name, wanted := range map[string]bool{
			"request_uri_parameter_supported": false, "request_parameter_supported": false, "claims_parameter_supported": true,
			"authorization_response_iss_parameter_supported": true, "backchannel_logout_supported": true,
			"backchannel_logout_session_supported": true, "frontchannel_logout_supported": true,
			"frontchannel_logout_session_supported": true, "require_pushed_authorization_requests": false,
		} {
			if d[name] != wanted {
				p.t.Errorf("%s: %v, want %v", name, d[name], wanted)
			}
		}
		if slices.Contains(set(d["request_object_signing_alg_values_supported"]), "none") {
			p.t.Error("unsigned request objects are offered")
		}
		for _, tag := range set(d["ui_locales_supported"]) {
			if parsed, err := language.Parse(tag); err != nil || parsed.String() != tag {
				p.t.Errorf("ui_locales_supported: %q is not canonical", tag)
			}
		}
		p.keys(d["jwks_uri"].(string))
	}}})
}

// keys checks the key set: public, usable, each named once.
func (p *provider) keys(uri string) *jose.JSONWebKeySet {
	p.t.Helper()
	r, _ := http.NewRequest(http.MethodGet, uri, nil)
	got := p.send(r)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(got.text), &set); err != nil || got.status != 200 {
		p.t.Fatalf("jwks: %d %v", got.status, err)
	}
	seen := map[string]bool{}
	for _, key := range set.Keys {
		if !key.Valid() || !key.IsPublic() || key.KeyID == "" || seen[key.KeyID] || key.Use != "sig" || key.Algorithm == "" {
			p.t.Errorf("a key of the set: %+v", key)
		}
		seen[key.KeyID] = true
	}
	if len(set.Keys) < 3 {
		p.t.Errorf("%d keys", len(set.Keys))
	}
	return &set
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func audience(claims map[string]any) []string {
	if one, ok := claims["aud"].(string); ok {
		return []string{one}
	}
	return set(claims["aud"])
}
