package oauth

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

func (c *Client) validateURIs() error {
	if slices.Contains(c.GrantTypes, "authorization_code") && len(c.RedirectURIs) == 0 {
		return &InvalidError{"redirect_uris", "at least one"}
	}
	for _, list := range []struct {
		field string
		uris  []string
		bad   func(string) string
	}{
		{"redirect_uris", c.RedirectURIs, c.badRedirectURI},
		{"post_logout_redirect_uris", c.PostLogoutRedirectURIs, c.badRedirectURI},
		{"resources", c.Resources, func(raw string) string { _, reason := absolute(raw); return reason }}, // RFC 8707 section 2
	} {
		if len(list.uris) > maxURIsOfKind {
			return &InvalidError{list.field, "too many"}
		}
		for _, raw := range list.uris {
			if reason := list.bad(raw); reason != "" {
				return &InvalidError{list.field, reason}
			}
		}
	}
	for _, one := range []struct{ field, uri string }{
		{"jwks_uri", c.JWKSURI}, {"backchannel_logout_uri", c.BackchannelLogoutURI},
		{"frontchannel_logout_uri", c.FrontchannelLogoutURI}, {"initiate_login_uri", c.InitiateLoginURI},
		{"client_uri", c.ClientURI}, {"logo_uri", c.LogoURI}, {"policy_uri", c.PolicyURI}, {"tos_uri", c.TermsURI},
		{"sector_identifier_uri", c.SectorURI},
	} {
		if one.uri == "" {
			continue
		}
		if reason := badWebURI(one.uri); reason != "" {
			return &InvalidError{one.field, reason}
		}
	}
	if c.FrontchannelLogoutURI != "" && !slices.Contains(c.Origins(), originOf(c.FrontchannelLogoutURI)) {
		return &InvalidError{"frontchannel_logout_uri", "the origin of a redirect URI"} // Front-Channel Logout 1.0 section 2
	}
	// OpenID Connect Core 1.0 section 4: a person is sent there on a stranger's word.
	if c.InitiateLoginURI != "" && !strings.HasPrefix(strings.ToLower(c.InitiateLoginURI), "https://") {
		return &InvalidError{"initiate_login_uri", "https"}
	}
	return nil
}

// badRedirectURI says what is wrong with a redirect URI (RFC 9700 section 2.1, RFC 8252 section 8.4), "" when it is
// good. Private-use schemes are for native applications, and plain http to this machine is not for web applications.
func (c *Client) badRedirectURI(raw string) string {
	u, reason := absolute(raw)
	switch {
	case reason != "":
		return reason
	case strings.Contains(raw, "*"):
		return "no wildcard"
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return "no .. in the path"
	case u.Scheme == "https" && u.Hostname() == "" || u.Scheme == "http" && u.Hostname() == "":
		return "a host"
	case u.Scheme == "https" && loopback(u.Hostname()) && net.ParseIP(u.Hostname()) != nil:
		// fosite would let http and any port pass for it.
		return "loopback addresses go with http"
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && loopback(u.Hostname()) && c.ApplicationType != "web":
		return ""
	case u.Scheme == "http":
		return "https, but for loopback addresses of native applications"
	case c.native() && privateUse.MatchString(u.Scheme):
		return ""
	}
	return "https, or a private-use scheme such as com.example.app of a native application"
}

// badWebURI says what is wrong with a URI that we, or a person's browser, fetch; "" when it is good.
func badWebURI(raw string) string {
	u, reason := absolute(raw)
	switch {
	case reason != "":
		return reason
	case u.Hostname() == "":
		return "a host"
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	}
	return "https, but for loopback addresses"
}

// absolute parses an absolute URI without a fragment, and says what is wrong with any other.
func absolute(raw string) (*url.URL, string) {
	if len(raw) > maxURILength || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7F }) {
		return nil, "at most 2048 printable ASCII characters"
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || !u.IsAbs():
		return nil, "an absolute URI"
	case strings.ContainsAny(raw, `#\`):
		return nil, "no fragment, no backslash"
	case u.User != nil || strings.Contains(u.Host, "@"):
		return nil, "no user name"
	}
	return u, ""
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
	if !c.native() {
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
