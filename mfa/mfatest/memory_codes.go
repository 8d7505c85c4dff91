package mfatest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/focushq/idp/mfa"
)

func (m *memory) AddCodes(ctx context.Context, set mfa.CodeSet) error {
	return m.do(ctx, func(d *data) error {
		maps.DeleteFunc(d.sets, func(_ string, s codeSet) bool { return s.Subject == set.Subject && !s.active })
		d.sets[set.ID] = codeSet{CodeSet: set}
		return nil
	})
}

func (m *memory) Codes(ctx context.Context, subject string) (out mfa.CodeSet, err error) {
	err = m.do(ctx, func(d *data) error {
		for _, s := range d.sets {
			if s.Subject == subject && s.active {
				out = s.CodeSet
			}
		}
		return nil
	})
	return out, err
}

func (m *memory) Holding(ctx context.Context, subject string) (out mfa.Holding, err error) {
	err = m.do(ctx, func(d *data) error {
		for _, a := range d.authenticators {
			if a.Subject == subject {
				out.Authenticators++
			}
		}
		for _, s := range d.sets {
			if s.Subject != subject || !s.active {
				continue
			}
			out.CodesMadeAt = s.CreatedAt
			for _, c := range s.Codes {
				if c.UsedAt.IsZero() {
					out.CodesLeft++
				}
			}
		}
		return nil
	})
	return out, err
}

func (m *memory) ActivateCodes(ctx context.Context, owner mfa.Owner, enrollment, set string) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		s, ok := d.sets[set]
		if won = ok && s.Owner == owner && s.Enrollment == enrollment && !s.active; won {
			maps.DeleteFunc(d.sets, func(_ string, s codeSet) bool { return s.Subject == owner.Subject && s.active })
			s.active = true
			d.sets[set] = s
		}
		return nil
	})
	return won, err
}

func (m *memory) UseCode(ctx context.Context, subject, set string, n int, at time.Time) (won bool, err error) {
	err = m.do(ctx, func(d *data) error {
		s := d.sets[set]
		i := slices.IndexFunc(s.Codes, func(c mfa.CodeRecord) bool { return c.N == n })
		if won = i >= 0 && s.Subject == subject && s.Codes[i].UsedAt.IsZero(); won {
			s.Codes = slices.Clone(s.Codes)
			s.Codes[i] = mfa.CodeRecord{N: n, UsedAt: at}
			d.sets[set] = s
		}
		return nil
	})
	return won, err
}
