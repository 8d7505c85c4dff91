package mfa_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// typed is somebody with an app, of whom arbitrary things are said.
type typed struct {
	*mfa.Service
	store mfa.Store
	phone *mfatest.Phone
	app   string
}

var alice = mfa.Owner{Subject: "alice", Session: "browser"}

func newTyped(f *testing.F) *typed {
	f.Helper()
	cipher, err := mfa.NewCipher(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	out := &typed{store: mfatest.Memory()}
	out.Service, err = mfa.New(mfa.Config{Store: out.store, Cipher: cipher, Issuer: "Focus HQ", Now: now, RememberFor: time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	out.Hasher(func() {})
	e, err := out.Enroll(f.Context(), alice, "alice")
	if err != nil {
		f.Fatal(err)
	}
	out.phone = &mfatest.Phone{Key: e.Key, Clock: now}
	_, err = out.VerifyEnrollment(f.Context(), alice, e.ID, out.phone.Code(-1), out.phone.Code(0))
	_, set, err2 := out.NewRecoveryCodes(f.Context(), alice, e.ID)
	_, err3 := out.Confirm(f.Context(), alice, e.ID, set)
	status, err4 := out.Status(f.Context(), "alice")
	if err := errors.Join(err, err2, err3, err4); err != nil {
		f.Fatal(err)
	}
	out.app = status.Authenticators[0].ID
	return out
}

// FuzzPairs types arbitrary pairs of codes into an enrolment: none but two that follow each other is a pair, and every other
// one has its sentence.
func FuzzPairs(f *testing.F) {
	s := newTyped(f)
	f.Add("123456", "123 456")
	f.Add("", "\x00")
	f.Add(s.phone.Code(0), s.phone.Code(1)) // of the app in use
	f.Add("１２３４５６", strings.Repeat("1", 1<<12))
	f.Fuzz(func(t *testing.T, code, next string) {
		e, err := s.Enroll(t.Context(), alice, "alice")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.VerifyEnrollment(t.Context(), alice, e.ID, code, next)
		known := false
		for _, cause := range []error{mfa.ErrMalformedCode, mfa.ErrInvalidCode, mfa.ErrSameCode, mfa.ErrSwapped, mfa.ErrNotConsecutive, mfa.ErrOtherEntry} {
			known = known || errors.Is(err, cause)
		}
		var clock *mfa.ClockError
		if known = known || errors.As(err, &clock); !known { // a random pair is right once in 10^10 times
			t.Errorf("%q and %q: %v", code, next, err)
		}
	})
}

// FuzzCodes types arbitrary codes and recovery codes at a sign-in: whatever is no code is not counted, and nothing else than
// a code is one.
func FuzzCodes(f *testing.F) {
	s := newTyped(f)
	for _, text := range []string{"000000", "0000-0000-0000-0000", s.phone.Code(0), "", "\xff", "+000000", strings.Repeat("A", 1<<12)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, key := range []string{"totp/alice", "recovery/alice"} {
			if err := s.store.ClearAttempts(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		want := []error{mfa.ErrMalformedCode, mfa.ErrInvalidCode, mfa.ErrReplayed}
		judge := func(key string, err error) {
			n, _, failed := s.store.Attempts(t.Context(), key)
			counted := !errors.Is(err, want[0])
			var clock *mfa.ClockError
			if !errors.Is(err, want[0]) && !errors.Is(err, want[1]) && !errors.Is(err, want[2]) && !errors.As(err, &clock) || failed != nil || (n == 1) != counted {
				t.Errorf("%s, %q: %v, counted %d times", key, text, err, n)
			}
		}
		if code, ok := mfa.NormalizeCode(text); !ok || code != s.phone.Code(1) {
			judge("totp/alice", s.VerifyTOTP(t.Context(), "alice", text))
		}
		_, err := s.VerifyRecoveryCode(t.Context(), "alice", text)
		judge("recovery/alice", err)
	})
}

// FuzzDeviceToken shows arbitrary cookies of remembered devices: ignored, all but the one.
func FuzzDeviceToken(f *testing.F) {
	s := newTyped(f)
	token, _, err := s.RememberDevice(f.Context(), "alice", mfa.Label{})
	if err != nil {
		f.Fatal(err)
	}
	id, secret, _ := strings.Cut(token, ".")
	for _, text := range []string{"", ".", id + ".", "." + secret, token + "A", strings.ToUpper(token), id + "." + strings.Repeat("A", 43), "\x00.\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == token {
			return
		}
		if next, ok, err := s.DeviceRemembered(t.Context(), "alice", text); next != "" || ok || err != nil {
			t.Errorf("%q: %q, %v, %v", text, next, ok, err)
		}
		if devices, err := s.Devices(t.Context(), "alice", text); err != nil || len(devices) != 1 || devices[0].This {
			t.Errorf("%q: %+v, %v", text, devices, err)
		}
	})
}

// FuzzNameOfAnApp gives an authenticator arbitrary names: what is kept is one short line of valid text.
func FuzzNameOfAnApp(f *testing.F) {
	s := newTyped(f)
	for _, text := range []string{"Phone", " Téléphone ", "", "a\nb", "\u202eenohP", "\xff", strings.Repeat("😀", 65)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := s.Rename(t.Context(), "alice", s.app, text)
		if err != nil && !errors.Is(err, mfa.ErrName) {
			t.Fatalf("%q: %v", text, err)
		}
		status, err := s.Status(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		name := status.Authenticators[0].Name
		if !utf8.ValidString(name) || strings.TrimSpace(name) != name || name == "" || strings.ContainsAny(name, "\r\n\x00") || utf8.RuneCountInString(name) > 64 {
			t.Errorf("%q is kept as %q", text, name)
		}
		if err := s.Rename(t.Context(), "alice", s.app, name); err != nil {
			t.Errorf("%q, as it is kept: %v", name, err)
		}
	})
}
