// Package cursor seals the places at which pages of lists begin. It knows no list.
package cursor

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrForeign says that a text is no cursor that was sealed with this key for this list.
var ErrForeign = errors.New("cursor: not one of this list")

// Seal returns a place as a text for addresses, sealed with a key of 32 bytes and bound to the list (AES-256-GCM). It is
// encrypted, not only signed: a place holds names, and addresses are logged along the way; and whoever could make one would
// choose where our statements begin.
func Seal(key, place, list []byte) (string, error) {
	aead, err := cipherOf(key)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, place, list)), nil
}

// Open returns the place in a text of at most that many bytes, which bounds the work that somebody's invention makes, or
// [ErrForeign].
func Open(key []byte, text string, list []byte, most int) ([]byte, error) {
	aead, err := cipherOf(key)
	if err != nil {
		return nil, err
	}
	if len(text) > most {
		return nil, ErrForeign
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < aead.NonceSize() {
		return nil, ErrForeign
	}
	place, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], list)
	if err != nil {
		return nil, ErrForeign
	}
	return place, nil
}

func cipherOf(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cursor: %w", err)
	}
	return cipher.NewGCM(block)
}
