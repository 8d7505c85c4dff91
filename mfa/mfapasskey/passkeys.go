package mfapasskey

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
)

// handleLen is the length of a user handle, all of which is random (WebAuthn Level 3, section 14.6.1).
const handleLen = 64

// maxResponse bounds what is looked at of an answer; a browser's has a few thousand bytes.
const maxResponse = 64 << 10

// BeginAdd begins to add a passkey, and returns the PublicKeyCredentialCreationOptionsJSON for the browser. Account is
// the name under which the browser lists it. The person's passkeys are excluded: a device that has one makes no other.
//
// It returns [mfa.ErrTooMany] when the person has [MaxPasskeys], and [mfa.ErrName] for an account that can't be shown.
// Call it on POST only, and for a person who has just proved what they have.
func (s *Service) BeginAdd(ctx context.Context, owner mfa.Owner, account string) (options json.RawMessage, ceremony string, err error) {
	if account == "" || len(account) > 254 || !printable(account) {
		return nil, "", fmt.Errorf("%w: account %q", mfa.ErrName, account)
	}
	handle := make([]byte, handleLen)
	rand.Read(handle) // never fails
	_, err = s.db.Exec(ctx, `INSERT INTO mfa_passkey_handles (subject, handle) VALUES ($1, $2)
		ON CONFLICT (subject) DO NOTHING`, owner.Subject, handle)
	if err != nil {
		return nil, "", err
	}
	p, err := s.person(ctx, owner.Subject)
	if err != nil {
		return nil, "", err
	}
	if len(p.rows) >= MaxPasskeys {
		return nil, "", mfa.ErrTooMany
	}
	p.name = account
	known := webauthn.Credentials(p.WebAuthnCredentials()).CredentialDescriptors()
	creation, session, err := s.web.BeginRegistration(p, webauthn.WithExclusions(known))
	if err != nil {
		return nil, "", fmt.Errorf("mfapasskey: %w", err)
	}
	purpose, err := s.toAdd(ctx, owner.Subject)
	if err != nil {
		return nil, "", err
	}
	return s.begin(ctx, purpose, owner, creation.Response, session)
}

// toAdd is what a ceremony of that person is for that adds a passkey now. One that was begun when nothing was enrolled
// ends with that: it asked for no more than the password, and somebody who has stolen that may have begun it.
func (s *Service) toAdd(ctx context.Context, subject string) (purpose, error) {
	enrolled, err := s.mfa.Enrolled(ctx, subject)
	if enrolled {
		return adding, err
	}
	return beginning, err
}

// FinishAdd keeps the passkey that the browser made: response is the answer of navigator.credentials.create as JSON.
// An empty name becomes "Passkey"; one that another passkey of the person has gets a number. For what follows upon the first factor see the package's comment. The
// proof that BeginAdd wants holds for its ceremony, which this owner alone can end: FinishAdd needs no second one.
//
// It returns [mfa.ErrName] and [mfa.ErrMalformedResponse] (the ceremony goes on), [mfa.ErrCeremony], [mfa.ErrRefused],
// [mfa.ErrTaken] and [mfa.ErrTooMany].
func (s *Service) FinishAdd(ctx context.Context, owner mfa.Owner, ceremony, name string, response []byte) (mfa.Credential, error) {
	name = strings.TrimSpace(name)
	if name != "" && !isName(name) {
		return mfa.Credential{}, mfa.ErrName
	}
	if len(response) > maxResponse {
		return mfa.Credential{}, mfa.ErrMalformedResponse
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return mfa.Credential{}, fmt.Errorf("%w: %w", mfa.ErrMalformedResponse, err)
	}
	purpose, err := s.toAdd(ctx, owner.Subject)
	if err != nil {
		return mfa.Credential{}, err
	}
	session, err := s.take(ctx, purpose, owner, ceremony)
	if err != nil {
		return mfa.Credential{}, err
	}
	p, err := s.person(ctx, owner.Subject)
	if err != nil {
		return mfa.Credential{}, err
	}
	made, err := s.web.CreateCredential(p, session, parsed)
	if err != nil {
		return mfa.Credential{}, fmt.Errorf("%w: %w", mfa.ErrRefused, err)
	}
	if name == "" {
		name = "Passkey"
	}
	name = freeName(p.rows, name)
	added := row{
		ID: rand.Text(), Subject: owner.Subject, Name: name, Credential: made.ID, PublicKey: made.PublicKey,
		SignCount: int64(made.Authenticator.SignCount), BackupEligible: made.Flags.BackupEligible,
		BackedUp: made.Flags.BackupState, Transports: transports(made.Transport), AAGUID: made.Authenticator.AAGUID,
		AddedAt: s.now().Unix(), First: purpose == beginning,
	}
	err = s.mfa.Add(ctx, Name, owner.Subject, name, func(ctx context.Context) error { return s.keep(ctx, added, p.handle) })
	if err != nil {
		return mfa.Credential{}, err
	}
	return added.shown(), nil
}

