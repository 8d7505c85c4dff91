package mfatest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
)

// callers is how many a race has: enough that a store that reads before it writes is found out at once.
const callers = 40

// RunStore tests that a store does what [mfa.Store] says, races included. newStore returns an empty store for each
// subtest.
func RunStore(t *testing.T, newStore func(t *testing.T) mfa.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, mfa.Store)
	}{
		{"transactions", testTransactions},
		{"attempts", testAttempts},
		{"attempts outlive a rollback", testAttemptsApart},
		{"enrollments", testEnrollments},
		{"newest enrollments", testNewestEnrollments},
		{"authenticators", testAuthenticators},
		{"authenticators among many people", testAuthenticatorsAmong},
		{"recovery codes", testCodes},
		{"devices", testDevices},
		{"remove all", testRemoveAll},
		{"prune", testPrune},
		{"sealed secrets", testSealed},
		{"distrust", testDistrust},
		{"race: one caller advances a step", raceAdvance},
		{"race: one caller uses a code", raceCode},
		{"race: one caller counts an attempt", raceCount},
		{"race: one caller swaps a device's secret", raceSwap},
		{"race: one caller proves, confirms, removes", raceConfirm},
		{"race: locked changes follow one another", raceLock},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newStore(t)) })
	}
}

// at is the time of all records; stores keep seconds.
var at = time.Unix(1_800_000_000, 0)

var owner = mfa.Owner{Subject: "alice", Session: "browser"}

func newEnrollment(id string) mfa.PendingEnrollment {
	return mfa.PendingEnrollment{
		ID: id, Owner: owner, Account: "alice@example.com", Secret: []byte{0, 1, 255}, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
	}
}

func newAuthenticator(id string) mfa.AuthenticatorRecord {
	return mfa.AuthenticatorRecord{
		ID: id, Subject: owner.Subject, Name: "Phone", Secret: []byte{0, 1, 255}, Offset: -3, Run: 1, LastStep: 100, AddedAt: at,
	}
}

func newCodes(id, enrollment string) mfa.CodeSet {
	set := mfa.CodeSet{ID: id, Owner: owner, Enrollment: enrollment, Salt: []byte("salt"), CreatedAt: at}
	for n := range mfa.RecoveryCodeCount {
		set.Codes = append(set.Codes, mfa.CodeRecord{N: n, Hash: []byte{byte(n), 0, 255}})
	}
	return set
}

func newDevice(id string) mfa.DeviceRecord {
	return mfa.DeviceRecord{
		ID: id, Subject: owner.Subject, Browser: "Firefox", System: "Linux", Secret: hash32(1),
		AddedAt: at, RotatedAt: at, LastUsedAt: at, ExpiresAt: at.Add(720 * time.Hour),
	}
}

func hash32(b byte) []byte {
	hash := make([]byte, 32)
	hash[31] = b
	return hash
}

