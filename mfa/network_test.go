package mfa_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

const office = "192.0.2.7"

// from says where a test's tries come from.
func from(address string) context.Context { return mfa.WithAddress(context.Background(), address) }

// crew enrols so many people.
func (b *bench) crew(size int) (names []string, phones []*mfatest.Phone) {
	b.t.Helper()
	for n := range size {
		name := fmt.Sprintf("person%d", n)
		phone, _ := b.enroll(name)
		names, phones = append(names, name), append(phones, phone)
	}
	return names, phones
}

// networked returns how many tries are counted at the network of address.
func (b *bench) networked(prefix string) int {
	b.t.Helper()
	n, _, err := b.config.Store.Attempts(b.t.Context(), "network/"+prefix+"/"+b.clock().UTC().Format("2006-01-02T15"))
	b.must(err)
	return n
}

// Whoever has many people's passwords tries one code with each: nobody's own count stops that, their network's does.
func TestSec_MF10_OneCodeForManyPeople(t *testing.T) {
	b := newBench(t, func(c *mfa.Config) { c.Limits.Network.Waits = []mfa.Wait{{From: 12, For: time.Minute}} })
	names, phones := b.crew(5)
	spray := func(n int, address string) error {
		return b.VerifyTOTP(from(address), names[n%len(names)], wrong(phones[n%len(names)]))
	}
	for n := range 12 {
		b.is(spray(n, office), mfa.ErrInvalidCode)
	}
	b.kinds()
	before := b.records(names[2])
	// Even the right code waits: it is neither looked at, nor counted against the person, nor used up.
	wait := throttled(t, b.VerifyTOTP(from(office), names[2], phones[2].Code(0)))
	if wait.Sealed || wait.Until.Sub(b.clock()) != time.Minute {
		t.Fatalf("%+v", wait)
	}
	if e := b.events[0]; e.Subject != names[2] || e.Detail["network"] != "true" || e.Detail["factor"] != "totp" || e.Detail["sealed"] != "false" {
		t.Errorf("on record: %+v", e)
	}
	b.happened(mfa.Throttled)
	if _, err := b.VerifyPair(from(office), names[2], phones[2].Code(0), phones[2].Code(1)); !throttled(t, err).Until.After(wait.Until) {
		t.Errorf("a pair waits no longer: %v", err)
	}
	if status, err := b.Status(t.Context(), names[2]); err != nil || status.Failures != 2 || !status.RetryAt.IsZero() || !reflect.DeepEqual(b.records(names[2]), before) {
		t.Errorf("%+v, %v", status, err)
	}
	b.restart() // no replica forgets it
	throttled(t, b.VerifyTOTP(from(office), names[2], phones[2].Code(0)))
	// Other networks, and a host that knows no address, are not concerned.
	b.must(b.VerifyTOTP(from("192.0.2.8"), names[2], phones[2].Code(0)))
	b.is(spray(3, ""), mfa.ErrInvalidCode)
	b.is(b.VerifyTOTP(t.Context(), names[4], wrong(phones[4])), mfa.ErrInvalidCode)
	// One a minute from then on, and anew in the next hour.
	b.pass(time.Minute)
	b.is(spray(0, office), mfa.ErrInvalidCode)
	throttled(t, spray(1, office))
	b.pass(time.Hour)
	b.is(spray(1, office), mfa.ErrInvalidCode)
	b.must(b.VerifyTOTP(from(office), names[2], phones[2].Code(0)))
}

