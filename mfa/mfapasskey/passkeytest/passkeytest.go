// Package passkeytest is a browser and an authenticator in software, for tests of pages that take passkeys. It knows
// WebAuthn Level 3 and nothing of ours.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// The flags of authenticator data (WebAuthn Level 3, section 6.1) that a test may want to set.
const (
	Present        = 0x01 // somebody touched the device
	Verified       = 0x04 // and the device knows who: PIN, finger, face
	BackupEligible = 0x08 // the passkey may be synced
	BackedUp       = 0x10 // and is

	attested = 0x40 // a new credential follows
)

// Device is a browser with an authenticator that holds one passkey (ES256, no attestation). Change its fields to bend
// what it says; a copy of a Device is a cloned authenticator.
type Device struct {
	Key    *ecdsa.PrivateKey
	ID     []byte // the credential's
	Handle []byte // the person's, as the options of Create named it

	Origin string // of the page that asked
	RPID   string // "": the one of the options
	Flags  byte   // Present and Verified at first
	Count  uint32 // the signature counter; 0 at first, and it stays there as a synced passkey's does
	Step   uint32 // by which the counter moves at each answer

	t testing.TB
}

// New returns a Device whose browser shows a page of origin, such as "https://id.example.com".
func New(t testing.TB, origin string) *Device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 20)
	rand.Read(id) // never fails
	return &Device{Key: key, ID: id, Origin: origin, Flags: Present | Verified, t: t}
}

// Create answers navigator.credentials.create: from a PublicKeyCredentialCreationOptionsJSON it makes a
// RegistrationResponseJSON.
func (d *Device) Create(options []byte) []byte {
	d.t.Helper()
	var o struct {
		Challenge string
		RP        struct{ ID string }
		User      struct{ ID string }
	}
	d.read(options, &o)
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Handle = handle
	return d.answer(map[string]any{
		"clientDataJSON":    b64(d.client("webauthn.create", o.Challenge)),
		"attestationObject": b64(d.attestation(o.RP.ID)), "transports": []string{"internal", "hybrid"},
	})
}

// Get answers navigator.credentials.get: from a PublicKeyCredentialRequestOptionsJSON it makes an
// AuthenticationResponseJSON. It does so whether or not the options allow its passkey.
func (d *Device) Get(options []byte) []byte {
	d.t.Helper()
	var o struct {
		Challenge string
		RPID      string `json:"rpId"`
	}
	d.read(options, &o)
	data, client := d.data(o.RPID, d.Flags), d.client("webauthn.get", o.Challenge)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.Key, signed[:])
	if err != nil {
		d.t.Fatal(err)
	}
	return d.answer(map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature),
		"userHandle": b64(d.Handle),
	})
}

func (d *Device) read(options []byte, into any) {
	d.t.Helper()
	if err := json.Unmarshal(options, into); err != nil {
		d.t.Fatalf("options: %v", err)
	}
}

func (d *Device) client(kind, challenge string) []byte {
	out, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.Origin, "crossOrigin": false})
	return out
}

// data is authenticator data without extensions.
func (d *Device) data(rpID string, flags byte) []byte {
	if d.RPID != "" {
		rpID = d.RPID
	}
	d.Count += d.Step
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), d.Count)
}

// attestation is an attestation object of the format "none". The CBOR is written by hand: maps of small keys, byte
// strings.
func (d *Device) attestation(rpID string) []byte {
	d.t.Helper()
	data := append(d.data(rpID, d.Flags|attested), make([]byte, 16)...) // no AAGUID
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(d.ID))), d.ID...)
	point, err := d.Key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		d.t.Fatal(err)
	}
	data = append(data, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 32) // kty EC2, alg ES256, crv P-256, x
	data = append(append(append(data, point[1:33]...), 0x22, 0x58, 32), point[33:]...)

	object := append([]byte{0xa3, 0x63}, "fmt"...)
	object = append(append(object, 0x64), "none"...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(append(object, 0xa0, 0x68), "authData"...)
	return append(binary.BigEndian.AppendUint16(append(object, 0x59), uint16(len(data))), data...)
}

// answer is a PublicKeyCredential as its toJSON makes it.
func (d *Device) answer(response map[string]any) []byte {
	out, _ := json.Marshal(map[string]any{
		"id": b64(d.ID), "rawId": b64(d.ID), "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}},
	})
	return out
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
