package mfa

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// Cipher seals secrets at rest so that they open only with the same associated data. A Tink AEAD fits, and brings the
// rotation of keys.
type Cipher interface {
	Encrypt(plain, aad []byte) ([]byte, error)
	Decrypt(sealed, aad []byte) ([]byte, error)
}

// NewCipher returns an AES-256-GCM Cipher with one key of 32 bytes, for hosts that have no keyset.
func NewCipher(key []byte) (Cipher, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("mfa: a cipher's key has 32 bytes, not %d", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("mfa: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("mfa: %w", err)
	}
	return gcm{aead}, nil
}

type gcm struct{ aead cipher.AEAD }

func (g gcm) Encrypt(plain, aad []byte) ([]byte, error) {
	return g.aead.Seal(nil, nil, plain, aad), nil
}

func (g gcm) Decrypt(sealed, aad []byte) ([]byte, error) {
	plain, err := g.aead.Open(nil, nil, sealed, aad)
	if err != nil {
		return nil, errors.New("mfa: not sealed with this key, or moved from its place")
	}
	return plain, nil
}

func (s *Service) seal(place, id, subject string, plain []byte) ([]byte, error) {
	sealed, err := s.config.Cipher.Encrypt(plain, []byte(place+id+"/"+subject))
	if err != nil {
		return nil, fmt.Errorf("mfa: seal %s%s: %w", place, id, err)
	}
	return sealed, nil
}

// unseal opens a secret. One that does not open was tampered with, or its key is lost: that is put on record, and
// never an answer to the person.
func (s *Service) unseal(ctx context.Context, place, id, subject string, sealed []byte) ([]byte, error) {
	plain, err := s.config.Cipher.Decrypt(sealed, []byte(place+id+"/"+subject))
	if err == nil {
		return plain, nil
	}
	err = fmt.Errorf("mfa: unseal %s%s: %w", place, id, err)
	return nil, errors.Join(err, s.store.InTx(ctx, func(ctx context.Context) error {
		return s.emit(ctx, subject, Unsealable, "place", place+id)
	}))
}

// newID returns an identifier of 128 random bits.
func newID() string { return hex.EncodeToString(random(16)) }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // it never fails: crypto/rand ends the process instead
	return b
}
