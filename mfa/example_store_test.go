package mfa_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// mapStore is a whole store of one's own. There is one lock, and a transaction that fails is undone from a copy: so
// each conditional change is true for one caller. On a database the conditions stand in the statements.
type mapStore struct {
	mu     sync.Mutex
	people map[string]person // values are replaced, never changed in place
	counts map[string]tries
}

type person struct {
	pending         []pendingApp
	apps            []mfa.AuthenticatorRecord
	newCodes, codes mfa.CodeSet
	devices         []mfa.DeviceRecord
}

type pendingApp struct {
	mfa.PendingEnrollment
	pairs int
}

type tries struct {
	n     int
	until time.Time
}

type inTx struct{} // marks a context

func (s *mapStore) InOne(ctx context.Context, fn func(context.Context) error) error {
	return s.InTx(ctx, fn)
}

func (s *mapStore) InTx(ctx context.Context, fn func(context.Context) error) error {
	if ctx.Value(inTx{}) == s {
		return fn(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	people, counts := maps.Clone(s.people), maps.Clone(s.counts)
	err := fn(context.WithValue(ctx, inTx{}, s))
	if err != nil {
		s.people, s.counts = people, counts
	}
	return err
}

// edit changes what is kept about one person, if fn says so.
func (s *mapStore) edit(ctx context.Context, subject string, fn func(*person) bool) (changed bool, err error) {
	return changed, s.InTx(ctx, func(context.Context) error {
		p := s.people[subject]
		p.pending, p.apps, p.devices = slices.Clone(p.pending), slices.Clone(p.apps), slices.Clone(p.devices)
		p.newCodes.Codes, p.codes.Codes = slices.Clone(p.newCodes.Codes), slices.Clone(p.codes.Codes)
		if changed = fn(&p); changed {
			s.people[subject] = p
		}
		return nil
	})
}

// each edits everybody.
func (s *mapStore) each(ctx context.Context, fn func(*person) bool) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		for subject := range maps.Clone(s.people) {
			s.edit(ctx, subject, fn)
		}
		return nil
	})
}

// read returns what is kept about one person.
func (s *mapStore) read(ctx context.Context, subject string) (p person, err error) {
	_, err = s.edit(ctx, subject, func(found *person) bool { p = *found; return false })
	return p, err
}

func named[T any](all []T, is func(T) bool) *T {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return &all[i]
	}
	return nil
}

func (p *person) begun(id string) *pendingApp {
	return named(p.pending, func(e pendingApp) bool { return e.ID == id })
}

func (p *person) app(id string) *mfa.AuthenticatorRecord {
	return named(p.apps, func(a mfa.AuthenticatorRecord) bool { return a.ID == id })
}

func without[T any](all *[]T, is func(T) bool) bool {
	before := len(*all)
	*all = slices.DeleteFunc(*all, is)
	return len(*all) < before
}

func (s *mapStore) Lock(context.Context, string) error { return nil } // InTx has everything for itself

func (s *mapStore) Attempts(ctx context.Context, key string) (c int, until time.Time, err error) {
	return c, until, s.InTx(ctx, func(context.Context) error { c, until = s.counts[key].n, s.counts[key].until; return nil })
}

func (s *mapStore) CountAttempt(ctx context.Context, key string, n, more int, until time.Time) (won bool, err error) {
	if ctx.Value(inTx{}) == s {
		return false, errors.New("one writer: this count would be undone with its transaction")
	}
	return won, s.InTx(ctx, func(context.Context) error {
		if won = s.counts[key].n == n; won {
			s.counts[key] = tries{n + more, until}
		}
		return nil
	})
}

func (s *mapStore) ClearAttempts(ctx context.Context, key string) error {
	return s.InTx(ctx, func(context.Context) error { delete(s.counts, key); return nil })
}

func (s *mapStore) ClearBelow(ctx context.Context, key string, n int) (done bool, err error) {
	return done, s.InTx(ctx, func(context.Context) error {
		if c := s.counts[key].n; 0 < c && c < n {
			delete(s.counts, key)
			done = true
		}
		return nil
	})
}

func (s *mapStore) AddEnrollment(ctx context.Context, e mfa.PendingEnrollment) error {
	_, err := s.edit(ctx, e.Subject, func(p *person) bool {
		p.pending = append(p.pending[max(0, len(p.pending)-4):], pendingApp{PendingEnrollment: e})
		return true
	})
	return err
}

func (s *mapStore) Enrollments(ctx context.Context, subject string) (out []mfa.PendingEnrollment, err error) {
	p, err := s.read(ctx, subject)
	for _, e := range p.pending {
		out = append(out, e.PendingEnrollment)
	}
	return out, err
}

func (s *mapStore) CountPair(ctx context.Context, subject, id string, limit int) (bool, error) {
	return s.edit(ctx, subject, func(p *person) bool {
		e := p.begun(id)
		if e == nil || e.pairs >= limit {
			return false
		}
		e.pairs++
		return true
	})
}