// Neighbours within one /64 of IPv6, and all spellings of an address, are one network; what is no address does not escape.
func TestSec_MF10_NetworksOfAddresses(t *testing.T) {
	for name, addresses := range map[string][2]string{
		"a /64":           {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9"},
		"IPv4 in IPv6":    {"192.0.2.7", "::ffff:192.0.2.7"},
		"with a zone":     {"fe80::1%eth0", "fe80::2%eth1"},
		"no address":      {"unknown", "192.0.2.7:4711"},
		"written in full": {"2001:db8::1", "2001:0db8:0:0:0::1"},
	} {
		b := newBench(t, func(c *mfa.Config) { c.Limits.Network.Waits = []mfa.Wait{{From: 2, For: time.Minute}} })
		names, phones := b.crew(3)
		for n := range 2 {
			b.is(b.VerifyTOTP(from(addresses[n]), names[n], wrong(phones[n])), mfa.ErrInvalidCode)
		}
		for _, address := range addresses {
			throttled(t, b.VerifyTOTP(from(address), names[2], phones[2].Code(0)))
		}
		if err := b.VerifyTOTP(from("2001:db8:1:3::1"), names[2], phones[2].Code(0)); err != nil {
			t.Errorf("%s: its neighbour waits: %v", name, err)
		}
	}
}

// Five hundred people who come to work at nine, and each of them mistypes now and then, are no attack.
func TestSec_MF10_AnOfficeAtNine(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	token := b.withToken()
	b.must(b.Add(t.Context(), "token", "alice", "", token.give("alice")))
	for n := range 500 { // of one person, for all that a network's count sees
		b.pass(2 * mfa.Period)
		switch {
		case n%50 == 0:
			_, err := b.VerifyRecoveryCode(from(office), "alice", codes[n/50])
			b.must(err)
		case n%4 == 0:
			b.must(b.Try(from(office), "token", "alice", show(token, "alice", "word")))
		case n%4 == 1:
			_, err := b.VerifyPair(from(office), "alice", phone.Code(0), phone.Code(1))
			b.must(err)
		default:
			b.must(b.VerifyTOTP(from(office), "alice", phone.Code(0)))
		}
		if got := b.networked(office + "/32"); got != 0 {
			t.Fatalf("after %d that were right %d are counted", n+1, got)
		}
	}
	// Nor do those add up who come while they have to wait anyway.
	for range 5 {
		b.is(b.VerifyTOTP(from(office), "alice", wrong(phone)), mfa.ErrInvalidCode)
	}
	for range 200 {
		throttled(t, b.VerifyTOTP(from(office), "alice", phone.Code(0)))
	}
	if got := b.networked(office + "/32"); got != 5 {
		t.Fatalf("%d are counted", got)
	}
}

// Whoever keeps to four wrong codes and a right one never has to wait for their own count; nor has the office for theirs.
func TestSec_MF10_OneAccountDoesNotFillItsNetwork(t *testing.T) {
	b := newBench(t)
	names, phones := b.crew(2)
	for range 100 { // in one hour
		for range 4 {
			b.is(b.VerifyTOTP(from(office), names[0], wrong(phones[0])), mfa.ErrInvalidCode)
		}
		b.pass(mfa.Period)
		b.must(b.VerifyTOTP(from(office), names[0], phones[0].Code(0)))
	}
	if got := b.networked(office + "/32"); got != 20 {
		t.Errorf("%d are counted", got)
	}
	b.must(b.VerifyTOTP(from(office), names[1], phones[1].Code(0)))
}

// A person's share is for what is wrong. Those who have used it up wait with their network, and make it wait no longer.
func TestSec_MF10_AShareOfTheNetwork(t *testing.T) {
	b := newBench(t, func(c *mfa.Config) { c.Limits.Network.Waits = []mfa.Wait{{From: 22, For: time.Minute}} })
	names, phones := b.crew(6)
	hour := b.clock().UTC().Format("2006-01-02T15")
	counted := func(want, own int) {
		t.Helper()
		shared, _, err := b.config.Store.Attempts(t.Context(), "network/"+office+"/32/"+hour+"/"+names[0])
		b.must(err)
		if all := b.networked(office + "/32"); all != want || shared != own {
			t.Fatalf("%d are counted, %d of them as hers; want %d, %d", all, shared, want, own)
		}
	}
	right := func() {
		t.Helper()
		b.pass(mfa.Period)
		b.must(b.VerifyTOTP(from(office), names[0], phones[0].Code(0)))
	}
	guess := func(n int, want error) {
		t.Helper()
		b.is(b.VerifyTOTP(from(office), names[n], wrong(phones[n])), want)
	}
	for n := range 10 { // whose the first ones are is not asked
		guess(n%2, mfa.ErrInvalidCode)
		if n%2 == 0 {
			right()
		}
	}
	counted(10, 0)
	for range 12 {
		right()
	}
	counted(10, 0)
	for n := range 9 {
		guess(0, mfa.ErrInvalidCode)
		right()
		counted(11+n, 1+n)
	}
	// A pair is more than what is left of it, a single code is not.
	_, err := b.VerifyPair(from(office), names[0], "000001", "000002")
	b.is(err, mfa.ErrInvalidCode)
	counted(19, 9)
	guess(0, mfa.ErrInvalidCode)
	guess(0, mfa.ErrInvalidCode)
	counted(20, 10)
	right()
	counted(20, 10)
	guess(2, mfa.ErrInvalidCode)
	guess(3, mfa.ErrInvalidCode)
	throttled(t, b.VerifyTOTP(from(office), names[0], wrong(phones[0])))
	b.pass(time.Minute)
	guess(0, mfa.ErrInvalidCode)
	counted(22, 10)
	guess(4, mfa.ErrInvalidCode) // the try of this minute is left to the others
	throttled(t, b.VerifyTOTP(from(office), names[0], wrong(phones[0])))
	b.pass(time.Minute)
	right()
	b.pass(time.Hour)
	guess(0, mfa.ErrInvalidCode)
	if got := b.networked(office + "/32"); got != 1 {
		t.Errorf("in the next hour %d are counted", got)
	}
}

// Tries that are made at once, or are not looked at because their person has to wait, take no more of the network.
func TestSec_MF10_AFloodOfOneAccount(t *testing.T) {
	most := &highest{Store: mfatest.Memory()}
	b := newBench(t, func(c *mfa.Config) { c.Store = most })
	names, phones := b.crew(1)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { _ = b.VerifyTOTP(from(office), names[0], wrong(phones[0])) })
	}
	wg.Wait()
	if got := b.networked(office + "/32"); most.n > 20 || got > 5 {
		t.Errorf("%d are counted, %d for a moment", got, most.n)
	}
}