// check fails unless got is what was wanted and err is nil.
func check[T any](t *testing.T, what string, want T) func(got T, err error) {
	return func(got T, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %v, %v; want %v", what, got, err, want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errUndo = errors.New("undo")

func testTransactions(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	must(t, s.AddAuthenticator(ctx, newAuthenticator("a")))
	err := s.InTx(ctx, func(ctx context.Context) error {
		must(t, s.Lock(ctx, owner.Subject))
		must(t, s.AddAuthenticator(ctx, newAuthenticator("b")))
		check(t, "advance", true)(s.AdvanceStep(ctx, owner.Subject, "a", mfa.Advance{Step: 101}))
		return s.InTx(ctx, func(context.Context) error { return errUndo })
	})
	if !errors.Is(err, errUndo) {
		t.Fatalf("the transaction returned %v", err)
	}
	check(t, "nothing of it is left", []mfa.AuthenticatorRecord{newAuthenticator("a")})(s.Authenticators(ctx, owner.Subject))
	must(t, s.InTx(ctx, func(ctx context.Context) error { return s.AddAuthenticator(ctx, newAuthenticator("b")) }))
	check(t, "all of it is there", []mfa.AuthenticatorRecord{newAuthenticator("a"), newAuthenticator("b")})(
		s.Authenticators(ctx, owner.Subject))
}

func testAttempts(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	stands := func(n int, until time.Time) {
		t.Helper()
		gotN, gotUntil, err := s.Attempts(ctx, "totp/alice")
		if err != nil || gotN != n || n > 0 && !gotUntil.Equal(until) {
			t.Fatalf("attempts: %d until %v, %v; want %d until %v", gotN, gotUntil, err, n, until)
		}
	}
	stands(0, time.Time{})
	check(t, "first", true)(s.CountAttempt(ctx, "totp/alice", 0, 1, at))
	check(t, "first again", false)(s.CountAttempt(ctx, "totp/alice", 0, 1, at))
	check(t, "third before the second", false)(s.CountAttempt(ctx, "totp/alice", 2, 1, at))
	check(t, "second", true)(s.CountAttempt(ctx, "totp/alice", 1, 1, at.Add(time.Minute)))
	check(t, "somebody else, two at once", true)(s.CountAttempt(ctx, "totp/bob", 0, 2, at))
	check(t, "first after two at once", false)(s.CountAttempt(ctx, "totp/bob", 1, 1, at))
	check(t, "two more", true)(s.CountAttempt(ctx, "totp/bob", 2, 2, at))
	check(t, "two more again", false)(s.CountAttempt(ctx, "totp/bob", 2, 2, at))
	check(t, "fifth", true)(s.CountAttempt(ctx, "totp/bob", 4, 1, at))
	check(t, "one back", true)(s.CountAttempt(ctx, "totp/bob", 5, -1, at))
	check(t, "one back again", false)(s.CountAttempt(ctx, "totp/bob", 5, -1, at))
	check(t, "the others back", true)(s.CountAttempt(ctx, "totp/bob", 4, -4, at))
	check(t, "and anew", true)(s.CountAttempt(ctx, "totp/bob", 0, 1, at))
	stands(2, at.Add(time.Minute))
	err := s.InTx(ctx, func(ctx context.Context) error {
		must(t, s.ClearAttempts(ctx, "totp/alice"))
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		t.Fatal(err)
	}
	stands(2, at.Add(time.Minute))
	must(t, s.ClearAttempts(ctx, "totp/alice"))
	stands(0, time.Time{})
	below := func(name string, n int, want bool) {
		t.Helper()
		var done bool
		must(t, s.InOne(ctx, func(ctx context.Context) (err error) {
			done, err = s.ClearBelow(ctx, "totp/alice", n)
			return err
		}))
		check(t, name, want)(done, nil)
	}
	below("nothing is counted", 60, false)
	check(t, "three", true)(s.CountAttempt(ctx, "totp/alice", 0, 3, at))
	below("as many as that", 3, false)
	stands(3, at)
	below("fewer", 4, true)
	stands(0, time.Time{})
}

func testAttemptsApart(t *testing.T, s mfa.Store) {
	counted := false
	err := s.InTx(t.Context(), func(ctx context.Context) error {
		must(t, s.Lock(ctx, owner.Subject))
		soon, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		var err error
		if counted, err = s.CountAttempt(soon, "totp/alice", 0, 1, at); err != nil {
			return err // a store with one writer can only refuse
		}
		return errUndo
	})
	if err == nil {
		t.Fatal("the transaction was to fail")
	}
	n, _, err := s.Attempts(t.Context(), "totp/alice")
	if err != nil || counted != (n == 1) {
		t.Fatalf("an attempt that was counted (%v) stands at %d, %v", counted, n, err)
	}
}

func testEnrollments(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	must(t, s.AddEnrollment(ctx, newEnrollment("e")))
	check(t, "others see none", []mfa.PendingEnrollment(nil))(s.Enrollments(ctx, "bob"))
	check(t, "as it was kept", []mfa.PendingEnrollment{newEnrollment("e")})(s.Enrollments(ctx, owner.Subject))
	check(t, "pair 1", true)(s.CountPair(ctx, owner.Subject, "e", 2))
	check(t, "pair 2", true)(s.CountPair(ctx, owner.Subject, "e", 2))
	check(t, "pair 3", false)(s.CountPair(ctx, owner.Subject, "e", 2))
	check(t, "foreign pair", false)(s.CountPair(ctx, "bob", "e", 9))
	check(t, "foreign proof", false)(s.Prove(ctx, "bob", "e", 1, 1))
	check(t, "proof", true)(s.Prove(ctx, owner.Subject, "e", -20, 60_000_000))
	check(t, "second proof", false)(s.Prove(ctx, owner.Subject, "e", 0, 1))
	proven := newEnrollment("e")
	proven.Proven, proven.Offset, proven.LastStep = true, -20, 60_000_000
	check(t, "proven", []mfa.PendingEnrollment{proven})(s.Enrollments(ctx, owner.Subject))
	check(t, "foreign removal", 0)(s.RemoveEnrollments(ctx, "bob"))
	check(t, "removal", 1)(s.RemoveEnrollments(ctx, owner.Subject))
	check(t, "gone", []mfa.PendingEnrollment(nil))(s.Enrollments(ctx, owner.Subject))
}

func testNewestEnrollments(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	bobs := newEnrollment("bob's")
	bobs.Subject, bobs.CreatedAt = "bob", at.Add(-time.Hour)
	must(t, s.AddEnrollment(ctx, bobs))
	var want []mfa.PendingEnrollment
	for i, id := range []string{"g", "f", "e", "d", "c", "b", "a"} {
		e := newEnrollment(id)
		e.CreatedAt = at.Add(time.Duration(i) * time.Second)
		must(t, s.AddEnrollment(ctx, e))
		want = append(want, e)
	}
	check(t, "the newest five", want[2:])(s.Enrollments(ctx, owner.Subject))
	check(t, "others keep theirs", []mfa.PendingEnrollment{bobs})(s.Enrollments(ctx, "bob"))
}

func testAuthenticators(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	first, second := newAuthenticator("z"), newAuthenticator("a")
	second.AddedAt = at.Add(time.Second)
	must(t, s.AddAuthenticator(ctx, second))
	must(t, s.AddAuthenticator(ctx, first))
	if err := s.AddAuthenticator(ctx, first); err == nil {
		t.Fatal("an authenticator was added twice")
	}
	check(t, "oldest first", []mfa.AuthenticatorRecord{first, second})(s.Authenticators(ctx, owner.Subject))

	used := mfa.Advance{Step: 101, Offset: -4, Provisional: true, Run: -2, At: at.Add(time.Minute)}
	check(t, "foreign", false)(s.AdvanceStep(ctx, "bob", "z", used))
	check(t, "the same step", false)(s.AdvanceStep(ctx, owner.Subject, "z", mfa.Advance{Step: 100}))
	check(t, "an older step", false)(s.AdvanceStep(ctx, owner.Subject, "z", mfa.Advance{Step: 99}))
	check(t, "a newer step", true)(s.AdvanceStep(ctx, owner.Subject, "z", used))
	check(t, "once", false)(s.AdvanceStep(ctx, owner.Subject, "z", used))
	provisional := first
	provisional.LastStep, provisional.Offset, provisional.Provisional, provisional.Run, provisional.LastUsedAt = 101, -4, true, -2, used.At
	check(t, "provisional", []mfa.AuthenticatorRecord{provisional, second})(s.Authenticators(ctx, owner.Subject))
	check(t, "burnt", true)(s.AdvanceStep(ctx, owner.Subject, "z", mfa.Advance{Step: 105, Offset: 4, Run: -2}))
	pair := mfa.Advance{Step: 106, Offset: 6, At: used.At, Pair: true}
	check(t, "a pair that begins with the last step", false)(s.AdvanceStep(ctx, owner.Subject, "z", pair))
	pair.Step++
	check(t, "foreign pair", false)(s.AdvanceStep(ctx, "bob", "z", pair))
	check(t, "a pair", true)(s.AdvanceStep(ctx, owner.Subject, "z", pair))
	check(t, "the same pair", false)(s.AdvanceStep(ctx, owner.Subject, "z", pair))
	check(t, "the first of the pair", false)(s.AdvanceStep(ctx, owner.Subject, "z", mfa.Advance{Step: 106}))
	check(t, "the second of the pair", false)(s.AdvanceStep(ctx, owner.Subject, "z", mfa.Advance{Step: 107}))
	check(t, "foreign name", false)(s.RenameAuthenticator(ctx, "bob", "z", "Mine"))
	check(t, "name", true)(s.RenameAuthenticator(ctx, owner.Subject, "z", "Téléphone"))
	first.LastStep, first.Offset, first.Run, first.LastUsedAt, first.Name = 107, 6, 0, used.At, "Téléphone"
	check(t, "changed", []mfa.AuthenticatorRecord{first, second})(s.Authenticators(ctx, owner.Subject))

	check(t, "foreign removal", false)(s.RemoveAuthenticator(ctx, "bob", "z"))
	check(t, "removal", true)(s.RemoveAuthenticator(ctx, owner.Subject, "z"))
	check(t, "second removal", false)(s.RemoveAuthenticator(ctx, owner.Subject, "z"))
	check(t, "a code after removal", false)(s.AdvanceStep(ctx, owner.Subject, "z", mfa.Advance{Step: 200}))
	check(t, "what is left", []mfa.AuthenticatorRecord{second})(s.Authenticators(ctx, owner.Subject))
}

func testAuthenticatorsAmong(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	var all, want []string
	for n := range 1100 {
		subject := fmt.Sprintf("person %04d", n)
		all = append(all, subject)
		if n%499 != 0 {
			continue
		}
		want = append(want, subject)
		for _, id := range []string{"a", "b"} {
			a := newAuthenticator(id + subject)
			a.Subject = subject
			must(t, s.AddAuthenticator(ctx, a))
		}
	}
	among := func(subjects ...string) ([]string, error) {
		out, err := s.AuthenticatorsAmong(ctx, subjects)
		slices.Sort(out)
		return out, err
	}
	must(t, s.AddAuthenticator(ctx, newAuthenticator("another person's")))
	check(t, "nobody", []string(nil))(among())
	check(t, "one", want[1:2])(among(want[1]))
	check(t, "none of them", []string(nil))(among(all[1], all[2], ""))
	check(t, "each once", want)(among(append(slices.Clone(all), all...)...))
}

func testCodes(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	check(t, "none", mfa.CodeSet{})(s.Codes(ctx, owner.Subject))
	must(t, s.AddCodes(ctx, newCodes("1", "e")))
	check(t, "pending is not active", mfa.CodeSet{})(s.Codes(ctx, owner.Subject))
	must(t, s.AddCodes(ctx, newCodes("2", "e")))
	elsewhere := mfa.Owner{Subject: owner.Subject, Session: "other"}
	check(t, "replaced", false)(s.ActivateCodes(ctx, owner, "e", "1"))
	check(t, "another enrolment", false)(s.ActivateCodes(ctx, owner, "", "2"))
	check(t, "another session", false)(s.ActivateCodes(ctx, elsewhere, "e", "2"))
	check(t, "the newest", true)(s.ActivateCodes(ctx, owner, "e", "2"))
	check(t, "twice", false)(s.ActivateCodes(ctx, owner, "e", "2"))
	check(t, "active", newCodes("2", "e"))(s.Codes(ctx, owner.Subject))

	check(t, "foreign", false)(s.UseCode(ctx, "bob", "2", 7, at))
	check(t, "use", true)(s.UseCode(ctx, owner.Subject, "2", 7, at))
	check(t, "use again", false)(s.UseCode(ctx, owner.Subject, "2", 7, at))
	check(t, "no such code", false)(s.UseCode(ctx, owner.Subject, "2", 10, at))
	used := newCodes("2", "e")
	used.Codes[7] = mfa.CodeRecord{N: 7, UsedAt: at}
	check(t, "used without its hash", used)(s.Codes(ctx, owner.Subject))
	check(t, "what is left", mfa.Holding{CodesLeft: len(used.Codes) - 1, CodesMadeAt: used.CreatedAt})(s.Holding(ctx, owner.Subject))
	check(t, "nobody", mfa.Holding{})(s.Holding(ctx, "nobody"))

	must(t, s.AddCodes(ctx, newCodes("3", "")))
	check(t, "the old set lives", true)(s.UseCode(ctx, owner.Subject, "2", 0, at))
	check(t, "renewal", true)(s.ActivateCodes(ctx, owner, "", "3"))
	check(t, "the old set is gone", false)(s.UseCode(ctx, owner.Subject, "2", 1, at))
	check(t, "the new set", newCodes("3", ""))(s.Codes(ctx, owner.Subject))
}

func testDevices(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	older, newer := newDevice("a"), newDevice("z")
	newer.AddedAt = at.Add(time.Second)
	must(t, s.AddDevice(ctx, older))
	must(t, s.AddDevice(ctx, newer))
	check(t, "newest first", []mfa.DeviceRecord{newer, older})(s.Devices(ctx, owner.Subject))

	swapped := older
	swapped.Secret, swapped.RotatedAt, swapped.LastUsedAt = hash32(3), at.Add(time.Hour), at.Add(time.Hour)
	swapped.Former = []mfa.FormerSecret{{Hash: hash32(9), Until: at}, {Hash: hash32(1)}}
	foreign := swapped
	foreign.Subject = "bob"
	check(t, "foreign", false)(s.SwapDevice(ctx, hash32(1), foreign))
	check(t, "wrong secret", false)(s.SwapDevice(ctx, hash32(2), swapped))
	check(t, "swap", true)(s.SwapDevice(ctx, hash32(1), swapped))
	check(t, "swap again", false)(s.SwapDevice(ctx, hash32(1), swapped))
	check(t, "swapped", []mfa.DeviceRecord{newer, swapped})(s.Devices(ctx, owner.Subject))

	check(t, "foreign removal", false)(s.RemoveDevice(ctx, "bob", "a"))
	check(t, "removal", true)(s.RemoveDevice(ctx, owner.Subject, "a"))
	check(t, "second removal", false)(s.RemoveDevice(ctx, owner.Subject, "a"))
	check(t, "all of nobody's", 0)(s.RemoveDevices(ctx, "bob"))
	check(t, "all", 1)(s.RemoveDevices(ctx, owner.Subject))
	check(t, "none left", []mfa.DeviceRecord(nil))(s.Devices(ctx, owner.Subject))
}
