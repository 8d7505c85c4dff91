package mfapasskey_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
	"github.com/focushq/idp/mfa/mfatest"
)

func TestThePasskeyAsFirstFactor(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		status, err := w.mfa.Status(t.Context(), "alice")
		w.must(err)
		if status.Enrolled {
			t.Fatal("enrolled before")
		}
		_, _, err = w.mfa.NewRecoveryCodes(t.Context(), browser("alice"), "")
		w.is(err, mfa.ErrNotEnrolled)
		d, passkey := w.add("alice")
		status, err = w.mfa.Status(t.Context(), "alice")
		w.must(err)
		if !status.Enrolled || len(status.Authenticators) != 0 || len(status.Factors) != 1 || status.CodesLeft != 0 {
			t.Fatalf("%+v", status)
		}
		w.is(w.mfa.VerifyTOTP(t.Context(), "alice", "123456"), mfa.ErrNotEnrolled)

		codes := w.withCodes("alice")
		left, err := w.mfa.VerifyRecoveryCode(t.Context(), "alice", codes[0])
		if err != nil || left != 9 {
			t.Fatal(left, err)
		}
		token, _, err := w.mfa.RememberDevice(t.Context(), "alice", mfa.Label{})
		w.must(err)
		w.forget()
		w.must(w.Remove(t.Context(), "alice", passkey.ID))
		w.happened("passkey_removed", mfa.DevicesForgotten, mfa.Disabled)
		if enrolled, err := w.mfa.Enrolled(t.Context(), "alice"); enrolled || err != nil {
			t.Errorf("still enrolled: %v", err)
		}
		_, remembered, err := w.mfa.DeviceRemembered(t.Context(), "alice", token)
		w.must(err)
		_, err = w.mfa.VerifyRecoveryCode(t.Context(), "alice", codes[1])
		if remembered || !errors.Is(err, mfa.ErrNotEnrolled) {
			t.Errorf("remembered %v, recovery code %v", remembered, err)
		}
		_, _, err = w.signIn(d)
		w.is(err, mfa.ErrUnknown)
		w.is(w.Remove(t.Context(), "alice", passkey.ID), mfa.ErrNotFound)
	})
}

// Whoever has one kind keeps MFA, and the codes, when the other kind goes.
func TestAPasskeyBesideAnApp(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		_, passkey := w.add("alice")
		w.withCodes("alice")
		w.forget()
		phone := w.withApp("alice") // asks for no codes: those that stand stay
		w.happened(mfa.AuthenticatorAdded)
		w.must(w.Remove(t.Context(), "alice", passkey.ID))
		w.happened("passkey_removed")
		w.must(w.mfa.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
		status, err := w.mfa.Status(t.Context(), "alice")
		w.must(err)
		if !status.Enrolled || status.CodesLeft != mfa.RecoveryCodeCount || len(status.Factors) != 0 {
			t.Errorf("%+v", status)
		}

		d, _ := w.add("alice")
		w.forget()
		w.must(w.mfa.Remove(t.Context(), "alice", status.Authenticators[0].ID))
		w.happened(mfa.AuthenticatorRemoved)
		_, err = w.verify("alice", d)
		w.must(err)
		w.forget()
		w.must(w.mfa.Disable(t.Context(), "alice"))
		w.happened(mfa.Disabled)
		_, _, err = w.BeginVerify(t.Context(), "alice")
		w.is(err, mfa.ErrNotEnrolled)
	})
}

func TestAResetEndsCeremonies(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		before := d.Handle
		shown, adding, err := w.BeginAdd(t.Context(), browser("alice"), "alice")
		w.must(err)
		asked, verifying, err := w.BeginVerify(t.Context(), "alice")
		w.must(err)
		w.must(w.mfa.Reset(t.Context(), "alice", "lost everything"))
		_, err = w.FinishAdd(t.Context(), browser("alice"), adding, "", passkeytest.New(t, origin).Create(shown))
		w.is(err, mfa.ErrCeremony)
		_, err = w.FinishVerify(t.Context(), "alice", verifying, d.Get(asked))
		w.is(err, mfa.ErrCeremony)
		again, _ := w.add("alice")
		if bytes.Equal(before, again.Handle) || len(again.Handle) != 64 {
			t.Errorf("handles %x, %x", before, again.Handle)
		}
	})
}

