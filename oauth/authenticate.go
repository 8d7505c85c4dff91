package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/ory/fosite"
)

// assertionType is that of private_key_jwt (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate returns the client that sent a request (RFC 6749 section 2.3): by one method, the registered one.
func (s *Server) authenticate(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	id, secret, method, err := credentials(r, form)
	if err != nil {
		return nil, err
	}
	var client *Client
	switch method {
	case "private_key_jwt": // nobody guesses a signature, or what a public client does not have
		client, err = s.authenticateAssertion(ctx, r.URL.Path, form)
	case "none":
		client, err = s.authenticateSecret(ctx, id, "", method)
	default:
		client, err = s.limited(ctx, r, id, func() (*Client, error) { return s.authenticateSecret(ctx, id, secret, method) })
	}
	if err != nil {
		return nil, err
	}
	return s.covering(ctx, client, form, r.Header)
}

// authenticateSecret is authenticate by a secret, or of a public client. An unknown client costs the same work as a
// wrong secret.
func (s *Server) authenticateSecret(ctx context.Context, id, secret, method string) (*Client, error) {
	client, err := s.store.client(ctx, id)
	if errors.Is(err, fosite.ErrNotFound) {
		s.clients.SecretIs(&Client{ID: id, secretHash: "$hmac$"}, secret)
		return nil, because(fosite.ErrInvalidClient, id, "there is no such client, or it is disabled")
	}
	if err != nil {
		return nil, err
	}
	return s.store.judged(ctx, client, func(client *Client) error {
		good := client.IsPublic() || s.clients.SecretIs(client, secret)
		switch {
		case client.AuthMethod != method:
			return because(fosite.ErrInvalidClient, id, "the client came by "+method+" and is registered for "+client.AuthMethod)
		case !good:
			return because(fosite.ErrInvalidClient, id, "the secret is wrong")
		}
		return nil
	})
}

// credentials returns who a request says it is from, and by which method.
func credentials(r *http.Request, form url.Values) (id, secret, method string, err error) {
	id = form.Get("client_id")
	var methods []string
	if user, password, ok := r.BasicAuth(); ok {
		basicID, err := url.QueryUnescape(user)
		if err == nil {
			secret, err = url.QueryUnescape(password)
		}
		if err != nil || id != "" && id != basicID {
			return "", "", "", because(fosite.ErrInvalidClient, id,
				"the Basic header is not form-encoded (RFC 6749 section 2.3.1), or names another client than client_id")
		}
		id = basicID
		if secret != "" { // some public clients send an empty one
			methods = append(methods, "client_secret_basic")
		}
	} else if r.Header.Get("Authorization") != "" {
		return "", "", "", because(fosite.ErrInvalidClient, id, "the Authorization header is not Basic")
	}
	if form.Get("client_secret") != "" {
		secret = form.Get("client_secret")
		methods = append(methods, "client_secret_post")
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		methods = append(methods, "private_key_jwt")
	}
	switch {
	case len(methods) > 1:
		return "", "", "", fault(fosite.ErrInvalidRequest, "client_secret", "A client authenticates by one method at a time.")
	case len(methods) == 1:
		return id, secret, methods[0], nil
	}
	return id, "", "none", nil
}
