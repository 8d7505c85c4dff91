package oauth

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"
)

// Placeholder stands in a [Preview] for what only a real sign-in has: the ids of the token, the session and the key, and the
// hash of the access token.
const Placeholder = "…"

// Situation is how somebody has signed in, as tokens tell it (RFC 8176; package mfa knows which there are).
type Situation struct {
	AMR []string
	ACR string
}

// Preview is what a client would get. Durations are those of the client's settings, or of the defaults.
type Preview struct {
	Granted []string `json:"granted"`           // scopes, if the person allows all
	Ignored []string `json:"ignored,omitempty"` // scopes that were asked for and the client may not have

	IDToken     map[string]any `json:"id_token,omitempty"`     // nil: none, without the scope openid or without a person
	AccessToken map[string]any `json:"access_token,omitempty"` // what a JWT says; of an opaque token, what introspection says
	Opaque      bool           `json:"opaque,omitempty"`
	Userinfo    map[string]any `json:"userinfo,omitempty"` // nil: refused, without the scope openid or without a person
	UserinfoAlg string         `json:"userinfo_signed_response_alg,omitempty"`

	CodeLife         time.Duration `json:"-"` // 0: there is no person, or no browser
	AccessTokenLife  time.Duration `json:"-"`
	IDTokenLife      time.Duration `json:"-"` // 0: there is none
	RefreshToken     bool          `json:"refresh_token"`
	RefreshTokenIdle time.Duration `json:"-"` // since its last use; 0: there is none
	RefreshTokenLife time.Duration `json:"-"` // since the sign-in
}

// Preview returns what the client id would get for subject who signs in now, in that situation, and allows all of the scopes.
// With subject "" it is what the client gets for itself (RFC 6749 section 4.4). It is made by the code that makes the tokens;
// nothing is stored or signed, and it cannot be used. Nobody is asked whether that person could sign in there at all. Errors
// are [ErrNotFound] of the client, an [*InvalidError] (grant_types: it has nobody sign in, or nothing for itself; scopes: none
// of them is for it) and those of [Config.Claims].
func (s *Server) Preview(ctx context.Context, clientID, subject string, scopes []string, in Situation) (Preview, error) {
	client, err := s.clients.Get(ctx, clientID)
	if err != nil {
		return Preview{}, err
	}
	p, facts := Preview{UserinfoAlg: client.UserinfoAlg}, &session{subject: subject, acr: in.ACR, amr: in.AMR, sessionID: Placeholder}
	code := slices.Contains(client.GrantTypes, "authorization_code")
	switch {
	case subject == "" && (client.IsPublic() || !slices.Contains(client.GrantTypes, "client_credentials")):
		return p, &InvalidError{"grant_types", "the client has nothing for itself"}
	case subject == "":
		facts = &session{subject: client.ID, machine: true}
		if p.Granted, err = client.ownScopes(scopes); err != nil {
			return p, &InvalidError{"scopes", "not one of the client's own"}
		}
	case !code && !slices.Contains(client.GrantTypes, deviceGrant):
		return p, &InvalidError{"grant_types", "nobody signs in with this client"}
	default:
		p.Granted = strings.Fields(understood(strings.Join(scopes, " "), client))
		if len(p.Granted) == 0 {
			return p, &InvalidError{"scopes", "none that the client may ask for"}
		}
	}
	p.Ignored = slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return slices.Contains(p.Granted, scope) })
	if client.DPoPBound {
		facts.jkt = Placeholder
	}
	now := s.cfg.Now()
	facts.authTime, facts.requestedAt = now.Unix(), now.Unix()
	return p, s.foresee(ctx, &p, client, facts, code)
}

// foresee fills p with what client gets by the sign-in of facts.
func (s *Server) foresee(ctx context.Context, p *Preview, client *Client, facts *session, code bool) error {
	ar := fosite.NewAccessRequest(facts)
	ar.Client, ar.ID = client, randomText(grantIDBytes)
	for _, scope := range p.Granted {
		ar.GrantScope(scope)
	}
	if err := s.target(ar, client, nil); err != nil {
		return err
	}
	p.AccessTokenLife = client.AccessTokenLife.or(accessTokenLife)
	p.AccessToken = s.accessClaims(ar)
	p.AccessToken["jti"] = Placeholder
	if p.Opaque = client.AccessToken == "opaque"; p.Opaque {
		p.AccessToken = s.foreseeIntrospection(ar, p)
	}
	if facts.machine {
		return nil
	}
	if code {
		p.CodeLife = codeLife
	}
	if p.RefreshToken = client.refreshes(p.Granted); p.RefreshToken {
		p.RefreshTokenIdle, p.RefreshTokenLife = client.RefreshTokenIdle.or(refreshIdle), client.RefreshTokenLife.or(refreshLife)
	}
	if !slices.Contains(p.Granted, "openid") {
		return nil
	}
	p.IDTokenLife = client.IDTokenLife.or(idTokenLife)
	var err error
	if p.IDToken, err = s.idClaims(ctx, p.IDTokenLife, ar); err != nil {
		return err
	}
	p.IDToken["at_hash"] = Placeholder
	p.Userinfo, err = s.userClaims(ctx, client, facts.subject, p.Granted, nil)
	return err
}

// foreseeIntrospection returns what introspection would say of an opaque token.
func (s *Server) foreseeIntrospection(ar *fosite.AccessRequest, p *Preview) map[string]any {
	facts, now := ar.GetSession().(*session), s.cfg.Now()
	a := &access{
		clientID: ar.Client.GetID(), scopes: p.Granted, audience: ar.GetGrantedAudience(), jkt: facts.jkt,
		issued: now.Unix(), expiry: now.Add(p.AccessTokenLife).Unix(), jti: Placeholder,
	}
	if !facts.machine {
		a.grant = &grant{
			Subject: facts.subject, SessionID: facts.sessionID, ACR: facts.acr, AMR: strings.Join(facts.amr, " "), AuthTime: facts.authTime,
		}
	}
	return s.about(a)
}