func (s *mapStore) Prove(ctx context.Context, subject, id string, offset, lastStep int64) (bool, error) {
	return s.edit(ctx, subject, func(p *person) bool {
		e := p.begun(id)
		if e == nil || e.Proven {
			return false
		}
		e.Proven, e.Offset, e.LastStep = true, offset, lastStep
		return true
	})
}

func (s *mapStore) RemoveEnrollments(ctx context.Context, subject string) (n int, err error) {
	_, err = s.edit(ctx, subject, func(p *person) bool { n, p.pending = len(p.pending), nil; return true })
	return n, err
}

func (s *mapStore) Authenticators(ctx context.Context, subject string) ([]mfa.AuthenticatorRecord, error) {
	p, err := s.read(ctx, subject)
	slices.SortFunc(p.apps, func(a, b mfa.AuthenticatorRecord) int {
		return cmp.Or(a.AddedAt.Compare(b.AddedAt), cmp.Compare(a.ID, b.ID))
	})
	return p.apps, err
}

func (s *mapStore) AuthenticatorsAmong(ctx context.Context, subjects []string) (out []string, err error) {
	return out, s.InTx(ctx, func(context.Context) error {
		for _, subject := range subjects {
			if len(s.people[subject].apps) > 0 && !slices.Contains(out, subject) {
				out = append(out, subject)
			}
		}
		return nil
	})
}

func (s *mapStore) AddAuthenticator(ctx context.Context, a mfa.AuthenticatorRecord) error {
	added, err := s.edit(ctx, a.Subject, func(p *person) bool {
		exists := p.app(a.ID) != nil
		p.apps = append(p.apps, a)
		return !exists
	})
	if err == nil && !added {
		err = errors.New("the authenticator exists")
	}
	return err
}

func (s *mapStore) AdvanceStep(ctx context.Context, subject, id string, to mfa.Advance) (bool, error) {
	return s.edit(ctx, subject, func(p *person) bool {
		a := p.app(id)
		if a == nil || a.LastStep >= to.First() {
			return false
		}
		if a.LastStep, a.Offset, a.Provisional, a.Run = to.Step, to.Offset, to.Provisional, to.Run; !to.At.IsZero() {
			a.LastUsedAt = to.At
		}
		return true
	})
}

func (s *mapStore) RenameAuthenticator(ctx context.Context, subject, id, name string) (bool, error) {
	return s.edit(ctx, subject, func(p *person) bool {
		a := p.app(id)
		if a != nil {
			a.Name = name
		}
		return a != nil
	})
}

func (s *mapStore) RemoveAuthenticator(ctx context.Context, subject, id string) (bool, error) {
	return s.edit(ctx, subject, func(p *person) bool {
		return without(&p.apps, func(a mfa.AuthenticatorRecord) bool { return a.ID == id })
	})
}

func (s *mapStore) AddCodes(ctx context.Context, set mfa.CodeSet) error {
	_, err := s.edit(ctx, set.Subject, func(p *person) bool { p.newCodes = set; return true })
	return err
}

func (s *mapStore) Codes(ctx context.Context, subject string) (mfa.CodeSet, error) {
	p, err := s.read(ctx, subject)
	return p.codes, err
}

func (s *mapStore) Holding(ctx context.Context, subject string) (mfa.Holding, error) {
	p, err := s.read(ctx, subject)
	out := mfa.Holding{Authenticators: len(p.apps), CodesMadeAt: p.codes.CreatedAt}
	for _, c := range p.codes.Codes {
		if c.UsedAt.IsZero() {
			out.CodesLeft++
		}
	}
	return out, err
}

func (s *mapStore) ActivateCodes(ctx context.Context, owner mfa.Owner, enrollment, set string) (bool, error) {
	return s.edit(ctx, owner.Subject, func(p *person) bool {
		made := p.newCodes
		p.codes, p.newCodes = made, mfa.CodeSet{}
		return made.ID == set && made.Owner == owner && made.Enrollment == enrollment
	})
}

func (s *mapStore) UseCode(ctx context.Context, subject, set string, n int, at time.Time) (bool, error) {
	return s.edit(ctx, subject, func(p *person) bool {
		code := named(p.codes.Codes, func(c mfa.CodeRecord) bool { return c.N == n && c.UsedAt.IsZero() })
		if code == nil || p.codes.ID != set {
			return false
		}
		*code = mfa.CodeRecord{N: n, UsedAt: at}
		return true
	})
}

func (s *mapStore) AddDevice(ctx context.Context, d mfa.DeviceRecord) error {
	_, err := s.edit(ctx, d.Subject, func(p *person) bool { p.devices = append(p.devices, d); return true })
	return err
}

