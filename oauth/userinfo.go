package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/focushq/idp/internal/dbx"
	"github.com/ory/fosite"
)

// errInvalidToken and errInsufficientScope are those of RFC 6750 section 3.1.
var (
	errInvalidToken      = &fosite.RFC6749Error{ErrorField: "invalid_token", CodeField: http.StatusUnauthorized}
	errInsufficientScope = &fosite.RFC6749Error{ErrorField: "insufficient_scope", CodeField: http.StatusForbidden}
)

// access is a good access token.
type access struct {
	grant  *grant
	client *Client
	scopes []string
	expiry int64
	jti    string // of a JWT
}

// access returns what a presented access token stands for. errInvalidToken says that it is none of ours, or has ended.
func (s *Server) access(ctx context.Context, token string) (*access, error) {
	a := new(access)
	var id string
	if strings.Contains(token, ".") {
		claims, err := s.keys.verify(ctx, typAccess, token)
		if errors.Is(err, errToken) {
			return nil, errInvalidToken
		}
		if err != nil {
			return nil, err
		}
		if claims.Issuer != s.cfg.Issuer || !slices.Contains(claims.Audience, s.cfg.Issuer) {
			return nil, errInvalidToken
		}
		id, _, _ = strings.Cut(claims.ID, ".")
		a.scopes, a.expiry, a.jti = strings.Fields(claims.Scope), claims.Expiry, claims.ID
	} else {
		sum := sha256.Sum256([]byte(token))
		var row accessRow
		err := s.cfg.DB.Get(ctx, &row, `SELECT sig, grant_id, client_id, scope, expires_at FROM oauth_access
			WHERE sig = $1`, sum[:])
		if dbx.IsNotFound(err) {
			return nil, errInvalidToken
		}
		if err != nil {
			return nil, unavailable(err)
		}
		id, a.scopes, a.expiry = row.GrantID, strings.Fields(row.Scope), row.ExpiresAt
	}
	if s.cfg.Now().Unix() >= a.expiry {
		return nil, errInvalidToken
	}
	return a, s.ground(ctx, a, id)
}

// ground finds the grant of a and refuses it when that, its client or its person has ended.
func (s *Server) ground(ctx context.Context, a *access, id string) error {
	var err error
	if a.grant, err = s.store.grant(ctx, id); err == nil {
		a.client, err = s.store.client(ctx, a.grant.ClientID)
	}
	if errors.Is(err, fosite.ErrNotFound) {
		return errInvalidToken
	}
	if err != nil {
		return err
	}
	if a.grant.RevokedAt.Valid {
		return errInvalidToken
	}
	err = s.stands(ctx, a.client, a.grant, false)
	if errors.Is(err, ErrEnded) {
		return errInvalidToken
	}
	return err
}

// userinfo is GET and POST /oauth2/userinfo (OpenID Connect Core 1.0 section 5.3).
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	token, err := bearer(r)
	if err != nil {
		s.refuseBearer(w, r, err)
		return
	}
	if token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.cfg.Issuer+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a, err := s.access(r.Context(), token)
	if err == nil && !slices.Contains(a.scopes, "openid") {
		err = errInsufficientScope
	}
	if err != nil {
		s.refuseBearer(w, r, err)
		return
	}
	extra, err := decodeClaims(a.grant.Claims)
	if err != nil {
		s.refuseBearer(w, r, err)
		return
	}
	claims, err := s.personClaims(withClient(r.Context(), a.client), a.grant.Subject, a.scopes, extra.UserInfo)
	if err != nil {
		s.refuseBearer(w, r, err)
		return
	}
	claims["sub"] = a.grant.Subject
	writeJSON(w, http.StatusOK, claims)
}

// bearer returns the access token of r (RFC 6750 section 2), "" when there is none. One that comes twice is refused.
func bearer(r *http.Request) (string, error) {
	header := r.Header.Values("Authorization")
	body := r.PostForm.Get("access_token")
	if len(header) > 1 || len(header) == 1 && body != "" {
		return "", fault(fosite.ErrInvalidRequest, "access_token", "The access token must be sent once.")
	}
	if len(header) == 0 {
		return body, nil
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	return strings.TrimSpace(token), nil
}

// refuseBearer answers as RFC 6750 section 3 wants it.
func (s *Server) refuseBearer(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrEnded) {
		err = errInvalidToken
	}
	if p, ours := problemOf(err); !ours {
		w.Header().Set("WWW-Authenticate",
			fmt.Sprintf(`Bearer realm="%s", error="%s", error_description="%s"`, s.cfg.Issuer, p.Code, p.Description))
	}
	s.failJSON(w, r, err)
}
