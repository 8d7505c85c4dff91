package mfapasskey

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
)

// row is a passkey as it is kept.
type row struct {
	ID, Subject, Name string
	Credential        []byte
	PublicKey         []byte `db:"public_key"`
	SignCount         int64  `db:"sign_count"`
	BackupEligible    bool   `db:"backup_eligible"`
	BackedUp          bool   `db:"backed_up"`
	Transports        string
	AAGUID            []byte
	AddedAt           int64 `db:"added_at"`
	LastUsedAt        int64 `db:"last_used_at"`
	First             bool
}

const columns = `id, subject, name, credential, public_key, sign_count, backup_eligible, backed_up, transports, aaguid,
	added_at, last_used_at, first`

func (r row) shown() mfa.Credential {
	out := mfa.Credential{ID: r.ID, Name: r.Name, AddedAt: time.Unix(r.AddedAt, 0), Synced: r.BackupEligible, First: r.First}
	if r.LastUsedAt != 0 {
		out.LastUsedAt = time.Unix(r.LastUsedAt, 0)
	}
	return out
}

// method is what the use of this passkey is in the authentication methods.
func (r row) method() mfa.Method {
	if r.BackupEligible {
		return mfa.SyncedPasskey
	}
	return mfa.Passkey
}

// person is what the library knows about a person.
type person struct {
	handle []byte
	name   string
	rows   []row
}

func (p person) WebAuthnID() []byte          { return p.handle }
func (p person) WebAuthnName() string        { return p.name }
func (p person) WebAuthnDisplayName() string { return p.name }

func (p person) WebAuthnCredentials() []webauthn.Credential {
	var out []webauthn.Credential
	for _, r := range p.rows {
		c := webauthn.Credential{
			ID: r.Credential, PublicKey: r.PublicKey,
			Flags:         webauthn.CredentialFlags{BackupEligible: r.BackupEligible, BackupState: r.BackedUp},
			Authenticator: webauthn.Authenticator{AAGUID: r.AAGUID, SignCount: uint32(r.SignCount)},
		}
		for _, t := range strings.Fields(r.Transports) {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, c)
	}
	return out
}

// find returns where among the person's passkeys the one with this identifier of the authenticator's is, -1: nowhere.
func (p person) find(credential []byte) int {
	return slices.IndexFunc(p.rows, func(r row) bool { return bytes.Equal(r.Credential, credential) })
}

// rows returns a subject's passkeys, oldest first.
func (s *Service) rows(ctx context.Context, subject string) ([]row, error) {
	var out []row
	err := s.db.Select(ctx, &out, `SELECT `+columns+` FROM mfa_passkeys WHERE subject = $1 ORDER BY added_at, id`, subject)
	return out, err
}

// person returns a subject's passkeys and handle; without passkeys and a handle there is none.
func (s *Service) person(ctx context.Context, subject string) (person, error) {
	rows, err := s.rows(ctx, subject)
	if err != nil {
		return person{}, err
	}
	out := person{rows: rows}
	err = s.db.Get(ctx, &out.handle, `SELECT handle FROM mfa_passkey_handles WHERE subject = $1`, subject)
	if dbx.IsNotFound(err) {
		return out, nil
	}
	return out, err
}

const countPasskeys = `SELECT COUNT(*) FROM mfa_passkeys WHERE subject = $1`

// Lookup is what package mfa will ask whenever it wants to know a person's factors, for those who read ahead.
func Lookup(subject dbx.Arg) dbx.Lookup {
	return dbx.Lookup{Query: countPasskeys, Args: []dbx.Arg{subject}}
}

// asFactor is how package mfa sees the Service.
type asFactor Service

func (f *asFactor) Name() string { return Name }

func (f *asFactor) Enrolled(ctx context.Context, subject string) (bool, error) {
	var n int
	err := f.db.Get(ctx, &n, countPasskeys, subject)
	return n > 0, err
}

// Reset ends begun ceremonies as well: none may bring a passkey back.
func (f *asFactor) Reset(ctx context.Context, subject string) error {
	for _, query := range []string{
		`DELETE FROM mfa_passkey_ceremonies WHERE subject = $1`,
		`DELETE FROM mfa_passkeys WHERE subject = $1`,
		`DELETE FROM mfa_passkey_handles WHERE subject = $1`,
	} {
		if _, err := f.db.Exec(ctx, query, subject); err != nil {
			return err
		}
	}
	return nil
}
