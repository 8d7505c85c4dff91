package oauth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/focushq/idp/internal/throttle"
	"github.com/ory/fosite"
)

// What strangers may have us keep: anybody may send a browser here or speak for a public client. A network may have
// hundreds of people behind it, so that these are for floods and not for people.
const (
	admitWindow       = 10 * time.Minute
	requestsOfNetwork = 600    // suspended requests
	pushedOfNetwork   = 600    // pushed by public clients
	keptOfNetwork     = 600    // of the host's, of each kind
	devicesOfNetwork  = 200    // asked for by public clients
	devicesOfClient   = 10_000 // whoever asks in its name

	pruneSoon = 5 * time.Minute // after its end; clocks differ

	maxForm  = 8 << 10 // of the parameters that are kept, as they are stored
	maxState = 2 << 10
	maxNonce = 512
)

// bounded refuses parameters that are more than is kept of a request. What only passes through, such as an
// id_token_hint, is not among them.
func bounded(kept url.Values) error {
	switch {
	case len(kept.Get("state")) > maxState:
		return fault(fosite.ErrInvalidRequest, "state", "The state must not be longer than 2048 bytes.")
	case len(kept.Get("nonce")) > maxNonce:
		return fault(fosite.ErrInvalidRequest, "nonce", "The nonce must not be longer than 512 bytes.")
	case len(kept.Encode()) > maxForm:
		return fault(fosite.ErrInvalidRequest, "", "The parameters must not be longer than 8192 bytes together, form-encoded.")
	}
	return nil
}

// Admit counts what the host is about to keep for a stranger beside ours, by a name of the host's and the stranger's
// address: 600 in ten minutes for a network. A [*throttle.Error] says that there are that many.
func (s *Server) Admit(ctx context.Context, what, address string) error {
	return s.admitNetwork(ctx, "host/"+what, address, keptOfNetwork)
}

// admitNetwork is admit for the network of an IP address.
func (s *Server) admitNetwork(ctx context.Context, what, address string, most int) error {
	return s.admit(ctx, what+"/"+throttle.NetworkKey(address, s.cfg.Now()), most)
}

// admit counts something that is about to be kept for key, of which there may be so many in ten minutes; a
// [*throttle.Error] says that there are. Being refused writes nothing, so that a flood costs one row.
func (s *Server) admit(ctx context.Context, key string, most int) error {
	key, end := s.window(key)
	rows, err := s.cfg.DB.Exec(ctx, `INSERT INTO oauth_device_attempts (key, n, until) VALUES ($1, 1, $2)
		ON CONFLICT (key) DO UPDATE SET n = oauth_device_attempts.n + 1 WHERE oauth_device_attempts.n < $3`,
		key, end.Unix(), most)
	if err != nil {
		return unavailable(err)
	}
	if rows == 0 {
		return &throttle.Error{Until: end}
	}
	return nil
}

// window returns the name of key's count in these ten minutes, and when they end.
func (s *Server) window(key string) (string, time.Time) {
	end := s.cfg.Now().Truncate(admitWindow).Add(admitWindow)
	return fmt.Sprintf("%s/%d", key, end.Unix()), end
}

// address returns where r comes from.
func (s *Server) address(r *http.Request) string {
	if s.cfg.Address != nil {
		return s.cfg.Address(r)
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
