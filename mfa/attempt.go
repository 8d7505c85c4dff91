package mfa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/focushq/idp/internal/throttle"
)

// Limits say how many wrong codes are looked at. A Limit that is left zero gets its default; there is no way to have
// none.
type Limits struct {
	TOTP     Limit
	Recovery Limit
	Others   Limit // of each registered factor: see [Service.Try]

	// Network limits failures of all people and factors per network (one IPv4 address, an IPv6 /64) within an hour, where
	// the address is known: see [WithAddress]. It has no Seal. One person adds 20 at most. Default: 100, then one a minute.
	Network Limit
}

// Limit is the price of wrong codes in a row, counted per person over all sessions, addresses and replicas. Only a
// success clears the count; time and restarts don't.
type Limit struct {
	Waits []Wait // ascending; the first begins at the 10th failure at the latest
	Seal  int    // after so many failures no code is looked at any more; at most 100 (NIST SP 800-63B, section 3.2.2)
}

// Wait is the pause that follows each failure from the From-th on.
type Wait struct {
	From int
	For  time.Duration // 30 seconds or more
}

// DefaultLimits return the limits that a zero [Config] has. Of the app's codes four are free, and whoever knows the
// password and keeps guessing for as long as it takes gets in with a chance of 0.02 % before the seal.
func DefaultLimits() Limits {
	digits := func() Limit {
		return Limit{Waits: []Wait{{5, time.Minute}, {10, 15 * time.Minute}, {20, time.Hour}}, Seal: 60}
	}
	return Limits{
		TOTP:     digits(),
		Recovery: Limit{Waits: []Wait{{5, 15 * time.Minute}}, Seal: 30},
		Others:   digits(),
		Network:  Limit{Waits: []Wait{{100, time.Minute}}},
	}
}

// complete fills in the defaults and refuses what would limit too little.
func (l Limits) complete() (Limits, error) {
	fallback := DefaultLimits()
	for _, each := range []struct {
		name          string
		limit, normal *Limit
		validate      func(Limit) error
	}{
		{"Limits.TOTP", &l.TOTP, &fallback.TOTP, Limit.Validate},
		{"Limits.Recovery", &l.Recovery, &fallback.Recovery, Limit.Validate},
		{"Limits.Others", &l.Others, &fallback.Others, Limit.Validate},
		{"Limits.Network", &l.Network, &fallback.Network, Limit.validateNetwork},
	} {
		if each.limit.Waits == nil && each.limit.Seal == 0 {
			*each.limit = *each.normal
		}
		if err := each.validate(*each.limit); err != nil {
			return l, fmt.Errorf("mfa: %s: %w", each.name, err)
		}
	}
	return l, nil
}

// Validate says what [New] refuses in a limit of one person's codes.
func (l Limit) Validate() error {
	if err := l.policy().Validate(); err != nil {
		return err
	}
	if l.Waits[0].From > 10 {
		return fmt.Errorf("the first wait must begin at the 10th failure or before, not at the %dth", l.Waits[0].From)
	}
	for _, w := range l.Waits {
		if w.For < Period {
			return fmt.Errorf("a wait of %v is shorter than a code lives (%v)", w.For, Period)
		}
	}
	if l.Seal < 1 || l.Seal > 100 {
		return fmt.Errorf("the seal must come after 1 to 100 failures, not %d", l.Seal)
	}
	return nil
}

func (l Limit) policy() throttle.Policy {
	policy := throttle.Policy{Seal: l.Seal}
	for _, w := range l.Waits {
		policy.Waits = append(policy.Waits, throttle.Wait{From: w.From, For: w.For})
	}
	return policy
}

// factor is a kind of proof with a count of its own: wrong codes of one never spend the tries of another. Registered
// factors have their name.
type factor string

const (
	factorTOTP     factor = "totp"
	factorRecovery factor = "recovery"
)

// warnAt is the failure in a row at which the person is told that somebody knows the password.
const warnAt = 5

func (f factor) key(subject string) string { return string(f) + "/" + subject }

func (s *Service) policy(f factor) throttle.Policy {
	switch f {
	case factorTOTP:
		return s.config.Limits.TOTP.policy()
	case factorRecovery:
		return s.config.Limits.Recovery.policy()
	}
	return s.config.Limits.Others.policy()
}

// tries are the numbers, in a series of failures, of what is looked at together, and what they cost their network.
type tries struct {
	first, last int
	toll        []toll
}

func (t tries) include(n int) bool { return t.first <= n && n <= t.last }

// reserve counts a try, or a [*ThrottledError] says that it must not be looked at. It comes before any comparison and
// is committed by itself: parallel guesses, and a sign-in that is rolled back, cost what they should.
func (s *Service) reserve(ctx context.Context, subject string, f factor) (tries, error) {
	return s.reserveTogether(ctx, subject, f, 1)
}

