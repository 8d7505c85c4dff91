package account

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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

// sealCursor returns c for the list of q. It is sealed (AES-256-GCM, bound to the query), not only signed: it holds a name,
// and cursors stand in addresses, which are logged along the way.
func (s *Service) sealCursor(q Query, c cursor) (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("account: cursor: %w", err)
	}
	aead, err := s.cursors()
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, text, q.digest())), nil
}

// openCursor returns the place that text names in the list of q, or [ErrCursor].
func (s *Service) openCursor(q Query, text string) (c cursor, err error) {
	aead, err := s.cursors()
	if err != nil {
		return c, err
	}
	if len(text) > longestCursor {
		return c, ErrCursor
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < aead.NonceSize() {
		return c, ErrCursor
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], q.digest())
	if err != nil {
		return c, ErrCursor
	}
	if err := json.Unmarshal(plain, &c); err != nil {
		return c, fmt.Errorf("account: cursor: %w", err) // it was ours
	}
	return c, nil
}

func (s *Service) cursors() (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, s.cfg.Key)
	mac.Write([]byte("cursors of people"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("account: cursor: %w", err)
	}
	return cipher.NewGCM(block)
}
