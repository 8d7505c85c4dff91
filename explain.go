package idp

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/oauth"
)

// reasons says for administrators what the ids of [account.InvalidError] mean; "%d" is the length that passwords need.
var reasons = map[string]string{
	"empty": "nothing was given", "too_long": "too long", "too_short": "fewer than %d characters; a few words in a row are easy to keep",
	"characters": "it holds characters that nobody sees, or that cannot stand there",
	"at_sign":    "an @ may stand there only in the person's own e-mail address", "format": "it must look like name@example.com",
	"type": "not of the kind that this claim has", "taken": "somebody else has it already",
	"common":   "one of those that are tried first; choose one that nobody else has",
	"personal": "made of the person's own name or address", "unknown": "not known here", "same": "it is the present one, which others may know",
	"reserved": "the provider sets it itself", "missing": "it must be there", "twice": "it is there twice",
	"range": "out of range",
}

// explained is an error in words for administrators.
type explained struct {
	text string
	error
}

func (e explained) Error() string { return e.text }
func (e explained) Unwrap() error { return e.error }

// Explain returns err in words for administrators where it is a refusal of a domain, which names a field and what it
// must be; any other error as it is. Both are still what they were for [errors.Is] and [errors.As].
func (p *IdP) Explain(err error) error {
	var invalid *account.InvalidError
	var client *oauth.InvalidError
	var look *brand.InvalidError
	switch {
	case errors.As(err, new(explained)):
	case errors.As(err, &client):
		return explained{client.Field + ": " + client.Reason, err}
	case errors.As(err, &invalid):
		return explained{p.refusal(invalid), err}
	case errors.Is(err, account.ErrDisabled):
		return explained{"this person is disabled: enable them first", err}
	case errors.Is(err, account.ErrStale), errors.Is(err, oauth.ErrStale):
		return explained{"somebody else changed it at the same moment: try again", err}
	case errors.Is(err, oauth.ErrReserved):
		return explained{"this client is the provider's own: it can be looked at, and not changed", err}
	case errors.Is(err, oauth.ErrTwoSecrets):
		return explained{"two secrets are good: end the former one first, or rotate without an overlap", err}
	case errors.Is(err, oauth.ErrNoFormerSecret):
		return explained{"there is no former secret that is still good", err}
	case errors.Is(err, account.ErrLastAdmin):
		return explained{"this is the last administrator: make another one first", err}
	case errors.As(err, &look):
		return explained{brandReason(look), err}
	case errors.Is(err, brand.ErrStale):
		return explained{"somebody else changed it at the same moment: try again", err}
	case errors.Is(err, admin.ErrHasPassword):
		return explained{"this person has a password already: they can have a link for a new one", err}
	}
	return err
}

func (p *IdP) refusal(e *account.InvalidError) string {
	switch {
	case e.Field == "policy.mfa_required":
		return "policy: mfa_required must be " + account.MFAGroups + " or " + account.MFAEverybody
	case e.Field == "policy.mfa_grace":
		return "policy: mfa_grace must not be negative; with 0 enrolment does not wait"
	case e.Field == "policy.session_idle" && e.Reason == "longer":
		return "policy: session_idle must not be longer than session_overall"
	case e.Field == "policy.session_idle":
		return fmt.Sprintf("policy: session_idle must be from %v to %v", account.MinSessionIdle, account.MaxSession)
	case e.Field == "policy.session_overall":
		return fmt.Sprintf("policy: session_overall must be from %v to %v", account.MinSessionOverall, account.MaxSession)
	case e.Field == "groups" && e.Reason == "unknown":
		return "groups: there is no such group"
	case e.Field == "role" && e.Reason == "unknown":
		return "role: there is no such role"
	case e.Field == "line" && e.Reason == "format":
		return "this line cannot be read"
	case strings.HasPrefix(e.Field, "profile.") && e.Reason == "unknown":
		return e.Field + ": there is no such claim"
	case e.Field != "email" && e.Reason == "format" || reasons[e.Reason] == "":
		return e.Field + ": " + strings.ReplaceAll(e.Reason, "_", " ")
	case e.Reason == "too_short":
		return e.Field + ": " + fmt.Sprintf(reasons[e.Reason], p.Accounts.MinPassword())
	}
	return e.Field + ": " + reasons[e.Reason]
}

// What the YAML library says of a file's mistakes names our types.
var (
	unknownKey = regexp.MustCompile(`field (\S+) not found in type \S+`)
	wrongKind  = regexp.MustCompile("cannot unmarshal !!\\w+ (?:`(.*)` )?into (\\S+)")
)

// readable puts the library's refusal of a YAML file into words.
func readable(err error) error {
	var mistakes *yaml.TypeError
	if !errors.As(err, &mistakes) {
		return err
	}
	kinds := map[string]string{"bool": "true or false", "int": "a number", "string": "text"}
	var out []string
	for _, text := range mistakes.Errors {
		text = unknownKey.ReplaceAllString(text, `there is no key "$1"`)
		if found := wrongKind.FindStringSubmatch(text); found != nil {
			kind := kinds[found[2]]
			if strings.HasPrefix(found[2], "[]") {
				kind = "a list, such as [one, two]"
			} else if kind == "" {
				kind = "of another kind"
			}
			place, _, _ := strings.Cut(text, ": ")
			text = fmt.Sprintf("%s: %q must be %s", place, found[1], kind)
		}
		out = append(out, text)
	}
	return errors.New(strings.Join(out, "; "))
}
