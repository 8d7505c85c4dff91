package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
)

// claimScopes says which scope a claim belongs to (OpenID Connect Core 1.0 section 5.4; mfa is ours).
var claimScopes = map[string]string{
	"name": "profile", "family_name": "profile", "given_name": "profile", "middle_name": "profile",
	"nickname": "profile", "preferred_username": "profile", "profile": "profile", "picture": "profile",
	"website": "profile", "gender": "profile", "birthdate": "profile", "zoneinfo": "profile", "locale": "profile",
	"updated_at": "profile",
	"email":      "email", "email_verified": "email",
	"address":      "address",
	"phone_number": "phone", "phone_number_verified": "phone",
	"mfa_enrolled": "mfa",
}

// protocolClaims are said by the protocol alone; what the host calls so is dropped.
var protocolClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash",
	"s_hash", "sid", "client_id", "scope", "cnf", "act", "events", "active", "token_type",
}

// knownScopes returns the scopes that discovery names.
func knownScopes() []string {
	return []string{"openid", "profile", "email", "address", "phone", "mfa", "offline_access"}
}

// AboutPeople reports whether a scope tells of a person, so that no client has it for itself.
func AboutPeople(scope string) bool { return slices.Contains(knownScopes(), scope) }

// SortScopes puts the scopes of the standards first, in the order in which pages tell them, and then the others by name.
func SortScopes(scopes []string) {
	rank := func(scope string) int {
		if at := slices.Index(knownScopes(), scope); at >= 0 {
			return at
		}
		return len(knownScopes())
	}
	slices.SortFunc(scopes, func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
}

// claimsRequest is the claims parameter (OpenID Connect Core 1.0 section 5.5).
type claimsRequest struct {
	UserInfo map[string]*claimRequest `json:"userinfo,omitempty"`
	IDToken  map[string]*claimRequest `json:"id_token,omitempty"`
}

// claimRequest is how one claim is asked for; null in JSON is nil here and asks for it too.
type claimRequest struct {
	Essential bool  `json:"essential,omitempty"`
	Value     any   `json:"value,omitempty"`
	Values    []any `json:"values,omitempty"`
}

// strings returns the wanted values that are texts.
func (c *claimRequest) strings() []string {
	var out []string
	for _, v := range append([]any{c.Value}, c.Values...) {
		if text, ok := v.(string); ok && text != "" {
			out = append(out, text)
		}
	}
	return out
}

func parseClaims(text string) (c claimsRequest, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &c)
	}
	return c, err
}

// scopes returns the scopes that the request reaches into, in alphabetical order.
func (c claimsRequest) scopes() []string {
	var out []string
	for _, asked := range []map[string]*claimRequest{c.UserInfo, c.IDToken} {
		for name := range asked {
			if scope := claimScopes[name]; scope != "" && !slices.Contains(out, scope) {
				out = append(out, scope)
			}
		}
	}
	slices.Sort(out)
	return out
}

// within returns the names of the claims that may be told: those whose scope was granted.
func (c claimsRequest) within(granted []string) grantedClaims {
	pick := func(asked map[string]*claimRequest) []string {
		var out []string
		for name := range asked {
			if scope := claimScopes[name]; scope != "" && slices.Contains(granted, scope) {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out
	}
	return grantedClaims{UserInfo: pick(c.UserInfo), IDToken: pick(c.IDToken)}
}

// grantedClaims are the claims that a grant tells beyond its scopes. It is kept in the grant's row.
type grantedClaims struct {
	UserInfo []string `json:"userinfo,omitempty"`
	IDToken  []string `json:"id_token,omitempty"`
}

// narrowed returns what a token of these scopes tells, which is one of fewer than were granted.
func (g grantedClaims) narrowed(scopes []string) grantedClaims {
	beyond := func(name string) bool { return !slices.Contains(scopes, claimScopes[name]) }
	return grantedClaims{
		UserInfo: slices.DeleteFunc(slices.Clone(g.UserInfo), beyond), IDToken: slices.DeleteFunc(slices.Clone(g.IDToken), beyond),
	}
}

func (g grantedClaims) encode() string {
	if len(g.UserInfo)+len(g.IDToken) == 0 {
		return ""
	}
	text, _ := json.Marshal(g) // two lists of texts: it cannot fail
	return string(text)
}

func decodeClaims(text string) (g grantedClaims, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &g)
	}
	return g, err
}

// personClaims returns what is told of subject: the claims of the scopes and the named ones.
func (s *Server) personClaims(ctx context.Context, subject string, scopes, names []string) (map[string]any, error) {
	out := map[string]any{}
	ask := slices.Clone(scopes)
	for _, name := range names {
		if scope := claimScopes[name]; !slices.Contains(ask, scope) {
			ask = append(ask, scope)
		}
	}
	if s.cfg.Claims == nil || len(ask) == 0 {
		return out, nil
	}
	all, err := s.cfg.Claims(ctx, subject, ask)
	if err != nil {
		return nil, unavailable(err)
	}
	for name, value := range all {
		if slices.Contains(protocolClaims, name) || value == nil || value == "" {
			continue
		}
		scope, known := claimScopes[name]
		if !known || slices.Contains(scopes, scope) || slices.Contains(names, name) {
			out[name] = value
		}
	}
	return out, nil
}
