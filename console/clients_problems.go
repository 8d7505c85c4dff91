package console

import (
	"strings"

	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// clientReasons are the sentences for why package oauth refuses a field of a client: the frequent ones, which people meet who
// fill in a form.
var clientReasons = map[string]string{
	"at least one":              "problem.admin.client_none",
	"too many":                  "problem.admin.client_many",
	"an absolute URI":           "problem.admin.client_whole",
	"a host":                    "problem.admin.client_host",
	"no wildcard":               "problem.admin.client_wildcard",
	"no user name":              "problem.admin.client_user",
	"no fragment, no backslash": "problem.admin.client_fragment",
	"no .. in the path":         "problem.admin.client_dots",
	"at most 2048 printable ASCII characters":                                        "problem.admin.client_ascii",
	"loopback addresses go with http":                                                "problem.admin.client_loopback",
	"https, but for loopback addresses of native applications":                       "problem.admin.client_https_app",
	"https, but for loopback addresses":                                              "problem.admin.client_https",
	"https, or a private-use scheme such as com.example.app of a native application": "problem.admin.client_scheme",
	"the origin of a redirect URI":                                                   "problem.admin.client_origin",
	"1 to 128 letters, digits and . _ ~ -":                                           "problem.admin.client_id",
	"at most 200 characters, none of them invisible or a control character":          "problem.admin.client_line",
	"a scope is 1 to 128 printable characters without space, quote and backslash":    "problem.admin.client_scope",
	"client_credentials needs a client that authenticates":                           "problem.admin.client_machine",
	"needs a client that authenticates":                                              "problem.admin.client_public",
	"private_key_jwt needs jwks or jwks_uri":                                         "problem.admin.client_keys",
	"only one of jwks and jwks_uri":                                                  "problem.admin.client_keys_twice",
	"only valid public keys":                                                         "problem.admin.client_keys_public",
	"there is no such group":                                                         "problem.admin.client_group",
}

// clientRefusal words why package oauth refuses a field of a client.
func clientRefusal(invalid *oauth.InvalidError) *templates.Problem {
	id := clientReasons[invalid.Reason]
	if invalid.Reason == "too long, or negative" {
		if id = "problem.admin.client_token_long"; strings.HasPrefix(invalid.Field, "refresh_token") {
			id = "problem.admin.client_refresh_long"
		}
	}
	if id == "" {
		return &templates.Problem{ID: "problem.admin.client", Field: invalid.Field, Args: map[string]any{"Name": invalid.Field, "Other": invalid.Reason}}
	}
	return &templates.Problem{ID: id, Field: invalid.Field}
}

// lengthProblem says what is wrong with a length of time that cannot be read.
func lengthProblem(l length) *templates.Problem {
	if strings.Trim(l.Number, "0123456789") == "" {
		for _, unit := range units {
			if unit.name == l.Unit {
				return &templates.Problem{ID: "problem.admin.length_long", Field: l.Name}
			}
		}
	}
	return &templates.Problem{ID: "problem.admin.length", Field: l.Name}
}
