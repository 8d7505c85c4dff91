package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/focushq/idp/internal/throttle"
	"github.com/ory/fosite"
)

// unavailableError is a failure of the database: the request may succeed when it is sent again.
type unavailableError struct{ cause error }

func (e *unavailableError) Error() string { return "oauth: storage: " + e.cause.Error() }
func (e *unavailableError) Unwrap() error { return e.cause }

// unavailable marks err, and leaves nil alone.
func unavailable(err error) error {
	if err == nil || errors.As(err, new(*unavailableError)) {
		return err
	}
	return &unavailableError{err}
}

// unavailableUnlessRefused marks err as a failure of the database unless it says what was wrong with the request.
func unavailableUnlessRefused(err error) error {
	if errors.As(err, new(*InvalidError)) || errors.As(err, new(*fosite.RFC6749Error)) || errors.As(err, new(*throttle.Error)) {
		return err
	}
	for _, refusal := range []error{ErrNoRequest, ErrNoDevice, ErrEnded, ErrNotFound, ErrTaken, errLost} {
		if errors.Is(err, refusal) {
			return err
		}
	}
	return unavailable(err)
}

// faultError is an error of a request whose text and parameter we chose ourselves.
type faultError struct {
	*fosite.RFC6749Error
	parameter, text string
}

func (e *faultError) Unwrap() error { return e.RFC6749Error }

// fault returns an error of kind that names the parameter at fault.
func fault(kind *fosite.RFC6749Error, parameter, text string) error {
	return &faultError{kind, parameter, text}
}

// errInvalidTarget refuses a resource that is not ours (RFC 8707 section 2).
var errInvalidTarget = &fosite.RFC6749Error{
	ErrorField: "invalid_target", DescriptionField: descriptions["invalid_target"], CodeField: http.StatusBadRequest,
}

// ErrUnmet is that of OpenID Connect Core Error Code unmet_authentication_requirements 1.0: what an [Interaction] returns
// when a level is demanded that the sign-in cannot reach.
var ErrUnmet = &fosite.RFC6749Error{ErrorField: "unmet_authentication_requirements", CodeField: http.StatusBadRequest}

// descriptions are the sentences beside the error codes. They are fixed because a text made of the request would be
// somebody else's text under our name.
var descriptions = map[string]string{
	"invalid_request":                   "A parameter is missing, repeated, or not as it must be.",
	"invalid_client":                    "The client is unknown or did not authenticate by its registered method.",
	"invalid_grant":                     "The code or token is unknown, expired, used or revoked, or not for this client, redirect_uri or verifier.",
	"invalid_scope":                     "A scope is unknown, or not one of this client's or of this grant.",
	"invalid_target":                    "The resource is not one of this server.",
	"invalid_token":                     "The access token is unknown, expired or revoked.",
	"insufficient_scope":                "The access token lacks the scope that this needs.",
	"unauthorized_client":               "The client may not use this grant type.",
	"unsupported_grant_type":            "The server does not know this grant_type.",
	"unsupported_response_type":         "The response_type must be code.",
	"unsupported_response_mode":         "The response_mode must be query, fragment or form_post.",
	"access_denied":                     "The person or the server refused the request.",
	"login_required":                    "The person has to sign in.",
	"consent_required":                  "The person has to consent.",
	"interaction_required":              "The person has to do something first.",
	"account_selection_required":        "The person has to choose an account.",
	"unmet_authentication_requirements": "The sign-in does not reach the acr that was asked for.",
	"request_not_supported":             "Request objects are not supported; use pushed authorization requests.",
	"request_uri_not_supported":         "The parameter request_uri is not supported here.",
	"registration_not_supported":        "The parameter registration is not supported.",
	"invalid_request_uri":               "The request_uri is unknown, expired, used, or another client's.",
	"invalid_dpop_proof":                "The DPoP proof is missing, or not as it must be for this request.",
	"use_dpop_nonce":                    "The DPoP proof must hold the nonce of the DPoP-Nonce header.",
	"authorization_pending":             "The person has not decided yet.",
	"slow_down":                         "The device asks too often.",
	"expired_token":                     "The device code has expired.",
	"invalid_redirect_uri":              "A redirect URI is not as it must be.",
	"invalid_client_metadata":           "A field of the client's metadata is not as it must be.",
	"unsupported_token_type":            "A token of this kind cannot be revoked.",
	"temporarily_unavailable":           "The server cannot answer now; try again in a moment.",
	"server_error":                      "The server failed; the failure has been recorded.",
}

