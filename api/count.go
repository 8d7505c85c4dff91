package api

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/throttle"
)

// window is the span of time in which calls are counted.
const window = time.Minute

// count counts a call of the actor, on all replicas together, and refuses it where there were too many in this minute. It
// says so in each answer's headers (draft-ietf-httpapi-ratelimit-headers).
func (s *Server) count(w http.ResponseWriter, r *http.Request, c *call) *Problem {
	now := s.cfg.Now()
	end := now.Truncate(window).Add(window)
	sum := sha256.Sum256([]byte(c.name()))
	key := base64.RawURLEncoding.EncodeToString(sum[:16]) + "/" + strconv.FormatInt(end.Unix(), 10)
	n, err := s.countCall(r, key, end)
	if err != nil {
		return s.problem(r.Context(), c, err)
	}
	policy := throttle.Policy{Waits: []throttle.Wait{{From: s.cfg.PerMinute, For: end.Sub(now)}}}
	wait := int(end.Sub(now)/time.Second) + 1
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"calls";q=%d;w=%d`, s.cfg.PerMinute, int(window/time.Second)))
	w.Header().Set("RateLimit", fmt.Sprintf(`"calls";r=%d;t=%d`, policy.Left(n), wait))
	// n counts this call too: the one that reaches the limit is the last that is answered.
	if refused := policy.Refuses(n-1, now.Add(policy.After(n-1)), 1, now); refused != nil {
		return problem(tooMany, fmt.Sprintf("There may be %d calls a minute.", s.cfg.PerMinute)).retry(wait)
	}
	return nil
}

// countCall adds one to key's calls and returns how many there are. One that is refused is not written, so that a flood of them
// costs no more than looking.
func (s *Server) countCall(r *http.Request, key string, end time.Time) (n int, err error) {
	err = s.cfg.DB.Get(r.Context(), &n, `INSERT INTO api_calls (key, n, until) VALUES ($1, 1, $2)
		ON CONFLICT (key) DO UPDATE SET n = api_calls.n + 1 WHERE api_calls.n < $3 RETURNING n`, key, end.Unix(), s.cfg.PerMinute)
	if dbx.IsNotFound(err) { // it stands at the limit
		return s.cfg.PerMinute + 1, nil
	}
	return n, err
}
