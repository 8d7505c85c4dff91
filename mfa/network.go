package mfa

import (
	"context"
	"fmt"
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

// toll is what a try was counted at its network: zero where no address is known.
type toll struct {
	key         string
	last, tries int // the number of the last of so many tries
}

// payToll counts tries at the network that they come from, or a [*throttle.Error] says that it has to wait.
func (s *Service) payToll(ctx context.Context, tries int) (toll, error) {
	address, _ := ctx.Value(addressKey{}).(string)
	if address == "" {
		return toll{}, nil
	}
	now := s.config.Now()
	key := throttle.NetworkKey(address, now)
	n, err := throttle.ReserveTogether(ctx, s.store, s.config.Limits.Network.policy(), key, tries, now)
	if err != nil {
		return toll{}, err
	}
	return toll{key, n, tries}, nil
}

// giveBack takes a try that was none, or was right, off its network's count, with the wait that it began: what many people
// behind one address do right must not add up. Its own failure is nobody's: a try too many on a count that ends with the
// hour is less than a code that was used up for nothing.
func (s *Service) giveBack(ctx context.Context, t toll) {
	if t.key == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	policy, now := s.config.Limits.Network.policy(), s.config.Now()
	n, until := t.last, now // as it stands if nobody else has come since
	for {
		left := max(0, n-t.tries)
		if policy.After(left) == 0 {
			until = now
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

// validateNetwork is validate for the limit of a network. Behind one address there may be thousands of people.
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
