package mfapasskey_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

func TestSecondFactor(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, added := w.add("alice")
		w.happened("passkey_added", mfa.Enrolled)
		if added.Name != "Passkey" || added.Synced || !added.AddedAt.Equal(w.clock()) || !added.LastUsedAt.IsZero() {
			t.Errorf("%+v", added)
		}
		w.pass(time.Hour)
		d.Flags = passkeytest.Present // no verification: the password is the other factor
		methods, err := w.verify("alice", d)
		w.must(err)
		w.happened("passkey_accepted")
		if got := mfa.AMR(append(methods, mfa.Password)...); !slices.Equal(got, []string{"pwd", "hwk", "mfa"}) {
			t.Errorf("amr %v", got)
		}
		listed, err := w.other.Passkeys(t.Context(), "alice")
		w.must(err)
		if len(listed) != 1 || !listed[0].LastUsedAt.Equal(w.clock()) || listed[0].ID != added.ID {
			t.Errorf("%+v", listed)
		}
		if _, _, err := w.BeginVerify(t.Context(), "bob"); !errors.Is(err, mfa.ErrNotEnrolled) {
			t.Errorf("bob: %v", err)
		}
	})
}

// The record says which passkey it was, wherever that can be known.
func TestEventsNameThePasskey(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, added := w.add("alice")
		w.must(w.Rename(t.Context(), "alice", added.ID, "Laptop"))
		_, err := w.verify("alice", d)
		w.must(err)
		w.named("passkey_accepted", "Laptop")
		d.Origin = "https://evil.example"
		_, err = w.verify("alice", d)
		w.is(err, mfa.ErrInvalidCode)
		w.named("passkey_refused", "Laptop")
		_, err = w.verify("alice", passkeytest.New(t, origin))
		w.is(err, mfa.ErrInvalidCode)
		w.named("passkey_refused", "")
		d.Origin, d.Count = origin, 5
		_, _, err = w.signIn(d)
		w.must(err)
		w.named("passkey_accepted", "Laptop")
		_, _, err = w.signIn(d)
		w.is(err, mfa.ErrCloned)
		w.named("passkey_refused", "Laptop")
	})
}

func TestSignInWithAPasskeyAlone(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, added := w.add("alice")
		w.add("bob")
		subject, methods, err := w.signIn(d)
		w.must(err)
		if got := mfa.AMR(methods...); subject != "alice" || !slices.Equal(got, []string{"hwk", "user", "mfa"}) {
			t.Errorf("%s, amr %v", subject, got)
		}

		d.Flags = passkeytest.Present // the device has not verified the person: one factor
		_, _, err = w.signIn(d)
		w.is(err, mfa.ErrInvalidCode)
		d.Flags = passkeytest.Present | passkeytest.Verified

		own := d.Handle
		d.Handle = nil
		_, _, err = w.signIn(d)
		w.is(err, mfa.ErrInvalidCode)
		d.Handle = []byte("somebody else")
		_, _, err = w.signIn(d)
		w.is(err, mfa.ErrInvalidCode)
		d.Handle = own

		w.must(w.Remove(t.Context(), "alice", added.ID))
		_, _, err = w.signIn(d)
		w.is(err, mfa.ErrUnknown)
	})
}

func TestSyncedPasskeys(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, added := w.add("alice", func(d *passkeytest.Device) { d.Flags |= passkeytest.BackupEligible })
		if !added.Synced {
			t.Errorf("%+v", added)
		}
		d.Flags |= passkeytest.BackedUp // the copy came later
		subject, methods, err := w.signIn(d)
		w.must(err)
		if got := mfa.AMR(methods...); subject != "alice" || !slices.Equal(got, []string{"swk", "user", "mfa"}) {
			t.Errorf("%s, amr %v", subject, got)
		}
		d.Flags &^= passkeytest.BackupEligible | passkeytest.BackedUp // bound to the device all of a sudden
		_, err = w.verify("alice", d)
		w.is(err, mfa.ErrInvalidCode)

		odd := passkeytest.New(t, origin)
		odd.Flags |= passkeytest.BackedUp // but not eligible
		shown, ceremony, err := w.BeginAdd(t.Context(), browser("alice"), "alice")
		w.must(err)
		_, err = w.FinishAdd(t.Context(), browser("alice"), ceremony, "", odd.Create(shown))
		w.is(err, mfa.ErrRefused)
	})
}