// registered maps what fosite says beyond the RFCs to what clients understand.
var registered = map[string]string{
	"error": "server_error", "misconfiguration": "server_error",
	"invalid_state": "invalid_request", "insufficient_entropy": "invalid_request", "not_found": "invalid_request",
	"jti_known": "invalid_client", "request_unauthorized": "invalid_client", "request_forbidden": "access_denied",
	"scope_not_granted": "invalid_scope", "token_expired": "invalid_grant", "token_inactive": "invalid_grant",
	"token_claim": "invalid_grant", "token_signature_mismatch": "invalid_grant", "invalid_request_object": "request_not_supported",
}

// problemOf maps any error to what is told of it. ours says that the failure is the server's and belongs in the log.
func problemOf(err error) (p Problem, ours bool) {
	var rfc *fosite.RFC6749Error
	var wait *throttle.Error
	switch {
	case errors.As(err, &wait):
		p.Code = "temporarily_unavailable"
	case errors.As(err, new(*unavailableError)):
		p.Code, ours = "temporarily_unavailable", true
	case errors.Is(err, ErrEnded), errors.Is(err, errLost):
		p.Code = "invalid_grant"
	case errors.As(err, &rfc):
		p.Code = rfc.ErrorField
	default:
		p.Code, ours = "server_error", true
	}
	if code, ok := registered[p.Code]; ok {
		p.Code = code
	}
	if descriptions[p.Code] == "" {
		p.Code = "server_error"
	}
	ours = ours || p.Code == "server_error"
	p.Description = descriptions[p.Code]
	if wait != nil {
		p.Description = "Too many requests came from the same network or in the same client's name. Try again in a few minutes."
	}
	var f *faultError
	if errors.As(err, &f) && !ours {
		p.Parameter, p.Description = f.parameter, f.text
	}
	switch p.Code {
	case "invalid_client", "invalid_token":
		p.Status = http.StatusUnauthorized
	case "insufficient_scope", "access_denied":
		p.Status = http.StatusForbidden
	case "temporarily_unavailable":
		p.Status = http.StatusServiceUnavailable
		if wait != nil {
			p.Status = http.StatusTooManyRequests
		}
	case "server_error":
		p.Status = http.StatusInternalServerError
	default:
		p.Status = http.StatusBadRequest
	}
	return p, ours
}

// explain is problemOf that writes a failure of ours to the log, the only place where its text goes, and why a client was
// refused.
func (s *Server) explain(ctx context.Context, err error) Problem {
	p, ours := problemOf(err)
	if ours {
		s.cfg.Log.ErrorContext(ctx, "oauth: request failed", "code", p.Code, "error", chain(err))
	} else {
		s.logRefusal(ctx, p.Code, err)
	}
	return p
}

// chain returns the text of err with its causes: fosite's errors hide theirs.
func chain(err error) string {
	var texts []string
	for ; err != nil; err = errors.Unwrap(err) {
		if text := err.Error(); len(texts) == 0 || texts[len(texts)-1] != text {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ": ")
}

// failJSON answers a program (RFC 6749 section 5.2).
func (s *Server) failJSON(w http.ResponseWriter, r *http.Request, err error) {
	p := s.explain(r.Context(), err)
	s.noteProblem(r, "", r.PostForm, err)
	switch {
	case p.Code == "invalid_client":
		w.Header().Set("WWW-Authenticate", `Basic realm="`+s.cfg.Issuer+`"`)
	case p.Code == "access_denied":
		p.Status = http.StatusBadRequest
	case p.Status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	s.retryAfter(w, err)
	writeJSON(w, p.Status, map[string]string{"error": p.Code, "error_description": p.Description})
}

// failPage answers a person whose client cannot be told.
func (s *Server) failPage(w http.ResponseWriter, r *http.Request, err error) {
	p := s.explain(r.Context(), err)
	s.noteProblem(r, "", r.Form, err)
	if p.Status == http.StatusUnauthorized {
		p.Status = http.StatusBadRequest // a person has nothing to authenticate a client with
	}
	s.retryAfter(w, err)
	s.problem(w, r, p)
}

// retryAfter tells when a request that had to wait may come again.
func (s *Server) retryAfter(w http.ResponseWriter, err error) {
	var wait *throttle.Error
	if errors.As(err, &wait) {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Until.Sub(s.cfg.Now()).Seconds()))))
	}
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request, p Problem) {
	noStore(w)
	if s.cfg.ErrorPage != nil {
		s.cfg.ErrorPage(w, r, p)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	barePage.Execute(w, p)
}

func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	var text []byte
	var err error
	if object, ok := body.(map[string]any); ok {
		text, err = appendObject(make([]byte, 0, 512), object)
	} else {
		text, err = json.Marshal(body)
	}
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(text)
}
