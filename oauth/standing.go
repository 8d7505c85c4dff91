package oauth

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Standing is what a grant stands on: [Config.Alive] says whether it still does.
type Standing struct {
	Subject   string
	SessionID string // the browser session that the grant ends with; "": it outlives its session
	Client    *Client
	Scopes    []string // all that were granted, whatever this request asks for
	ACR       string
	AMR       []string  // RFC 8176
	AuthTime  time.Time // in seconds
	Looking   bool      // somebody looks at what the grant gave, and nothing may be changed by that
}

// use is what a grant is asked for.
type use int

const (
	looking    use = iota // what a token of it says; nothing may be changed by that
	refreshing            // tokens, by a refresh token
	redeeming             // tokens, by a code
)

// stands says whether the grant g of client may still give anything: the client must still be allowed to have it, and
// the host is asked for the person. [ErrEnded] says that it may not. A code belongs to its session; what offline_access
// gave outlives it.
func (s *Server) stands(ctx context.Context, client *Client, g *grant, what use) error {
	_, err := s.store.judged(ctx, client, func(client *Client) error { return s.standsWith(ctx, client, g, what) })
	return err
}

func (s *Server) standsWith(ctx context.Context, client *Client, g *grant, what use) error {
	if !s.permits(client, strings.Fields(g.Scope), strings.Fields(g.Audience)) {
		return ErrEnded
	}
	if s.cfg.Alive == nil {
		return nil
	}
	sessionID := g.SessionID
	if g.Offline && what != redeeming {
		sessionID = ""
	}
	return unavailableUnlessRefused(s.cfg.Alive(withClient(ctx, client), Standing{
		Subject: g.Subject, SessionID: sessionID, Client: client, Scopes: strings.Fields(g.Scope),
		ACR: g.ACR, AMR: strings.Fields(g.AMR), AuthTime: time.Unix(g.AuthTime, 0), Looking: what == looking,
	}))
}

// permits reports whether client is still one for all of these scopes and resources.
func (s *Server) permits(client *Client, scopes, resources []string) bool {
	for _, scope := range scopes {
		if !slices.Contains(client.Scopes, scope) {
			return false
		}
	}
	for _, resource := range resources {
		if !s.own(resource) && !slices.Contains(client.Resources, resource) {
			return false
		}
	}
	return true
}