func TestCountersNeverGoBack(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		for range 3 { // stands still at 0, as synced passkeys do
			_, err := w.verify("alice", d)
			w.must(err)
		}
		d.Count, d.Step = 10, 1
		_, err := w.verify("alice", d)
		w.must(err)
		w.forget()
		for _, count := range []uint32{11, 10, 0} { // the same again, an earlier one, none
			d.Count, d.Step = count, 0
			_, err := w.verify("alice", d)
			w.is(err, mfa.ErrCloned)
			w.is(err, mfa.ErrInvalidCode)
			w.happened("passkey_cloned", "passkey_refused")
		}
		d.Count = 12
		_, err = w.verify("alice", d)
		w.must(err)
	})
}

// bend is what an attacker, or a page of somebody else, changes about an answer.
var bends = map[string]func(d *passkeytest.Device){
	"http":           func(d *passkeytest.Device) { d.Origin = "http://id.example.com:8443" },
	"another port":   func(d *passkeytest.Device) { d.Origin = "https://id.example.com" },
	"a subdomain":    func(d *passkeytest.Device) { d.Origin = "https://evil.id.example.com:8443" },
	"the parent":     func(d *passkeytest.Device) { d.Origin = "https://example.com:8443" },
	"a longer name":  func(d *passkeytest.Device) { d.Origin = "https://id.example.com.evil.test:8443" },
	"a path":         func(d *passkeytest.Device) { d.Origin = origin + "@evil.test" },
	"no origin":      func(d *passkeytest.Device) { d.Origin = "" },
	"another RP":     func(d *passkeytest.Device) { d.RPID = "example.com" },
	"nobody present": func(d *passkeytest.Device) { d.Flags &^= passkeytest.Present },
}

func TestAnswersOfElsewhere(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for name, bend := range bends {
			subject := strings.ReplaceAll(name, " ", "-")
			good, _ := w.add(subject)
			bent := *good
			bend(&bent)
			if _, err := w.verify(subject, &bent); !errors.Is(err, mfa.ErrInvalidCode) {
				t.Errorf("%s, second factor: %v", name, err)
			}
			if got, _, err := w.signIn(&bent); got != "" || !errors.Is(err, mfa.ErrInvalidCode) {
				t.Errorf("%s, sign-in: %q %v", name, got, err)
			}
			fresh := passkeytest.New(t, origin)
			bend(fresh)
			shown, ceremony, err := w.BeginAdd(t.Context(), browser(subject), "account")
			w.must(err)
			if _, err := w.FinishAdd(t.Context(), browser(subject), ceremony, "", fresh.Create(shown)); !errors.Is(err, mfa.ErrRefused) {
				t.Errorf("%s, new: %v", name, err)
			}
			if _, err := w.verify(subject, good); err != nil {
				t.Errorf("%s: the real one: %v", name, err)
			}
		}
	})
}

func TestReplaysAndOtherPeoplesCeremonies(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		alices, _ := w.add("alice")
		bobs, _ := w.add("bob")
		shown, ceremony, err := w.BeginVerify(t.Context(), "alice")
		w.must(err)
		answer := alices.Get(shown)
		_, err = w.FinishVerify(t.Context(), "bob", ceremony, answer)
		w.is(err, mfa.ErrCeremony)
		_, _, err = w.FinishSignIn(t.Context(), ceremony, answer, nil)
		w.is(err, mfa.ErrCeremony)
		_, err = w.FinishVerify(t.Context(), "alice", ceremony, answer)
		w.must(err)
		_, err = w.other.FinishVerify(t.Context(), "alice", ceremony, answer) // once, on any replica
		w.is(err, mfa.ErrCeremony)

		_, another, err := w.BeginVerify(t.Context(), "alice")
		w.must(err)
		w.forget()
		_, err = w.FinishVerify(t.Context(), "alice", another, answer) // of another challenge
		w.is(err, mfa.ErrInvalidCode)
		w.happened("passkey_refused")
		_, err = w.verify("alice", bobs)
		w.is(err, mfa.ErrInvalidCode)

		forged := *alices
		forged.Key = bobs.Key // her identifier, his key
		_, err = w.verify("alice", &forged)
		w.is(err, mfa.ErrInvalidCode)
		if left, ok := mfa.TriesLeft(err); !ok || left != 2 {
			t.Errorf("tries left: %d %v", left, ok)
		}
	})
}

