package mfa_test

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/mfa"
)

func TestCoreKnowsNoHTTPAndNoSQL(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		for _, forbidden := range []string{"net/http", "database/sql", "github.com/jmoiron/sqlx", "github.com/ory/fosite", "github.com/lib/pq"} {
			if name == forbidden || strings.HasPrefix(name, forbidden+"/") {
				t.Errorf("package mfa depends on %s", name)
			}
		}
	}
}

func TestAMR(t *testing.T) {
	for _, test := range []struct {
		methods []mfa.Method
		want    []string
		acr     string
	}{
		{nil, nil, "aal1"},
		{[]mfa.Method{mfa.Password}, []string{"pwd"}, "aal1"},
		{[]mfa.Method{mfa.Password, mfa.TOTP}, []string{"pwd", "otp", "mfa"}, "aal2"},
		{[]mfa.Method{mfa.TOTP, mfa.Password, mfa.TOTP}, []string{"pwd", "otp", "mfa"}, "aal2"},
		{[]mfa.Method{mfa.Password, mfa.RecoveryCode}, []string{"pwd", "mfa"}, "aal2"},
		{[]mfa.Method{mfa.Password, mfa.Passkey}, []string{"pwd", "hwk", "mfa"}, "aal2"},
		{[]mfa.Method{mfa.Password, mfa.SyncedPasskey}, []string{"pwd", "swk", "mfa"}, "aal2"},
		{[]mfa.Method{mfa.Passkey, mfa.Verified}, []string{"hwk", "user", "mfa"}, "aal2"},
		{[]mfa.Method{mfa.SyncedPasskey, mfa.Verified}, []string{"swk", "user", "mfa"}, "aal2"},
		{[]mfa.Method{mfa.Passkey}, []string{"hwk"}, "aal1"},
		{[]mfa.Method{mfa.TOTP, mfa.RecoveryCode}, []string{"otp"}, "aal1"},
	} {
		got := mfa.AMR(test.methods...)
		if !slices.Equal(got, test.want) || mfa.ACR(got) != test.acr {
			t.Errorf("%v: %v, %s; want %v, %s", test.methods, got, mfa.ACR(got), test.want, test.acr)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := newBench(t).config
	for name, edit := range map[string]func(*mfa.Config){
		"no store":            func(c *mfa.Config) { c.Store = nil },
		"no cipher":           func(c *mfa.Config) { c.Cipher = nil },
		"no issuer":           func(c *mfa.Config) { c.Issuer = "" },
		"issuer with a colon": func(c *mfa.Config) { c.Issuer = "Focus: HQ" },
		"issuer with a space": func(c *mfa.Config) { c.Issuer = " Focus" },
		"issuer unprintable":  func(c *mfa.Config) { c.Issuer = "Focus\n" },
		"issuer too long":     func(c *mfa.Config) { c.Issuer = strings.Repeat("x", 65) },
		"negative duration":   func(c *mfa.Config) { c.RememberFor = -1 },
		"more than 30 days":   func(c *mfa.Config) { c.RememberFor = 721 * time.Hour },
	} {
		config := good
		edit(&config)
		if _, err := mfa.New(config); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := mfa.NewCipher(make([]byte, 16)); err == nil {
		t.Error("a key of 16 bytes is accepted")
	}
}

func TestStatus(t *testing.T) {
	b := newBench(t)
	if status, err := b.Status(t.Context(), "alice"); err != nil || !cmp.Equal(status, mfa.Status{}) {
		t.Fatalf("a stranger has %+v, %v", status, err)
	}
	added := b.clock()
	phone, _ := b.enroll("alice", -5*time.Minute)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	status, err := b.Status(t.Context(), "alice")
	b.must(err)
	want := mfa.Status{Enrolled: true, CodesLeft: 10, CodesMadeAt: added, Authenticators: []mfa.Authenticator{{
		ID: status.Authenticators[0].ID, Name: "Authenticator app", AddedAt: added, LastUsedAt: b.clock(),
		Offset: -9 * mfa.Period, // by the second of the two codes, which were given at once
	}}}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Fatal(diff)
	}
}

func TestRename(t *testing.T) {
	b := newBench(t)
	b.enroll("alice")
	status, err := b.Status(t.Context(), "alice")
	b.must(err)
	id := status.Authenticators[0].ID
	for _, name := range []string{"", "  ", "a\nb", strings.Repeat("x", 65)} {
		b.is(b.Rename(t.Context(), "alice", id, name), mfa.ErrName)
	}
	b.is(b.Rename(t.Context(), "bob", id, "Mine"), mfa.ErrNotFound)
	b.must(b.Rename(t.Context(), "alice", id, " Téléphone "))
	if e := b.events; len(e) != 1 || e[0].Detail["name"] != "Téléphone" || e[0].Detail["before"] != "Authenticator app" {
		t.Fatalf("%+v", e)
	}
	b.happened(mfa.AuthenticatorRenamed)
}

func TestSec_MF14_RemovalTakesEverythingAlong(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	second := b.add("alice")
	token := b.remember("alice")
	begun, _ := b.scan("alice")
	status, err := b.Status(t.Context(), "alice")
	b.must(err)

	b.refuse = mfa.DevicesForgotten // killed in the middle: all or nothing
	b.is(b.Remove(t.Context(), "alice", status.Authenticators[0].ID), errObserver)
	b.refuse = mfa.WasReset
	b.is(b.Reset(t.Context(), "alice", "test"), errObserver)
	b.refuse = ""
	after, err := b.Status(t.Context(), "alice")
	b.must(err)
	if diff := cmp.Diff(status, after); diff != "" {
		t.Fatal(diff)
	}

	b.kinds()
	b.must(b.Remove(t.Context(), "alice", status.Authenticators[0].ID))
	b.happened(mfa.AuthenticatorRemoved, mfa.DevicesForgotten)
	b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)), mfa.ErrInvalidCode)
	_, err = b.Enrollment(t.Context(), owner("alice"), begun.ID)
	b.is(err, mfa.ErrNotFound)
	if b.present("alice", token) != "" {
		t.Fatal("the device is still remembered")
	}
	b.must(b.VerifyTOTP(t.Context(), "alice", second.Code(0)))
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.must(err)

	b.kinds()
	b.must(b.Disable(t.Context(), "alice"))
	b.is(b.Disable(t.Context(), "alice"), mfa.ErrNotEnrolled)
	b.happened(mfa.Disabled)
	b.must(b.Reset(t.Context(), "alice", "account deleted"))
	if e := b.events; len(e) != 1 || e[0].Kind != mfa.WasReset || e[0].Detail["reason"] != "account deleted" {
		t.Fatalf("%+v", e)
	}
}

