package oauth

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// registration is a client in the words of RFC 7591 and OpenID Connect Dynamic Client Registration 1.0, as it is asked
// for and as it is answered.
type registration struct {
	ClientID        string `json:"client_id,omitempty"`
	ClientSecret    string `json:"client_secret,omitempty"`
	SecretExpiresAt *int64 `json:"client_secret_expires_at,omitempty"`
	IssuedAt        int64  `json:"client_id_issued_at,omitempty"`
	URI             string `json:"registration_client_uri,omitempty"`
	AccessToken     string `json:"registration_access_token,omitempty"`

	AuthMethod             string          `json:"token_endpoint_auth_method,omitempty"`
	AuthAlg                string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	IDTokenAlg             string          `json:"id_token_signed_response_alg,omitempty"`
	UserinfoAlg            string          `json:"userinfo_signed_response_alg,omitempty"`
	ResponseTypes          []string        `json:"response_types,omitempty"`
	GrantTypes             []string        `json:"grant_types,omitempty"`
	RedirectURIs           []string        `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string        `json:"post_logout_redirect_uris,omitempty"`
	ApplicationType        string          `json:"application_type,omitempty"`
	Contacts               []string        `json:"contacts,omitempty"`
	Name                   string          `json:"client_name,omitempty"`
	ClientURI              string          `json:"client_uri,omitempty"`
	LogoURI                string          `json:"logo_uri,omitempty"`
	PolicyURI              string          `json:"policy_uri,omitempty"`
	TermsURI               string          `json:"tos_uri,omitempty"`
	JWKS                   json.RawMessage `json:"jwks,omitempty"`
	JWKSURI                string          `json:"jwks_uri,omitempty"`
	SectorURI              string          `json:"sector_identifier_uri,omitempty"`
	SubjectType            string          `json:"subject_type,omitempty"`
	InitiateLoginURI       string          `json:"initiate_login_uri,omitempty"`
	DefaultMaxAge          *Seconds        `json:"default_max_age,omitempty"`
	RequireAuthTime        bool            `json:"require_auth_time,omitempty"`
	DefaultACR             []string        `json:"default_acr_values,omitempty"`
	BackchannelLogoutURI   string          `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession     bool            `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogoutURI  string          `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelSession    bool            `json:"frontchannel_logout_session_required,omitempty"`
	DPoPBound              bool            `json:"dpop_bound_access_tokens,omitempty"`
	RequirePAR             bool            `json:"require_pushed_authorization_requests,omitempty"`
	SoftwareID             string          `json:"software_id,omitempty"`
	SoftwareVersion        string          `json:"software_version,omitempty"`
	Scope                  string          `json:"scope,omitempty"`
}

// registeredScopes are those of a client that names none.
var registeredScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

// fieldNames are the members of a registration that a [Client] calls otherwise.
var fieldNames = map[string]string{
	"id": "client_id", "name": "client_name", "auth_method": "token_endpoint_auth_method",
	"auth_alg": "token_endpoint_auth_signing_alg", "id_token_alg": "id_token_signed_response_alg", "scopes": "scope",
}

// refusedField is the answer to a field that breaks a rule.
func refusedField(e *InvalidError) error {
	name, kind := e.Field, errInvalidMetadata
	if other, ok := fieldNames[name]; ok {
		name = other
	}
	if name == "redirect_uris" {
		kind = errInvalidRedirect
	}
	return fault(kind, name, name+": "+e.Reason+".")
}

// client returns was as a registration wants it: id, who may use it and what an administrator allows stay as they were.
// A client that exists gets no more scopes and grant types than it has, and no demand on it ends: an administrator may
// have taken the others away, or made the demand.
func (m *registration) client(was *Client) (*Client, error) {
	c := *was
	c.Name, c.ClientURI, c.LogoURI, c.PolicyURI, c.TermsURI = m.Name, m.ClientURI, m.LogoURI, m.PolicyURI, m.TermsURI
	c.RedirectURIs, c.PostLogoutRedirectURIs, c.Contacts = m.RedirectURIs, m.PostLogoutRedirectURIs, m.Contacts
	c.AuthMethod, c.AuthAlg, c.IDTokenAlg, c.UserinfoAlg = m.AuthMethod, m.AuthAlg, m.IDTokenAlg, m.UserinfoAlg
	c.JWKSURI, c.SectorURI, c.InitiateLoginURI = m.JWKSURI, m.SectorURI, m.InitiateLoginURI
	c.DefaultMaxAge, c.RequireAuthTime, c.DefaultACR = m.DefaultMaxAge, m.RequireAuthTime, m.DefaultACR
	c.BackchannelLogoutURI, c.BackchannelSession = m.BackchannelLogoutURI, m.BackchannelSession
	c.FrontchannelLogoutURI, c.FrontchannelSession = m.FrontchannelLogoutURI, m.FrontchannelSession
	c.DPoPBound, c.RequirePAR = m.DPoPBound || was.DPoPBound, m.RequirePAR || was.RequirePAR
	c.SoftwareID, c.SoftwareVersion = m.SoftwareID, m.SoftwareVersion
	c.ApplicationType = m.ApplicationType
	if c.ApplicationType == "" {
		c.ApplicationType = kindOf(c.RedirectURIs)
	}
	if c.Name == "" { // people see where they go rather than a random id
		c.Name = hostOf(c.RedirectURIs)
	}
	for _, set := range []func(*Client, *Client) error{m.setFlows, m.setScopes, m.setKeys} {
		if err := set(&c, was); err != nil {
			return nil, err
		}
	}
	c.fill()
	return &c, c.validate()
}

