package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/ory/fosite"
)

// store is fosite's storage. Codes and refresh tokens name their grant, so that every look-up is by primary key, and
// what a token request changes is collected in a unit of work and written by one conditional statement when all else
// has succeeded: nothing is half done, and of several requests with one code exactly one wins.
type store struct {
	db         *dbx.DB
	clients    *Clients
	refreshKey []byte
	grace      time.Duration
	now        func() time.Time
	audit      func(context.Context, Event) error
	ahead      func(*Client) []dbx.Lookup // what Alive will ask about a grant; nil: nothing is known of that
}

// errLost says that another request used the code or the refresh token first.
var errLost = errors.New("oauth: somebody else was quicker")

// errClientGone says that the client was deleted a moment ago.
var errClientGone = fault(fosite.ErrInvalidClient, "client_id", "No app is known here by this client_id.")

// unit is what one token request reads once and writes at its end.
type unit struct {
	grant      *grant
	client     *Client
	redeem     bool   // the code is to be marked as used
	rotate     bool   // the chain of refresh tokens moves on
	presented  int64  // generation of the presented refresh token
	seed       []byte // of the chain that a code begins; nil: none
	idle       time.Duration
	jkt        string // of the key that the chain is for; "": anybody's
	access     *accessRow
	redeemable bool  // the presented code is good and this client's
	failed     error // why a grant that had to be ended was not
}

// accessRow is an opaque access token; GrantID is "" when a client asked for itself.
type accessRow struct {
	Sig       []byte `db:"sig"`
	GrantID   string `db:"grant_id"`
	ClientID  string `db:"client_id"`
	Scope     string `db:"scope"`
	Audience  string `db:"audience"` // space-separated; "": this server's own resources
	JKT       string `db:"dpop_jkt"`
	IssuedAt  int64  `db:"issued_at"` // 0: not known
	ExpiresAt int64  `db:"expires_at"`
	Subject   string `db:"subject"`    // of its grant
	SessionID string `db:"session_id"` // likewise

	registered int64 // when the client was, Unix seconds
}

type unitKey struct{}

// begin returns a context with a new unit of work.
func (s *store) begin(ctx context.Context) (context.Context, *unit) {
	u := new(unit)
	return context.WithValue(s.db.Ahead(ctx), unitKey{}, u), u
}

// unitOf returns the unit of ctx; one that is thrown away where there is none.
func unitOf(ctx context.Context) *unit {
	if u, ok := ctx.Value(unitKey{}).(*unit); ok {
		return u
	}
	return new(unit)
}

// caller returns the client that authenticated at the token endpoint, nil elsewhere.
func caller(ctx context.Context) *Client {
	if ar, ok := ctx.Value(fosite.AccessRequestContextKey).(*fosite.AccessRequest); ok {
		if client, ok := ar.GetClient().(*Client); ok {
			return client
		}
	}
	return nil
}

// GetClient returns an enabled client. One that the request carries already is not read again.
func (s *store) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	client, err := s.client(ctx, id)
	if err != nil {
		return nil, err
	}
	return client, nil
}

// ClientAssertionJWTValid is never asked: see [Server.authenticate].
func (s *store) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }

// SetClientAssertionJWT is never asked either.
func (s *store) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

// load reads the grant id once per unit of work.
func (s *store) load(ctx context.Context, id string) (*grant, error) {
	u := unitOf(ctx)
	if u.grant != nil && u.grant.ID == id {
		return u.grant, nil
	}
	client := caller(ctx)
	g, err := s.grantOf(ctx, client, id)
	if err != nil {
		return nil, err
	}
	// Another client's code or token is unknown here: finding it used must not revoke what it gave to its owner.
	if client == nil || client.ID != g.ClientID {
		return nil, because(fosite.ErrNotFound, "", "the code or token is another client's")
	}
	// A scope that was taken from the client ends what was granted with it.
	client, err = s.judged(ctx, client, func(client *Client) error {
		for _, scope := range strings.Fields(g.Scope) {
			if !slices.Contains(client.Scopes, scope) {
				return because(fosite.ErrNotFound, "", "the client lost a scope of the grant")
			}
		}
		return nil
	})
	u.grant, u.client = g, client
	if err != nil {
		return nil, err
	}
	ctx.Value(fosite.AccessRequestContextKey).(*fosite.AccessRequest).Client = client // as it was judged
	return g, nil
}

