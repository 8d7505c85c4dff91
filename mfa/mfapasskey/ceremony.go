package mfapasskey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
)

// purpose is what a ceremony was begun for: an answer for one is none for another.
type purpose string

const (
	adding    purpose = "add"
	beginning purpose = "first" // to add one when nothing is enrolled
	verifying purpose = "verify"
	signingIn purpose = "sign_in"
)

// kept is how many ceremonies of one person are open at once. Who is signed in may begin as many as they like.
const kept = 10

// begin keeps a ceremony and returns the options as the browser takes them, and the ceremony's identifier. The person's
// oldest ones end.
func (s *Service) begin(ctx context.Context, p purpose, owner mfa.Owner, options any, session *webauthn.SessionData) (json.RawMessage, string, error) {
	shown, err := json.Marshal(options)
	if err != nil {
		return nil, "", fmt.Errorf("mfapasskey: options: %w", err)
	}
	data, err := json.Marshal(session)
	if err != nil {
		return nil, "", fmt.Errorf("mfapasskey: ceremony: %w", err)
	}
	id := rand.Text()
	hash := hashed(id)
	_, err = s.db.Exec(ctx, `INSERT INTO mfa_passkey_ceremonies (hash, purpose, subject, session, data, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)`,
		hash, string(p), owner.Subject, owner.Session, data, s.now().Add(CeremonyLife).Unix())
	if err != nil {
		return nil, "", err
	}
	if owner.Subject == "" { // a stranger: the host bounds how often
		return shown, id, nil
	}
	_, err = s.db.Exec(ctx, `DELETE FROM mfa_passkey_ceremonies WHERE subject = $1 AND hash <> $2 AND hash NOT IN
		(SELECT hash FROM mfa_passkey_ceremonies WHERE subject = $1 AND hash <> $2 ORDER BY expires_at DESC, hash LIMIT $3)`,
		owner.Subject, hash, kept-1)
	return shown, id, err
}

// take ends a ceremony: of any number of answers, one gets it.
func (s *Service) take(ctx context.Context, p purpose, owner mfa.Owner, id string) (webauthn.SessionData, error) {
	var data []byte
	err := s.db.Get(ctx, &data, `DELETE FROM mfa_passkey_ceremonies
		WHERE hash = $1 AND purpose = $2 AND subject = $3 AND session = $4 AND expires_at > $5 RETURNING data`,
		hashed(id), string(p), owner.Subject, owner.Session, s.now().Unix())
	if dbx.IsNotFound(err) {
		return webauthn.SessionData{}, mfa.ErrCeremony
	}
	if err != nil {
		return webauthn.SessionData{}, err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(data, &session); err != nil {
		return webauthn.SessionData{}, fmt.Errorf("mfapasskey: ceremony: %w", err)
	}
	return session, nil
}

// Prune removes ceremonies that ended without an answer. Call it now and then.
func (s *Service) Prune(ctx context.Context) error {
	return s.db.Prune(ctx, "mfa_passkey_ceremonies", "expires_at", "expires_at <= $1", s.now().Unix())
}

func hashed(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:]
}
