package focushq

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// problem is what went wrong, by the id of its words.
type problem struct {
	id          string
	code        string // the provider's error code
	description string // the provider's words for developers
	cause       error  // for the log
}

func (p *problem) Error() string {
	text := "focushq: " + p.id
	if p.code != "" {
		text += " (" + p.code + ")"
	}
	if p.cause != nil {
		text += ": " + p.cause.Error()
	}
	return text
}

func (p *problem) Unwrap() error { return p.cause }

// refusal is the problem that an authorization error response stands for (RFC 6749 section 4.1.2.1, OpenID Connect
// Core 1.0 section 3.1.2.6).
func refusal(code, description string) *problem {
	p := &problem{id: "unknown", code: code, description: description}
	switch code {
	case "access_denied", "login_required", "temporarily_unavailable":
		p.id = code
	case "interaction_required", "consent_required", "account_selection_required":
		p.id = "interaction_required"
	case "server_error":
		p.id = "temporarily_unavailable"
	case "unmet_authentication_requirements":
		p.id = "insufficient"
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_client":
		p.id = "setup"
	}
	return p
}

// problemView is the data of the problem page.
type problemView struct {
	ID, Text, Again, AgainURL, Code, Description string
}

// fail shows err in words. Trying again leads to the page called to.
func (a *App) fail(w http.ResponseWriter, r *http.Request, err error, to string) {
	p := &problem{id: "unknown", cause: err}
	errors.As(err, &p)
	if p.id != "not_found" {
		a.cfg.Log.WarnContext(r.Context(), "a page told of a problem", "path", r.URL.Path, "problem", p.id, "error", err)
	}
	if p.id == "ended" {
		a.drop(w, r)
	}
	tell := wordsOf(p.id)
	again := "/login?" + url.Values{"to": {to}}.Encode()
	if to == "/sensitive" || p.id == "unreachable" && a.session(r) != nil {
		again = to
	}
	a.render(w, r, tell.status, "problem", tell.title, problemView{
		ID: p.id, Text: tell.text, Again: tell.again, AgainURL: again,
		Code: short(p.code), Description: short(p.description)})
}

// short cuts what others wrote to a line's length.
func short(s string) string {
	line := []rune(strings.Join(strings.Fields(s), " "))
	if len(line) > 200 {
		return string(line[:200]) + "…"
	}
	return string(line)
}
