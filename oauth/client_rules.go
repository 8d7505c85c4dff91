package oauth

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// minSecret is the least length of a secret that somebody chose.
const minSecret = 8

// What a client may be.
var (
	authMethods    = []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}
	assertionAlgs  = []string{"RS256", "PS256", "ES256", "EdDSA"}
	proofAlgs      = []string{"ES256", "PS256", "EdDSA"}
	grantTypes     = []string{"authorization_code", "refresh_token", "client_credentials", deviceGrant}
	signingAlgs    = []string{"RS256", "ES256", "EdDSA"}
	consentKinds   = []string{"ask", "skip"}
	mfaKinds       = []string{"optional", "required", "always"}
	accessKinds    = []string{"jwt", "opaque"}
	clientIDForm   = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)
	scopeForm      = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,128}$`)  // RFC 6749 section 3.3
	privateUse     = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`) // RFC 8252 section 7.1
	maxURILength   = 2048
	maxURIsOfKind  = 100
	defaultScopes  = []string{"openid", "profile", "email"}
	defaultGrants  = []string{"authorization_code", "refresh_token"}
	maxTokenLife   = Seconds(24 * 3600)
	maxRefreshLife = Seconds(400 * 24 * 3600)
)

// fill gives empty fields their defaults.
func (c *Client) fill() {
	for field, fallback := range map[*string]string{
		&c.AuthMethod: "client_secret_basic", &c.Consent: "ask", &c.MFA: "optional",
		&c.AccessToken: "jwt", &c.IDTokenAlg: "RS256",
	} {
		if *field == "" {
			*field = fallback
		}
	}
	if c.ID == "" {
		c.ID = randomText(16)
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	if c.AuthMethod == "private_key_jwt" && c.AuthAlg == "" {
		c.AuthAlg = "RS256"
	}
	if len(c.Scopes) == 0 {
		c.Scopes = slices.Clone(defaultScopes)
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = slices.Clone(defaultGrants)
	}
}

// WithDefaults returns a copy of c whose empty fields are as [Clients.Create] and [Clients.Update] store them.
func (c *Client) WithDefaults() *Client {
	filled := *c
	filled.fill()
	return &filled
}

// hasSecret reports whether the client authenticates by a shared secret.
func (c *Client) hasSecret() bool {
	return c.AuthMethod == "client_secret_basic" || c.AuthMethod == "client_secret_post"
}

// validate returns the first rule that c breaks, as an [*InvalidError].
func (c *Client) validate() error {
	for _, check := range []func() error{c.validateNames, c.validateKeys, c.validateURIs, c.validateLives} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) validateNames() error {
	if !clientIDForm.MatchString(c.ID) {
		return &InvalidError{"id", "1 to 128 letters, digits and . _ ~ -"}
	}
	if len(c.Name) > 200 || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' || r == 0x7F }) {
		return &InvalidError{"name", "at most 200 characters, none of them a control character"}
	}
	for _, f := range []struct {
		field, value string
		allowed      []string
	}{
		{"auth_method", c.AuthMethod, authMethods}, {"consent", c.Consent, consentKinds}, {"mfa", c.MFA, mfaKinds},
		{"access_token", c.AccessToken, accessKinds}, {"id_token_alg", c.IDTokenAlg, signingAlgs},
	} {
		if !slices.Contains(f.allowed, f.value) {
			return &InvalidError{f.field, "one of " + strings.Join(f.allowed, ", ")}
		}
	}
	for _, grant := range c.GrantTypes {
		if !slices.Contains(grantTypes, grant) {
			return &InvalidError{"grant_types", "one of " + strings.Join(grantTypes, ", ")}
		}
	}
	for _, scope := range c.Scopes {
		if !scopeForm.MatchString(scope) {
			return &InvalidError{"scopes", "a scope is 1 to 128 printable characters without space, quote and backslash"}
		}
		// fosite compares some scopes without regard to case: OPENID would pass for openid.
		if lower := strings.ToLower(scope); lower != scope && slices.Contains(knownScopes(), lower) {
			return &InvalidError{"scopes", "write " + lower + " in lower case"}
		}
	}
	return nil
}

