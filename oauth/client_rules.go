package oauth

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v3"
)

// minSecret is the least length of a secret that somebody chose. It refuses slips, not guesses: those are limited, see
// [Server.limited], and a secret that we make has 256 bits.
const minSecret = 8

// What a client may be.
var (
	authMethods      = []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}
	assertionAlgs    = []string{"RS256", "PS256", "ES256", "EdDSA"}
	proofAlgs        = []string{"ES256", "PS256", "EdDSA"}
	grantTypes       = []string{"authorization_code", "refresh_token", "client_credentials", deviceGrant}
	signingAlgs      = []string{"RS256", "ES256", "EdDSA"}
	consentKinds     = []string{"ask", "skip"}
	mfaKinds         = []string{"optional", "required", "always"}
	accessKinds      = []string{"jwt", "opaque"}
	applicationTypes = []string{"web", "native"}
	clientIDForm     = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)
	scopeForm        = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,128}$`)  // RFC 6749 section 3.3
	privateUse       = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`) // RFC 8252 section 7.1
	maxURILength     = 2048
	maxURIsOfKind    = 100
	defaultScopes    = []string{"openid", "profile", "email"}
	defaultGrants    = []string{"authorization_code", "refresh_token"}
	maxTokenLife     = Seconds(24 * 3600)
	maxRefreshLife   = Seconds(400 * 24 * 3600)
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
	if c.IsPublic() && c.Consent == "skip" { // a public client is nobody whom a setting vouches for
		c.Consent = "ask"
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = slices.Clone(defaultGrants)
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{}
		if slices.Contains(c.GrantTypes, "authorization_code") || slices.Contains(c.GrantTypes, deviceGrant) { // they are about people
			c.Scopes = slices.Clone(defaultScopes)
		}
	}
}

// WithDefaults returns a copy of c whose empty fields are as [Clients.Create] and [Clients.Update] store them.
func (c *Client) WithDefaults() *Client {
	filled := *c
	filled.fill()
	return &filled
}

// Validate reports whether [Clients.Create] would take c, with the defaults of its empty fields, as far as the client itself
// can tell: the first rule that it breaks is an [*InvalidError].
func (c *Client) Validate() error { return c.WithDefaults().validate() }

// HasSecret reports whether the client authenticates by a secret that it shares with us.
func (c *Client) HasSecret() bool { return c.hasSecret() }

// hasSecret reports whether the client authenticates by a shared secret.
func (c *Client) hasSecret() bool {
	return c.AuthMethod == "client_secret_basic" || c.AuthMethod == "client_secret_post"
}

// validate returns the first rule that c breaks, as an [*InvalidError].
func (c *Client) validate() error {
	for _, check := range []func() error{
		c.validateNames, c.validateChoices, c.validateGrants, c.validateKeys, c.validateURIs, c.validateLives,
	} {
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
	texts := []struct{ field, value string }{
		{"name", c.Name}, {"software_id", c.SoftwareID}, {"software_version", c.SoftwareVersion},
	}
	for _, contact := range c.Contacts {
		texts = append(texts, struct{ field, value string }{"contacts", contact})
	}
	for _, text := range texts {
		if !line(text.value) {
			return &InvalidError{text.field, "at most 200 characters, none of them invisible or a control character"}
		}
	}
	if len(c.Contacts) > maxURIsOfKind {
		return &InvalidError{"contacts", "too many"}
	}
	return nil
}

// line reports whether people can read text as what it is: one line, no marks that turn its order around, nothing that
// is not seen and makes it another name.
func line(text string) bool {
	return len(text) <= 200 && utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}

func (c *Client) validateChoices() error {
	for _, f := range []struct {
		field, value string
		allowed      []string
	}{
		{"auth_method", c.AuthMethod, authMethods}, {"consent", c.Consent, consentKinds}, {"mfa", c.MFA, mfaKinds},
		{"access_token", c.AccessToken, accessKinds}, {"id_token_alg", c.IDTokenAlg, signingAlgs},
		{"userinfo_signed_response_alg", cmp.Or(c.UserinfoAlg, signingAlgs[0]), signingAlgs},
		{"application_type", cmp.Or(c.ApplicationType, applicationTypes[0]), applicationTypes},
	} {
		if !slices.Contains(f.allowed, f.value) {
			return &InvalidError{f.field, "one of " + strings.Join(f.allowed, ", ")}
		}
	}
	for _, value := range c.DefaultACR {
		if !scopeForm.MatchString(value) || len(c.DefaultACR) > 20 {
			return &InvalidError{"default_acr_values", "at most 20 values without spaces"}
		}
	}
	return nil
}

func (c *Client) validateGrants() error {
	for _, grant := range c.GrantTypes {
		if !slices.Contains(grantTypes, grant) {
			return &InvalidError{"grant_types", "one of " + strings.Join(grantTypes, ", ")}
		}
	}
	// What a public client says of itself, anybody could say (RFC 6749 section 4.4).
	if c.IsPublic() && slices.Contains(c.GrantTypes, "client_credentials") {
		return &InvalidError{"grant_types", "client_credentials needs a client that authenticates"}
	}
	if c.IsPublic() && c.Introspect {
		return &InvalidError{"introspect", "needs a client that authenticates"}
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
	if c.AuthMethod == "private_key_jwt" {
		allowed := slices.DeleteFunc(slices.Clone(assertionAlgs), func(alg string) bool { return isFAPI(c) && alg == "RS256" })
		if c.AuthAlg != "" && !slices.Contains(allowed, c.AuthAlg) {
			return &InvalidError{"auth_alg", "one of " + strings.Join(allowed, ", ")}
		}
		if c.JWKS == nil && c.JWKSURI == "" {
			return &InvalidError{"jwks", "private_key_jwt needs jwks or jwks_uri"}
		}
	}
	switch {
	case c.JWKS == nil:
		return nil
	case c.JWKSURI != "":
		return &InvalidError{"jwks", "only one of jwks and jwks_uri"} // RFC 7591 section 2
	case len(c.JWKS.Keys) == 0 || len(c.JWKS.Keys) > 20:
		return &InvalidError{"jwks", "1 to 20 keys"}
	}
	for _, key := range c.JWKS.Keys {
		if !key.Valid() || !key.IsPublic() {
			return &InvalidError{"jwks", "only valid public keys"}
		}
	}
	if c.AuthMethod == "private_key_jwt" && !slices.ContainsFunc(c.JWKS.Keys, c.signsBy) {
		return &InvalidError{"jwks", "no key is for an algorithm that this client's assertions may have"}
	}
	return nil
}

// signsBy reports whether an assertion of c may be signed by that key.
func (c *Client) signsBy(key jose.JSONWebKey) bool {
	return slices.ContainsFunc(assertionAlgs, func(alg string) bool {
		return mayAssert(c, alg) && suits(alg, key.Key) && isFor(key, alg)
	})
}

// isFor reports whether a client's key is, by its own words, for signatures by alg.
func isFor(key jose.JSONWebKey, alg string) bool {
	return key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") && (key.Algorithm == "" || key.Algorithm == alg)
}

func (c *Client) validateLives() error {
	if age := c.DefaultMaxAge; age != nil && (*age < 0 || *age > maxRefreshLife) {
		return &InvalidError{"default_max_age", "too long, or negative"}
	}
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
