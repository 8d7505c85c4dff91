package oauth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/ory/fosite"
)

const (
	pushedPrefix = "urn:ietf:params:oauth:request_uri:"
	pushedLife   = time.Minute

	// keptSubject is where a pushed form keeps whom the id_token_hint named. It is no request parameter, so that no
	// client can send it.
	keptSubject = "hint_subject"
)

// push is POST /oauth2/par (RFC 9126): a client hands over its authorization request itself, so that nobody can read or
// change it on its way through the browser.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	uri, err := s.keepPushed(r)
	if err != nil {
		s.failJSON(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int(pushedLife / time.Second)})
}

// keepPushed stores the authorization request in the body of r, and returns the request_uri that stands for it.
func (s *Server) keepPushed(r *http.Request) (string, error) {
	ctx, form := r.Context(), present(r.PostForm)
	authenticated, err := s.authenticate(ctx, r, form)
	if err != nil {
		return "", err
	}
	client := authenticated.(*Client)
	if client.IsPublic() { // anybody may be it
		if err := s.admitNetwork(ctx, "pushed", s.address(r), pushedOfNetwork); err != nil {
			return "", err
		}
	}
	if form.Has("request_uri") { // section 2.1; parse would say that it is not supported
		return "", fault(fosite.ErrInvalidRequest, "request_uri", "A request_uri cannot be pushed.")
	}
	form.Set("client_id", client.ID) // whoever authenticates by a header or an assertion need not repeat it
	if err := s.bindKey(r, form); err != nil {
		return "", err
	}
	uri := pushedPrefix + randomText(32)
	hash := sha256.Sum256([]byte(uri))
	now := s.asked()
	req, err := s.parse(r.WithContext(withClient(ctx, client)), keptRequest{form: form, asked: now, pushed: hash[:]})
	if err != nil {
		return "", err
	}
	kept := keep(req.form, requestParameters)
	if req.subject != "" {
		kept.Set(keptSubject, req.subject)
	}
	_, err = s.cfg.DB.Exec(ctx, `INSERT INTO oauth_pushed (uri_hash, client_id, form, expires_at) VALUES ($1, $2, $3, $4)`,
		hash[:], client.ID, kept.Encode(), now.Add(pushedLife).Unix())
	return uri, unavailable(err)
}

// bindKey puts the thumbprint of the key that a proof shows into form, as if the client had sent dpop_jkt (RFC 9449
// section 10.1).
func (s *Server) bindKey(r *http.Request, form url.Values) error {
	jkt, err := s.proof(r.Context(), r, "")
	if err != nil || jkt == "" {
		return err
	}
	if form.Has("dpop_jkt") && form.Get("dpop_jkt") != jkt {
		return fault(errInvalidProof, "dpop_jkt", "The dpop_jkt is not the thumbprint of the proof's key.")
	}
	form.Set("dpop_jkt", jkt)
	return nil
}

// takePushed fills kept with the request that client pushed for uri, and with nothing else that the browser brought:
// whoever holds the link could have added it. The request stays until a code is issued for it, so that a page can be
// loaded again (RFC 9126 section 4).
func (s *Server) takePushed(ctx context.Context, client, uri string, kept *keptRequest) error {
	hash := sha256.Sum256([]byte(uri))
	var text string
	err := s.cfg.DB.Get(ctx, &text, `SELECT form FROM oauth_pushed
		WHERE uri_hash = $1 AND client_id = $2 AND expires_at > $3`, hash[:], client, s.cfg.Now().Unix())
	if dbx.IsNotFound(err) {
		return fault(fosite.ErrInvalidRequestURI, "request_uri", descriptions["invalid_request_uri"])
	}
	if err != nil {
		return unavailable(err)
	}
	if kept.form, err = url.ParseQuery(text); err != nil {
		return fmt.Errorf("oauth: pushed request: %w", err)
	}
	kept.subject, kept.pushed = kept.form.Get(keptSubject), hash[:]
	return nil
}

// spendPushed uses up the request_uri that brought req, in the transaction that issues the code: of several tabs one
// wins. It may have expired meanwhile; a sign-in takes its time.
func (s *Server) spendPushed(ctx context.Context, req *Request) error {
	if req.pushed == nil {
		return nil
	}
	rows, err := s.cfg.DB.Exec(ctx, `DELETE FROM oauth_pushed WHERE uri_hash = $1`, req.pushed)
	if err == nil && rows == 0 {
		return fault(fosite.ErrInvalidRequestURI, "request_uri", descriptions["invalid_request_uri"])
	}
	return unavailable(err)
}
