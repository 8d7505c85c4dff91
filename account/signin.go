package account

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/text/unicode/norm"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/throttle"
)

// Authenticate returns the account that signs in with name (a username or an e-mail address) and password from the IP
// address; "" for address counts no network. A browser that shows one of its tokens (see [Service.BrowserToken]) has
// tries of its own: what others do, anywhere, neither takes them nor gets any. The account is as it was when the password was read,
// which may have had to wait for seconds before it was compared: [Service.SignedIn] tells whether that still holds.
//
// It returns [ErrCredentials] for every failure alike, after exactly one hash ([ErrDisabledCredentials], which is one of them, tells
// the trail of a right password of a disabled account); a [*throttle.Error] when the try was not
// looked at; [ErrBusy]. It must not run inside a transaction: its counts have to stay whatever happens afterwards.
func (s *Service) Authenticate(ctx context.Context, name, password, address string, browser ...string) (*Account, error) {
	key := Canonical(name)
	r, err := s.rowNamed(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	person := "name/" + s.hashName(key)
	if r != nil {
		person = personKey(r.Subject)
	}
	return s.prove(ctx, r, person, password, address, browser)
}

// VerifyPassword asks the person of subject for the password again, under the limits of [Service.Authenticate], whose results it
// returns.
func (s *Service) VerifyPassword(ctx context.Context, subject, password, address string, browser ...string) (*Account, error) {
	r, err := s.rowOf(ctx, subject)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return s.prove(ctx, r, personKey(subject), password, address, browser)
}

// prove counts, compares, and on success gives back what was counted. A nil r is an unknown person.
func (s *Service) prove(ctx context.Context, r *row, person, password, address string, browser []string) (*Account, error) {
	if len(password) > maxPassword { // nobody has one: nothing to hide, nothing to hash
		return nil, ErrCredentials
	}
	key, known := s.triesOf(r, person, browser)
	network := s.networkKey(address)
	if known { // somebody else in the same network must not lock it either
		network = ""
		ctx = inPerson(ctx, r.Subject)
	}
	end, err := s.turns.take(ctx, key)
	if err != nil {
		return nil, err
	}
	defer end()
	place, err := s.cfg.Hasher.arrive(ctx) // whom a busy server turns away costs the database nothing
	if err != nil {
		return nil, err
	}
	defer place.leave()
	counts, err := s.countTry(ctx, network, key)
	if err != nil {
		return nil, err
	}
	hash, disabled := "", true
	if r != nil {
		hash, disabled = r.Password, r.Disabled
	}
	apart := s.cfg.DB.Apart(ctx)
	ok, outdated, err := s.cfg.Hasher.verify(ctx, place, hash, norm.NFC.String(password))
	apart = dbx.Settling(apart)
	if err != nil { // nothing was compared
		for _, c := range counts {
			err = errors.Join(err, s.giveBack(apart, c.key, c.n))
		}
		return nil, err
	}
	switch {
	case !ok || r == nil:
		return nil, ErrCredentials
	case disabled:
		return nil, ErrDisabledCredentials
	}
	if err := s.attempts.ClearAttempts(apart, key); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	if err := s.giveBack(apart, counts[0].key, counts[0].n); err != nil {
		return nil, err
	}
	if outdated {
		if err := s.rehash(ctx, r, password); err != nil {
			return nil, err
		}
	}
	return r.account()
}

// counted is a try, the n-th of a key.
type counted struct {
	key    string
	policy throttle.Policy
	n      int
}

// countTry counts a try at the network, unless it is "", and at key, each in a transaction of its own. Those of one network
// take turns at it: each would read what another one is about to write, and begin again.
func (s *Service) countTry(ctx context.Context, network, key string) ([2]counted, error) {
	counts := [2]counted{{network, s.cfg.Limits.Address, 0}, {key, s.cfg.Limits.Person, 0}}
	apart := s.cfg.DB.Apart(ctx)
	for i := range counts {
		c := &counts[i]
		if c.key == "" {
			continue
		}
		end, err := s.turns.take(ctx, "count/"+c.key)
		if err != nil {
			return counts, err
		}
		c.n, err = throttle.Reserve(apart, s.attempts, c.policy, c.key, s.now())
		end()
		if err != nil {
			return counts, fmt.Errorf("account: %w", err)
		}
	}
	return counts, nil
}

// rehash stores the proven password under today's costs, in r too. When the hasher is busy the next sign-in does it. Where another
// try was quicker, or the password was changed meanwhile, it is compared with what there is now.
func (s *Service) rehash(ctx context.Context, r *row, password string) error {
	hash, err := s.cfg.Hasher.Hash(ctx, norm.NFC.String(password))
	if err != nil {
		if errors.Is(err, ErrBusy) {
			return nil
		}
		return err
	}
	n, err := s.cfg.DB.Exec(ctx, `UPDATE accounts SET password = $3 WHERE subject = $1 AND password = $2`,
		r.Subject, r.Password, hash)
	if err != nil {
		return fmt.Errorf("account: rehash: %w", err)
	}
	if n > 0 {
		r.Password = hash
		return nil
	}
	now, err := s.rowOf(ctx, r.Subject)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err == nil {
		ok, _, err := s.cfg.Hasher.Verify(ctx, now.Password, norm.NFC.String(password))
		if err != nil {
			return err
		}
		if ok && !now.Disabled {
			*r = *now
			return nil
		}
	}
	return ErrCredentials
}

// giveBack takes one try off key: what succeeded is no failure of its network.
func (s *Service) giveBack(ctx context.Context, key string, n int) error {
	if err := s.attempts.GiveBack(ctx, key, n, s.now()); err != nil {
		return fmt.Errorf("account: give a try back: %w", err)
	}
	return nil
}

func personKey(subject string) string { return "subject/" + subject }

// forgetTries begins anew to count a person's failures and the links that they ask for.
func (s *Service) forgetTries(ctx context.Context, subject string) error {
	for _, key := range []string{personKey(subject), askKey(personKey(subject))} {
		if err := s.attempts.ClearAttempts(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// networkKey names what is counted for an IP address, "" where none is known.
func (s *Service) networkKey(address string) string {
	if address == "" {
		return ""
	}
	return throttle.NetworkKey(address, s.now())
}
