package mfapasskey_test

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

// The flags of authenticator data (WebAuthn Level 3, section 6.1).
const (
	present        = 0x01
	verified       = 0x04
	backupEligible = 0x08
	backedUp       = 0x10
	attested       = 0x40
)

// device is a browser with an authenticator that holds one passkey (ES256, no attestation). What it says can be bent.
type device struct {
	t      testing.TB
	key    *ecdsa.PrivateKey
	id     []byte
	handle []byte

	origin string
	rpID   string // "": the one of the options
	flags  byte
	count  uint32
	step   uint32 // by which the counter moves
}

func newDevice(t testing.TB) *device {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 20)
	rand.Read(id)
	return &device{t: t, key: key, id: id, origin: origin, flags: present | verified}
}

type options struct {
	Challenge          string
	RPID               string `json:"rpId"`
	RP                 struct{ ID string }
	User               struct{ ID, Name string }
	UserVerification   string
	AllowCredentials   []struct{ ID string }
	ExcludeCredentials []struct{ ID string }
}

func (d *device) read(raw []byte) options {
	d.t.Helper()
	var o options
	if err := json.Unmarshal(raw, &o); err != nil {
		d.t.Fatal(err)
	}
	return o
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (d *device) client(kind, challenge string) []byte {
	out, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.origin, "crossOrigin": false})
	return out
}

func (d *device) authData(rpID string, flags byte) []byte {
	if d.rpID != "" {
		rpID = d.rpID
	}
	d.count += d.step
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), d.count)
}

func (d *device) answer(response map[string]any) []byte {
	out, _ := json.Marshal(map[string]any{
		"id": b64(d.id), "rawId": b64(d.id), "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}},
	})
	return out
}

// create answers navigator.credentials.create. The CBOR is written by hand: maps of small keys, byte strings.
func (d *device) create(raw []byte) []byte {
	d.t.Helper()
	o := d.read(raw)
	d.handle, _ = base64.RawURLEncoding.DecodeString(o.User.ID)

	data := append(d.authData(o.RP.ID, d.flags|attested), make([]byte, 16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(d.id))), d.id...)
	point, err := d.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		d.t.Fatal(err)
	}
	data = append(data, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 32) // kty EC2, alg ES256, crv P-256, x
	data = append(append(append(data, point[1:33]...), 0x22, 0x58, 32), point[33:]...)

	object := append([]byte{0xa3, 0x63}, "fmt"...)
	object = append(append(object, 0x64), "none"...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(append(object, 0xa0, 0x68), "authData"...)
	object = append(binary.BigEndian.AppendUint16(append(object, 0x59), uint16(len(data))), data...)
	return d.answer(map[string]any{
		"clientDataJSON": b64(d.client("webauthn.create", o.Challenge)), "attestationObject": b64(object),
		"transports": []string{"internal", "hybrid"},
	})
}

// get answers navigator.credentials.get.
func (d *device) get(raw []byte) []byte {
	d.t.Helper()
	o := d.read(raw)
	data, client := d.authData(o.RPID, d.flags), d.client("webauthn.get", o.Challenge)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, signed[:])
	if err != nil {
		d.t.Fatal(err)
	}
	return d.answer(map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature),
		"userHandle": b64(d.handle),
	})
}
