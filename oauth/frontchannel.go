package oauth

import (
	"context"
	"net/url"
)

// LogoutFrames returns the addresses that a page must load in frames to tell the clients of the session sid, by way of
// the browser, that it has ended (OpenID Connect Front-Channel Logout 1.0 section 3). It must be asked before the session
// ends: [Server.RevokeSession] leaves what is to be told by the back channel.
func (s *Server) LogoutFrames(ctx context.Context, sid string) ([]string, error) {
	var rows []clientRow
	err := s.cfg.DB.Select(ctx, &rows, `SELECT `+clientColumns+` FROM oauth_clients
		WHERE id IN (SELECT client_id FROM oauth_logins WHERE session_id = $1 AND due_at = 0) ORDER BY id`, sid)
	if err != nil {
		return nil, unavailable(err)
	}
	var frames []string
	for _, row := range rows {
		client, err := s.clients.client(row)
		if err != nil {
			return nil, err
		}
		if client.FrontchannelLogoutURI != "" {
			frames = append(frames, appendQuery(client.FrontchannelLogoutURI, url.Values{"iss": {s.cfg.Issuer}, "sid": {sid}}))
		}
	}
	return frames, nil
}
