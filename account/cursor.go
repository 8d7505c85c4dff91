package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	sealed "github.com/focushq/idp/internal/cursor"
)

// ErrCursor says that a cursor is not one of ours, or of another query.
var ErrCursor = errors.New("account: no cursor of this list")

// longestCursor bounds the work that somebody's invention makes.
const longestCursor = 2048

// cursor is a place in a list: after the person of subject, whose key that is.
type cursor struct {
	Text    string `json:"t,omitempty"`
	Number  int64  `json:"n,omitempty"`
	Subject string `json:"s"`
}

// sealCursor returns c for the list of q.
func (s *Service) sealCursor(q Query, c cursor) (string, error) {
	place, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("account: cursor: %w", err)
	}
	return sealed.Seal(s.cursorKey(), place, q.digest())
}

// openCursor returns the place that text names in the list of q, or [ErrCursor].
func (s *Service) openCursor(q Query, text string) (c cursor, err error) {
	place, err := sealed.Open(s.cursorKey(), text, q.digest(), longestCursor)
	if errors.Is(err, sealed.ErrForeign) {
		return c, ErrCursor
	}
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(place, &c); err != nil {
		return c, fmt.Errorf("account: cursor: %w", err) // it was ours
	}
	return c, nil
}

func (s *Service) cursorKey() []byte {
	mac := hmac.New(sha256.New, s.cfg.Key)
	mac.Write([]byte("cursors of people"))
	return mac.Sum(nil)
}