// CreateAuthorizeCodeSession inserts the grant with its code.
func (s *store) CreateAuthorizeCodeSession(ctx context.Context, code string, ar fosite.Requester) error {
	sum := sha256.Sum256([]byte(code))
	return s.createGrant(ctx, ar, sum[:], s.now().Add(codeLife))
}

// createGrant inserts the grant of ar, whose code has this hash and is good until codeEnd.
func (s *store) createGrant(ctx context.Context, ar fosite.Requester, codeHash []byte, codeEnd time.Time) error {
	now := s.now()
	client, facts := ar.GetClient().(*Client), ar.GetSession().(*session)
	scopes := ar.GetGrantedScopes()
	g := &grant{
		ID: ar.GetID(), ClientID: client.ID, Subject: facts.subject, SessionID: facts.sessionID,
		Scope: strings.Join(scopes, " "), Offline: slices.Contains(scopes, "offline_access"),
		ACR: facts.acr, AMR: strings.Join(facts.amr, " "), AuthTime: facts.authTime, RequestedAt: facts.requestedAt,
		Claims: facts.claims.encode(), Audience: strings.Join(ar.GetGrantedAudience(), " "),
		CodeHash: codeHash, CodeExpiresAt: codeEnd.Unix(), CodeForm: keep(ar.GetRequestForm(), codeParameters).Encode(),
		CreatedAt: now.Unix(),
	}
	life := codeEnd.Sub(now) + client.AccessTokenLife.or(accessTokenLife)
	if client.refreshes(scopes) {
		life = max(life, client.RefreshTokenLife.or(refreshLife))
	}
	g.ExpiresAt = now.Add(life).Unix()
	return s.insertGrant(ctx, g, client)
}

// GetAuthorizeCodeSession returns the grant of a code: fosite.ErrNotFound when it is unknown, expired, revoked or another
// client's, fosite.ErrInvalidatedAuthorizeCode with the grant when it was used.
func (s *store) GetAuthorizeCodeSession(ctx context.Context, code string, into fosite.Session) (fosite.Requester, error) {
	id, _, ok := grantID(code, codeBytes)
	if !ok {
		return nil, because(fosite.ErrNotFound, "", "the code is none of ours")
	}
	g, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if !g.isCode(code) {
		return nil, because(fosite.ErrNotFound, "", "the code is none of ours")
	}
	request, err := g.requester(unitOf(ctx).client, into, true)
	if err != nil {
		return nil, err
	}
	switch {
	case g.CodeUsedAt.Valid:
		return request, fosite.ErrInvalidatedAuthorizeCode
	case !g.lives(s.now()) || s.now().Unix() >= g.CodeExpiresAt:
		return nil, because(fosite.ErrNotFound, "", "the code has expired, or its grant was revoked")
	}
	unitOf(ctx).redeemable = true
	return request, nil
}

// InvalidateAuthorizeCodeSession marks the code as used, at the flush.
func (s *store) InvalidateAuthorizeCodeSession(ctx context.Context, _ string) error {
	unitOf(ctx).redeem = true
	return nil
}

// CreatePKCERequestSession does nothing: the challenge lives and dies with the code's row.
func (s *store) CreatePKCERequestSession(context.Context, string, fosite.Requester) error { return nil }

// GetPKCERequestSession answers from the code's row, fosite.ErrNotFound when the code was asked for without a challenge.
func (s *store) GetPKCERequestSession(ctx context.Context, code string, into fosite.Session) (fosite.Requester, error) {
	request, err := s.GetAuthorizeCodeSession(ctx, code, into)
	if err != nil {
		return nil, err
	}
	if request.GetRequestForm().Get("code_challenge") == "" {
		return nil, fosite.ErrNotFound
	}
	return request, nil
}

// DeletePKCERequestSession does nothing: fosite calls it before it looks at the verifier, and a code would pass without
// one the second time.
func (s *store) DeletePKCERequestSession(context.Context, string) error { return nil }

// CreateOpenIDConnectSession does nothing; see CreatePKCERequestSession.
func (s *store) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetOpenIDConnectSession answers from the code's row, fosite.ErrNotFound when openid was not granted.
func (s *store) GetOpenIDConnectSession(ctx context.Context, code string, _ fosite.Requester) (fosite.Requester, error) {
	request, err := s.GetAuthorizeCodeSession(ctx, code, nil)
	if err != nil {
		return nil, fmt.Errorf("oauth: the code was there a moment ago: %v", err)
	}
	if !slices.Contains(request.GetGrantedScopes(), "openid") {
		return nil, fosite.ErrNotFound
	}
	return request, nil
}