// highest is a store that remembers how far a network's count got.
type highest struct {
	mfa.Store
	mu sync.Mutex
	n  int
}

func (s *highest) CountAttempt(ctx context.Context, key string, n, tries int, until time.Time) (bool, error) {
	won, err := s.Store.CountAttempt(ctx, key, n, tries, until)
	s.mu.Lock()
	defer s.mu.Unlock()
	if won && strings.HasPrefix(key, "network/") {
		s.n = max(s.n, n+tries)
	}
	return won, err
}

// More people at the same moment than the limit has tries: those who are right leave no wait behind.
func TestSec_MF10_AnOfficeAtOneMoment(t *testing.T) {
	held := &holding{Store: mfatest.Memory(), arrived: make(chan struct{}), gone: make(chan struct{})}
	b := newBench(t, func(c *mfa.Config) {
		c.Store = held
		c.Limits.Network.Waits = []mfa.Wait{{From: 4, For: time.Minute}}
	})
	names, phones := b.crew(4)
	codes := []string{wrong(phones[0]), phones[1].Code(0), phones[2].Code(0), phones[3].Code(0)}
	held.hold = true
	var wg sync.WaitGroup
	for n := range names {
		wg.Go(func() {
			if err := b.VerifyTOTP(from(office), names[n], codes[n]); (n > 0) != (err == nil) {
				t.Errorf("%s: %v", names[n], err)
			}
		})
		<-held.arrived // counted, and not yet compared
	}
	close(held.gone)
	wg.Wait()
	if got := b.networked(office + "/32"); got != 1 {
		t.Fatalf("%d are counted", got)
	}
	held.hold = false
	b.pass(mfa.Period)
	b.must(b.VerifyTOTP(from(office), names[2], phones[2].Code(0)))
}

// holding is a store whose transactions wait until all have arrived.
type holding struct {
	mfa.Store
	hold          bool
	arrived, gone chan struct{}
}

func (s *holding) InTx(ctx context.Context, fn func(context.Context) error) error {
	if s.hold {
		s.arrived <- struct{}{}
		<-s.gone
	}
	return s.Store.InTx(ctx, fn)
}

func (s *holding) InOne(ctx context.Context, fn func(context.Context) error) error {
	return s.InTx(ctx, fn)
}

