package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ory/fosite"
)

// parse validates an authorization request: a new one, one that was kept while pages were open, one that a client
// pushes. An error without a Request is for the person: the client is unknown or the redirect URI not its own, so nobody
// may be redirected. An error with one goes to the client.
func (s *Server) parse(r *http.Request, kept keptRequest) (*Request, error) {
	form := present(kept.form)
	client, target, err := s.addressee(r.Context(), form)
	if err == nil {
		client, err = s.covering(r.Context(), client, form, nil) // scopes that it lacks would be left out silently
	}
	if err != nil {
		return nil, err
	}
	var req *Request
	_, err = s.store.judged(r.Context(), client, func(client *Client) (err error) {
		req, err = s.parseFor(r, kept, client, target)
		return err
	})
	return req, err
}

// parseFor is parse of a request that client sent, which is answered at target.
func (s *Server) parseFor(r *http.Request, kept keptRequest, client *Client, target *url.URL) (*Request, error) {
	ctx, form := withClient(r.Context(), client), present(kept.form)
	form.Set("scope", understood(form.Get("scope"), client))
	ar, err := s.provider.NewAuthorizeRequest(ctx, rebuilt(ctx, r, form))
	if errors.Is(err, fosite.ErrInvalidState) {
		err = nil // fosite cannot do without state; it is optional (RFC 6749 section 4.1.1)
	}
	request, ok := ar.(*fosite.AuthorizeRequest)
	if !ok {
		request = fosite.NewAuthorizeRequest()
	}
	req := s.answerable(request, client, target, form)
	req.Asked, req.subject, req.pushed = kept.asked, kept.subject, kept.pushed
	req.waiting, req.address = waiting(r, s.cfg.Cookies), s.address(r)
	for _, check := range []func() error{
		func() error { return bounded(keep(form, requestParameters)) },
		func() error { return refusedObjects(form) },
		func() error { return err },
		func() error { return req.checkClient() },
		func() error { return req.readResources() },
		func() error { return checkProof(form, client) },
		func() error { return req.readOpenID(ctx, form) },
	} {
		if err := check(); err != nil {
			return req, err
		}
	}
	return req, nil
}

// answerable makes request a Request that can be answered at target, with the state of form and the way it asks for.
func (s *Server) answerable(request *fosite.AuthorizeRequest, client *Client, target *url.URL, form url.Values) *Request {
	request.Client, request.RedirectURI, request.State = client, target, form.Get("state")
	request.ResponseMode = responseMode(form)
	return &Request{AuthorizeRequester: request, server: s, client: client, maxAge: -1, form: form}
}

// present returns form without its empty parameters, which count as omitted (RFC 6749 section 3.1).
func present(form url.Values) url.Values {
	out := url.Values{}
	for name, values := range form {
		for _, value := range values {
			if value != "" {
				out.Add(name, value)
			}
		}
	}
	return out
}

