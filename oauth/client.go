package oauth

import (
	"cmp"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
)

// Client is a relying party. The JSON names are those of the contract's clients. It implements fosite's Client,
// OpenIDConnectClient, ResponseModeClient and ClientWithCustomTokenLifespans. One that was read is shared:
// change a copy.
type Client struct {
	ID                      string              `json:"id"`
	Name                    string              `json:"name"`
	AuthMethod              string              `json:"auth_method"` // client_secret_basic, client_secret_post, private_key_jwt, none
	AuthAlg                 string              `json:"auth_alg,omitempty"`
	JWKSURI                 string              `json:"jwks_uri,omitempty"`
	JWKS                    *jose.JSONWebKeySet `json:"jwks,omitempty"`
	RedirectURIs            []string            `json:"redirect_uris"`
	PostLogoutRedirectURIs  []string            `json:"post_logout_redirect_uris,omitempty"`
	BackchannelLogoutURI    string              `json:"backchannel_logout_uri,omitempty"`
	FrontchannelLogoutURI   string              `json:"frontchannel_logout_uri,omitempty"`
	GrantTypes              []string            `json:"grant_types"`
	Scopes                  []string            `json:"scopes"`
	Consent                 string              `json:"consent"` // ask, skip (a public client is asked for all the same)
	MFA                     string              `json:"mfa"`     // optional, required, always
	Groups                  []string            `json:"groups,omitempty"`
	AccessToken             string              `json:"access_token"` // jwt, opaque
	IDTokenAlg              string              `json:"id_token_alg"` // RS256, ES256, EdDSA
	RequirePKCE             bool                `json:"require_pkce"`
	RequirePAR              bool                `json:"require_pushed_authorization_requests"`
	DPoPBound               bool                `json:"dpop_bound_access_tokens"`
	BackchannelSession      bool                `json:"backchannel_logout_session_required,omitempty"`  // sid is sent all the same
	FrontchannelSession     bool                `json:"frontchannel_logout_session_required,omitempty"` // likewise
	Resources               []string            `json:"resources,omitempty"`                            // what it may ask tokens for (RFC 8707) beside our own
	Introspect              bool                `json:"introspect,omitempty"`                           // may introspect other clients' tokens
	UserinfoAlg             string              `json:"userinfo_signed_response_alg,omitempty"`         // "": plain JSON
	ClientURI               string              `json:"client_uri,omitempty"`
	InitiateLoginURI        string              `json:"initiate_login_uri,omitempty"`
	Contacts                []string            `json:"contacts,omitempty"`
	LogoURI                 string              `json:"logo_uri,omitempty"`
	PolicyURI               string              `json:"policy_uri,omitempty"`
	TermsURI                string              `json:"tos_uri,omitempty"`
	Dynamic                 bool                `json:"dynamic,omitempty"`            // it registered itself (RFC 7591)
	ApplicationType         string              `json:"application_type,omitempty"`   // web, native; "": a public client may be either
	DefaultMaxAge           *Seconds            `json:"default_max_age,omitempty"`    // for requests without max_age
	RequireAuthTime         bool                `json:"require_auth_time,omitempty"`  // auth_time is sent all the same
	DefaultACR              []string            `json:"default_acr_values,omitempty"` // for requests without acr_values
	SectorURI               string              `json:"sector_identifier_uri,omitempty"`
	SoftwareID              string              `json:"software_id,omitempty"`
	SoftwareVersion         string              `json:"software_version,omitempty"`
	AccessTokenLife         Seconds             `json:"access_token_life,omitempty"`  // 0: 10 minutes
	IDTokenLife             Seconds             `json:"id_token_life,omitempty"`      // 0: 1 hour
	RefreshTokenIdle        Seconds             `json:"refresh_token_idle,omitempty"` // 0: 14 days
	RefreshTokenLife        Seconds             `json:"refresh_token_life,omitempty"` // 0: 90 days, from the sign-in
	Disabled                bool                `json:"disabled,omitempty"`
	CreatedAt               time.Time           `json:"-"`
	UpdatedAt               time.Time           `json:"-"`
	Version                 int64               `json:"-"` // counts its writes; 0 for one that was not read
	secretHash, rotatedHash string
	registrationHash        string
	rotatedUntil            int64 // Unix seconds; until then the secret before the last rotation is good too
	secretAt, rotatedAt     int64 // Unix seconds; since when the two are good, 0 where that is not known
}

// Seconds is a length of time, written as a number of seconds.
type Seconds int64

// or returns s as a duration, or fallback when it is not set.
func (s Seconds) or(fallback time.Duration) time.Duration {
	if s <= 0 {
		return fallback
	}
	return time.Duration(s) * time.Second
}

// Origins returns the web origins of the redirect URIs, such as https://focus.example. Private-use schemes have none.
func (c *Client) Origins() []string {
	var out []string
	for _, raw := range c.RedirectURIs {
		if origin := originOf(raw); origin != "" && !slices.Contains(out, origin) {
			out = append(out, origin)
		}
	}
	return out
}

