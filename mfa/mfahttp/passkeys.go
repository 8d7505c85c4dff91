package mfahttp

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/focushq/idp/mfa"
)

// Passkeys is what the pages need of passkeys; *mfapasskey.Service is one. It registers itself with the mfa.Service as
// the factor "passkey". The methods' contracts are those of that package; the errors that the pages tell apart are
// package mfa's.
type Passkeys interface {
	BeginAdd(ctx context.Context, owner mfa.Owner, account string) (options json.RawMessage, ceremony string, err error)
	FinishAdd(ctx context.Context, owner mfa.Owner, ceremony, name string, response []byte) (mfa.Credential, error)
	BeginVerify(ctx context.Context, subject string) (options json.RawMessage, ceremony string, err error)
	FinishVerify(ctx context.Context, subject, ceremony string, response []byte) ([]mfa.Method, error)
	Passkeys(ctx context.Context, subject string) ([]mfa.Credential, error)
	Rename(ctx context.Context, subject, id, name string) error
	Remove(ctx context.Context, subject, id string) error
	Abandon(ctx context.Context, subject string) error
}

// factorPasskey is the name under which passkeys stand in mfa.Status.
const factorPasskey = "passkey"

//go:embed passkey.js
var passkeyScript string

// PasskeyScript returns the path of the script that forms with a passkey need; [Challenge] serves it, to everybody. Its
// name changes with its content. A page's Content-Security-Policy has to allow script-src and connect-src 'self'.
func PasskeyScript() string { return presentScript }

var presentScript = scriptPath(short(passkeyScript)) // once: every request is compared with it

func scriptPath(version string) string { return pathChallenge + "/passkey-" + version + ".js" }

// otherVersion matches the path of the script of another version.
var otherVersion = regexp.MustCompile("^" + scriptPath("[0-9a-f]{16}") + "$")

// otherVersions answers for those with the present script: while replicas are updated one by one, a page of one asks for its
// script at the other. Nobody may keep that under a name that is not its own.
func (h *handler) otherVersions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if h.Passkeys == nil || !reads || r.URL.Path == PasskeyScript() || !otherVersion.MatchString(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		writePasskeyScript(w, "no-store")
	})
}

func servePasskeyScript(w http.ResponseWriter, _ *http.Request) {
	writePasskeyScript(w, "public, max-age=31536000, immutable")
}

func writePasskeyScript(w http.ResponseWriter, keep string) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", keep)
	_, _ = io.WriteString(w, passkeyScript) // fails only when nobody reads any more
}

// passkeyStatus returns how the person's passkeys stand, nil when they have none or the host has none.
func (h *handler) passkeyStatus(status mfa.Status) *mfa.FactorStatus {
	if h.Passkeys == nil {
		return nil
	}
	return status.Factor(factorPasskey)
}

// keyURL is where the person's passkey is asked for, "" when they have none.
func (h *handler) keyURL(r *http.Request, status mfa.Status) string {
	if h.passkeyStatus(status) == nil {
		return ""
	}
	return link(pathChallenge, journey(r, "way", "passkey"))
}

// codeURL is where a code of the person's app is asked for, "" when they have none.
func codeURL(r *http.Request, status mfa.Status) string {
	if len(status.Authenticators) == 0 {
		return ""
	}
	return link(pathChallenge, journey(r))
}

