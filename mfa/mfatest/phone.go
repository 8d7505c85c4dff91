package mfatest

import (
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// Phone is an authenticator app.
type Phone struct {
	Issuer, Account string
	Key             string           // base32
	Clock           func() time.Time // nil: time.Now
	Offset          time.Duration    // by which the phone is fast; negative: slow
}

// Scan returns a phone with the entry of an otpauth:// URI.
func Scan(uri string) (*Phone, error) {
	key, err := otp.NewKeyFromURL(uri)
	if err != nil {
		return nil, err
	}
	return &Phone{Issuer: key.Issuer(), Account: key.AccountName(), Key: key.Secret()}, nil
}

// Code returns the code that the phone shows now (0), will show after so many steps of 30 seconds, or has shown
// (negative). It is "" for a Key that is no base32.
func (p *Phone) Code(steps int) string {
	clock := time.Now
	if p.Clock != nil {
		clock = p.Clock
	}
	step := clock().Add(p.Offset).Unix()/30 + int64(steps)
	code, err := hotp.GenerateCode(p.Key, uint64(step))
	if err != nil {
		return ""
	}
	return code
}