func TestCeremoniesEndAfterFiveMinutes(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		shown, ceremony, err := w.BeginVerify(t.Context(), "alice")
		w.must(err)
		w.pass(mfapasskey.CeremonyLife)
		_, err = w.FinishVerify(t.Context(), "alice", ceremony, d.Get(shown))
		w.is(err, mfa.ErrCeremony)
		w.must(w.Prune(t.Context()))
		_, ceremony, err = w.BeginSignIn(t.Context())
		w.must(err)
		w.must(w.Prune(t.Context()))
		for _, junk := range []string{"", "{}", "null", "[]", `{"id":"x"}`, strings.Repeat("x", 1<<17)} {
			_, _, err := w.FinishSignIn(t.Context(), ceremony, []byte(junk), nil)
			w.is(err, mfa.ErrMalformedResponse)
		}
		w.forget()
	})
}

func TestLimitsAndSeal(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		phone := w.withApp("alice")
		d, _ := w.add("alice")
		codes := w.withCodes("alice")
		wrong := passkeytest.New(t, origin)
		for n := range 4 {
			_, err := w.verify("alice", wrong)
			if left, _ := mfa.TriesLeft(err); left != 4-n {
				t.Fatalf("try %d: %v, %d left", n, err, left)
			}
		}
		w.forget()
		_, err := w.verify("alice", wrong)
		w.is(err, mfa.ErrInvalidCode)
		w.happened("passkey_refused", mfa.Warned)
		var wait *mfa.ThrottledError
		if _, err := w.verify("alice", d); !errors.As(err, &wait) || wait.Sealed {
			t.Fatalf("the right one in the pause: %v", err)
		}
		w.must(w.mfa.VerifyTOTP(t.Context(), "alice", phone.Code(0))) // has a count of its own
		for range 55 {
			w.pass(time.Hour)
			_, err := w.verify("alice", wrong)
			w.is(err, mfa.ErrInvalidCode)
		}
		w.pass(365 * 24 * time.Hour)
		if _, _, err := w.signIn(d); !errors.As(err, &wait) || !wait.Sealed {
			t.Fatalf("after sixty: %v", err)
		}
		status, err := w.mfa.Status(t.Context(), "alice")
		w.must(err)
		if len(status.Factors) != 1 || status.Factors[0].Name != mfapasskey.Name || !status.Factors[0].Sealed || status.Sealed {
			t.Errorf("%+v", status)
		}
		_, err = w.mfa.VerifyRecoveryCode(t.Context(), "alice", codes[0])
		w.must(err)
		_, err = w.verify("alice", d)
		w.must(err)
	})
}

func TestOneCeremonyOneAnswer(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		shown, verifying, err := w.BeginVerify(t.Context(), "alice")
		w.must(err)
		answer := d.Get(shown)
		accepted := race(t, w, func(r replica) error {
			_, err := r.FinishVerify(t.Context(), "alice", verifying, answer)
			return err
		})
		shown, adding, err := w.BeginAdd(t.Context(), browser("bob"), "bob")
		w.must(err)
		fresh := passkeytest.New(t, origin).Create(shown)
		added := race(t, w, func(r replica) error {
			_, err := r.FinishAdd(t.Context(), browser("bob"), adding, "", fresh)
			return err
		})
		passkeys, err := w.Passkeys(t.Context(), "bob")
		w.must(err)
		if accepted != 1 || added != 1 || len(passkeys) != 1 {
			t.Errorf("accepted %d, added %d, %d passkeys", accepted, added, len(passkeys))
		}
	})
}

// race answers one ceremony forty times at once, on both replicas, and returns how many were accepted.
func race(t *testing.T, w *world, fn func(replica) error) int {
	var mu sync.Mutex
	var all sync.WaitGroup
	start, won := make(chan struct{}), 0
	for n := range 40 {
		all.Go(func() {
			<-start
			err := fn([2]replica{w.replica, w.other}[n%2])
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.Is(err, mfa.ErrCeremony):
				t.Errorf("neither accepted nor over: %v", err)
			}
		})
	}
	close(start)
	all.Wait()
	return won
}
