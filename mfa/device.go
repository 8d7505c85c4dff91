package mfa

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	deviceOverlap = 60 * time.Second // for which a secret stays good after its successor was seen: parallel tabs
	formerSecrets = 64               // that are kept of one device, to recognise a copied cookie
)

// Label names a browser in the person's list.
type Label struct{ Browser, System string }

// Device is a browser that skips the code. Its use is no factor: the sign-in stays what the password alone makes it.
type Device struct {
	ID, Browser, System     string
	FirstUsedAt, LastUsedAt time.Time // FirstUsedAt: when the box was ticked
	ExpiresAt               time.Time
	This                    bool // the one whose token was given
}

// RememberDevice returns a token for a cookie of this browser, and until when the token is good: use doesn't prolong
// that. Call it only when a code of the app (or a passkey) was accepted in the same step, never after a recovery code.
// When remembering is off the token is "". It returns [ErrNotEnrolled] for a person without a factor.
func (s *Service) RememberDevice(ctx context.Context, subject string, label Label) (token string, expires time.Time, err error) {
	if s.config.RememberFor == 0 {
		return "", time.Time{}, nil
	}
	now := s.config.Now()
	secret, hash := newDeviceSecret()
	device := DeviceRecord{
		ID: newID(), Subject: subject, Browser: label.Browser, System: label.System, Secret: hash,
		AddedAt: now, RotatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(s.config.RememberFor),
	}
	err = s.change(ctx, subject, func(ctx context.Context) error {
		if err := s.enrolled(ctx, subject); err != nil {
			return err
		}
		if err := s.store.AddDevice(ctx, device); err != nil {
			return err
		}
		return s.emit(ctx, subject, DeviceRemembered,
			"device", device.ID, "browser", label.Browser, "system", label.System)
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return device.ID + "." + secret, device.ExpiresAt, nil
}

// DeviceRemembered reports whether token belongs to a device of this subject that still skips the code. When next is
// not "" it has to replace the token in the cookie, whose end stays as it is.
//
// A token is replaced at each use. The earlier one stays good until the new one was seen, and a minute more: a lost
// answer and parallel tabs must not look like theft. Later it is a copy: the device is forgotten. Any other text is
// ignored.
func (s *Service) DeviceRemembered(ctx context.Context, subject, token string) (next string, ok bool, err error) {
	id, secret, found := strings.Cut(token, ".")
	if !found || s.config.RememberFor == 0 || len(token) > 200 {
		return "", false, nil
	}
	hash := hashDeviceSecret(secret)
	for range 3 { // whoever loses the race to replace the secret looks again
		device, err := s.device(ctx, subject, id)
		if err != nil || device.ID == "" {
			return "", false, err
		}
		switch device.judge(hash, s.config.Now()) {
		case unknownSecret:
			return "", false, nil
		case copiedSecret:
			return "", false, s.forgetDevice(ctx, subject, id, "reused")
		case overlappingSecret:
			err := s.store.InTx(ctx, func(ctx context.Context) error {
				return s.emit(ctx, subject, DeviceUsed, "device", id)
			})
			return "", err == nil, err
		}
		fresh, freshHash := newDeviceSecret()
		won := false
		err = s.store.InTx(ctx, func(ctx context.Context) error {
			won, err = s.store.SwapDevice(ctx, device.Secret, device.rotate(hash, freshHash, s.config.Now()))
			if err != nil || !won {
				return err
			}
			return s.emit(ctx, subject, DeviceUsed, "device", id)
		})
		if err != nil {
			return "", false, err
		}
		if won {
			return id + "." + fresh, true, nil
		}
	}
	return "", false, nil
}

// device returns a device that has not ended; one without an ID when there is none.
func (s *Service) device(ctx context.Context, subject, id string) (DeviceRecord, error) {
	all, err := s.live(ctx, subject)
	if err != nil {
		return DeviceRecord{}, err
	}
	if at := slices.IndexFunc(all, func(d DeviceRecord) bool { return d.ID == id }); at >= 0 {
		return all[at], nil
	}
	return DeviceRecord{}, nil
}

// live returns the devices that have not ended. A device ends when it was promised to, or earlier when the setting was
// lowered meanwhile; raising the setting prolongs nothing.
func (s *Service) live(ctx context.Context, subject string) ([]DeviceRecord, error) {
	all, err := s.store.Devices(ctx, subject)
	if err != nil {
		return nil, err
	}
	var out []DeviceRecord
	for _, d := range all {
		if end := d.AddedAt.Add(s.config.RememberFor); end.Before(d.ExpiresAt) {
			d.ExpiresAt = end
		}
		if s.config.Now().Before(d.ExpiresAt) {
			out = append(out, d)
		}
	}
	return out, nil
}

// secretKind is what a device makes of a secret.
type secretKind int

const (
	unknownSecret secretKind = iota
	currentSecret
	lostSecret        // its successor was never seen and is too old to be still on its way
	overlappingSecret // it was replaced a moment ago
	copiedSecret      // it was replaced long ago
)

func (d DeviceRecord) judge(hash []byte, now time.Time) secretKind {
	if subtle.ConstantTimeCompare(d.Secret, hash) == 1 {
		return currentSecret
	}
	kind := unknownSecret
	for _, f := range d.Former {
		if subtle.ConstantTimeCompare(f.Hash, hash) != 1 {
			continue
		}
		switch {
		case !f.Until.IsZero() && now.After(f.Until):
			kind = copiedSecret
		case f.Until.IsZero() && now.Sub(d.RotatedAt) > deviceOverlap:
			kind = lostSecret
		default:
			kind = overlappingSecret
		}
	}
	return kind
}

// rotate returns the device with a new secret in the place of the used one.
func (d DeviceRecord) rotate(used, fresh []byte, now time.Time) DeviceRecord {
	var former []FormerSecret
	for _, f := range d.Former {
		switch {
		case !f.Until.IsZero():
			former = append(former, f)
		case subtle.ConstantTimeCompare(d.Secret, used) == 1: // the successor has now been seen
			former = append(former, FormerSecret{Hash: f.Hash, Until: now.Add(deviceOverlap)})
		default: // the successor went lost: whoever still comes with it has not got it from us
			former = append(former, FormerSecret{Hash: d.Secret, Until: d.RotatedAt})
		}
	}
	former = append(former, FormerSecret{Hash: used})
	d.Former = former[max(0, len(former)-formerSecrets):]
	d.Secret, d.RotatedAt, d.LastUsedAt = fresh, now, now
	return d
}

// newDeviceSecret returns 256 random bits as text, and their hash. Text is hashed, not bytes: of two spellings of the
// same bytes one is wrong.
func newDeviceSecret() (secret string, hash []byte) {
	secret = base64.RawURLEncoding.EncodeToString(random(32))
	return secret, hashDeviceSecret(secret)
}

func hashDeviceSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Devices returns the subject's remembered devices, newest first, and marks the one that token (may be "") belongs to.
func (s *Service) Devices(ctx context.Context, subject, token string) ([]Device, error) {
	all, err := s.live(ctx, subject)
	if err != nil {
		return nil, err
	}
	id, secret, _ := strings.Cut(token, ".")
	hash := hashDeviceSecret(secret)
	var out []Device
	for _, d := range all {
		kind := d.judge(hash, s.config.Now())
		out = append(out, Device{
			ID: d.ID, Browser: d.Browser, System: d.System,
			FirstUsedAt: d.AddedAt, LastUsedAt: d.LastUsedAt, ExpiresAt: d.ExpiresAt,
			This: d.ID == id && kind != unknownSecret && kind != copiedSecret,
		})
	}
	return out, nil
}

// ForgetDevice ends one remembered device; [ErrNotFound] when the subject has none of that ID.
func (s *Service) ForgetDevice(ctx context.Context, subject, id string) error {
	return s.forgetDevice(ctx, subject, id, "removed")
}

func (s *Service) forgetDevice(ctx context.Context, subject, id, cause string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		removed, err := s.store.RemoveDevice(ctx, subject, id)
		switch {
		case err != nil:
			return err
		case !removed && cause == "removed":
			return ErrNotFound
		case !removed: // a parallel request was quicker
			return nil
		}
		return s.emit(ctx, subject, DeviceForgotten, "device", id, "cause", cause)
	})
}

// ForgetDevices ends all of a subject's remembered devices; cause (such as "password_changed") goes on record. Call it
// when the password changes and when all sessions are ended; a change of factors does it by itself.
func (s *Service) ForgetDevices(ctx context.Context, subject, cause string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error { return s.forgetDevices(ctx, subject, cause) })
}

func (s *Service) forgetDevices(ctx context.Context, subject, cause string) error {
	n, err := s.store.RemoveDevices(ctx, subject)
	if err != nil || n == 0 {
		return err
	}
	return s.emit(ctx, subject, DevicesForgotten, "count", strconv.Itoa(n), "cause", cause)
}