// TestMovedSecretsDoNotOpen gives rows to other people and secrets to other rows.
func TestMovedSecretsDoNotOpen(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	b.enroll("bob")
	store := b.config.Store
	alices, err := store.Authenticators(t.Context(), "alice")
	b.must(err)
	stolen := alices[0]
	stolen.ID, stolen.Subject = "moved", "bob"
	b.must(store.AddAuthenticator(t.Context(), stolen))
	if err := b.VerifyTOTP(t.Context(), "bob", phone.Code(0)); err == nil || errors.Is(err, mfa.ErrInvalidCode) {
		t.Fatalf("a moved secret: %v", err)
	}
	b.happened(mfa.Unsealable)

	set, err := store.Codes(t.Context(), "alice")
	b.must(err)
	set.Subject, set.ID, set.Enrollment, set.Session = "bob", "moved", "", ""
	b.must(store.AddCodes(t.Context(), set))
	_, err = store.ActivateCodes(t.Context(), mfa.Owner{Subject: "bob"}, "", "moved")
	b.must(err)
	if _, err = b.VerifyRecoveryCode(t.Context(), "bob", codes[0]); err == nil || errors.Is(err, mfa.ErrInvalidCode) {
		t.Fatalf("a moved set: %v", err)
	}
	b.happened(mfa.Unsealable)
}

// TestNothingSecretInEvents looks for keys, codes and tokens in everything that was told.
func TestNothingSecretInEvents(t *testing.T) {
	b := newBench(t)
	e, phone := b.scan("alice")
	b.prove("alice", e, phone)
	codes, set, err := b.NewRecoveryCodes(t.Context(), owner("alice"), e.ID)
	b.must(err)
	_, err = b.Confirm(t.Context(), owner("alice"), e.ID, set)
	b.must(err)
	b.pass(time.Minute)
	secrets := append(codes, e.Key, phone.Code(0))
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	token, _, err := b.RememberDevice(t.Context(), "alice", firefox)
	b.must(err)
	_, secret, _ := strings.Cut(token, ".")
	b.present("alice", token)
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.must(err)
	if len(b.events) < 5 {
		t.Fatalf("only %d events", len(b.events))
	}
	for _, event := range b.events {
		for _, value := range event.Detail {
			for _, s := range append(secrets, secret) {
				if strings.Contains(value, s) {
					t.Errorf("%s tells %s", event.Kind, s)
				}
			}
		}
		if event.Subject != "alice" || event.At.IsZero() {
			t.Errorf("%+v", event)
		}
	}
}
