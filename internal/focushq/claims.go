package focushq

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// aal2 is the acr of a sign-in with two factors.
const aal2 = "aal2"

// decode returns the claims of a JWT without checking it.
func decode(jwt string) (claims, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	return parseClaims(payload)
}

func parseClaims(text []byte) (claims, error) {
	var c claims
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // a time must not become 1.79e+09
	if err := decoder.Decode(&c); err != nil {
		return nil, err
	}
	return c, nil
}

func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// row is a claim in a table.
type row struct{ Name, Value, Meaning string }

// firstClaims are the claims that matter here, in the order in which a table shows them; the others follow by name.
var firstClaims = []string{"amr", "acr", "auth_time", "sid", "iss", "sub", "aud",
	"client_id", "exp", "iat", "nonce", "scope", "mfa_enrolled"}

// table lists the claims with what they mean.
func (a *App) table(c claims) []row {
	var names []string
	for name := range c {
		if !slices.Contains(firstClaims, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var rows []row
	for _, name := range slices.Concat(firstClaims, names) {
		if value, ok := c[name]; ok {
			rows = append(rows, row{name, show(value), a.meaning(name, value)})
		}
	}
	return rows
}

func show(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

func (a *App) meaning(name string, value any) string {
	switch name {
	case "exp", "iat", "auth_time", "nbf", "updated_at":
		number, ok := value.(json.Number)
		if !ok {
			return ""
		}
		seconds, err := number.Int64()
		if err != nil {
			return ""
		}
		at := a.local(time.Unix(seconds, 0)).Format("2 January 2006, 15:04:05 MST")
		return map[string]string{"exp": "valid until ", "iat": "issued at ", "auth_time": "password or passkey at ",
			"nbf": "not before ", "updated_at": "changed at "}[name] + at
	case "amr":
		var methods []string
		for _, m := range list(value) {
			methods = append(methods, methodWords(m))
		}
		return strings.Join(methods, " · ")
	case "acr":
		s, _ := value.(string)
		return acrWords(s)
	case "mfa_enrolled":
		if enrolled, _ := value.(bool); enrolled {
			return "multi-factor authentication is on"
		}
		return "multi-factor authentication is off"
	}
	return map[string]string{
		"sid": "the session at the provider", "iss": "who issued it", "sub": "you, at this provider",
		"aud":       "whom it is for",
		"client_id": "the app it was issued to", "nonce": "ties it to the sign-in that Focus HQ started",
		"scope": "what it allows",
		"azp":   "the app it was issued to", "at_hash": "ties it to the access token", "jti": "its own number",
		"email_verified": "whether the address was checked",
	}[name]
}

func list(value any) []string {
	var out []string
	items, _ := value.([]any)
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// methodWords explains a value of amr (RFC 8176 section 2).
func methodWords(method string) string {
	if text, ok := map[string]string{
		"pwd": "password", "otp": "code from an app", "mfa": "more than one factor", "hwk": "passkey kept in a device",
		"swk": "synced passkey", "user": "the person was checked",
	}[method]; ok {
		return text
	}
	return method
}

func acrWords(acr string) string {
	switch acr {
	case "aal1":
		return "one factor"
	case aal2:
		return "two factors"
	case "":
		return "nothing said"
	}
	return "as the provider defines it"
}

// how says in words with what somebody signed in.
func how(amr []string) string {
	has := func(method string) bool { return slices.Contains(amr, method) }
	passkey := ""
	switch {
	case has("hwk"):
		passkey = "a passkey kept in your device"
	case has("swk"):
		passkey = "a synced passkey"
	}
	switch {
	case has("pwd") && has("otp"):
		return "your password and a code from your app"
	case has("pwd") && passkey != "":
		return "your password and " + passkey
	case has("pwd") && has("mfa"):
		return "your password and a recovery code"
	case has("pwd"):
		return "your password"
	case passkey != "" && has("user"):
		return passkey + ", which checked that it was you"
	case passkey != "":
		return passkey
	case len(amr) == 0:
		return "a method that the provider doesn't name"
	}
	return strings.Join(amr, ", ")
}

// inWords tells what an ID token says about a sign-in, a sentence each.
func (a *App) inWords(id *idToken) []string {
	sentence := "You signed in with " + how(id.AMR)
	if id.AuthTime != 0 {
		sentence += " at " + a.clock(time.Unix(id.AuthTime, 0))
	}
	out := []string{sentence + "."}
	has := func(method string) bool { return slices.Contains(id.AMR, method) }
	switch {
	case has("pwd") && !has("mfa"):
		out = append(out, "No second factor was used. A remembered device counts as password only: "+
			"it spares you the code and proves nothing.")
	case has("pwd") && has("otp"):
		out = append(out, "The code was used in this session; a device remembered from an earlier one would not count.")
	case has("pwd") && !has("hwk") && !has("swk"):
		out = append(out, "A recovery code is a second factor, but not a one-time password: amr has no “otp”.")
	case has("user"):
		out = append(out, "A passkey that checks who holds it is two factors in one.")
	}
	switch id.ACR {
	case "aal1":
		out = append(out, "That adds up to one factor (aal1).")
	case aal2:
		out = append(out, "That adds up to two factors (aal2).")
	case "":
		out = append(out, "The provider doesn't say what that adds up to.")
	default:
		out = append(out, "The provider calls that “"+id.ACR+"”.")
	}
	return out
}

func (a *App) local(t time.Time) time.Time { return t.In(a.cfg.Now().Location()) }

// clock is a time of today as 14:03, and an earlier one with its day.
func (a *App) clock(t time.Time) string {
	t, now := a.local(t), a.cfg.Now()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("15:04 on 2 January 2006")
}