func TestNamesAndTheLimit(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		_, first := w.add("alice")
		second, other := w.add("alice")
		if first.Name != "Passkey" || other.Name != "Passkey 2" {
			t.Errorf("%q, %q", first.Name, other.Name)
		}
		w.forget()
		w.must(w.Rename(t.Context(), "alice", first.ID, " Laptop "))
		w.happened("passkey_renamed")
		for _, bad := range []string{"", " ", "a\nb", strings.Repeat("x", 65), "\xff"} {
			w.is(w.Rename(t.Context(), "alice", first.ID, bad), mfa.ErrName)
		}
		w.is(w.Rename(t.Context(), "bob", first.ID, "Mine"), mfa.ErrNotFound)
		w.is(w.Rename(t.Context(), "alice", first.ID, "passkey 2"), mfa.ErrTaken)
		w.must(w.Rename(t.Context(), "alice", other.ID, "Passkey 2"))
		long := strings.Repeat("ü", 64)
		w.must(w.Rename(t.Context(), "alice", first.ID, long))
		shown, ceremony, err := w.BeginAdd(t.Context(), browser("alice"), "alice")
		w.must(err)
		third, err := w.FinishAdd(t.Context(), browser("alice"), ceremony, long, passkeytest.New(t, origin).Create(shown))
		if w.must(err); third.Name != long[:2*62]+" 2" {
			t.Errorf("another one of that name is called %q", third.Name)
		}
		w.must(w.Remove(t.Context(), "alice", third.ID))
		w.is(w.Remove(t.Context(), "bob", first.ID), mfa.ErrNotFound)

		for n := 2; n < mfapasskey.MaxPasskeys; n++ {
			w.add("alice")
		}
		_, _, err = w.BeginAdd(t.Context(), browser("alice"), "alice")
		w.is(err, mfa.ErrTooMany)
		_, _, err = w.BeginAdd(t.Context(), browser("alice"), "")
		w.is(err, mfa.ErrName)

		shown, ceremony, err = w.BeginAdd(t.Context(), browser("bob"), "bob")
		w.must(err)
		answer := second.Create(shown) // a key that is kept already, of alice's
		_, err = w.FinishAdd(t.Context(), browser("bob"), ceremony, "a\x00b", answer)
		w.is(err, mfa.ErrName)
		_, err = w.FinishAdd(t.Context(), mfa.Owner{Subject: "bob", Session: "another browser"}, ceremony, "", answer)
		w.is(err, mfa.ErrCeremony)
		_, err = w.FinishAdd(t.Context(), browser("bob"), ceremony, "", answer)
		w.is(err, mfa.ErrTaken)
	})
}

// Two tabs that both saw nine passkeys.
func TestTheLimitHoldsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for n := 1; n < mfapasskey.MaxPasskeys; n++ {
			w.add("alice")
		}
		var answers [2][]byte
		var ceremonies [2]string
		for n := range answers {
			shown, ceremony, err := w.BeginAdd(t.Context(), browser("alice"), "alice")
			w.must(err)
			answers[n], ceremonies[n] = passkeytest.New(t, origin).Create(shown), ceremony
		}
		errs := make(chan error, 2)
		for n, r := range []replica{w.replica, w.other} {
			go func() {
				_, err := r.FinishAdd(t.Context(), browser("alice"), ceremonies[n], "", answers[n])
				errs <- err
			}()
		}
		one, two := <-errs, <-errs
		if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), mfa.ErrTooMany) {
			t.Errorf("%v, %v", one, two)
		}
	})
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, passkey := w.add("alice")
		w.refuse = "passkey_accepted"
		_, err := w.verify("alice", d)
		w.is(err, errObserver)
		w.refuse = "passkey_added"
		shown, ceremony, err := w.BeginAdd(t.Context(), browser("alice"), "alice")
		w.must(err)
		_, err = w.FinishAdd(t.Context(), browser("alice"), ceremony, "", passkeytest.New(t, origin).Create(shown))
		w.is(err, errObserver)
		w.refuse = "passkey_renamed"
		w.is(w.Rename(t.Context(), "alice", passkey.ID, "Laptop"), errObserver)
		w.refuse = "passkey_removed"
		w.is(w.Remove(t.Context(), "alice", passkey.ID), errObserver)
		listed, err := w.Passkeys(t.Context(), "alice")
		w.must(err)
		if len(listed) != 1 || listed[0].Name != "Passkey" || !listed[0].LastUsedAt.IsZero() {
			t.Errorf("%+v", listed)
		}
	})
}

