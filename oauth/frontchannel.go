package oauth

import (
	"context"
	"errors"
	"net/url"
)

// LogoutFrames returns the addresses that a page must load in frames to tell the clients of the session sid, by way of
// the browser, that it has ended (OpenID Connect Front-Channel Logout 1.0 section 3). It must be asked before the session
// ends: [Server.RevokeSession] leaves what is to be told by the back channel.
func (s *Server) LogoutFrames(ctx context.Context, sid string) ([]string, error) {
	var ids []string
	err := s.cfg.DB.Select(ctx, &ids, `SELECT client_id FROM oauth_logins WHERE session_id = $1 AND due_at = 0
		ORDER BY client_id`, sid)
	if err != nil {
		return nil, unavailable(err)
	}
	var frames []string
	for _, id := range ids {
		client, err := s.clients.Get(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && client.FrontchannelLogoutURI == "" {
			continue
		}
		if err != nil {
			return nil, unavailable(err)
		}
		frames = append(frames, appendQuery(client.FrontchannelLogoutURI, url.Values{"iss": {s.cfg.Issuer}, "sid": {sid}}))
	}
	return frames, nil
}
