package mfatest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/focushq/idp/mfa"
)

// Memory returns a store that lives as long as the process. It has one writer at a time; a transaction that fails is
// undone from a copy.
func Memory() mfa.Store {
	return &memory{
		counts: map[string]count{},
		data: data{
			enrollments:    map[string]enrollment{},
			authenticators: map[string]mfa.AuthenticatorRecord{},
			sets:           map[string]codeSet{},
			devices:        map[string]mfa.DeviceRecord{},
		},
	}
}

type memory struct {
	writing sync.Mutex // held by a transaction
	data    data

	counting sync.Mutex // counts are committed by themselves
	counts   map[string]count
}

type data struct {
	enrollments    map[string]enrollment
	authenticators map[string]mfa.AuthenticatorRecord
	sets           map[string]codeSet
	devices        map[string]mfa.DeviceRecord
}

type count struct {
	n     int
	until time.Time
}

type enrollment struct {
	mfa.PendingEnrollment
	pairs int
}

type codeSet struct {
	mfa.CodeSet
	active bool
}

func (d data) clone() data {
	return data{maps.Clone(d.enrollments), maps.Clone(d.authenticators), maps.Clone(d.sets), maps.Clone(d.devices)}
}

// memoryTx is an open transaction. Counts that it clears stay until it is committed.
type memoryTx struct{ cleared []string }

type memoryKey struct{ m *memory }

func (m *memory) InOne(ctx context.Context, fn func(context.Context) error) error {
	return m.InTx(ctx, fn)
}

func (m *memory) InTx(ctx context.Context, fn func(context.Context) error) error {
	if m.tx(ctx) != nil {
		return fn(ctx)
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	before, tx, done := m.data.clone(), &memoryTx{}, false
	defer func() {
		if !done {
			m.data = before
		}
	}()
	if err := fn(context.WithValue(ctx, memoryKey{m}, tx)); err != nil {
		return err
	}
	done = true
	m.counting.Lock()
	defer m.counting.Unlock()
	for _, key := range tx.cleared {
		delete(m.counts, key)
	}
	return nil
}

func (m *memory) tx(ctx context.Context) *memoryTx {
	tx, _ := ctx.Value(memoryKey{m}).(*memoryTx)
	return tx
}

// do runs fn with the data for itself, in the transaction of ctx if there is one.
func (m *memory) do(ctx context.Context, fn func(d *data) error) error {
	return m.InTx(ctx, func(context.Context) error { return fn(&m.data) })
}

func (m *memory) Lock(context.Context, string) error { return nil } // a transaction has everything for itself

func (m *memory) Attempts(ctx context.Context, key string) (int, time.Time, error) {
	m.counting.Lock()
	defer m.counting.Unlock()
	if tx := m.tx(ctx); tx != nil && slices.Contains(tx.cleared, key) {
		return 0, time.Time{}, nil
	}
	c := m.counts[key]
	return c.n, c.until, nil
}

func (m *memory) CountAttempt(_ context.Context, key string, n, tries int, until time.Time) (bool, error) {
	m.counting.Lock()
	defer m.counting.Unlock()
	if m.counts[key].n != n {
		return false, nil
	}
	m.counts[key] = count{n + tries, until.Truncate(time.Second)}
	return true, nil
}

func (m *memory) ClearAttempts(ctx context.Context, key string) error {
	if tx := m.tx(ctx); tx != nil {
		tx.cleared = append(tx.cleared, key)
		return nil
	}
	m.counting.Lock()
	defer m.counting.Unlock()
	delete(m.counts, key)
	return nil
}

func (m *memory) ClearBelow(ctx context.Context, key string, n int) (bool, error) {
	stands, _, err := m.Attempts(ctx, key)
	if err != nil || stands == 0 || stands >= n {
		return false, err
	}
	return true, m.ClearAttempts(ctx, key)
}

func (m *memory) AddEnrollment(ctx context.Context, e mfa.PendingEnrollment) error {
	return m.do(ctx, func(d *data) error {
		others := d.pending(e.Subject)
		for len(others) > 4 {
			delete(d.enrollments, others[0].ID)
			others = others[1:]
		}
		d.enrollments[e.ID] = enrollment{PendingEnrollment: e}
		return nil
	})
}

func (d *data) pending(subject string) []mfa.PendingEnrollment {
	var out []mfa.PendingEnrollment
	for _, e := range d.enrollments {
		if e.Subject == subject {
			out = append(out, e.PendingEnrollment)
		}
	}
	slices.SortFunc(out, func(a, b mfa.PendingEnrollment) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (m *memory) Enrollments(ctx context.Context, subject string) (out []mfa.PendingEnrollment, err error) {
	err = m.do(ctx, func(d *data) error {
		out = d.pending(subject)
		return nil
	})
	return out, err
}

func (m *memory) CountPair(ctx context.Context, subject, id string, limit int) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		e, ok := d.enrollments[id]
		if won = ok && e.Subject == subject && e.pairs < limit; won {
			e.pairs++
			d.enrollments[id] = e
		}
		return nil
	})
	return won, err
}