// reserveTogether is reserve for several tries at once. The network comes first: while it waits nobody's own count moves.
func (s *Service) reserveTogether(ctx context.Context, subject string, f factor, count int) (tries, error) {
	paid, err := s.payToll(ctx, subject, count)
	if err != nil {
		return tries{}, s.throttled(ctx, subject, f, err, "network", "true")
	}
	n, err := throttle.ReserveTogether(ctx, s.store, s.policy(f), f.key(subject), count, s.config.Now())
	if err != nil {
		s.giveBack(ctx, paid) // nothing is looked at
		return tries{}, s.throttled(ctx, subject, f, err)
	}
	return tries{n - count + 1, n, paid}, nil
}

// throttled puts a try that was not looked at on record, with more details in pairs, and returns what the page is told. An
// error that is no [*throttle.Error] is returned as it is.
func (s *Service) throttled(ctx context.Context, subject string, f factor, err error, more ...string) error {
	var refused *throttle.Error
	if !errors.As(err, &refused) {
		return err
	}
	sealed := refused.Sealed && refused.Left == 0
	detail := append([]string{"factor", string(f), "sealed", strconv.FormatBool(sealed)}, more...)
	err = s.store.InTx(ctx, func(ctx context.Context) error { return s.emit(ctx, subject, Throttled, detail...) })
	if err != nil {
		return err
	}
	if refused.Left > 0 {
		return ErrOneLeft
	}
	return &ThrottledError{Until: refused.Until, Sealed: sealed}
}

// outcome returns what became of a try that was looked at. One that was right is no failure of its network.
func (s *Service) outcome(ctx context.Context, try tries, refused *refusal) error {
	if refused != nil {
		return refused
	}
	s.giveBack(ctx, try.toll)
	return nil
}

// refuse puts failures on record, with more details in pairs, and returns what the page is told: cause, and what is left.
func (s *Service) refuse(
	ctx context.Context, subject string, f factor, failed tries, kind Kind, cause error, more ...string,
) (*refusal, error) {
	n := failed.last
	counted := []string{"factor", string(f), "failures", strconv.Itoa(n)}
	detail := append(slices.Clone(counted), more...)
	var clock *ClockError
	if errors.As(cause, &clock) {
		detail = append(detail, "offset", clock.Offset.String())
	}
	if failed.first < n {
		detail = append(detail, "pair", "true")
	}
	if err := s.emit(ctx, subject, kind, detail...); err != nil {
		return nil, err
	}
	policy := s.policy(f)
	if failed.include(warnAt) {
		if err := s.emit(ctx, subject, Warned, counted...); err != nil {
			return nil, err
		}
	}
	if failed.include(policy.Seal) {
		if err := s.emit(ctx, subject, Sealed, counted...); err != nil {
			return nil, err
		}
		return &refusal{error: cause, left: policy.Left(n), sealed: true}, nil // no waiting helps
	}
	out := &refusal{error: cause, left: policy.Left(n)}
	if pause := policy.Pause(failed.first-1, n-failed.first+1); pause > 0 {
		out.until = s.config.Now().Add(pause)
	}
	return out, nil
}

// clear forgets a factor's failures and says so on record when they had sealed it.
func (s *Service) clear(ctx context.Context, subject string, f factor, cause string) error {
	n, _, err := s.store.Attempts(ctx, f.key(subject))
	if err != nil || n == 0 {
		return err
	}
	if err := s.store.ClearAttempts(ctx, f.key(subject)); err != nil {
		return err
	}
	if n < s.policy(f).Seal {
		return nil
	}
	return s.emit(ctx, subject, Unsealed, "factor", string(f), "cause", cause)
}

// clearAt is clear for who has counted the n-th try. Below the seal one write does it, unless others have come since who reached it.
func (s *Service) clearAt(ctx context.Context, subject string, f factor, n int, cause string) error {
	if seal := s.policy(f).Seal; n < seal {
		done, err := s.store.ClearBelow(ctx, f.key(subject), seal)
		if err != nil || done {
			return err
		}
	}
	return s.clear(ctx, subject, f, cause)
}

// standing returns whether a factor is sealed, and else when its next code is looked at (zero: now).
func (s *Service) standing(ctx context.Context, subject string, f factor) (sealed bool, retryAt time.Time, err error) {
	n, until, err := s.store.Attempts(ctx, f.key(subject))
	if err != nil {
		return false, time.Time{}, err
	}
	sealed, retryAt = s.refuses(f, n, until, 1)
	return sealed, retryAt, nil
}

// refuses is standing for so many tries together, of a factor with n failures that waits until then. Sealed is also what
// has fewer tries left.
func (s *Service) refuses(f factor, n int, until time.Time, count int) (sealed bool, retryAt time.Time) {
	var refused *throttle.Error
	if errors.As(s.policy(f).Refuses(n, until, count, s.config.Now()), &refused) {
		return refused.Sealed, refused.Until
	}
	return false, time.Time{}
}

// SealsAt returns how many failures in a row seal the factor of that name; for a host that counts whose are sealed.
func (s *Service) SealsAt(name string) int { return s.policy(factor(name)).Seal }