// verifyOptions returns what the browser needs to ask for a passkey as the second factor.
func (h *handler) verifyOptions(w http.ResponseWriter, r *http.Request, user *visitor) {
	status, err := h.MFA.Status(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	keys := h.passkeyStatus(status)
	if keys == nil { // removed while the page was open
		h.goTo(w, r, link(pathChallenge, journey(r)))
		return
	}
	if problem, wait := h.standing("key", keys.Sealed, keys.RetryAt); problem != nil {
		h.noOptions(w, r, problem, wait)
		return
	}
	options, ceremony, err := h.Passkeys.BeginVerify(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	WriteOptions(w, options, ceremony)
}

// WriteOptions answers the script's request for options: what the browser needs, and the ceremony that its answer belongs to.
// It is for forms of a host's own with that script, such as one that signs in with a passkey alone.
func WriteOptions(w http.ResponseWriter, options json.RawMessage, ceremony string) {
	writeJSON(w, http.StatusOK, map[string]any{"ceremony": ceremony, "options": options})
}

// WriteThrottled answers it instead when they are asked for too often; words is the wait in the person's language.
func WriteThrottled(w http.ResponseWriter, wait time.Duration, words string) {
	retryAfter(w, wait)
	writeJSON(w, http.StatusTooManyRequests, map[string]any{
		"problem": "problem.throttled", "wait": int(wait / time.Second), "words": words,
	})
}

// noOptions says why there are none: 429 when waiting helps, else 422.
func (h *handler) noOptions(w http.ResponseWriter, r *http.Request, problem *Problem, wait time.Duration) {
	if wait > 0 {
		WriteThrottled(w, wait, h.words(r, wait))
		return
	}
	writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"problem": problem.ID, "wait": 0})
}

// words puts a wait into the person's language, as far as the host's pages know it.
func (h *handler) words(r *http.Request, wait time.Duration) string {
	if pages, ok := h.Pages.(Durations); ok {
		return pages.Duration(r, wait)
	}
	return plainDuration(wait)
}

func writeJSON(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only when nobody reads any more
}

// showKey asks for a passkey.
func (h *handler) showKey(w http.ResponseWriter, r *http.Request, code int, user *visitor, status mfa.Status, page *KeyPage) {
	err := h.complete(&page.Asking, r, user, journey(r, "way", "passkey"))
	if err == nil {
		page.Abandon, err = h.mayAbandon(r, user, status)
	}
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	page.OptionsURL = link(pathVerifyOptions, journey(r))
	page.Script = PasskeyScript()
	page.CodeURL = codeURL(r, status)
	if page.Abandon {
		page.RecoveryURL = ""
	}
	h.Pages.Render(w, r, code, PageKey, page)
}

// backToKey receives the browser when a request for options was interrupted.
func (h *handler) backToKey(w http.ResponseWriter, r *http.Request, _ *visitor) {
	h.goTo(w, r, link(pathChallenge, journey(r, "way", "passkey")))
}

// useKey takes the browser's answer as the second factor.
func (h *handler) useKey(w http.ResponseWriter, r *http.Request, user *visitor) {
	methods, err := h.Passkeys.FinishVerify(r.Context(), user.Subject, r.PostFormValue("ceremony"),
		[]byte(r.PostFormValue("response")))
	if err == nil {
		h.pass(w, r, user, append(methods, mfa.Password)...)
		return
	}
	problem := h.keyProblem(err)
	status, lookup := h.MFA.Status(r.Context(), user.Subject)
	switch {
	case lookup != nil:
		h.Fail(w, r, lookup)
	case problem == nil:
		h.Fail(w, r, err)
	case !status.Enrolled: // turned off while the page was open
		h.goTo(w, r, h.onward(r, user))
	default:
		h.showKey(w, r, h.status(w, err), user, status, &KeyPage{Asking: Asking{Problem: problem, Wait: h.wait(err)}})
	}
}

// keyProblem puts the refusal of a passkey into a problem, of a used and of a new one. It is nil for an error that is
// not the person's.
func (h *handler) keyProblem(err error) *Problem {
	id := ""
	switch {
	case errors.Is(err, mfa.ErrName):
		return &Problem{ID: "problem.settings.name", Field: "name"}
	case errors.Is(err, mfa.ErrTooMany):
		return tooManyKeys()
	case errors.Is(err, mfa.ErrCeremony):
		id = "ceremony"
	case errors.Is(err, mfa.ErrMalformedResponse):
		id = "malformed"
	case errors.Is(err, mfa.ErrTaken):
		id = "taken"
	case errors.Is(err, mfa.ErrRefused), errors.Is(err, mfa.ErrUnknown):
		id = "refused"
	default:
		return h.codeProblem("key", err)
	}
	return &Problem{ID: "problem.key." + id}
}