func (m *memory) Prove(ctx context.Context, subject, id string, offset, lastStep int64) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		e, ok := d.enrollments[id]
		if won = ok && e.Subject == subject && !e.Proven; won {
			e.Proven, e.Offset, e.LastStep = true, offset, lastStep
			d.enrollments[id] = e
		}
		return nil
	})
	return won, err
}

func (m *memory) RemoveEnrollments(ctx context.Context, subject string) (n int, err error) {
	err = m.do(ctx, func(d *data) error {
		n = len(d.pending(subject))
		maps.DeleteFunc(d.enrollments, func(_ string, e enrollment) bool { return e.Subject == subject })
		return nil
	})
	return n, err
}

func (m *memory) Authenticators(ctx context.Context, subject string) (out []mfa.AuthenticatorRecord, err error) {
	err = m.do(ctx, func(d *data) error {
		for _, a := range d.authenticators {
			if a.Subject == subject {
				out = append(out, a)
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b mfa.AuthenticatorRecord) int {
		return cmp.Or(a.AddedAt.Compare(b.AddedAt), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

func (m *memory) AuthenticatorsAmong(ctx context.Context, subjects []string) (out []string, err error) {
	err = m.do(ctx, func(d *data) error {
		have := map[string]bool{}
		for _, a := range d.authenticators {
			have[a.Subject] = true
		}
		for _, subject := range subjects {
			if have[subject] {
				out = append(out, subject)
				delete(have, subject) // told once
			}
		}
		return nil
	})
	return out, err
}

func (m *memory) AddAuthenticator(ctx context.Context, a mfa.AuthenticatorRecord) error {
	return m.do(ctx, func(d *data) error {
		if _, taken := d.authenticators[a.ID]; taken {
			return errors.New("mfatest: the authenticator exists")
		}
		d.authenticators[a.ID] = a
		return nil
	})
}

// changeAuthenticator changes a subject's authenticator when fn says so.
func (m *memory) changeAuthenticator(ctx context.Context, subject, id string, fn func(*mfa.AuthenticatorRecord) bool) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		a, ok := d.authenticators[id]
		if won = ok && a.Subject == subject && fn(&a); won {
			d.authenticators[id] = a
		}
		return nil
	})
	return won, err
}

func (m *memory) AdvanceStep(ctx context.Context, subject, id string, to mfa.Advance) (bool, error) {
	return m.changeAuthenticator(ctx, subject, id, func(a *mfa.AuthenticatorRecord) bool {
		if a.LastStep >= to.First() {
			return false
		}
		a.LastStep, a.Offset, a.Provisional, a.Run = to.Step, to.Offset, to.Provisional, to.Run
		if to.At.After(a.LastUsedAt) {
			a.LastUsedAt = to.At
		}
		return true
	})
}

func (m *memory) RenameAuthenticator(ctx context.Context, subject, id, name string) (bool, error) {
	return m.changeAuthenticator(ctx, subject, id, func(a *mfa.AuthenticatorRecord) bool {
		a.Name = name
		return true
	})
}

func (m *memory) RemoveAuthenticator(ctx context.Context, subject, id string) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		if won = d.authenticators[id].Subject == subject && subject != ""; won {
			delete(d.authenticators, id)
		}
		return nil
	})
	return won, err
}

func (m *memory) AddDevice(ctx context.Context, device mfa.DeviceRecord) error {
	return m.do(ctx, func(d *data) error {
		d.devices[device.ID] = device
		return nil
	})
}

func (m *memory) Devices(ctx context.Context, subject string) (out []mfa.DeviceRecord, err error) {
	err = m.do(ctx, func(d *data) error {
		for _, device := range d.devices {
			if device.Subject == subject {
				out = append(out, device)
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b mfa.DeviceRecord) int {
		return cmp.Or(b.AddedAt.Compare(a.AddedAt), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

func (m *memory) SwapDevice(ctx context.Context, secret []byte, to mfa.DeviceRecord) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		device, ok := d.devices[to.ID]
		if won = ok && device.Subject == to.Subject && bytes.Equal(device.Secret, secret); won {
			device.Secret, device.Former = to.Secret, to.Former
			device.RotatedAt, device.LastUsedAt = to.RotatedAt, to.LastUsedAt
			d.devices[to.ID] = device
		}
		return nil
	})
	return won, err
}

func (m *memory) RemoveDevice(ctx context.Context, subject, id string) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		if won = d.devices[id].Subject == subject && subject != ""; won {
			delete(d.devices, id)
		}
		return nil
	})
	return won, err
}

func (m *memory) RemoveDevices(ctx context.Context, subject string) (n int, err error) {
	err = m.do(ctx, func(d *data) error {
		before := len(d.devices)
		maps.DeleteFunc(d.devices, func(_ string, e mfa.DeviceRecord) bool { return e.Subject == subject })
		n = before - len(d.devices)
		return nil
	})
	return n, err
}