// The network's limit holds for every kind of proof that is counted, over all of them together.
func TestSec_MF10_EveryFactorPaysAtTheNetwork(t *testing.T) {
	b := newBench(t, func(c *mfa.Config) { c.Limits.Network.Waits = []mfa.Wait{{From: 5, For: time.Minute}} })
	phone, codes := b.enroll("alice")
	token := b.withToken()
	b.must(b.Add(t.Context(), "token", "alice", "", token.give("alice")))
	ctx := from(office)
	_, err := b.VerifyPair(ctx, "alice", "000001", "000002")
	b.is(err, mfa.ErrInvalidCode)
	_, err = b.VerifyRecoveryCode(ctx, "alice", strings.Repeat("0", 16))
	b.is(err, mfa.ErrInvalidCode)
	b.is(b.Try(ctx, "token", "alice", show(token, "alice", "other")), mfa.ErrInvalidCode)
	// What is no code, and who has none, costs nothing.
	b.is(b.VerifyTOTP(ctx, "alice", "what"), mfa.ErrMalformedCode)
	b.is(b.VerifyTOTP(ctx, "bob", "000001"), mfa.ErrNotEnrolled)
	b.is(b.VerifyTOTP(ctx, "alice", wrong(phone)), mfa.ErrInvalidCode)

	throttled(t, b.VerifyTOTP(ctx, "alice", phone.Code(0)))
	_, err = b.VerifyPair(ctx, "alice", phone.Code(0), phone.Code(1))
	throttled(t, err)
	_, err = b.VerifyRecoveryCode(ctx, "alice", codes[0])
	throttled(t, err)
	throttled(t, b.Try(ctx, "token", "alice", func(context.Context) (string, bool, error) {
		t.Error("compared")
		return "", true, nil
	}))
	// All of it is as it was, for somebody who comes from elsewhere.
	_, err = b.VerifyRecoveryCode(from("198.51.100.1"), "alice", codes[0])
	b.must(err)
	b.must(b.VerifyTOTP(from("198.51.100.1"), "alice", phone.Code(0)))
}

// A network that waits keeps nobody out of a device that is remembered, and its people may enrol and be remembered.
func TestSec_MF10_ANetworkThatWaitsSparesRememberedDevices(t *testing.T) {
	b := newBench(t, func(c *mfa.Config) { c.Limits.Network.Waits = []mfa.Wait{{From: 1, For: time.Minute}} })
	phone, _ := b.enroll("alice")
	token, _, err := b.RememberDevice(from(office), "alice", mfa.Label{})
	b.must(err)
	b.is(b.VerifyTOTP(from(office), "alice", wrong(phone)), mfa.ErrInvalidCode)
	throttled(t, b.VerifyTOTP(from(office), "alice", phone.Code(0)))
	if _, ok, err := b.DeviceRemembered(from(office), "alice", token); !ok || err != nil {
		t.Error(ok, err)
	}
	b.enroll("bob")
}

// A store that fails, or is asked with a request that is over, takes nothing back that was accepted.
func TestATryThatCannotBeGivenBack(t *testing.T) {
	broken := &noRefunds{Store: mfatest.Memory()}
	b := newBench(t, func(c *mfa.Config) { c.Store = broken })
	phone, _ := b.enroll("alice")
	broken.err = errors.New("disk full")
	b.must(b.VerifyTOTP(from(office), "alice", phone.Code(0)))
	if got := b.networked(office + "/32"); got != 1 {
		t.Errorf("%d are counted", got)
	}
}

// noRefunds is a store that takes no try off a count.
type noRefunds struct {
	mfa.Store
	err error
}

func (s *noRefunds) CountAttempt(ctx context.Context, key string, n, tries int, until time.Time) (bool, error) {
	if tries < 0 && s.err != nil {
		return false, s.err
	}
	return s.Store.CountAttempt(ctx, key, n, tries, until)
}

func TestNetworkLimitsThatLimitNothingAreRefused(t *testing.T) {
	wait := func(from int, pause time.Duration) []mfa.Wait { return []mfa.Wait{{From: from, For: pause}} }
	for name, test := range map[string]struct {
		limit mfa.Limit
		good  bool
	}{
		"the default":    {mfa.Limit{}, true},
		"the largest":    {mfa.Limit{Waits: wait(10000, time.Second)}, true},
		"no waits":       {mfa.Limit{Waits: []mfa.Wait{}}, false},
		"from 0":         {mfa.Limit{Waits: wait(0, time.Minute)}, false},
		"from 10001":     {mfa.Limit{Waits: wait(10001, time.Minute)}, false},
		"half a second":  {mfa.Limit{Waits: wait(100, time.Second/2)}, false},
		"sealed for all": {mfa.Limit{Waits: wait(100, time.Minute), Seal: 1000}, false},
	} {
		b := newBench(t)
		b.config.Limits = mfa.Limits{Network: test.limit}
		_, err := mfa.New(b.config)
		if (err == nil) != test.good || err != nil && !strings.Contains(err.Error(), "Limits.Network") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
