package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/ory/fosite"
)

// grant is a row of oauth_grants: one authorization with its code and its chain of refresh tokens.
type grant struct {
	ID            string        `db:"id"`
	ClientID      string        `db:"client_id"`
	Subject       string        `db:"subject"`
	SessionID     string        `db:"session_id"`
	Scope         string        `db:"scope"`
	Offline       bool          `db:"offline"`
	ACR           string        `db:"acr"`
	AMR           string        `db:"amr"`
	AuthTime      int64         `db:"auth_time"`
	RequestedAt   int64         `db:"requested_at"`
	Claims        string        `db:"claims"`
	Audience      string        `db:"audience"` // space-separated; "": this server's own resources
	DPoPKey       string        `db:"dpop_jkt"` // thumbprint of the key that refresh tokens are for; "": anybody's
	CodeHash      []byte        `db:"code_hash"`
	CodeExpiresAt int64         `db:"code_expires_at"`
	CodeUsedAt    sql.NullInt64 `db:"code_used_at"`
	CodeForm      string        `db:"code_form"`
	RTGen         int64         `db:"rt_gen"`
	RTSeed        []byte        `db:"rt_seed"`
	RTRotatedAt   int64         `db:"rt_rotated_at"`
	RTExpiresAt   int64         `db:"rt_expires_at"`
	CreatedAt     int64         `db:"created_at"`
	ExpiresAt     int64         `db:"expires_at"`
	RevokedAt     sql.NullInt64 `db:"revoked_at"`
}

const grantColumns = `id, client_id, subject, session_id, scope, offline, acr, amr, auth_time, requested_at, claims,
	audience, dpop_jkt, code_hash, code_expires_at, code_used_at, code_form, rt_gen, rt_seed, rt_rotated_at, rt_expires_at,
	created_at, expires_at, revoked_at`

// codeParameters are the parameters of the authorization request that a code keeps. Without redirect_uri in it fosite
// would not compare the redirect URI at the token endpoint.
var codeParameters = []string{
	"redirect_uri", "code_challenge", "code_challenge_method", "nonce", "max_age", "prompt", "acr_values", "dpop_jkt",
}

// grantID returns the id that a presented code or refresh token of n bytes begins with.
func grantID(token string, n int) (id string, raw []byte, ok bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(n) {
		return "", nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return "", nil, false
	}
	return base64.RawURLEncoding.EncodeToString(raw[:grantIDBytes]), raw, true
}

const (
	grantIDBytes = 16
	codeBytes    = grantIDBytes + 32
	refreshBytes = grantIDBytes + 4 + sha256.Size
)

// isCode reports whether code is the one of this grant.
func (g *grant) isCode(code string) bool {
	sum := sha256.Sum256([]byte(code))
	return subtle.ConstantTimeCompare(sum[:], g.CodeHash) == 1
}

// lives reports whether the grant is good at now.
func (g *grant) lives(now time.Time) bool { return !g.RevokedAt.Valid && now.Unix() < g.ExpiresAt }

// fill hydrates s from the row.
func (g *grant) fill(s *session) error {
	claims, err := decodeClaims(g.Claims)
	if err != nil {
		return err
	}
	s.subject, s.sessionID, s.acr, s.amr = g.Subject, g.SessionID, g.ACR, strings.Fields(g.AMR)
	s.authTime, s.requestedAt, s.claims = g.AuthTime, g.RequestedAt, claims
	s.oidc.Subject = g.Subject
	return nil
}

// requester returns the grant as fosite wants it, hydrating into session when there is one.
func (g *grant) requester(client fosite.Client, into fosite.Session, withForm bool) (*fosite.Request, error) {
	s, ok := into.(*session)
	if !ok {
		s = new(session)
	}
	if err := g.fill(s); err != nil {
		return nil, err
	}
	form := url.Values{}
	s.nonce, s.bound = "", g.DPoPKey
	if withForm {
		var err error
		if form, err = url.ParseQuery(g.CodeForm); err != nil {
			return nil, err
		}
		s.nonce, s.bound = form.Get("nonce"), form.Get("dpop_jkt")
	}
	scopes := strings.Fields(g.Scope)
	return &fosite.Request{
		ID: g.ID, RequestedAt: time.Unix(g.CreatedAt, 0), Client: client, Form: form, Session: s,
		RequestedScope: scopes, GrantedScope: scopes,
	}, nil
}