// setFlows sets the grant types, which the response types must fit (RFC 7591 section 2.1).
func (m *registration) setFlows(c, was *Client) error {
	if m.SubjectType != "" && m.SubjectType != "public" {
		return &InvalidError{"subject_type", "public"}
	}
	switch c.GrantTypes = m.GrantTypes; {
	case len(c.GrantTypes) == 0 && was.registered():
		c.GrantTypes = was.GrantTypes
	case len(c.GrantTypes) == 0:
		c.GrantTypes = []string{"authorization_code"}
	case was.registered() && !within(c.GrantTypes, was.GrantTypes):
		return &InvalidError{"grant_types", "a client that exists keeps " + strings.Join(was.GrantTypes, " ") + " or some of them; more are for an administrator to give"}
	}
	code := slices.Contains(c.GrantTypes, "authorization_code")
	for _, kind := range m.ResponseTypes {
		if kind != "code" || !code {
			return &InvalidError{"response_types", "code, with the grant type authorization_code"}
		}
	}
	return nil
}

// setScopes sets the scopes: for a new client some of those that everybody may have, for one that exists what it has.
// Without refresh tokens there is no offline_access, which people would be asked for in vain.
func (m *registration) setScopes(c, was *Client) error {
	allowed, usual := knownScopes(), registeredScopes
	if was.registered() {
		allowed, usual = was.Scopes, was.Scopes
	}
	if c.Scopes = strings.Fields(m.Scope); len(c.Scopes) == 0 {
		c.Scopes = slices.Clone(usual)
	}
	if !within(c.Scopes, allowed) {
		return &InvalidError{"scopes", "some of " + strings.Join(allowed, " ")}
	}
	if !slices.Contains(c.GrantTypes, "refresh_token") && len(c.Scopes) > 1 {
		c.Scopes = slices.DeleteFunc(c.Scopes, func(scope string) bool { return scope == "offline_access" })
	}
	return nil
}

// within reports whether all has every one of some.
func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
}

// setKeys sets the keys. Those of a kind that is not known here are left out (RFC 7517 section 5).
func (m *registration) setKeys(c, _ *Client) error {
	c.JWKS = nil
	if len(m.JWKS) == 0 || string(m.JWKS) == "null" {
		return nil
	}
	var err error
	if c.JWKS, err = parseKeySet(m.JWKS); err != nil {
		return &InvalidError{"jwks", "a JWK set"}
	}
	return nil
}

// kindOf tells an application on the person's machine from one on the web, by where its users are sent.
func kindOf(redirects []string) string {
	if slices.ContainsFunc(redirects, func(uri string) bool { return !strings.HasPrefix(uri, "https:") }) {
		return "native"
	}
	return "web"
}

// hostOf returns the host of the first redirect URI that has one.
func hostOf(redirects []string) string {
	for _, raw := range redirects {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	}
	return ""
}

// registrationOf returns what is registered of c.
func registrationOf(c *Client) *registration {
	m := &registration{
		ClientID: c.ID, IssuedAt: c.CreatedAt.Unix(), AuthMethod: c.AuthMethod, AuthAlg: c.AuthAlg, IDTokenAlg: c.IDTokenAlg,
		UserinfoAlg: c.UserinfoAlg, GrantTypes: c.GrantTypes, RedirectURIs: c.RedirectURIs,
		PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, ApplicationType: c.ApplicationType, Contacts: c.Contacts,
		Name: c.Name, ClientURI: c.ClientURI, LogoURI: c.LogoURI, PolicyURI: c.PolicyURI, TermsURI: c.TermsURI,
		JWKSURI: c.JWKSURI, SectorURI: c.SectorURI, SubjectType: "public", InitiateLoginURI: c.InitiateLoginURI,
		DefaultMaxAge: c.DefaultMaxAge, RequireAuthTime: c.RequireAuthTime, DefaultACR: c.DefaultACR,
		BackchannelLogoutURI: c.BackchannelLogoutURI, BackchannelSession: c.BackchannelSession,
		FrontchannelLogoutURI: c.FrontchannelLogoutURI, FrontchannelSession: c.FrontchannelSession,
		DPoPBound: c.DPoPBound, RequirePAR: c.RequirePAR, SoftwareID: c.SoftwareID, SoftwareVersion: c.SoftwareVersion,
		Scope: strings.Join(c.Scopes, " "),
	}
	if slices.Contains(c.GrantTypes, "authorization_code") {
		m.ResponseTypes = []string{"code"}
	}
	if c.JWKS != nil {
		m.JWKS, _ = json.Marshal(c.JWKS) // public keys that have been read: it cannot fail
	}
	return m
}