// understood returns the scopes of text that client may ask for, each once. Others are ignored (OpenID Connect Core 1.0
// section 3.1.2.1, RFC 6749 section 3.3), also other spellings of the same name.
func understood(text string, client *Client) string {
	var scopes []string
	for _, scope := range strings.Fields(text) {
		if slices.Contains(client.Scopes, scope) && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return strings.Join(scopes, " ")
}

// addressee returns the client of form and where its answer goes (RFC 6749 section 3.1.2.4, RFC 9700 section 4.1.3).
func (s *Server) addressee(ctx context.Context, form url.Values) (*Client, *url.URL, error) {
	client, err := s.store.client(ctx, form.Get("client_id"))
	if errors.Is(err, fosite.ErrNotFound) {
		return nil, nil, fault(fosite.ErrInvalidClient, "client_id", "No app is known here by this client_id.")
	}
	if err != nil {
		return nil, nil, err
	}
	var target *url.URL
	client, err = s.store.judged(ctx, client, func(client *Client) (err error) {
		target, err = redirection(client, form)
		return err
	})
	return client, target, err
}

// redirection returns where client wants its answer to form, if that is one of its redirect URIs.
func redirection(client *Client, form url.Values) (*url.URL, error) {
	raw := form.Get("redirect_uri")
	openID := slices.Contains(strings.Fields(form.Get("scope")), "openid")
	if raw == "" && len(client.RedirectURIs) == 1 && !openID && !client.RequirePAR { // FAPI 2 section 5.3.2.2
		raw = client.RedirectURIs[0]
	}
	if !client.redirectsTo(raw) {
		return nil, fault(fosite.ErrInvalidRequest, "redirect_uri",
			"The redirect_uri is missing or not exactly one of those that the client registered.")
	}
	target, err := url.Parse(raw)
	if err != nil {
		return nil, fault(fosite.ErrInvalidRequest, "redirect_uri", "The redirect_uri is no URI.")
	}
	return target, nil
}

// rebuilt returns the request that fosite parses: these parameters and no others. Request objects are left out, because
// fosite would look at them before it knows the redirect URI.
func rebuilt(ctx context.Context, r *http.Request, form url.Values) *http.Request {
	values := keep(form, requestParameters)
	values.Del("response_mode") // checked by responseMode; fosite refuses it before it knows where to answer
	out := r.Clone(ctx)
	out.Method, out.Body, out.Form, out.PostForm, out.MultipartForm = http.MethodGet, http.NoBody, nil, nil, nil
	out.URL = &url.URL{Path: "/oauth2/authorize", RawQuery: values.Encode()}
	return out
}

// responseMode returns how the client is answered; query where it asks for what there is not.
func responseMode(form url.Values) fosite.ResponseModeType {
	switch mode := fosite.ResponseModeType(form.Get("response_mode")); mode {
	case fosite.ResponseModeFragment, fosite.ResponseModeFormPost:
		return mode
	}
	return fosite.ResponseModeQuery
}

// refusedObjects refuses what is not supported, by name: ignoring it would be another request than the client meant.
func refusedObjects(form url.Values) error {
	switch {
	case form.Has("request"):
		return fosite.ErrRequestNotSupported
	case form.Has("request_uri"):
		return fosite.ErrRequestURINotSupported
	case form.Has("registration"):
		return fosite.ErrRegistrationNotSupported
	case form.Get("response_type") != "code": // fosite would let CODE pass
		return fault(fosite.ErrUnsupportedResponseType, "response_type", descriptions["unsupported_response_type"])
	}
	switch form.Get("response_mode") {
	case "", "query", "fragment", "form_post":
		return nil
	}
	return fosite.ErrUnsupportedResponseMode
}

// checkClient refuses what this client may not do, or not this way.
func (r *Request) checkClient() error {
	switch {
	case !slices.Contains(r.client.GrantTypes, "authorization_code"):
		return fosite.ErrUnauthorizedClient
	case r.client.RequirePAR && r.pushed == nil: // RFC 9126 section 5
		return fault(fosite.ErrInvalidRequest, "request_uri", "This client must push its authorization requests.")
	case len(r.GetRequestedScopes()) == 0:
		return fault(fosite.ErrInvalidScope, "scope", "The scope is missing, or holds nothing that this client may ask for.")
	}
	return nil
}

// readResources reads what the access token shall be good for (RFC 8707 section 2). Registration takes absolute URIs
// without a fragment alone, so that nothing else can be one of them.
func (r *Request) readResources() error {
	for _, resource := range r.form["resource"] {
		if !r.server.own(resource) && !slices.Contains(r.client.Resources, resource) {
			return fault(errInvalidTarget, "resource", "The resource is not one that this client may ask for.")
		}
		if !slices.Contains(r.resources, resource) {
			r.resources = append(r.resources, resource)
		}
	}
	return nil
}

// checkProof asks for PKCE (RFC 7636, RFC 9700 section 2.1.1; FAPI 2 section 5.3.2.2 for those who push) before the
// person signs in for nothing, and looks at the key that the code shall be bound to (RFC 9449 section 10).
func checkProof(form url.Values, client *Client) error {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	optional := !client.IsPublic() && !client.RequirePKCE && !client.RequirePAR
	switch jkt := form.Get("dpop_jkt"); {
	case jkt != "" && !challengeForm.MatchString(jkt):
		return fault(fosite.ErrInvalidRequest, "dpop_jkt", "The dpop_jkt must be a SHA-256 thumbprint of 43 base64url characters.")
	case challenge == "" && method == "" && optional:
		return nil
	case challenge == "" && optional:
		return fault(fosite.ErrInvalidRequest, "code_challenge", "A code_challenge_method without a code_challenge means nothing.")
	case challenge == "":
		return fault(fosite.ErrInvalidRequest, "code_challenge", "This client must send a code_challenge (PKCE).")
	case method != "S256":
		return fault(fosite.ErrInvalidRequest, "code_challenge_method", "The code_challenge_method must be S256.")
	case !challengeForm.MatchString(challenge):
		return fault(fosite.ErrInvalidRequest, "code_challenge", "The code_challenge must be 43 base64url characters.")
	}
	return nil
}

// readOpenID reads the parameters of OpenID Connect Core 1.0 section 3.1.2.1.
func (r *Request) readOpenID(ctx context.Context, form url.Values) error {
	r.prompt = strings.Fields(form.Get("prompt"))
	for _, value := range r.prompt {
		if !slices.Contains(promptValues, value) || value == "none" && len(r.prompt) > 1 {
			return fault(fosite.ErrInvalidRequest, "prompt", "The prompt must be none, or some of login, consent, select_account.")
		}
	}
	var ok bool
	if r.maxAge, ok = parseMaxAge(form.Get("max_age")); !ok {
		return fault(fosite.ErrInvalidRequest, "max_age", "The max_age must be a number of seconds.")
	}
	if age := r.client.DefaultMaxAge; age != nil && !form.Has("max_age") {
		r.maxAge = age.or(0)
	}
	var err error
	if r.claims, err = parseClaims(form.Get("claims")); err != nil {
		return fault(fosite.ErrInvalidRequest, "claims", "The claims parameter must be the JSON of OpenID Connect Core, section 5.5.")
	}
	return r.readHint(ctx, form.Get("id_token_hint"))
}

// readHint finds out whom the client expects.
func (r *Request) readHint(ctx context.Context, hint string) error {
	if sub := r.claims.IDToken["sub"]; sub != nil {
		if wanted := sub.strings(); len(wanted) == 1 {
			r.subject = wanted[0]
		}
	}
	if hint == "" {
		return nil
	}
	claims, err := r.server.hinted(ctx, hint)
	if errors.Is(err, errToken) || err == nil && !slices.Contains(claims.Audience, r.client.ID) {
		return fault(fosite.ErrInvalidRequest, "id_token_hint", "The id_token_hint is no ID token of ours for this client.")
	}
	if err != nil {
		return err
	}
	if r.subject != "" && r.subject != claims.Subject {
		return fault(fosite.ErrInvalidRequest, "id_token_hint", "The id_token_hint and the claims parameter name different people.")
	}
	r.subject = claims.Subject
	return nil
}

// hinted returns the claims of an ID token of ours, expired or not.
func (s *Server) hinted(ctx context.Context, hint string) (*tokenClaims, error) {
	claims, err := s.keys.verify(ctx, typID, hint)
	if err == nil && (claims.Issuer != s.cfg.Issuer || claims.Subject == "") {
		return nil, errToken
	}
	return claims, err
}
