package mfa

import (
	"context"
	"errors"
	"time"
)

var errStub = errors.New("mfa: being written")

// Cipher seals secrets at rest; a Tink AEAD fits.
type Cipher interface {
	Encrypt(plain, aad []byte) ([]byte, error)
	Decrypt(sealed, aad []byte) ([]byte, error)
}

// Store is being written.
type Store interface{}

func printable(string) bool                { return true }
func argon(string, []byte) []byte          { return nil }
func (l Limits) complete() (Limits, error) { return l, nil }

// NewCipher returns an AES-256-GCM cipher with a 32-byte key, for hosts that have no keyset.
func NewCipher(key []byte) (Cipher, error) { return nil, errStub }

// Enrollment is an authenticator that is being set up.
type Enrollment struct {
	ID        string
	Account   string
	Issuer    string
	Key       string // base32 without padding, 32 characters
	URI       string // otpauth://
	ExpiresAt time.Time
	Proven    bool // the two codes were given
	First     bool // the person has no factor yet: recovery codes follow
}

// Drift is the difference between the phone's clock and ours.
type Drift struct{ Offset time.Duration }

// Status is what a person has.
type Status struct {
	Enrolled        bool
	Authenticators  []Authenticator
	CodesLeft       int
	Devices         int
	Sealed          bool
	RecoverySealed  bool
	RetryAt         time.Time // when the next code of the app is looked at; zero: now
	RecoveryRetryAt time.Time
}

// Authenticator is an app that makes codes.
type Authenticator struct {
	ID, Name            string
	AddedAt, LastUsedAt time.Time
	Offset              time.Duration
}

// Label names a browser in the person's list.
type Label struct{ Browser, System string }

// Device is a browser that was remembered.
type Device struct {
	ID, Browser, System                string
	FirstUsedAt, LastUsedAt, ExpiresAt time.Time
	This                               bool
}

// QR returns the picture of uri as an SVG document element of its own.
func QR(uri string) (svg []byte, err error) { return nil, errStub }

func (s *Service) Enroll(ctx context.Context, owner Owner, account string) (*Enrollment, error) {
	return nil, errStub
}
func (s *Service) Enrollment(ctx context.Context, owner Owner, id string) (*Enrollment, error) {
	return nil, errStub
}
func (s *Service) VerifyEnrollment(ctx context.Context, owner Owner, id, code, next string) (Drift, error) {
	return Drift{}, errStub
}
func (s *Service) NewRecoveryCodes(ctx context.Context, owner Owner, enrollment string) (codes []string, set string, err error) {
	return nil, "", errStub
}
func (s *Service) Confirm(ctx context.Context, owner Owner, enrollment, set string) (name string, err error) {
	return "", errStub
}
func (s *Service) ConfirmRecoveryCodes(ctx context.Context, owner Owner, set string) error {
	return errStub
}
func (s *Service) Status(ctx context.Context, subject string) (Status, error) {
	return Status{}, errStub
}
func (s *Service) VerifyTOTP(ctx context.Context, subject, code string) error { return errStub }
func (s *Service) VerifyRecoveryCode(ctx context.Context, subject, code string) (left int, err error) {
	return 0, errStub
}

// RememberDevice returns "" when remembering is off.
func (s *Service) RememberDevice(ctx context.Context, subject string, label Label) (token string, expires time.Time, err error) {
	return "", time.Time{}, errStub
}
func (s *Service) DeviceRemembered(ctx context.Context, subject, token string) (next string, ok bool, err error) {
	return "", false, errStub
}
func (s *Service) Devices(ctx context.Context, subject, token string) ([]Device, error) {
	return nil, errStub
}
func (s *Service) ForgetDevice(ctx context.Context, subject, id string) error     { return errStub }
func (s *Service) ForgetDevices(ctx context.Context, subject, cause string) error { return errStub }
func (s *Service) Rename(ctx context.Context, subject, id, name string) error     { return errStub }
func (s *Service) Remove(ctx context.Context, subject, id string) error           { return errStub }

// Disable turns MFA off: the person's own act.
func (s *Service) Disable(ctx context.Context, subject string) error       { return errStub }
func (s *Service) Reset(ctx context.Context, subject, reason string) error { return errStub }
func (s *Service) Unseal(ctx context.Context, subject string) error        { return errStub }
func (s *Service) Prune(ctx context.Context) error                         { return errStub }
