package mfa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/focushq/idp/internal/throttle"
)

type addressKey struct{}

// WithAddress says from which IP address the tries that are made with the returned context come, so that [Limits.Network]
// holds for them. It must be the caller's own address and not that of a proxy, or everybody behind it shares one count.
// An address that is "" counts for no network; any other text that is no address counts for one that they all share.
func WithAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// networkCount begins the key of a network's count, as a factor's name begins that of a person's.
const networkCount = "network"

// share is what one person adds to their network's count in its hour, once so many are counted there. A right code clears
// a person's own count, and not what they cost their neighbours: without a share one account would keep all of them waiting.
// Whose the first ones are is not asked, which spares the statements where little goes wrong.
const share = 10

// toll is what a try was counted: at its network, and there as its person's.
type toll struct {
	key         string
	last, tries int // the number of the last of so many tries
}

// payToll counts tries at the network that they come from, or a [*throttle.Error] says that it has to wait. Nothing is
// counted where no address is known, nor of a person whose share is used up: their tries are bounded by their own count.
func (s *Service) payToll(ctx context.Context, subject string, tries int) ([]toll, error) {
	address, _ := ctx.Value(addressKey{}).(string)
	if address == "" {
		return nil, nil
	}
	policy, now := s.config.Limits.Network.policy(), s.config.Now()
	key := throttle.NetworkKey(address, now)
	var paid []toll
	n, until := 0, time.Time{} // see throttle.ReserveTogether
	for {
		if err := policy.Refuses(n, until, tries, now); err != nil {
			s.giveBack(ctx, paid)
			return nil, err
		}
		if n+tries > share && paid == nil { // before the network's: requests that are broken off leave no more of it either
			own, err := s.payShare(ctx, key+"/"+subject, tries)
			if err != nil || own.key == "" {
				return nil, err
			}
			paid = []toll{own}
		}
		won, err := s.store.CountAttempt(ctx, key, n, tries, now.Add(policy.Pause(n, tries)))
		if err != nil || won {
			return append(paid, toll{key, n + tries, tries}), err
		}
		if n, until, err = s.store.Attempts(ctx, key); err != nil {
			s.giveBack(ctx, paid)
			return nil, err
		}
	}
}

// payShare counts tries at a person's share of a network, key, or returns a zero toll when it is used up.
func (s *Service) payShare(ctx context.Context, key string, tries int) (toll, error) {
	n, err := throttle.ReserveTogether(ctx, s.store, throttle.Policy{Seal: share}, key, tries, s.config.Now())
	var used *throttle.Error
	switch {
	case errors.As(err, &used):
		return toll{}, nil
	case err != nil:
		return toll{}, err
	}
	return toll{key, n, tries}, nil
}

// giveBack takes a try that was none, or was right, off what it was counted at, with the wait that it began: what many
// people behind one address do right must not add up. Its own failure is nobody's: a try too many on a count that ends with
// the hour is less than a code that was used up for nothing. The network's goes first, so that no more of it than a share
// is ever a person's.
func (s *Service) giveBack(ctx context.Context, paid []toll) {
	for _, t := range slices.Backward(paid) {
		s.takeOff(context.WithoutCancel(ctx), t)
	}
}

func (s *Service) takeOff(ctx context.Context, t toll) {
	policy, now := s.config.Limits.Network.policy(), s.config.Now()
	n, until := t.last, now // as it stands if nobody else has come since
	for {
		left := max(0, n-t.tries)
		if policy.After(left) == 0 {
			until = now.Add(policy.Pause(left, 0)) // past, by everybody's clock
		}
		won, err := s.store.CountAttempt(ctx, t.key, n, left-n, until)
		if err != nil || won {
			return
		}
		if n, until, err = s.store.Attempts(ctx, t.key); err != nil || n == 0 {
			return
		}
	}
}

// validateNetwork is Validate for the limit of a network. Behind one address there may be thousands of people.
func (l Limit) validateNetwork() error {
	if err := l.policy().Validate(); err != nil {
		return err
	}
	switch first := l.Waits[0]; {
	case l.Seal != 0:
		return fmt.Errorf("a network is never sealed, not after %d failures either", l.Seal)
	case first.From > 10000:
		return fmt.Errorf("the first wait must begin at the 10,000th failure or before, not at the %dth", first.From)
	case first.For < time.Second:
		return fmt.Errorf("a wait of %v is shorter than a second", first.For)
	}
	return nil
}