func (s *mapStore) Devices(ctx context.Context, subject string) ([]mfa.DeviceRecord, error) {
	p, err := s.read(ctx, subject)
	slices.SortFunc(p.devices, func(a, b mfa.DeviceRecord) int {
		return cmp.Or(b.AddedAt.Compare(a.AddedAt), cmp.Compare(a.ID, b.ID))
	})
	return p.devices, err
}

func (s *mapStore) SwapDevice(ctx context.Context, secret []byte, to mfa.DeviceRecord) (bool, error) {
	return s.edit(ctx, to.Subject, func(p *person) bool {
		d := named(p.devices, func(d mfa.DeviceRecord) bool { return d.ID == to.ID && bytes.Equal(d.Secret, secret) })
		if d != nil {
			d.Secret, d.Former, d.RotatedAt, d.LastUsedAt = to.Secret, to.Former, to.RotatedAt, to.LastUsedAt
		}
		return d != nil
	})
}

func (s *mapStore) RemoveDevice(ctx context.Context, subject, id string) (bool, error) {
	return s.edit(ctx, subject, func(p *person) bool {
		return without(&p.devices, func(d mfa.DeviceRecord) bool { return d.ID == id })
	})
}

func (s *mapStore) RemoveDevices(ctx context.Context, subject string) (n int, err error) {
	_, err = s.edit(ctx, subject, func(p *person) bool { n, p.devices = len(p.devices), nil; return true })
	return n, err
}

func (s *mapStore) RemoveAll(ctx context.Context, subject string) error {
	return s.InTx(ctx, func(context.Context) error { delete(s.people, subject); return nil })
}

func (s *mapStore) Prune(ctx context.Context, stale, now time.Time, _ int) (n int, err error) {
	err = s.InTx(ctx, func(context.Context) error {
		before := len(s.counts)
		maps.DeleteFunc(s.counts, func(key string, c tries) bool {
			return strings.HasPrefix(key, "network/") && c.until.Before(stale)
		})
		n = before - len(s.counts)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, s.each(ctx, func(p *person) bool {
		before := len(p.pending) + len(p.devices)
		without(&p.pending, func(e pendingApp) bool { return e.ExpiresAt.Before(stale) })
		without(&p.devices, func(d mfa.DeviceRecord) bool { return d.ExpiresAt.Before(now) })
		if n += before - len(p.pending) - len(p.devices); p.newCodes.ID != "" && p.newCodes.CreatedAt.Before(stale) {
			p.newCodes = mfa.CodeSet{}
			n++
		}
		return true
	})
}

// secrets calls fn for every sealed secret.
func (p *person) secrets(fn func(place, id string, secret *[]byte)) {
	for i := range p.apps {
		fn(mfa.PlaceAuthenticator, p.apps[i].ID, &p.apps[i].Secret)
	}
	for i := range p.pending {
		fn(mfa.PlaceEnrollment, p.pending[i].ID, &p.pending[i].Secret)
	}
	for _, set := range []*mfa.CodeSet{&p.codes, &p.newCodes} {
		if set.ID != "" {
			fn(mfa.PlaceCodes, set.ID, &set.Salt)
		}
	}
}

func (s *mapStore) SealedSecrets(ctx context.Context, after mfa.SealedSecret, limit int) (out []mfa.SealedSecret, err error) {
	order := func(a, b mfa.SealedSecret) int { return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.ID, b.ID)) }
	err = s.InTx(ctx, func(context.Context) error {
		for subject, p := range s.people {
			p.secrets(func(place, id string, secret *[]byte) {
				row := mfa.SealedSecret{Place: place, ID: id, Subject: subject, Secret: *secret}
				if order(row, after) > 0 {
					out = append(out, row)
				}
			})
		}
		return nil
	})
	slices.SortFunc(out, order)
	return out[:min(limit, len(out))], err
}

func (s *mapStore) SwapSealed(ctx context.Context, was mfa.SealedSecret, secret []byte) (bool, error) {
	return s.edit(ctx, was.Subject, func(p *person) (swapped bool) {
		p.secrets(func(place, id string, kept *[]byte) {
			if place == was.Place && id == was.ID && bytes.Equal(*kept, was.Secret) {
				*kept, swapped = secret, true
			}
		})
		return swapped
	})
}

func (s *mapStore) Distrust(ctx context.Context, step int64) error {
	return s.each(ctx, func(p *person) bool {
		for i := range p.apps {
			a := &p.apps[i]
			if a.LastStep = max(a.LastStep, step+a.Offset); a.Provisional {
				a.LastStep = max(a.LastStep, step)
			}
		}
		*p = person{apps: p.apps}
		return true
	})
}

// What a store's author runs.
func TestMapStore(t *testing.T) {
	mfatest.RunStore(t, func(*testing.T) mfa.Store {
		return &mapStore{people: map[string]person{}, counts: map[string]tries{}}
	})
}
