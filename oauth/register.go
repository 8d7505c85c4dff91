package oauth

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/ory/fosite"
)

// Errors of dynamic client registration (RFC 7591 section 3.2.2).
var (
	errInvalidRedirect = &fosite.RFC6749Error{ErrorField: "invalid_redirect_uri", CodeField: http.StatusBadRequest}
	errInvalidMetadata = &fosite.RFC6749Error{ErrorField: "invalid_client_metadata", CodeField: http.StatusBadRequest}
)

// mountRegistration registers the endpoints of dynamic client registration, if it is on.
func (s *Server) mountRegistration(mux *http.ServeMux) {
	mux.HandleFunc("GET /oauth2/logo/{id}", s.logo)
	if !s.cfg.Registration {
		return
	}
	mux.Handle("POST /oauth2/register", s.registering(s.register))
	mux.Handle("GET /oauth2/register/{id}", s.managing(s.showRegistration))
	mux.Handle("PUT /oauth2/register/{id}", s.managing(s.replaceRegistration))
	mux.Handle("DELETE /oauth2/register/{id}", s.managing(s.deleteRegistration))
}

// registering is the filter in front of registration: programs send JSON, and an error is answered as such.
func (s *Server) registering(next func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		err := next(w, r)
		var invalid *InvalidError
		if errors.As(err, &invalid) {
			err = refusedField(invalid)
		}
		if errors.Is(err, errInvalidToken) {
			detail := `error="invalid_token"`
			if r.Header.Get("Authorization") == "" { // RFC 6750 section 3.1: nothing is said of what was not brought
				detail = ""
			}
			s.challenge(w, "Bearer", detail)
		}
		if err != nil {
			s.failJSON(w, r, err)
		}
	})
}

// managing is registering for a client that brings the token of its registration (RFC 7592). A client that is gone, and
// one that was switched off, get the answer of a wrong token.
func (s *Server) managing(next func(http.ResponseWriter, *http.Request, *Client) error) http.Handler {
	return s.registering(func(w http.ResponseWriter, r *http.Request) error {
		client, err := s.clients.Get(r.Context(), r.PathValue("id"))
		if errors.Is(err, ErrNotFound) {
			return errInvalidToken
		}
		if err != nil {
			return unavailable(err)
		}
		if !s.clients.manages(client, registrationToken(r)) || client.Disabled {
			return errInvalidToken
		}
		return next(w, r, client)
	})
}

