package mfa_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"

	"github.com/focushq/idp/mfa"
)

// renew makes a new set of recovery codes for somebody enrolled, without confirming it.
func (b *bench) renew(subject string) (codes []string, set string) {
	b.t.Helper()
	codes, set, err := b.NewRecoveryCodes(b.t.Context(), owner(subject), "")
	b.must(err)
	return codes, set
}

func TestSec_RC01_CodesAreRandom(t *testing.T) {
	const n = 100_000
	seen := make(map[string]bool, n)
	var counts [16][32]int
	for range n {
		code := mfa.NewRecoveryCode()
		if len(code) != 16 || seen[code] {
			t.Fatalf("%s: %d characters, seen before: %v", code, len(code), seen[code])
		}
		seen[code] = true
		for position, c := range []byte(code) {
			counts[position][strings.IndexByte(mfa.Alphabet, c)]++
		}
	}
	for position, count := range counts {
		chi, expected := 0.0, float64(n)/32
		for _, got := range count {
			chi += (float64(got) - expected) * (float64(got) - expected) / expected
		}
		if chi > 100 { // 31 degrees of freedom: once in a hundred million runs
			t.Errorf("position %d: chi-squared is %.1f", position, chi)
		}
	}
}

func TestSec_RC03_OneHashATryNothingElseAtRest(t *testing.T) {
	b := newBench(t)
	_, codes := b.enroll("alice")
	if len(codes) != mfa.RecoveryCodeCount || b.hashes != mfa.RecoveryCodeCount {
		t.Fatalf("%d codes, %d hashes", len(codes), b.hashes)
	}
	set, err := b.config.Store.Codes(t.Context(), "alice")
	b.must(err)
	if bytes.Contains(set.Salt, make([]byte, 4)) || len(set.Salt) < 16+16 {
		t.Fatalf("the salt is not sealed: %x", set.Salt)
	}
	b.hashes = 0
	for _, code := range []string{codes[9], codes[9], "0000-0000-0000-0000"} {
		b.VerifyRecoveryCode(t.Context(), "alice", code)
	}
	if b.hashes != 3 {
		t.Fatalf("three tries cost %d hashes", b.hashes)
	}
	set, err = b.config.Store.Codes(t.Context(), "alice")
	b.must(err)
	if used := set.Codes[9]; used.Hash != nil || !used.UsedAt.Equal(b.clock()) {
		t.Fatalf("a used code is kept as %+v", used)
	}
}

func TestSec_RC03_Argon2id(t *testing.T) {
	b := newBench(t)
	service, err := mfa.New(b.config) // with the real hash
	b.must(err)
	salt := []byte("sixteen bytes---")
	if want := argon2.IDKey([]byte("code"), salt, 2, 19*1024, 1, 32); !bytes.Equal(service.KDF("code", salt), want) {
		t.Error("another hash, or lower costs")
	}
	b.Service = service
	_, codes := b.enroll("alice")
	if left, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[4]); err != nil || left != 9 {
		t.Fatalf("%d, %v", left, err)
	}
}

func TestSec_RC04_EachCodeOnce(t *testing.T) {
	b := newBench(t)
	_, codes := b.enroll("alice")
	order := []int{9, 0, 5, 1, 8, 2, 7, 3, 6, 4} // any order
	for i, n := range order {
		left, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[n])
		if err != nil || left != 9-i {
			t.Fatalf("code %d: %d left, %v", n, left, err)
		}
		b.restart()
		_, err = b.VerifyRecoveryCode(t.Context(), "alice", codes[n])
		b.is(err, mfa.ErrInvalidCode)
		if left, ok := mfa.TriesLeft(err); !ok || left != 4 {
			t.Fatalf("%d tries left, %v: the second use is counted", left, ok)
		}
	}
	_, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.is(err, mfa.ErrInvalidCode)
}

