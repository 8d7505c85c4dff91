package mfa

import (
	"context"
	"errors"
	"slices"
	"time"
)

// farthest is how many steps to either side a pair of codes is looked for, to explain what is wrong: 14 hours, which
// covers every mistaken time zone.
const farthest = 14 * 60 * 2

// pairTries is what a pair costs at sign-in.
const pairTries = 2

// VerifyPair accepts the current and the next code of one of the person's apps, whose clock may have gone wrong by up to
// ten minutes since it was set up. Both codes are used up, and the offset is measured anew, as [Service.VerifyEnrollment]
// does.
//
// It returns a [*PairError] with [ErrMalformedCode], [ErrSameCode] and [ErrNotEnrolled] (none of them counted), a
// [*ThrottledError] or [ErrOneLeft] (not looked at), or, with [TriesLeft], one of [ErrInvalidCode], [ErrSwapped],
// [ErrReplayed] (both are right; two newer ones will do) and a [*ClockError] for a clock that is off by more than ten
// minutes, either way. A pair costs two tries, and the pause between those two is waited before it ([Status].PairRetryAt). The same holds as
// for [Service.VerifyTOTP]: after the password, outside of the caller's transactions.
func (s *Service) VerifyPair(ctx context.Context, subject, code, next string) (Drift, error) {
	first, second, err := twoCodes(code, next)
	if err != nil {
		return Drift{}, err
	}
	known, secrets, err := s.apps(ctx, subject)
	if err != nil {
		return Drift{}, err
	}
	try, err := s.reserveTogether(ctx, subject, factorTOTP, pairTries)
	if err != nil {
		return Drift{}, err
	}
	now := stepAt(s.config.Now())
	typed := make([]pair, len(known))
	for i, secret := range secrets {
		if typed[i], err = comparePair(secret, first, second, now, farthest); err != nil {
			return Drift{}, err
		}
	}
	var drift Drift
	var refused *refusal
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		drift, refused, err = s.settlePair(ctx, subject, try, known, typed)
		return err
	})
	if err != nil {
		return Drift{}, err
	}
	return drift, s.outcome(ctx, try, refused)
}

// settlePair uses up a pair that is right and puts the outcome on record.
//
// What it says of a pair that is refused takes both codes to know, and so is rarer than what a guesser has anyway: two
// single guesses, the price of a pair, are accepted with 6e-6 for each app, or more. A random pair is "swapped" or "used already"
// with some 4e-11 within ten minutes, "clock" or "swapped" with 3.4e-9 within 14 hours. Somebody who has seen one code on
// the phone guesses its neighbour with 1e-6. Therefore nothing needs to be used up on refusal either. Which of the two is
// right (4e-5), or that both are but for a gap (4e-5 for whoever has seen one), is more than two guesses are worth: it
// gets the bytes of any wrong pair.
func (s *Service) settlePair(
	ctx context.Context, subject string, try tries, known []AuthenticatorRecord, typed []pair,
) (Drift, *refusal, error) {
	kind, cause := CodeRefused, ErrInvalidCode
	for i, p := range typed {
		second, wrong := p.together()
		var clock *ClockError
		switch {
		case errors.As(wrong, &clock):
			kind, cause = ClockWrong, wrong
		case errors.Is(wrong, ErrSwapped):
			kind, cause = CodeRefused, wrong
		case wrong == nil:
			offset := p.offset(second)
			won, err := s.store.AdvanceStep(ctx, subject, known[i].ID, Advance{
				Step: second, Offset: offset, Provisional: provisional(offset), At: s.config.Now(), Pair: true,
			})
			if err != nil {
				return Drift{}, nil, err
			}
			if won {
				drift := newDrift(offset)
				before := time.Duration(known[i].Offset) * Period
				return drift, nil, s.accept(ctx, subject, try, known[i],
					"offset", drift.Offset.String(), "before", before.String(), "pair", "true")
			}
			kind, cause = CodeReplayed, ErrReplayed
		}
	}
	refused, err := s.refuse(ctx, subject, factorTOTP, try, kind, cause)
	return Drift{}, refused, err
}

// twoCodes returns the digits of both, or what can be told without comparing: a [*PairError] or [ErrSameCode].
func twoCodes(code, next string) (first, second string, err error) {
	first, ok := normalizeCode(code)
	if !ok {
		return "", "", &PairError{Field: "code1", Err: ErrMalformedCode}
	}
	second, ok = normalizeCode(next)
	if !ok {
		return "", "", &PairError{Field: "code2", Err: ErrMalformedCode}
	}
	if first == second {
		return "", "", ErrSameCode
	}
	return first, second, nil
}

// pair is two codes as they were typed, compared with one secret.
type pair struct {
	first, second []int64 // the steps that each code fits
	now           int64   // the server's step on arrival
}

func comparePair(secret []byte, code, next string, now, reach int64) (pair, error) {
	found, err := stepsOf(secret, now-reach, now+reach+1, code, next)
	if err != nil {
		return pair{}, err
	}
	return pair{found[0], found[1], now}, nil
}

// apart returns the step of the second code, nearest to now, for which the second comes exactly k steps after the
// first one.
func (p pair) apart(k int64) (int64, bool) {
	best, found := int64(0), false
	for _, step := range p.second {
		if slices.Contains(p.first, step-k) && (!found || distance(step, p.now) < distance(best, p.now)) {
			best, found = step, true
		}
	}
	return best, found
}

// near reports whether one of steps is so close to now that it hardly is there by chance.
func (p pair) near(steps []int64) bool {
	return slices.ContainsFunc(steps, func(step int64) bool { return distance(step, p.now) <= lookBack+1 })
}

// together returns the step of the second code when the pair proves possession, or what is wrong with it as far as it
// takes both codes to know.
func (p pair) together() (second int64, err error) {
	if step, ok := p.apart(1); ok {
		// The first code was on the display when the person began to type.
		off := step - 1 - p.now
		switch d := distance(off, 0); {
		case d > farthest:
			return 0, ErrInvalidCode
		case d > lookBack:
			return 0, &ClockError{Offset: time.Duration(off) * Period}
		}
		return step, nil
	}
	if _, ok := p.apart(-1); ok {
		return 0, ErrSwapped
	}
	return 0, ErrInvalidCode
}

// explain is together for somebody who sees the key anyway: it says whatever can be found out.
//
// Where one code alone is the evidence only near steps count: of the 3,361 steps of the whole search one in 300 random
// codes fits some.
func (p pair) explain() (second int64, err error) {
	if p.belongs() {
		return p.together()
	}
	for k := int64(2); k <= lookBack; k++ {
		for _, k := range []int64{k, -k} {
			if _, ok := p.apart(k); ok {
				return 0, ErrNotConsecutive
			}
		}
	}
	switch first, second := p.near(p.first), p.near(p.second); {
	case first && second:
		return 0, ErrNotConsecutive
	case first:
		return 0, &PairError{Field: "code2", Err: ErrInvalidCode}
	case second:
		return 0, &PairError{Field: "code1", Err: ErrInvalidCode}
	}
	return 0, ErrInvalidCode
}

// offset is what the authenticator's clock is off by when the second code is of that step.
func (p pair) offset(second int64) int64 { return allowance(second - p.now) }

// belongs reports whether the codes are this secret's own, in whatever order.
func (p pair) belongs() bool {
	_, inOrder := p.apart(1)
	_, swapped := p.apart(-1)
	return inOrder || swapped
}

func distance(a, b int64) int64 { return max(a-b, b-a) }
