package account

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// ownClaims are standard claims with a field or a meaning of their own; a profile cannot set them. Those of sign-ins
// and tokens are refused with them, so that nobody's attribute ever stands where a relying party expects our word.
var ownClaims = []string{
	"name", "preferred_username", "email", "email_verified", "updated_at", "groups",
	"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "acr", "amr", "azp", "auth_time", "sid", "at_hash",
	"c_hash", "s_hash", "cnf", "act", "scope", "client_id", "events", "mfa_enrolled",
}

// profileClaims are the claims of OpenID Connect Core section 5.1 that a profile may hold, with what they must be.
// The scope "profile" asks for all of them but address and those of the telephone, which an administrator vouches for.
func profileClaims() map[string]func(any) bool {
	return map[string]func(any) bool{
		"given_name": isText, "family_name": isText, "middle_name": isText, "nickname": isText, "gender": isText,
		"profile": isURL, "picture": isURL, "website": isURL,
		"birthdate": matches(`^\d{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?$`),
		"zoneinfo":  matches(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`),
		"locale":    isLocale, "address": isAddress,
		"phone_number":          matches(`^\+[0-9 ().-]{4,30}(;ext=[0-9]{1,8})?$`),
		"phone_number_verified": func(v any) bool { _, ok := v.(bool); return ok },
	}
}

// checkProfile returns an [*InvalidError] for the first claim, by name, that is not in the standard or not of its type.
func checkProfile(profile map[string]any) error {
	known := profileClaims()
	names := make([]string, 0, len(profile))
	for name := range profile {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		check, ok := known[name]
		switch {
		case slices.Contains(ownClaims, name):
			return &InvalidError{"profile." + name, "reserved"}
		case !ok:
			return &InvalidError{"profile." + name, "unknown"}
		case !check(profile[name]):
			return &InvalidError{"profile." + name, "type"}
		}
	}
	return nil
}

// Claims returns what the scopes tell a relying party about subject (OpenID Connect Core section 5.4): profile, email,
// address, phone, and groups for the names of the groups. Claims without a value are left out; "sub" is up to the
// caller. It returns [ErrNotFound] and [ErrDisabled].
func (s *Service) Claims(ctx context.Context, subject string, scopes []string) (map[string]any, error) {
	a, err := s.Active(ctx, subject)
	if err != nil {
		return nil, err
	}
	claims := make(map[string]any)
	for _, scope := range scopes {
		switch scope {
		case "profile":
			for name, value := range a.Profile {
				if name != "address" && name != "phone_number" && name != "phone_number_verified" {
					claims[name] = value
				}
			}
			claims["preferred_username"] = a.Username
			claims["updated_at"] = a.UpdatedAt.Unix()
			if a.Name != "" {
				claims["name"] = a.Name
			}
		case "email":
			if a.Email != "" {
				claims["email"], claims["email_verified"] = a.Email, a.EmailVerified
			}
		case "address":
			if value, ok := a.Profile["address"]; ok {
				claims["address"] = value
			}
		case "phone":
			if value, ok := a.Profile["phone_number"]; ok {
				claims["phone_number"], claims["phone_number_verified"] = value, a.Profile["phone_number_verified"] == true
			}
		case "groups":
			claims["groups"] = append([]string{}, a.Groups...)
		}
	}
	return claims, nil
}

func isText(v any) bool {
	text, ok := v.(string)
	return ok && strings.TrimSpace(text) != "" && utf8.RuneCountInString(text) <= 256 &&
		printable(strings.NewReplacer("\u200c", "", "\u200d", "").Replace(text))
}

func isURL(v any) bool {
	text, ok := v.(string)
	if !ok || len(text) > 2048 || !printable(text) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

func isLocale(v any) bool {
	text, ok := v.(string)
	if !ok {
		return false
	}
	_, err := language.Parse(text)
	return err == nil
}

// isAddress accepts the object of section 5.1.1, whose texts may have lines.
func isAddress(v any) bool {
	members, ok := v.(map[string]any)
	if !ok || len(members) == 0 {
		return false
	}
	for name, value := range members {
		text, ok := value.(string)
		if !ok || !isText(strings.NewReplacer("\r\n", " ", "\n", " ").Replace(text)) {
			return false
		}
		switch name {
		case "formatted", "street_address", "locality", "region", "postal_code", "country":
		default:
			return false
		}
	}
	return true
}

func matches(pattern string) func(any) bool {
	expression := regexp.MustCompile(pattern)
	return func(v any) bool {
		text, ok := v.(string)
		return ok && expression.MatchString(text)
	}
}