// keep writes a passkey down, with the person's factors for itself. The handle that the device knows must still be the
// person's: a reset that came between has taken it away, and the passkey with it. And a first one must still be first.
func (s *Service) keep(ctx context.Context, r row, handle []byte) error {
	known, err := s.rows(ctx, r.Subject)
	if err != nil {
		return err
	}
	if len(known) >= MaxPasskeys {
		return mfa.ErrTooMany
	}
	switch purpose, err := s.toAdd(ctx, r.Subject); {
	case err != nil:
		return err
	case r.First != (purpose == beginning):
		return mfa.ErrCeremony
	}
	written, err := s.db.Exec(ctx, `INSERT INTO mfa_passkeys (`+columns+`)
		SELECT $1, subject, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 FROM mfa_passkey_handles
		WHERE subject = $2 AND handle = $14`,
		r.ID, r.Subject, r.Name, r.Credential, r.PublicKey, r.SignCount, r.BackupEligible, r.BackedUp, r.Transports,
		r.AAGUID, r.AddedAt, r.LastUsedAt, r.First, handle)
	switch {
	case dbx.IsTaken(err):
		return mfa.ErrTaken
	case err != nil:
		return err
	case written == 0:
		return mfa.ErrCeremony
	}
	return nil
}

// Passkeys returns the person's passkeys, oldest first.
func (s *Service) Passkeys(ctx context.Context, subject string) ([]mfa.Credential, error) {
	rows, err := s.rows(ctx, subject)
	if err != nil {
		return nil, err
	}
	var out []mfa.Credential
	for _, r := range rows {
		out = append(out, r.shown())
	}
	return out, nil
}

// Rename gives a passkey another name of up to 64 characters: [mfa.ErrName], [mfa.ErrTaken] when another one of the
// person's has that name, [mfa.ErrNotFound].
func (s *Service) Rename(ctx context.Context, subject, id, name string) error {
	if name = strings.TrimSpace(name); !isName(name) {
		return mfa.ErrName
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		rows, at, err := s.find(ctx, subject, id)
		if err != nil {
			return err
		}
		old := rows[at]
		if named(slices.Delete(rows, at, at+1), name) {
			return mfa.ErrTaken
		}
		renamed, err := s.db.Exec(ctx, `UPDATE mfa_passkeys SET name = $3 WHERE id = $1 AND subject = $2`, id, subject, name)
		if err != nil {
			return err
		}
		if renamed == 0 {
			return mfa.ErrNotFound
		}
		return s.mfa.Record(ctx, Name, subject, "renamed", "name", name, "before", old.Name)
	})
}

// Remove takes a passkey away, and with it what an app's removal takes. With the last factor MFA is off: the recovery
// codes go too. It returns [mfa.ErrNotFound].
func (s *Service) Remove(ctx context.Context, subject, id string) error {
	rows, at, err := s.find(ctx, subject, id)
	if err != nil {
		return err
	}
	gone := rows[at]
	return s.mfa.Drop(ctx, Name, subject, gone.Name, func(ctx context.Context) error {
		removed, err := s.db.Exec(ctx, `DELETE FROM mfa_passkeys WHERE id = $1 AND subject = $2`, id, subject)
		if err == nil && removed == 0 {
			return mfa.ErrNotFound
		}
		return err
	})
}

// find returns the person's passkeys, and where among them the one with this id is.
func (s *Service) find(ctx context.Context, subject, id string) (rows []row, at int, err error) {
	if rows, err = s.rows(ctx, subject); err != nil {
		return nil, 0, err
	}
	if at = slices.IndexFunc(rows, func(r row) bool { return r.ID == id }); at < 0 {
		return nil, 0, mfa.ErrNotFound
	}
	return rows, at, nil
}

// transports returns what an authenticator says of how it is reached: words of the registry, in the browser's spelling.
func transports(said []protocol.AuthenticatorTransport) string {
	var out []string
	for _, t := range said {
		if word := string(t); len(word) <= 16 && !strings.ContainsFunc(word, unicode.IsSpace) && printable(word) && len(out) < 8 {
			out = append(out, word)
		}
	}
	return strings.Join(out, " ")
}

// freeName returns name, with a number where one of those known has it: people tell passkeys apart by their names. It
// stays as short as names are.
func freeName(known []row, name string) string {
	free := name
	for n := 2; named(known, free); n++ {
		number := fmt.Sprintf(" %d", n)
		letters := []rune(name)
		free = strings.TrimSpace(string(letters[:min(len(letters), maxName-len(number))])) + number
	}
	return free
}

func named(known []row, name string) bool {
	return slices.ContainsFunc(known, func(r row) bool { return strings.EqualFold(r.Name, name) })
}

// maxName is how many characters a name has at most.
const maxName = 64

func isName(name string) bool {
	return name != "" && utf8.RuneCountInString(name) <= maxName && printable(name)
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