func TestSec_RC05_OneWinner(t *testing.T) {
	b := newBench(t, func(c *mfa.Config) {
		c.Limits.Recovery = mfa.Limit{Waits: []mfa.Wait{{From: 10, For: time.Minute}}, Seal: 100}
	})
	_, codes := b.enroll("alice")
	for _, code := range codes {
		b.must(b.config.Store.ClearAttempts(t.Context(), "recovery/alice"))
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 16 {
			wg.Go(func() {
				_, err := b.VerifyRecoveryCode(context.Background(), "alice", code)
				mu.Lock()
				defer mu.Unlock()
				var wait *mfa.ThrottledError
				switch {
				case err == nil:
					won++
				case !errors.Is(err, mfa.ErrReplayed) && !errors.Is(err, mfa.ErrInvalidCode) && !errors.As(err, &wait):
					t.Errorf("a loser gets %v", err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("%d callers won", won)
		}
	}
	if n := b.count(mfa.RecoveryUsed); n != len(codes) {
		t.Fatalf("%d uses on record", n)
	}
}

func TestSec_RC06_OwnerAndSet(t *testing.T) {
	b := newBench(t)
	_, alices := b.enroll("alice")
	_, bobs := b.enroll("bob")
	_, err := b.VerifyRecoveryCode(t.Context(), "alice", bobs[0])
	b.is(err, mfa.ErrInvalidCode)

	renewed, set := b.renew("alice")
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", renewed[0])
	b.is(err, mfa.ErrInvalidCode)
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", alices[0]) // the old set lives until the new one is confirmed
	b.must(err)
	again, newest := b.renew("alice")
	b.is(b.ConfirmRecoveryCodes(t.Context(), owner("alice"), set), mfa.ErrReplaced)
	b.is(b.ConfirmRecoveryCodes(t.Context(), mfa.Owner{Subject: "alice", Session: "elsewhere"}, newest), mfa.ErrReplaced)
	b.is(b.ConfirmRecoveryCodes(t.Context(), owner("bob"), newest), mfa.ErrReplaced)
	b.kinds()
	b.must(b.ConfirmRecoveryCodes(t.Context(), owner("alice"), newest))
	b.happened(mfa.CodesReplaced)
	b.is(b.ConfirmRecoveryCodes(t.Context(), owner("alice"), newest), mfa.ErrReplaced)
	for _, old := range []string{alices[1], renewed[1]} {
		_, err = b.VerifyRecoveryCode(t.Context(), "alice", old)
		b.is(err, mfa.ErrInvalidCode)
	}
	if left, err := b.VerifyRecoveryCode(t.Context(), "alice", again[1]); err != nil || left != 9 {
		t.Fatalf("%d, %v", left, err)
	}
}

func TestSec_RC07_OnlyWithAFactor(t *testing.T) {
	b := newBench(t)
	_, _, err := b.NewRecoveryCodes(t.Context(), owner("alice"), "")
	b.is(err, mfa.ErrNotEnrolled)
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", "0000-0000-0000-0000")
	b.is(err, mfa.ErrNotEnrolled)

	_, codes := b.enroll("alice")
	_, set := b.renew("alice")
	status, err := b.Status(t.Context(), "alice")
	b.must(err)
	b.must(b.Remove(t.Context(), "alice", status.Authenticators[0].ID))
	b.happened(mfa.AuthenticatorRemoved, mfa.Disabled)
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.is(err, mfa.ErrNotEnrolled)
	b.is(b.ConfirmRecoveryCodes(t.Context(), owner("alice"), set), mfa.ErrNotEnrolled)
	if status, err := b.Status(t.Context(), "alice"); err != nil || status.Enrolled || status.CodesLeft != 0 {
		t.Fatalf("%+v, %v", status, err)
	}
}

func TestSec_RC08_OwnCount(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	for n := 1; n <= 30; n++ {
		_, err := b.VerifyRecoveryCode(t.Context(), "alice", "0000-0000-0000-0000")
		b.is(err, mfa.ErrInvalidCode)
		var seals *mfa.ThrottledError
		if errors.As(err, &seals) != (n == 30) || n == 30 && !seals.Sealed {
			t.Fatalf("after %d failures: %v", n, err)
		}
		if n >= 5 {
			wait := 15 * time.Minute
			b.pass(wait - time.Second)
			if n < 30 {
				_, err = b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
				throttled(t, err)
			}
			b.pass(time.Second)
		}
	}
	_, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	if wait := throttled(t, err); !wait.Sealed {
		t.Fatalf("%+v", wait)
	}
	if n := b.count(mfa.Sealed); n != 1 {
		t.Fatalf("sealed %d times", n)
	}
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	renewed, set := b.renew("alice") // a new set opens it again
	b.must(b.ConfirmRecoveryCodes(t.Context(), owner("alice"), set))
	b.happened(mfa.CodeAccepted, mfa.Unsealed, mfa.CodesReplaced)
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", renewed[0])
	b.must(err)
}

func TestSec_RC09_Spellings(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[string]string{}
	const code = "0123456789ABCDEF"
	for _, typed := range []string{
		"0123-4567-89ab-cdef", "O123 4567 89AB CDEF", "oi23456789abcdef", "0L23456789ABCDEF", " 0123–4567–89AB–CDEF\n", "０１２３456789ABCDEF",
	} {
		if got, ok := mfa.NormalizeRecovery(typed); !ok || got != code {
			t.Errorf("%q is %q, %v", typed, got, ok)
		}
	}
	for range 200_000 {
		code := mfa.NewRecoveryCode()
		shown := mfa.FormatRecovery(code)
		if got, ok := mfa.NormalizeRecovery(shown); !ok || got != code {
			t.Fatalf("%q is %q, %v", shown, got, ok)
		}
		mutated := []byte(shown)
		mutated[random.IntN(len(mutated))] = byte(random.Uint32())
		if got, ok := mfa.NormalizeRecovery(string(mutated)); ok {
			if other, taken := seen[got]; taken && other != code {
				t.Fatalf("%q and %q are both %q", other, code, got)
			}
			seen[got] = code
		}
	}
}

func TestRecoverySpellingsNeverMeet(t *testing.T) {
	one := rapid.StringMatching(`[0-9A-HJKMNP-TV-Z]{16}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := one.Draw(t, "a"), one.Draw(t, "b")
		spelled := strings.NewReplacer("0", "o", "1", "l").Replace(strings.ToLower(mfa.FormatRecovery(a)))
		got, ok := mfa.NormalizeRecovery(spelled)
		if !ok || got != a || (a != b) != (got != b) {
			t.Fatalf("%q is %q, %v", spelled, got, ok)
		}
	})
}

func FuzzNormalizeRecovery(f *testing.F) {
	for _, text := range []string{"0123-4567-89AB-CDEF", "oil", "ıſ\u212a", "\xff", strings.Repeat("A", 200)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := mfa.NormalizeRecovery(typed)
		if ok && (len(code) != 16 || strings.Trim(code, mfa.Alphabet) != "") {
			t.Fatalf("%q is %q", typed, code)
		}
	})
}

func TestRecoveryGate(t *testing.T) {
	busy, inside, released := errors.New("busy"), 0, 0
	full := false
	b := newBench(t, func(c *mfa.Config) {
		c.Gate = func(context.Context) (func(), error) {
			if full {
				return nil, busy
			}
			inside++
			return func() { released++ }, nil
		}
	})
	_, codes := b.enroll("alice")
	full = true
	for range 10 { // what a busy server turns away is not counted
		_, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
		b.is(err, busy)
	}
	_, _, err := b.NewRecoveryCodes(t.Context(), owner("alice"), "")
	b.is(err, busy)
	full = false
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.must(err)
	if inside != 2 || released != 2 { // once for the set, once for the try
		t.Fatalf("taken %d times, released %d times", inside, released)
	}
}

func TestCodesAreShownInGroups(t *testing.T) {
	b := newBench(t)
	_, codes := b.enroll("alice")
	for _, code := range codes {
		groups := strings.Split(code, "-")
		if len(groups) != 4 || slices.ContainsFunc(groups, func(g string) bool { return len(g) != 4 }) {
			t.Errorf("%q is not 4-4-4-4", code)
		}
	}
}
