package mfapasskey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
)

// BeginVerify begins to ask for one of the person's passkeys as a second factor, and returns the
// PublicKeyCredentialRequestOptionsJSON for the browser. It returns [mfa.ErrNotEnrolled] for a person without any. Call
// it after the right password: the options name the person's passkeys.
func (s *Service) BeginVerify(ctx context.Context, subject string) (options json.RawMessage, ceremony string, err error) {
	p, err := s.person(ctx, subject)
	if err != nil {
		return nil, "", err
	}
	if len(p.rows) == 0 {
		return nil, "", mfa.ErrNotEnrolled
	}
	assertion, session, err := s.web.BeginLogin(p)
	if err != nil {
		return nil, "", fmt.Errorf("mfapasskey: %w", err)
	}
	return s.begin(ctx, verifying, mfa.Owner{Subject: subject}, assertion.Response, session)
}

// FinishVerify accepts one of the person's passkeys: response is the answer of navigator.credentials.get as JSON. It
// returns the method, [mfa.Passkey] or [mfa.SyncedPasskey].
//
// The errors are [mfa.ErrMalformedResponse] and [mfa.ErrCeremony] (neither counted), a [*mfa.ThrottledError], or
// [mfa.ErrInvalidCode], from which [mfa.TriesLeft] tells how many tries are left and which is [mfa.ErrCloned] too when
// the counter went back. As for [mfa.Service.Try]: not inside a transaction of the caller.
func (s *Service) FinishVerify(ctx context.Context, subject, ceremony string, response []byte) ([]mfa.Method, error) {
	parsed, err := parse(response)
	if err != nil {
		return nil, err
	}
	session, err := s.take(ctx, verifying, mfa.Owner{Subject: subject}, ceremony)
	if err != nil {
		return nil, err
	}
	used, err := s.try(ctx, subject, parsed.RawID, func(p person) (*webauthn.Credential, error) {
		// Of those that were asked for, the library wants all to stand yet. One may have been removed since.
		session.AllowedCredentialIDs = slices.DeleteFunc(session.AllowedCredentialIDs, func(id []byte) bool { return p.find(id) < 0 })
		return s.web.ValidateLogin(p, session, parsed)
	})
	if err != nil {
		return nil, err
	}
	return []mfa.Method{used.method()}, nil
}

// BeginSignIn begins to ask for any passkey, of whomever it is; the device has to verify the person. A row is kept for
// everybody who asks: bound how often a stranger may.
func (s *Service) BeginSignIn(ctx context.Context) (options json.RawMessage, ceremony string, err error) {
	assertion, session, err := s.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("mfapasskey: %w", err)
	}
	return s.begin(ctx, signingIn, mfa.Owner{}, assertion.Response, session)
}

// FinishSignIn accepts a passkey and returns whose it is, and the methods: [mfa.Passkey] or [mfa.SyncedPasskey], and
// [mfa.Verified], which are two factors.
//
// Before it is accepted, admit says whether that person may sign in here and now; its error is returned as it is, and the
// passkey counts neither as accepted nor as refused. nil admits everybody. It is called for a signature that is right
// only, outside of transactions.
//
// The errors are those of [Service.FinishVerify], and [mfa.ErrUnknown]. What a stranger can send, a wrong signature, is
// an [mfa.ErrInvalidCode] that counts for nobody: the waits and the seal of a person are met by their own passkeys alone.
func (s *Service) FinishSignIn(
	ctx context.Context, ceremony string, response []byte, admit func(ctx context.Context, subject string) error,
) (subject string, methods []mfa.Method, err error) {
	parsed, err := parse(response)
	if err != nil {
		return "", nil, err
	}
	session, err := s.take(ctx, signingIn, mfa.Owner{}, ceremony)
	if err != nil {
		return "", nil, err
	}
	err = s.db.Get(ctx, &subject, `SELECT subject FROM mfa_passkeys WHERE credential = $1`, parsed.RawID)
	if dbx.IsNotFound(err) {
		return "", nil, mfa.ErrUnknown
	}
	if err != nil {
		return "", nil, err
	}
	validate := func(p person) (*webauthn.Credential, error) {
		_, credential, err := s.web.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return p, nil }, session, parsed)
		return credential, err
	}
	p, err := s.person(ctx, subject)
	if err != nil {
		return "", nil, err
	}
	if _, refused := validate(p); refused != nil {
		return "", nil, fmt.Errorf("%w: %w", mfa.ErrInvalidCode, refused)
	}
	if admit != nil {
		if err := admit(ctx, subject); err != nil {
			return "", nil, err
		}
	}
	used, err := s.try(ctx, subject, parsed.RawID, validate)
	if err != nil {
		return "", nil, err
	}
	return subject, []mfa.Method{used.method(), mfa.Verified}, nil
}

func parse(response []byte) (*protocol.ParsedCredentialAssertionData, error) {
	if len(response) > maxResponse {
		return nil, mfa.ErrMalformedResponse
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", mfa.ErrMalformedResponse, err)
	}
	return parsed, nil
}

// try looks at an answer within the person's limits and returns the passkey that was used.
func (s *Service) try(
	ctx context.Context, subject string, credential []byte, validate func(person) (*webauthn.Credential, error),
) (used row, err error) {
	cloned := false
	err = s.mfa.Try(ctx, Name, subject, func(ctx context.Context) (label string, right bool, err error) {
		cloned = false
		p, err := s.person(ctx, subject)
		if err != nil {
			return "", false, err
		}
		at := p.find(credential)
		if at < 0 {
			return "", false, nil
		}
		used = p.rows[at]
		seen, refused := validate(p)
		if refused != nil {
			return used.Name, false, nil
		}
		if cloned = seen.Authenticator.CloneWarning; cloned {
			return used.Name, false, s.mfa.Record(ctx, Name, subject, "cloned", "name", used.Name)
		}
		right, err = s.advance(ctx, used, seen)
		return used.Name, right, err
	})
	if cloned && errors.Is(err, mfa.ErrInvalidCode) {
		err = fmt.Errorf("%w: %w", mfa.ErrCloned, err)
	}
	return used, err
}

// advance moves a passkey's counter on, and never back: one that stands at 0, as synced ones have it, counts nothing. It
// returns false when another answer was quicker, or the passkey has just been removed.
func (s *Service) advance(ctx context.Context, r row, c *webauthn.Credential) (bool, error) {
	moved, err := s.db.Exec(ctx, `UPDATE mfa_passkeys SET sign_count = $3, backed_up = $4, last_used_at = $5
		WHERE id = $1 AND subject = $2 AND (sign_count < $3 OR sign_count = 0 AND $3 = 0)`,
		r.ID, r.Subject, int64(c.Authenticator.SignCount), c.Flags.BackupState, s.now().Unix())
	return moved == 1, err
}
