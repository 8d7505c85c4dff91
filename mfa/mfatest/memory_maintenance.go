package mfatest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/mfa"
)

func (m *memory) RemoveAll(ctx context.Context, subject string) error {
	return m.do(ctx, func(d *data) error {
		maps.DeleteFunc(d.enrollments, func(_ string, e enrollment) bool { return e.Subject == subject })
		maps.DeleteFunc(d.authenticators, func(_ string, a mfa.AuthenticatorRecord) bool { return a.Subject == subject })
		maps.DeleteFunc(d.sets, func(_ string, s codeSet) bool { return s.Subject == subject })
		maps.DeleteFunc(d.devices, func(_ string, e mfa.DeviceRecord) bool { return e.Subject == subject })
		return nil
	})
}

func (m *memory) Prune(ctx context.Context, stale, now time.Time, _ int) (n int, err error) {
	err = m.do(ctx, func(d *data) error {
		before := len(d.enrollments) + len(d.sets) + len(d.devices)
		maps.DeleteFunc(d.enrollments, func(_ string, e enrollment) bool { return e.ExpiresAt.Before(stale) })
		maps.DeleteFunc(d.sets, func(_ string, s codeSet) bool { return !s.active && s.CreatedAt.Before(stale) })
		maps.DeleteFunc(d.devices, func(_ string, e mfa.DeviceRecord) bool { return e.ExpiresAt.Before(now) })
		n = before - len(d.enrollments) - len(d.sets) - len(d.devices)
		return nil
	})
	m.counting.Lock()
	defer m.counting.Unlock()
	before := len(m.counts)
	maps.DeleteFunc(m.counts, func(key string, c count) bool {
		return strings.HasPrefix(key, "network/") && c.until.Before(stale)
	})
	return n + before - len(m.counts), err
}

func (m *memory) SealedSecrets(ctx context.Context, after mfa.SealedSecret, limit int) (out []mfa.SealedSecret, err error) {
	err = m.do(ctx, func(d *data) error {
		for _, a := range d.authenticators {
			out = append(out, mfa.SealedSecret{Place: mfa.PlaceAuthenticator, ID: a.ID, Subject: a.Subject, Secret: a.Secret})
		}
		for _, e := range d.enrollments {
			out = append(out, mfa.SealedSecret{Place: mfa.PlaceEnrollment, ID: e.ID, Subject: e.Subject, Secret: e.Secret})
		}
		for _, s := range d.sets {
			out = append(out, mfa.SealedSecret{Place: mfa.PlaceCodes, ID: s.ID, Subject: s.Subject, Secret: s.Salt})
		}
		return nil
	})
	order := func(a, b mfa.SealedSecret) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.ID, b.ID))
	}
	out = slices.DeleteFunc(out, func(s mfa.SealedSecret) bool { return order(s, after) <= 0 })
	slices.SortFunc(out, order)
	return out[:min(limit, len(out))], err
}

func (m *memory) SwapSealed(ctx context.Context, was mfa.SealedSecret, secret []byte) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		same := func(subject string, kept []byte) bool { return subject == was.Subject && bytes.Equal(kept, was.Secret) }
		a, e, s := d.authenticators[was.ID], d.enrollments[was.ID], d.sets[was.ID]
		switch {
		case was.Place == mfa.PlaceAuthenticator && same(a.Subject, a.Secret):
			a.Secret = secret
			d.authenticators[was.ID] = a
		case was.Place == mfa.PlaceEnrollment && same(e.Subject, e.Secret):
			e.Secret = secret
			d.enrollments[was.ID] = e
		case was.Place == mfa.PlaceCodes && same(s.Subject, s.Salt):
			s.Salt = secret
			d.sets[was.ID] = s
		default:
			return nil
		}
		won = true
		return nil
	})
	return won, err
}

func (m *memory) Distrust(ctx context.Context, step int64) error {
	return m.do(ctx, func(d *data) error {
		for id, a := range d.authenticators {
			if a.LastStep = max(a.LastStep, step+a.Offset); a.Provisional {
				a.LastStep = max(a.LastStep, step)
			}
			d.authenticators[id] = a
		}
		clear(d.enrollments)
		clear(d.sets)
		clear(d.devices)
		return nil
	})
}
