package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/focushq/idp/internal/throttle"
)

// How many wrong secrets of clients are looked at in ten minutes. A client's are counted per network: else
// anybody could lock an app out, by failing in its name.
const (
	failuresOfClient  = 20
	failuresOfNetwork = 200
	maxFailing        = 10_000 // networks that a process remembers
)

// failing remembers which networks failed authentications came from in this window of time, as far as this process has
// seen them. It only saves questions: who is not in it has not failed here, and the table says how often others have.
type failing struct {
	mu       sync.Mutex
	end      time.Time // of the window
	networks map[string]bool
}

// holds reports whether the table has to be asked about network.
func (f *failing) holds(network string, end time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end.Equal(end) && (f.networks[network] || len(f.networks) >= maxFailing)
}

func (f *failing) add(network string, end time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.end.Equal(end) {
		f.end, f.networks = end, map[string]bool{}
	}
	if len(f.networks) < maxFailing {
		f.networks[network] = true
	}
}

// limited authenticates the client that r says it is, by id, unless too many tried that and failed: a [*throttle.Error]
// says that nothing was looked at. A failure is counted before it is answered and not before it is looked at: a busy
// client has many good requests under way, which would count as guesses until each of them has ended.
func (s *Server) limited(ctx context.Context, r *http.Request, id string, authenticate func() (*Client, error)) (*Client, error) {
	sum := sha256.Sum256([]byte(id)) // whatever was sent for an id: it need not be one
	network := "client/" + throttle.NetworkKey(s.address(r), s.cfg.Now())
	one := network + "/" + base64.RawURLEncoding.EncodeToString(sum[:12])
	_, end := s.window("")
	if s.failing.holds(network, end) {
		if err := s.room(ctx, network, one); err != nil {
			return nil, err
		}
	}
	client, err := authenticate()
	if p, _ := problemOf(err); err == nil || p.Code != "invalid_client" {
		return client, err
	}
	s.failing.add(network, end)
	for _, count := range []struct {
		key  string
		most int
	}{{one, failuresOfClient}, {network, failuresOfNetwork}} {
		if e := s.admit(ctx, count.key, count.most); e != nil {
			return nil, e
		}
	}
	return nil, because(err, id, "")
}

// room returns a [*throttle.Error] when network, or this one client from there, has failed too often.
func (s *Server) room(ctx context.Context, network, one string) error {
	network, end := s.window(network)
	one, _ = s.window(one)
	var full int
	err := s.cfg.DB.Get(ctx, &full, `SELECT COUNT(*) FROM oauth_device_attempts
		WHERE key = $1 AND n >= $2 OR key = $3 AND n >= $4`, network, failuresOfNetwork, one, failuresOfClient)
	if err == nil && full > 0 {
		return &throttle.Error{Until: end}
	}
	return unavailable(err)
}