func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Destinations returns where people may go on to, as pages name it: the hosts of the redirect URIs, and the schemes of
// those without one.
func (c *Client) Destinations() []string {
	var out []string
	for _, raw := range c.RedirectURIs {
		if u, err := url.Parse(raw); err == nil {
			out = append(out, cmp.Or(u.Host, u.Scheme+":"))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// SecretOverlap returns until when the secret before the last rotation is good too; the zero time when there is none.
func (c *Client) SecretOverlap() time.Time {
	if c.rotatedUntil == 0 {
		return time.Time{}
	}
	return time.Unix(c.rotatedUntil, 0)
}

// GetID returns the client_id.
func (c *Client) GetID() string { return c.ID }

// GetHashedSecret returns the keyed hash of the secret; empty when there is none.
func (c *Client) GetHashedSecret() []byte { return []byte(c.secretHash) }

// GetRedirectURIs returns the registered redirect URIs.
func (c *Client) GetRedirectURIs() []string { return c.RedirectURIs }

// GetGrantTypes returns the grant types that the client may use.
func (c *Client) GetGrantTypes() fosite.Arguments { return c.GrantTypes }

// GetResponseTypes returns "code", the only response type of this server.
func (c *Client) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }

// GetScopes returns the scopes that the client may ask for.
func (c *Client) GetScopes() fosite.Arguments { return c.Scopes }

// IsPublic reports whether the client cannot keep a secret (RFC 6749 section 2.1).
func (c *Client) IsPublic() bool { return c.AuthMethod == "none" }

// GetAudience returns nothing: the parameter audience is not served; see [Request.Resources].
func (c *Client) GetAudience() fosite.Arguments { return nil }

// GetRequestURIs returns nothing: request objects are refused.
func (c *Client) GetRequestURIs() []string { return nil }

// GetJSONWebKeys returns the client's public keys.
func (c *Client) GetJSONWebKeys() *jose.JSONWebKeySet { return c.JWKS }

// GetJSONWebKeysURI returns where the client publishes its keys.
func (c *Client) GetJSONWebKeysURI() string { return c.JWKSURI }

// GetRequestObjectSigningAlgorithm returns RS256; request objects are refused all the same.
func (c *Client) GetRequestObjectSigningAlgorithm() string { return "RS256" }

// GetTokenEndpointAuthMethod returns the only method by which the client may authenticate.
func (c *Client) GetTokenEndpointAuthMethod() string { return c.AuthMethod }

// GetTokenEndpointAuthSigningAlgorithm returns the algorithm of the client's assertions.
func (c *Client) GetTokenEndpointAuthSigningAlgorithm() string { return c.AuthAlg }

// GetResponseModes returns the response modes that every client may ask for.
func (c *Client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeQuery, fosite.ResponseModeFragment, fosite.ResponseModeFormPost}
}

// GetEffectiveLifespan returns the client's own lifetime of a kind of token, or fallback.
func (c *Client) GetEffectiveLifespan(_ fosite.GrantType, kind fosite.TokenType, fallback time.Duration) time.Duration {
	switch kind {
	case fosite.AccessToken:
		return c.AccessTokenLife.or(fallback)
	case fosite.IDToken:
		return c.IDTokenLife.or(fallback)
	case fosite.RefreshToken:
		return c.RefreshTokenIdle.or(fallback)
	}
	return fallback
}

// refreshes reports whether the client gets a refresh token with these scopes.
func (c *Client) refreshes(scopes []string) bool {
	return slices.Contains(scopes, "offline_access") && slices.Contains(c.GrantTypes, "refresh_token")
}

// Lives are how long the tokens of a client last.
type Lives struct {
	AccessToken, IDToken time.Duration
	RefreshTokenIdle     time.Duration // without being used
	RefreshTokenLife     time.Duration // in all, from the sign-in
}

// DefaultLives returns how long the tokens of a client last that says nothing about it.
func DefaultLives() Lives {
	return Lives{AccessToken: accessTokenLife, IDToken: idTokenLife, RefreshTokenIdle: refreshIdle, RefreshTokenLife: refreshLife}
}

// OfflineLife returns how long offline_access lasts at most, from the sign-in; 0 for a client that gets no refresh tokens.
func (c *Client) OfflineLife() time.Duration {
	if !slices.Contains(c.GrantTypes, "refresh_token") {
		return 0
	}
	return c.RefreshTokenLife.or(refreshLife)
}

// registered reports whether the client is stored, not one that is about to be.
func (c *Client) registered() bool { return !c.CreatedAt.IsZero() }

// native reports whether the client may be an application on the person's own machine (RFC 8252).
func (c *Client) native() bool {
	return c.ApplicationType == "native" || c.ApplicationType == "" && c.IsPublic()
}

// hasLogoutURI reports whether the client wants to hear of logouts, and so gets sid.
func (c *Client) hasLogoutURI() bool {
	return c.BackchannelLogoutURI != "" || c.FrontchannelLogoutURI != ""
}
