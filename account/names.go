package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Longest values, in bytes.
const (
	maxUsername = 128
	maxEmail    = 254 // RFC 5321 section 4.5.3.1.3, less the angle brackets
	maxName     = 256
)

// InvalidError says which field is not acceptable and why. Both are stable ids, from which a page makes its sentence.
//
//	Field   username, email, email_verified, name, password, groups, role, policy.KEY, profile.CLAIM;
//	        of lists: text, group, sort, limit; of imports: column.NAME, line
//	Reason  empty, too_long, too_short, characters, at_sign, format, type, taken, common, personal, unknown, reserved, negative,
//	        range, missing, twice
//
// With the reason "taken" it is [ErrTaken] for errors.Is.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return "account: " + e.Field + ": " + e.Reason }

// Is makes a taken name comparable with [ErrTaken].
func (e *InvalidError) Is(target error) bool { return target == ErrTaken && e.Reason == "taken" }

// Canonical returns the one form under which a name or address is stored, looked up and counted: compatibility
// variants, case and surrounding space make no difference. It is applied once, at the door.
func Canonical(name string) string {
	if len(name) > 4*maxEmail {
		name = strings.ToValidUTF8(name[:4*maxEmail], "") // nobody's name; do not spend work on it
	}
	// Lower case after folding: the Cherokee letters are folded to upper case, the other way round than all others.
	folded := strings.ToLower(cases.Fold().String(norm.NFKC.String(name)))
	return strings.TrimSpace(norm.NFKC.String(folded))
}

// tidy returns a name as it is shown: composed, without surrounding space.
func tidy(s string) string { return strings.TrimSpace(norm.NFC.String(s)) }

// checkUsername returns the username as stored. It may hold an @ only as the account's own e-mail address, so that
// nobody can take a name by which another person signs in.
func checkUsername(username, email string) (string, error) {
	username = tidy(username)
	bad := func(reason string) (string, error) { return "", &InvalidError{"username", reason} }
	switch {
	case Canonical(username) == "":
		return bad("empty")
	case len(username) > maxUsername || len(Canonical(username)) > maxUsername:
		return bad("too_long")
	case !printable(username) || strings.ContainsFunc(username, unicode.IsSpace):
		return bad("characters")
	case strings.Contains(Canonical(username), "@") && Canonical(username) != Canonical(email):
		return bad("at_sign")
	}
	return username, nil
}

// checkEmail returns the address as stored; "" is fine.
func checkEmail(email string) (string, error) {
	email = tidy(email)
	if email == "" {
		return "", nil
	}
	if len(email) > maxEmail || len(Canonical(email)) > maxEmail {
		return "", &InvalidError{"email", "too_long"}
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || !printable(email) || strings.ContainsAny(email, " \"") {
		return "", &InvalidError{"email", "format"}
	}
	return email, nil
}

// checkName returns the full name as stored; "" is fine.
func checkName(name string) (string, error) {
	name = tidy(name)
	switch {
	case len(name) > maxName:
		return "", &InvalidError{"name", "too_long"}
	case !printable(strings.NewReplacer("\u200c", "", "\u200d", "").Replace(name)): // joiners: Persian, Hindi, emoji
		return "", &InvalidError{"name", "characters"}
	}
	return name, nil
}

// printable reports whether s is valid and free of what changes how the text around it is shown.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}

// hashName stands for an unknown name in the table of attempts. Keyed, because people type their password into the
// field of the name now and then.
func (s *Service) hashName(key string) string {
	mac := hmac.New(sha256.New, s.cfg.Key)
	mac.Write([]byte("unknown name\x00" + key))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
