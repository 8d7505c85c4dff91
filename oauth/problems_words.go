package oauth

import (
	"maps"
	"slices"
	"strings"
)

// why are the reasons of the kinds that have them: their ids, with the words for people who build or run apps.
var why = map[ProblemKind]map[string]string{
	ProblemSecret: {
		"guess":   "a wrong client secret came",
		"former":  "the secret before the last rotation came, which is good no more",
		"missing": "a secret came, and the client has none yet: give it one",
	},
	ProblemPerson: {
		"groups": "somebody who is in none of the client's groups tried to use it",
	},
	ProblemPKCE: {
		"missing":  "the request has no code_challenge (PKCE), which this client must send",
		"method":   "the code_challenge_method must be S256",
		"form":     "the code_challenge is not the base64url text of 43 characters of a SHA-256",
		"unpaired": "a code_challenge_method came without a code_challenge",
	},
	ProblemGrant: {
		"code_unknown":     "the code is none of ours: cut short, altered, or of another provider",
		"code_ended":       "the code has expired (it is good for a minute), or what it stands for was revoked",
		"code_used":        "the code was used before: each is good once, and what it gave has ended",
		"redirect_uri":     "the redirect_uri at the token endpoint is not the one of the authorization request",
		"verifier":         "the code_verifier does not fit the code_challenge of the authorization request",
		"verifier_form":    "the code_verifier must have 43 to 128 letters, digits and - . _ ~",
		"verifier_unasked": "a code_verifier came, and the authorization request had no code_challenge",
		"refresh_unknown":  "the refresh token is none of ours: cut short, altered, or of another provider",
		"refresh_ended":    "the refresh token has expired, or what it stands for was revoked",
		"refresh_reused":   "an old refresh token came again: the app must keep the newest one; what it stood for has ended",
		"device_unknown":   "the device code is none of ours, or another client's",
		"device_ended":     "the device code has expired, or what it stands for was revoked",
		"device_used":      "the device code was used before: what it gave has ended",
		"other_client":     "the code or token was given to another client",
		"scope_lost":       "the client lost a scope that was granted with it: sign in again",
		"grant_gone":       "the grant ended long ago",
		"person":           "the person was disabled, signed out, withdrew the consent, may not use the app any more, or needs a second factor",
		"raced":            "two requests brought the same code or token at the same moment",
		"key":              "the DPoP proof is by another key than the one that this was given to",
		"other":            "the code or token is not good",
	},
	ProblemAssertion: {
		"form":      "the client assertion is no JWT of an algorithm that is taken",
		"claims":    "the claims of the client assertion are not as RFC 7523 has them",
		"subject":   "the sub of the client assertion is not the client_id",
		"keys":      "the client's keys cannot be loaded from its jwks_uri",
		"signature": "no key that the client registered made the signature of its assertion",
		"audience":  "the aud of the client assertion is not this provider",
		"time":      "the iss, jti, exp, nbf or iat of the client assertion is not as it must be now: compare clocks",
		"reused":    "the client assertion was used before: each needs a jti of its own",
		"algorithm": "the client assertion is by another algorithm than the registered one",
		"other":     "the client assertion is not good",
	},
	ProblemProof: {
		"twice":  "there is more than one DPoP proof",
		"form":   "the DPoP proof is no JWT of type dpop+jwt that its own jwk signed",
		"claims": "the htm, htu, iat, jti or ath of the DPoP proof is not as the request wants it: compare clocks and addresses",
		"reused": "the DPoP proof was used before: each needs a jti of its own",
		"other":  "the DPoP proof is not good",
	},
}

// ProblemReasons returns the kinds of problems that there are, each with the ids of its reasons: none, or those that
// [ClientProblem.Why] has.
func ProblemReasons() map[ProblemKind][]string {
	out := map[ProblemKind][]string{}
	for _, kind := range []ProblemKind{
		ProblemUnknownClient, ProblemDisabled, ProblemSwapped, ProblemMethod, ProblemPublic, ProblemHeader, ProblemRedirectURI,
		ProblemLogoutURI, ProblemScope, ProblemResource, ProblemGrantType, ProblemResponseType, ProblemParameter,
	} {
		out[kind] = nil
	}
	for kind, reasons := range why {
		out[kind] = slices.Sorted(maps.Keys(reasons))
	}
	return out
}

// Words says in English what went wrong, for people who build or run apps.
func (p ClientProblem) Words() string {
	came := `"` + p.Came + `" came`
	if p.Came == "" {
		came = "none came"
	}
	registered := "; registered: " + strings.Join(p.Registered, " ")
	if len(p.Registered) == 0 {
		registered = "; none is registered"
	}
	switch p.Kind {
	case ProblemUnknownClient:
		return "no client has the id " + `"` + p.Came + `"`
	case ProblemDisabled:
		return "the client is disabled, and somebody uses it"
	case ProblemSwapped:
		return "the client_id came where the secret belongs, and the secret as the client_id: rotate the secret, which may stand in logs"
	case ProblemMethod:
		return "wrong authentication method: " + p.Came + " came" + registered
	case ProblemPublic:
		return "a public client asked for what needs one that authenticates"
	case ProblemHeader:
		return "the Authorization header is not Basic with a form-encoded id and secret, or names another client than client_id"
	case ProblemRedirectURI:
		return "the redirect_uri is not registered: " + came + registered
	case ProblemLogoutURI:
		return "the post_logout_redirect_uri is not registered: " + came + registered
	case ProblemScope:
		return "no scope that the client may have: " + came + registered
	case ProblemResource:
		return "a resource that the client may not ask for: " + came + registered
	case ProblemGrantType:
		return "a grant type that the client may not use: " + came + registered
	case ProblemResponseType:
		return "the response_type must be code: " + came
	case ProblemParameter:
		return strings.TrimSpace(p.Parameter + ": " + p.Text)
	}
	words := why[p.Kind][p.Why]
	if p.Kind == ProblemPKCE && p.Why == "method" {
		words += ": " + came
	}
	return words
}