// registrationToken returns the bearer token of r, "" when there is not just one.
func registrationToken(r *http.Request) string {
	header := r.Header.Values("Authorization")
	if len(header) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// manages reports whether token is the one of client's registration.
func (c *Clients) manages(client *Client, token string) bool {
	got := c.hash(registrationScope+client.ID, token)
	return client.registrationHash != "" && subtle.ConstantTimeCompare([]byte(got), []byte(client.registrationHash)) == 1
}

// register is POST /oauth2/register (RFC 7591 section 3).
func (s *Server) register(w http.ResponseWriter, r *http.Request) error {
	ctx, token := r.Context(), registrationToken(r)
	if err := s.clients.mayRegister(ctx, token); err != nil {
		return err
	}
	asked, err := readRegistration(r)
	if err != nil {
		return err
	}
	client, err := asked.client(&Client{Dynamic: true, ID: randomText(16)})
	if err != nil {
		return err
	}
	if err := s.checkSector(ctx, client); err != nil {
		return err
	}
	secret, access, err := s.clients.registerBy(ctx, token, client)
	if err != nil {
		return err
	}
	s.clients.fetchLogo(ctx, client.ID) // best effort: it is tried again later
	w.Header().Set("Location", s.registrationURI(client.ID))
	return s.answerRegistration(w, r, http.StatusCreated, client.ID, secret, access)
}

// registerBy stores a client of a good initial access token, and takes one use of that.
func (c *Clients) registerBy(ctx context.Context, token string, client *Client) (secret, access string, err error) {
	if secret, err = c.secretFor(client, ""); err != nil {
		return "", "", err
	}
	access = randomText(32)
	ctx = context.WithValue(ctx, byKey{}, "initial access token")
	return secret, access, unavailableUnlessRefused(c.db.InTx(ctx, func(ctx context.Context) error {
		if err := c.takeRegistration(ctx, token); err != nil {
			return err
		}
		return c.insert(ctx, client, secret, access)
	}))
}

// showRegistration is GET /oauth2/register/{id} (RFC 7592 section 2.1). The secret is kept as a hash and not shown again.
func (s *Server) showRegistration(w http.ResponseWriter, r *http.Request, client *Client) error {
	return s.answerRegistration(w, r, http.StatusOK, client.ID, "", registrationToken(r))
}

// replaceRegistration is PUT /oauth2/register/{id} (RFC 7592 section 2.2): what is left out gets its default. What an
// administrator decided about the client stays.
func (s *Server) replaceRegistration(w http.ResponseWriter, r *http.Request, client *Client) error {
	asked, err := readRegistration(r)
	if err != nil {
		return err
	}
	if asked.ClientID != client.ID {
		return fault(errInvalidMetadata, "client_id", "client_id: it must be that of the registration.")
	}
	if asked.ClientSecret != "" && !s.clients.SecretIs(client, asked.ClientSecret) {
		return fault(errInvalidMetadata, "client_secret", "client_secret: a client cannot choose it.")
	}
	updated, err := asked.client(client)
	if err != nil {
		return err
	}
	if err := s.checkSector(r.Context(), updated); err != nil {
		return err
	}
	secret, err := s.clients.replaceBy(r.Context(), registrationToken(r), client.ID, asked)
	if err != nil {
		return err
	}
	if updated.LogoURI != client.LogoURI {
		s.clients.fetchLogo(r.Context(), client.ID)
	}
	return s.answerRegistration(w, r, http.StatusOK, client.ID, secret, registrationToken(r))
}

// replaceBy writes what a client asked for over its registration, and returns a secret if it needs one and had none.
func (c *Clients) replaceBy(ctx context.Context, token, id string, asked *registration) (secret string, err error) {
	ctx = context.WithValue(ctx, byKey{}, "registration access token")
	return secret, unavailableUnlessRefused(c.db.InTx(ctx, func(ctx context.Context) error {
		// The row is locked before it is read: what an administrator writes at the same time is not undone.
		rows, err := c.db.Exec(ctx, `UPDATE oauth_clients SET updated_at = $3 WHERE id = $1 AND registration_hash = $2`,
			id, c.hash(registrationScope+id, token), c.now().Unix())
		if err != nil {
			return err
		}
		if rows == 0 {
			return errInvalidToken
		}
		was, err := c.Get(ctx, id)
		if err != nil {
			return err
		}
		updated, err := asked.client(was)
		if err != nil {
			return err
		}
		if err := c.Update(ctx, updated); err != nil {
			return err
		}
		if err := c.renamed(ctx, was, updated); err != nil {
			return err
		}
		switch secret = ""; {
		case updated.hasSecret() == (was.secretHash != ""):
			return nil
		case updated.hasSecret():
			secret = randomText(32)
		}
		_, err = c.db.Exec(ctx, `UPDATE oauth_clients SET secret_hash = $2, secret_at = $3, rotated_hash = '', rotated_until = 0 WHERE id = $1`,
			id, c.hash(id, secret), c.now().Unix())
		return err
	}))
}

// renamed forgets what people allowed when a client that nobody vouches for changes what they read before they did so:
// its name, or the place that they go on to. Else consent that was given for an honest address would be spent at another.
func (c *Clients) renamed(ctx context.Context, was, is *Client) error {
	before := was.Destinations()
	moved := slices.ContainsFunc(is.Destinations(), func(place string) bool { return !slices.Contains(before, place) })
	if c.gone == nil || !moved && was.Name == is.Name {
		return nil
	}
	return c.gone(ctx, is.ID)
}

// deleteRegistration is DELETE /oauth2/register/{id} (RFC 7592 section 2.3).
func (s *Server) deleteRegistration(w http.ResponseWriter, r *http.Request, client *Client) error {
	err := s.clients.Delete(context.WithValue(r.Context(), byKey{}, "registration access token"), client.ID)
	if errors.Is(err, ErrNotFound) { // somebody was quicker
		return errInvalidToken
	}
	if err != nil {
		return unavailable(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// answerRegistration tells the client what is registered (RFC 7591 section 3.2.1, RFC 7592 section 3).
func (s *Server) answerRegistration(w http.ResponseWriter, r *http.Request, status int, id, secret, access string) error {
	client, err := s.clients.Get(r.Context(), id)
	if err != nil {
		return unavailable(err)
	}
	answer := registrationOf(client)
	answer.URI, answer.AccessToken = s.registrationURI(id), access
	if secret != "" {
		answer.ClientSecret, answer.SecretExpiresAt = secret, new(int64) // 0: never
	}
	writeJSON(w, status, answer)
	return nil
}

func (s *Server) registrationURI(id string) string { return s.cfg.Issuer + "/oauth2/register/" + id }

// readRegistration reads a client's wishes. Members that are not known here are ignored (RFC 7591 section 2), the
// localised ones (client_name#fr) among them.
func readRegistration(r *http.Request) (*registration, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, fault(fosite.ErrInvalidRequest, "", "The body must be application/json.")
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fault(fosite.ErrInvalidRequest, "", "The body cannot be read, or is too long.")
	}
	var asked registration
	err = json.Unmarshal(text, &asked)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return nil, fault(errInvalidMetadata, kind.Field, kind.Field+": not of its type.")
	}
	if err != nil {
		return nil, fault(errInvalidMetadata, "", "The body must be one JSON object.")
	}
	return &asked, nil
}

// checkSector looks whether the redirect URIs stand in the document that sector_identifier_uri names (OpenID Connect
// Registration 1.0 section 5), which says that they belong together.
func (s *Server) checkSector(ctx context.Context, client *Client) error {
	if client.SectorURI == "" {
		return nil
	}
	text, err := fetch(ctx, s.cfg.Outbound, client.SectorURI, "application/json", maxBody)
	if err != nil {
		return &InvalidError{"sector_identifier_uri", "the document cannot be fetched"}
	}
	var listed []string
	if err := json.Unmarshal(text, &listed); err != nil {
		return &InvalidError{"sector_identifier_uri", "the document must be a JSON array of URIs"}
	}
	for _, uri := range client.RedirectURIs {
		if !slices.Contains(listed, uri) {
			return &InvalidError{"sector_identifier_uri", "the document must hold every redirect URI"}
		}
	}
	return nil
}