// options are those that a browser gets, as far as these tests read them.
type options struct {
	Challenge          string
	RP                 struct{ ID string }
	RPID               string `json:"rpId"`
	User               struct{ Name string }
	UserVerification   string
	AllowCredentials   []struct{ ID string }
	ExcludeCredentials []struct{ ID string }
}

func told(t *testing.T, raw []byte) options {
	t.Helper()
	var o options
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestWhatTheBrowserIsTold(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		raw, _, err := w.BeginAdd(t.Context(), browser("alice"), "alice@example.com")
		w.must(err)
		o := told(t, raw)
		if o.RP.ID != "id.example.com" || o.User.Name != "alice@example.com" || len(o.ExcludeCredentials) != 1 ||
			o.ExcludeCredentials[0].ID != base64.RawURLEncoding.EncodeToString(d.ID) || strings.Contains(string(raw), base64.RawURLEncoding.EncodeToString([]byte("alice"))) {
			t.Errorf("%s", raw)
		}
		if challenge, err := base64.RawURLEncoding.DecodeString(o.Challenge); err != nil || len(challenge) < 16 {
			t.Errorf("challenge %q", o.Challenge)
		}
		raw, _, err = w.BeginVerify(t.Context(), "alice")
		w.must(err)
		if o := told(t, raw); len(o.AllowCredentials) != 1 || o.UserVerification != "preferred" {
			t.Errorf("%s", raw)
		}
		raw, _, err = w.BeginSignIn(t.Context())
		w.must(err)
		if o := told(t, raw); len(o.AllowCredentials) != 0 || o.UserVerification != "required" {
			t.Errorf("%s", raw)
		}
	})
}

func TestNewNamesTheSettingAtFault(t *testing.T) {
	cipher, err := mfa.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	db := dbxtest.SQLite(t, "mfa").SQLX()
	for origin, good := range map[string]bool{
		"https://id.example.com": true, "https://id.example.com:8443": true, "http://localhost:8080": true, "https://idp": false,
		"": false, "https://": false, "id.example.com": false, "https://id.example.com/": false, "https://id.example.com/idp": false,
		"http://id.example.com": false, "https://192.0.2.1": false, "https://[2001:db8::1]:8443": false, "http://127.0.0.1:8080": false,
		"https://a@id.example.com": false, "https://ID.Example.com:443": true, "https://müller.example": false,
	} {
		service, err := mfa.New(mfa.Config{Store: mfatest.Memory(), Cipher: cipher, Issuer: "Focus HQ"})
		if err != nil {
			t.Fatal(err)
		}
		config := mfapasskey.Config{MFA: service, DB: db, Origin: origin, Name: "Focus HQ"}
		if _, err := mfapasskey.New(config); (err == nil) != good || !good && !errors.Is(err, mfapasskey.ErrOrigin) {
			t.Errorf("%q: %v", origin, err)
		}
		if !good {
			continue
		}
		if _, err := mfapasskey.New(config); err == nil {
			t.Error("registered twice")
		}
		config.Name = ""
		if _, err := mfapasskey.New(config); err == nil {
			t.Error("without a name")
		}
	}
}
