package mfa_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/focushq/idp/mfa"
)

// clockModel says what the rules of RFC 6238 section 5.2 and of a stored offset come to: written from the rules, and
// simpler than what it is compared with.
type clockModel struct {
	offset, last int64
	provisional  bool
	edge, run    int64 // the edge of the window at which the last accepted codes came, and how many there were
}

// measure takes a clock that codes show to be so many steps off.
func (m *clockModel) measure(off int64) {
	if m.offset = off; off >= -1 && off <= 1 {
		m.offset = 0
	}
	m.edge, m.run, m.provisional = 0, 0, false
}

// enter returns what a code of that step gets while the server is at step now.
func (m *clockModel) enter(step, now int64) error {
	distance := step - now - m.offset
	fresh, latest := step > m.last, now+m.offset+1
	if m.provisional {
		latest = now + 1
	}
	switch {
	case distance < -20 || step > latest:
		return mfa.ErrInvalidCode // as any wrong code, and not used up
	case distance < -1 && (fresh || step < m.last-1):
		m.last = max(m.last, step)
		return &mfa.ClockError{Offset: time.Duration(m.offset+distance) * mfa.Period}
	case !fresh:
		return mfa.ErrReplayed
	}
	m.last = step
	if m.provisional {
		m.measure(step - now)
		return nil
	}
	if distance == 0 || distance != m.edge {
		m.edge, m.run = distance, 0
	}
	if m.run++; distance != 0 && m.run == 3 {
		if moved := m.offset + distance; moved >= -20 && moved <= 20 {
			m.offset = moved
		}
		m.edge, m.run = 0, 0
	}
	return nil
}

// enterPair returns what the codes of a step and the next one get, typed in that order at step now.
func (m *clockModel) enterPair(step, now int64) error {
	switch off := step - now; {
	case off < -1680 || off > 1680:
		return mfa.ErrInvalidCode
	case off < -20 || off > 20:
		return &mfa.ClockError{Offset: time.Duration(off) * mfa.Period}
	case step <= m.last:
		return mfa.ErrReplayed
	}
	m.last = step + 1
	m.measure(step + 1 - now)
	m.provisional = m.offset <= -2 && m.offset >= -6
	return nil
}

// TestSec_MF03_MF04_AnyHistory enters codes of any steps at any times, from phones whose clocks are off, jump and drift, of
// people who type slowly, to servers whose clocks jump too: what is accepted, refused and said is always what the rules say, each step is accepted
// once, and never an older one after it.
func TestSec_MF03_MF04_AnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t)
		off := rapid.OneOf(rapid.Just[int64](0), rapid.Int64Range(-20, 19)).Draw(r, "phone, in steps")
		late := min(rapid.Int64Range(0, 9).Draw(r, "typed late, in steps"), off+20)
		// Codes that are typed late are those of a slow phone.
		phone, _ := b.enroll("alice", time.Duration(off-late)*mfa.Period)
		var model clockModel
		enrolled := b.clock().Unix()/30 - 2
		b.must(model.enterPair(enrolled+off-late, enrolled))
		if known := b.records("alice")[0]; known.Offset != model.offset || known.Provisional != model.provisional || known.LastStep != model.last {
			r.Fatalf("a pair at %d steps: %+v, want %+v", off-late+1, known, model)
		}
		phone.Offset = time.Duration(off) * mfa.Period
		accepted := model.last
		for range rapid.IntRange(1, 40).Draw(r, "codes") {
			b.pass(time.Duration(rapid.SampledFrom([]int{0, 7, 30, 30, 60, 3600, -90}).Draw(r, "seconds")) * time.Second)
			phone.Offset += time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(r, "drift")) * mfa.Period
			ahead := rapid.SampledFrom([]int{0, 0, 0, -1, 1, -2, 2, 3, -5, 6, -19, -20, -21, -22, -40, 20}).Draw(r, "ahead")
			now := b.clock().Unix() / 30
			step, code := now+int64(phone.Offset/mfa.Period)+int64(ahead), phone.Code(ahead)
			if twice(phone, ahead, code) {
				continue // two steps with the same digits: once in some ten thousand codes
			}
			b.must(b.config.Store.ClearAttempts(t.Context(), "totp/alice"))
			was, last := model, step // the last step that is used up
			var got, want error
			if next := phone.Code(ahead + 1); rapid.IntRange(0, 3).Draw(r, "pair") == 0 && next != code && !twice(phone, ahead+1, next) {
				_, got = b.VerifyPair(t.Context(), "alice", code, next)
				want, last = model.enterPair(step, now), step+1
			} else {
				got, want = b.VerifyTOTP(t.Context(), "alice", code), model.enter(step, now)
			}
			if !alike(got, want) {
				r.Fatalf("step %d to %d at %d, %+v: got %v, want %v", step, last, now, was, got, want)
			}
			if got == nil && step <= accepted {
				r.Fatalf("step %d is accepted after %d", step, accepted)
			}
			if got == nil {
				accepted = last
			}
			if known := b.records("alice")[0]; known.Offset != model.offset || known.Provisional != model.provisional || known.LastStep != model.last {
				r.Fatalf("%+v, want %+v", known, model)
			}
		}
	})
}

// twice reports whether a step near the one of code has the same digits.
func twice(phone interface{ Code(int) string }, ahead int, code string) bool {
	for near := ahead - 45; near <= ahead+45; near++ {
		if near != ahead && phone.Code(near) == code {
			return true
		}
	}
	return false
}

func alike(got, want error) bool {
	var clock, wanted *mfa.ClockError
	switch {
	case want == nil:
		return got == nil
	case errors.As(want, &wanted):
		return errors.As(got, &clock) && clock.Offset == wanted.Offset
	}
	return errors.Is(got, want)
}