// DeleteOpenIDConnectSession does nothing; see CreatePKCERequestSession.
func (s *store) DeleteOpenIDConnectSession(context.Context, string) error { return nil }

// GetRefreshTokenSession finds the grant of a refresh token by its generation: the current one and, for a short grace,
// the one before are good; an older one is reuse, and fosite then revokes the family.
func (s *store) GetRefreshTokenSession(ctx context.Context, token string, into fosite.Session) (fosite.Requester, error) {
	id, generation, mac, ok := parseRefresh(token)
	if !ok {
		return nil, because(fosite.ErrNotFound, "", "the refresh token is none of ours")
	}
	g, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if !s.isRefresh(g, generation, mac) {
		return nil, because(fosite.ErrNotFound, "", "the refresh token is none of ours")
	}
	now := s.now()
	if !g.lives(now) || now.Unix() >= g.RTExpiresAt {
		return nil, because(fosite.ErrNotFound, "", "the refresh token has expired, or its grant was revoked")
	}
	u := unitOf(ctx)
	request, err := g.requester(u.client, into, false)
	if err != nil {
		return nil, err
	}
	if generation < g.RTGen && !(generation == g.RTGen-1 && s.inGrace(g, now)) {
		return request, fosite.ErrInactiveToken
	}
	u.presented = generation
	return request, nil
}

func (s *store) inGrace(g *grant, now time.Time) bool {
	return now.Unix()-g.RTRotatedAt < int64(s.grace/time.Second)
}

// CreateRefreshTokenSession notes that the chain of refresh tokens begins or moves on; the token itself is not kept.
func (s *store) CreateRefreshTokenSession(ctx context.Context, _, _ string, request fosite.Requester) error {
	unitOf(ctx).idle = request.GetClient().(*Client).RefreshTokenIdle.or(refreshIdle)
	return nil
}

// RotateRefreshToken moves the chain on, at the flush. Within the grace it stays where it is.
func (s *store) RotateRefreshToken(ctx context.Context, _, _ string) error {
	u := unitOf(ctx)
	u.rotate = u.presented == u.grant.RTGen
	return nil
}

// DeleteRefreshTokenSession does nothing: there is no such row.
func (s *store) DeleteRefreshTokenSession(context.Context, string) error { return nil }

// RevokeRefreshToken ends the grant id at once: fosite calls it because a code or a refresh token was used again.
func (s *store) RevokeRefreshToken(ctx context.Context, id string) error {
	kind := EventRefreshReused
	if ar, ok := ctx.Value(fosite.AccessRequestContextKey).(fosite.AccessRequester); ok &&
		ar.GetGrantTypes().ExactOne("authorization_code") {
		kind = EventCodeReused
	}
	_, err := s.revokeGrant(ctx, id, kind)
	if err != nil {
		unitOf(ctx).failed = err // fosite tells a failure here as if all were well
	}
	return err
}

// RevokeAccessToken does the same: tokens die with their grant.
func (s *store) RevokeAccessToken(ctx context.Context, id string) error {
	return s.RevokeRefreshToken(ctx, id)
}

// CreateAccessTokenSession notes an opaque token for the flush; sig is "" for a JWT, which needs no row.
func (s *store) CreateAccessTokenSession(ctx context.Context, sig string, request fosite.Requester) error {
	if sig == "" {
		return nil
	}
	client, facts := request.GetClient().(*Client), request.GetSession().(*session)
	row := &accessRow{
		Sig: []byte(sig), GrantID: request.GetID(), ClientID: client.ID, JKT: facts.jkt,
		Scope:     strings.Join(request.GetGrantedScopes(), " "),
		Audience:  strings.Join(request.GetGrantedAudience(), " "),
		IssuedAt:  s.now().Unix(),
		ExpiresAt: s.now().Add(client.AccessTokenLife.or(accessTokenLife)).Unix(), registered: client.CreatedAt.Unix(),
	}
	if facts.machine {
		row.GrantID = ""
	}
	unitOf(ctx).access = row
	return nil
}

// GetAccessTokenSession is never asked: see [Server.access].
func (s *store) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}

// DeleteAccessTokenSession does nothing: access tokens end with their grant.
func (s *store) DeleteAccessTokenSession(context.Context, string) error { return nil }