func (c *Client) validateKeys() error {
	if c.AuthMethod != "private_key_jwt" {
		return nil
	}
	if !slices.Contains(assertionAlgs, c.AuthAlg) {
		return &InvalidError{"auth_alg", "one of " + strings.Join(assertionAlgs, ", ")}
	}
	if (c.JWKS == nil) == (c.JWKSURI == "") {
		return &InvalidError{"jwks", "private_key_jwt needs jwks or jwks_uri, and only one of them"}
	}
	if c.JWKS == nil {
		return nil
	}
	if len(c.JWKS.Keys) == 0 || len(c.JWKS.Keys) > 20 {
		return &InvalidError{"jwks", "1 to 20 keys"}
	}
	for _, key := range c.JWKS.Keys {
		if !key.Valid() || !key.IsPublic() {
			return &InvalidError{"jwks", "only valid public keys"}
		}
	}
	return nil
}

func (c *Client) validateURIs() error {
	if slices.Contains(c.GrantTypes, "authorization_code") && len(c.RedirectURIs) == 0 {
		return &InvalidError{"redirect_uris", "at least one"}
	}
	for _, list := range []struct {
		field string
		uris  []string
	}{{"redirect_uris", c.RedirectURIs}, {"post_logout_redirect_uris", c.PostLogoutRedirectURIs}} {
		if len(list.uris) > maxURIsOfKind {
			return &InvalidError{list.field, "too many"}
		}
		for _, raw := range list.uris {
			if reason := badRedirectURI(raw, c.IsPublic()); reason != "" {
				return &InvalidError{list.field, reason}
			}
		}
	}
	for field, raw := range map[string]string{
		"backchannel_logout_uri": c.BackchannelLogoutURI, "frontchannel_logout_uri": c.FrontchannelLogoutURI,
		"jwks_uri": c.JWKSURI, "logo_uri": c.LogoURI, "policy_uri": c.PolicyURI, "tos_uri": c.TermsURI,
	} {
		if raw == "" {
			continue
		}
		if reason := badRedirectURI(raw, false); reason != "" {
			return &InvalidError{field, reason}
		}
	}
	return nil
}

func (c *Client) validateLives() error {
	for field, pair := range map[string][2]Seconds{
		"access_token_life": {c.AccessTokenLife, maxTokenLife}, "id_token_life": {c.IDTokenLife, maxTokenLife},
		"refresh_token_idle": {c.RefreshTokenIdle, maxRefreshLife}, "refresh_token_life": {c.RefreshTokenLife, maxRefreshLife},
	} {
		if pair[0] < 0 || pair[0] > pair[1] {
			return &InvalidError{field, "too long, or negative"}
		}
	}
	return nil
}

// badRedirectURI says what is wrong with a redirect URI (RFC 9700 section 2.1, RFC 8252 section 8.4), "" when it is
// good. Private-use schemes are for native applications, which are public clients.
func badRedirectURI(raw string, public bool) string {
	if len(raw) > maxURILength || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7F }) {
		return "at most 2048 printable ASCII characters"
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || !u.IsAbs():
		return "an absolute URI"
	case strings.ContainsAny(raw, `#*\`):
		return "no fragment, no wildcard, no backslash"
	case u.User != nil || strings.Contains(u.Host, "@"):
		return "no user name"
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return "no .. in the path"
	case u.Scheme == "https" && u.Hostname() == "" || u.Scheme == "http" && u.Hostname() == "":
		return "a host"
	case u.Scheme == "https" && loopback(u.Hostname()) && net.ParseIP(u.Hostname()) != nil:
		// fosite would let http and any port pass for it.
		return "loopback addresses go with http"
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "https, but for loopback addresses"
	case public && privateUse.MatchString(u.Scheme):
		return ""
	}
	return "https, or a private-use scheme such as com.example.app of a public client"
}

// loopback reports whether host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// redirectsTo reports whether raw is a redirect URI of c: byte for byte, but for the port of a native application on
// the loopback address (RFC 8252 section 7.3).
func (c *Client) redirectsTo(raw string) bool {
	if slices.Contains(c.RedirectURIs, raw) {
		return true
	}
	if !c.IsPublic() {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		a, aOK := withoutPort(raw)
		b, bOK := withoutPort(registered)
		return aOK && bOK && a == b
	})
}

// loopbackURI matches http URIs on a loopback address literal; the port is its second group.
var loopbackURI = regexp.MustCompile(`^(http://(?:127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?((?:/[^#\\]*)?)$`)

func withoutPort(raw string) (string, bool) {
	m := loopbackURI.FindStringSubmatch(raw)
	if m == nil {
		return "", false
	}
	return m[1] + m[3], true
}