// refreshToken parses a refresh token: base64url(grant id ‖ generation ‖ MAC).
func parseRefresh(token string) (id string, generation int64, mac []byte, ok bool) {
	id, raw, ok := grantID(token, refreshBytes)
	if !ok {
		return "", 0, nil, false
	}
	return id, int64(binary.BigEndian.Uint32(raw[grantIDBytes:])), raw[grantIDBytes+4:], true
}

const selectGrant = `SELECT ` + grantColumns + ` FROM oauth_grants WHERE id = $1`

// grant reads the grant id; fosite.ErrNotFound when there is none.
func (s *store) grant(ctx context.Context, id string) (*grant, error) { return s.grantOf(ctx, nil, id) }

// grantOf is grant which reads ahead what the grant stands on, when client is who has it.
func (s *store) grantOf(ctx context.Context, client *Client, id string) (*grant, error) {
	var g grant
	err := s.db.GetAhead(ctx, &g, s.lookups(client), selectGrant, id)
	if dbx.IsNotFound(err) {
		return nil, because(fosite.ErrNotFound, "", "there is no such grant, or it ended long ago")
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return &g, nil
}

// lookups are what the host will ask about a grant of client.
func (s *store) lookups(client *Client) []dbx.Lookup {
	if client == nil || s.ahead == nil {
		return nil
	}
	return s.ahead(client)
}

// tokenLookups are what follows on reading an opaque access token: its grant, and what the host will ask about that.
func (s *store) tokenLookups() []dbx.Lookup {
	lookups := []dbx.Lookup{{Query: selectGrant, Args: []dbx.Arg{dbx.Of("grant_id")}}}
	if s.ahead != nil {
		lookups = append(lookups, s.ahead(nil)...)
	}
	return lookups
}

// insertGrant stores a grant of client. Deleting a client ends its grants, so none is made for one that is gone, however
// recently it was read: who registers its id anew must not find it.
func (s *store) insertGrant(ctx context.Context, g *grant, client *Client) error {
	rows, err := s.db.Exec(ctx, `INSERT INTO oauth_grants (id, client_id, subject, session_id, scope, offline, acr, amr,
		auth_time, requested_at, claims, audience, code_hash, code_expires_at, code_form, created_at, expires_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17
		WHERE EXISTS (SELECT 1 FROM oauth_clients WHERE id = $2 AND created_at = $18)`,
		g.ID, g.ClientID, g.Subject, g.SessionID, g.Scope, g.Offline, g.ACR, g.AMR, g.AuthTime, g.RequestedAt, g.Claims,
		g.Audience, g.CodeHash, g.CodeExpiresAt, g.CodeForm, g.CreatedAt, g.ExpiresAt, client.CreatedAt.Unix())
	if err == nil && rows == 0 {
		return errClientGone
	}
	return unavailable(err)
}

// revokeGrant ends the grant id with all its tokens; kind says why. It reports whether it was the one to do so.
func (s *store) revokeGrant(ctx context.Context, id, kind string) (bool, error) {
	var ended bool
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		var g grant
		err := s.db.Get(ctx, &g, `UPDATE oauth_grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL
			RETURNING `+grantColumns, id, s.now().Unix())
		if ended = err == nil; dbx.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return unavailable(err)
		}
		return s.audit(ctx, Event{Kind: kind, Subject: g.Subject, Client: g.ClientID, Session: g.SessionID, Grant: id})
	})
	return ended && err == nil, unavailable(err)
}

// revokeGrants ends all living grants that where selects.
func (s *store) revokeGrants(ctx context.Context, event Event, where string, args ...any) error {
	event.Kind = EventGrantsRevoked
	return unavailable(s.db.InTx(ctx, func(ctx context.Context) error {
		rows, err := s.db.Exec(ctx, `UPDATE oauth_grants SET revoked_at = $1 WHERE revoked_at IS NULL AND `+where,
			append([]any{s.now().Unix()}, args...)...)
		if err != nil || rows == 0 {
			return unavailable(err)
		}
		return s.audit(ctx, event)
	}))
}

// RevokeSubject ends everything that was ever granted for subject. Its access tokens are refused from now on by this
// server; others notice when the token expires.
func (s *Server) RevokeSubject(ctx context.Context, subject string) error {
	return s.store.revokeGrants(ctx, Event{Subject: subject}, `subject = $2`, subject)
}

