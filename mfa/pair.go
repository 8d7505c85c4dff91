package mfa

import (
	"slices"
	"time"
)

// farthest is how many steps to either side a pair of codes is looked for while enrolling, to explain what is wrong:
// 14 hours, which covers every mistaken time zone. Precise answers are safe here, for whoever enrols sees the key.
const farthest = 14 * 60 * 2

// pair is what was typed while enrolling, compared with one secret.
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

// judge returns the step of the second code when the pair proves possession, or what is wrong with it.
//
// Where one code alone is the evidence only near steps count: of the 3,361 steps of the whole search one in 300 random
// codes fits some.
func (p pair) judge() (second int64, err error) {
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

// belongs reports whether the codes are this secret's own, in whatever order.
func (p pair) belongs() bool {
	_, inOrder := p.apart(1)
	_, swapped := p.apart(-1)
	return inOrder || swapped
}

func distance(a, b int64) int64 { return max(a-b, b-a) }
