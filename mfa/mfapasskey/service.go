package mfapasskey

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
)

// Name is the name of the factor, and what its events begin with: passkey_added (name; first, of somebody who had no factor), passkey_removed and passkey_renamed
// (name; before), passkey_accepted (name), passkey_refused (failures, and name when it is one of the person's) and
// passkey_cloned (name).
const Name = "passkey"

// What does not depend on the configuration.
const (
	MaxPasskeys  = mfa.MaxCredentials
	CeremonyLife = 5 * time.Minute
)

// ErrOrigin says that browsers make no passkeys for the configured origin; a host may go on without them.
var ErrOrigin = errors.New("mfapasskey: no passkeys for this origin")

// Config is what a [Service] needs. MFA, DB, Origin and Name are required.
type Config struct {
	MFA    *mfa.Service
	DB     *sqlx.DB         // has the stream "mfa"; the handle that mfasql has, so that both share transactions
	Origin string           // of the pages, such as https://id.example.com; its host is the relying party's ID, for ever
	Name   string           // what the browser's dialogue calls the server
	Now    func() time.Time // nil: time.Now
}

// Service is a person's passkeys. It is safe for concurrent use, in any number of processes on one database.
type Service struct {
	mfa *mfa.Service
	db  *dbx.DB
	web *webauthn.WebAuthn
	now func() time.Time
}

// New returns a Service, registered with config.MFA as a factor, or an error that names the setting at fault. It is
// [ErrOrigin] for a host that is an address or has no dot, and for http, but on localhost.
func New(config Config) (*Service, error) {
	if config.MFA == nil || config.DB == nil || config.Name == "" {
		return nil, errors.New("mfapasskey: MFA, DB and Name are required")
	}
	host, origin, err := normal(config.Origin)
	if err != nil {
		return nil, err
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	life := webauthn.TimeoutConfig{Timeout: CeremonyLife, TimeoutUVD: CeremonyLife}
	web, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: config.Name, RPOrigins: []string{origin},
		// Told to the browser; the end that counts is that of the ceremony's row, by our own clock.
		Timeouts:              webauthn.TimeoutsConfig{Login: life, Registration: life},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		},
		// Password managers report properties that nobody asked for; none is used here.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrOrigin, config.Origin, err)
	}
	s := &Service{mfa: config.MFA, db: dbx.Wrap(config.DB), web: web, now: config.Now}
	return s, config.MFA.Register((*asFactor)(s))
}

// normal returns an origin that browsers make passkeys for as they write it (URL Standard, sections 4.5 and 6.2): in
// lower case, without the scheme's own port. And its host, which is the relying party's ID.
func normal(origin string) (host, written string, err error) {
	u, err := url.Parse(strings.ToLower(origin))
	switch {
	case err != nil, u.Scheme+"://"+u.Host != strings.ToLower(origin), u.Hostname() == "":
		return "", "", fmt.Errorf("%w: %q: it is a scheme, a host and a port", ErrOrigin, origin)
	case net.ParseIP(u.Hostname()) != nil:
		return "", "", fmt.Errorf("%w: %q: they need a name, not an address", ErrOrigin, origin)
	case u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost"):
		return "", "", fmt.Errorf("%w: %q: they need https", ErrOrigin, origin)
	case strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r > unicode.MaxASCII }):
		return "", "", fmt.Errorf("%w: %q: the name is to be written as browsers send it, with xn--", ErrOrigin, origin)
	}
	host, written = u.Hostname(), u.Scheme+"://"+u.Hostname()
	if port := u.Port(); port != "" && port != map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		written += ":" + port
	}
	return host, written, nil
}
