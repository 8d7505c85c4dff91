package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/ory/fosite"
)

// strategy makes codes and tokens for fosite. A code's or refresh token's "signature" is the whole value: the store
// parses it and never keeps it. The Validate methods have nothing left to check.
type strategy struct {
	server *Server
}

// AuthorizeCodeSignature returns code.
func (strategy) AuthorizeCodeSignature(_ context.Context, code string) string { return code }

// GenerateAuthorizeCode returns base64url(grant id ‖ 32 random bytes).
func (strategy) GenerateAuthorizeCode(_ context.Context, ar fosite.Requester) (string, string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(ar.GetID())
	if err != nil {
		return "", "", err
	}
	random := make([]byte, codeBytes-grantIDBytes)
	rand.Read(random) // never fails (crypto/rand)
	code := base64.RawURLEncoding.EncodeToString(append(raw, random...))
	return code, code, nil
}

// ValidateAuthorizeCode has nothing to do: the store knows when a code ends.
func (strategy) ValidateAuthorizeCode(context.Context, fosite.Requester, string) error { return nil }

// RefreshTokenSignature returns token.
func (strategy) RefreshTokenSignature(_ context.Context, token string) string { return token }

// GenerateRefreshToken returns the first token of a chain, the next one, or within the grace the one that was given
// already.
func (t strategy) GenerateRefreshToken(ctx context.Context, request fosite.Requester) (string, string, error) {
	u := unitOf(ctx)
	generation := int64(1)
	seed := u.seed
	if u.presented > 0 {
		generation, seed = u.presented+1, u.grant.RTSeed
	} else if seed == nil {
		seed = make([]byte, 16)
		rand.Read(seed) // never fails (crypto/rand)
		u.seed = seed
	}
	token, err := t.server.store.refreshToken(request.GetID(), generation, seed)
	return token, token, err
}

// ValidateRefreshToken has nothing to do: the store knows when a refresh token ends.
func (strategy) ValidateRefreshToken(context.Context, fosite.Requester, string) error { return nil }

// AccessTokenSignature returns the key of an opaque token's row, "" for a JWT.
func (strategy) AccessTokenSignature(_ context.Context, token string) string {
	if strings.Contains(token, ".") {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return string(sum[:])
}

// machineToken begins the jti of a token that a client has for itself, where others name their grant.
const machineToken = "c."

// GenerateAccessToken returns a JWT (RFC 9068) or an opaque token, as the client wants it.
func (t strategy) GenerateAccessToken(ctx context.Context, request fosite.Requester) (string, string, error) {
	client := request.GetClient().(*Client)
	if client.AccessToken == "opaque" {
		token := randomText(32)
		return token, t.AccessTokenSignature(ctx, token), nil
	}
	token, err := t.server.keys.sign(ctx, accessTokenAlg(client), typAccess, t.server.accessClaims(request))
	return token, "", err
}

// accessClaims returns what a JWT access token for request says (RFC 9068 section 2.2).
func (s *Server) accessClaims(request fosite.Requester) map[string]any {
	client, facts := request.GetClient().(*Client), request.GetSession().(*session)
	now := s.cfg.Now()
	audience := request.GetGrantedAudience()
	claims := map[string]any{
		"iss": s.cfg.Issuer, "sub": facts.subject, "aud": audience, "client_id": client.ID,
		"iat": now.Unix(), "exp": now.Add(client.AccessTokenLife.or(accessTokenLife)).Unix(),
	}
	if scopes := request.GetGrantedScopes(); len(scopes) > 0 {
		claims["scope"] = strings.Join(scopes, " ")
	}
	if len(audience) == 1 {
		claims["aud"] = audience[0]
	}
	if facts.jkt != "" {
		claims["cnf"] = map[string]string{"jkt": facts.jkt} // RFC 9449 section 6.1
	}
	if facts.machine {
		claims["jti"] = machineToken + randomText(12)
	} else {
		claims["jti"] = request.GetID() + "." + randomText(12) // names its grant: see Server.access
		claims["acr"], claims["amr"], claims["auth_time"] = facts.acr, facts.amr, facts.authTime
	}
	if facts.sessionID != "" {
		claims["sid"] = facts.sessionID
	}
	return claims
}

// ValidateAccessToken is never asked: see [Server.access].
func (strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return fosite.ErrTokenSignatureMismatch
}

// accessTokenAlg signs a client's access tokens by the algorithm of its ID tokens: its libraries know that one.
func accessTokenAlg(client *Client) string { return client.IDTokenAlg }

// refreshToken returns base64url(grant id ‖ generation ‖ MAC). It needs the key and the seed in the row to be forged,
// and is the same whenever it is computed.
func (s *store) refreshToken(id string, generation int64, seed []byte) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return "", err
	}
	raw = binary.BigEndian.AppendUint32(raw, uint32(generation))
	return base64.RawURLEncoding.EncodeToString(append(raw, s.refreshMAC(id, generation, seed)...)), nil
}

// isRefresh reports whether a refresh token of this generation and MAC was given for the grant g, however long ago.
func (s *store) isRefresh(g *grant, generation int64, mac []byte) bool {
	return g.RTGen > 0 && generation <= g.RTGen && hmac.Equal(mac, s.refreshMAC(g.ID, generation, g.RTSeed))
}

func (s *store) refreshMAC(id string, generation int64, seed []byte) []byte {
	mac := hmac.New(sha256.New, s.refreshKey)
	mac.Write([]byte(id))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(generation)))
	mac.Write(seed)
	return mac.Sum(nil)
}