// Connection is a client that holds a refresh token of a person's.
type Connection struct {
	Client string
	Since  time.Time // of the oldest grant that is still good
}

// Connections returns the clients that hold refresh tokens of subject, by id, whether or not anybody was asked about them.
// What [Server.RevokeClient] ends is no longer there.
func (s *Server) Connections(ctx context.Context, subject string) ([]Connection, error) {
	var rows []struct {
		Client string `db:"client_id"`
		Since  int64  `db:"since"`
	}
	err := s.cfg.DB.Select(ctx, &rows, `
		SELECT client_id, min(created_at) AS since FROM oauth_grants
		WHERE subject = $1 AND revoked_at IS NULL AND rt_expires_at > $2 AND expires_at > $2
		GROUP BY client_id ORDER BY client_id`, subject, s.cfg.Now().Unix())
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]Connection, len(rows))
	for i, r := range rows {
		out[i] = Connection{Client: r.Client, Since: time.Unix(r.Since, 0)}
	}
	return out, nil
}

// RevokeClient ends what subject granted to client: "disconnect this application".
func (s *Server) RevokeClient(ctx context.Context, subject, client string) error {
	return s.store.revokeGrants(ctx, Event{Subject: subject, Client: client},
		`subject = $2 AND client_id = $3`, subject, client)
}

// RevokeSession ends what was granted in the browser session sid, but for grants of offline_access, which outlive it, and
// makes the session's clients due to be told by [Server.Notify]. It takes part in the caller's transaction.
func (s *Server) RevokeSession(ctx context.Context, sid string) error {
	if sid == "" {
		return nil
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		err := s.store.revokeGrants(ctx, Event{Session: sid}, `session_id = $2 AND NOT offline`, sid)
		if err != nil {
			return err
		}
		return s.queueNotices(ctx, sid)
	})
}

// RevokeClientSession is [Server.RevokeSession] for one client: "sign out of this app".
func (s *Server) RevokeClientSession(ctx context.Context, client, sid string) error {
	return s.store.revokeGrants(ctx, Event{Session: sid, Client: client},
		`session_id = $2 AND client_id = $3 AND NOT offline`, sid, client)
}

// Prune deletes what has ended, in batches, so that no replica waits long for another. Ended things stay for an hour:
// clocks differ, and a code that is used again must still be known. What strangers fill stays for minutes.
func (s *Server) Prune(ctx context.Context) error {
	if err := s.clients.buryAll(ctx); err != nil {
		return err
	}
	if err := s.clients.pruneProblems(ctx); err != nil {
		return err
	}
	soon := s.cfg.Now().Add(-pruneSoon).Unix()
	for _, p := range []struct{ table, by, where string }{
		{"oauth_requests", "expires_at", "expires_at < $1"},
		{"oauth_pushed", "expires_at", // one that waits for a person uses it up when it is answered
			"expires_at < $1 AND NOT EXISTS (SELECT 1 FROM oauth_requests WHERE pushed_hash = uri_hash)"},
		{"oauth_proofs", "expires_at", "expires_at < $1"},
	} {
		if err := s.cfg.DB.Prune(ctx, p.table, p.by, p.where, soon); err != nil {
			return err
		}
	}
	for _, p := range []struct{ table, by, where string }{
		{"oauth_devices", "expires_at", "expires_at < $1"},
		{"oauth_device_attempts", "until", "until < $1"},
		{"oauth_access", "expires_at", "expires_at < $1"},
		{"oauth_jti", "expires_at", "expires_at < $1"},
		{"oauth_registration_tokens", "expires_at", "expires_at < $1"},
		{"oauth_revoked", "expires_at", "expires_at < $1"},
		{"oauth_logins", "expires_at", "expires_at < $1"},
		{"oauth_keys", "retired_at", "retired_at > 0 AND retired_at + 31536000 < $1"}, // keyHints; there are few
		{"oauth_grants", "expires_at", "expires_at < $1"},
		{"oauth_grants", "code_expires_at", "code_used_at IS NULL AND code_expires_at < $1"},
		{"oauth_grants", "revoked_at", "revoked_at < $1"}, // nobody needs to tell it from one that is not there any more
	} {
		if err := s.cfg.DB.Prune(ctx, p.table, p.by, p.where, s.cfg.Now().Add(-time.Hour).Unix()); err != nil {
			return err
		}
	}
	return nil
}
