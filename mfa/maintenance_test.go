package mfa_test

import (
	"testing"

	"github.com/focushq/idp/mfa"
)

func TestReseal(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	begun, _ := b.scan("alice")
	before, err := b.config.Store.SealedSecrets(t.Context(), mfa.SealedSecret{}, 10)
	b.must(err)
	if n, err := b.Reseal(t.Context()); n != 3 || err != nil {
		t.Fatalf("%d secrets, %v", n, err)
	}
	after, err := b.config.Store.SealedSecrets(t.Context(), mfa.SealedSecret{}, 10)
	b.must(err)
	for i := range before {
		if string(before[i].Secret) == string(after[i].Secret) || before[i].ID != after[i].ID {
			t.Fatalf("%s%s was not sealed anew", before[i].Place, before[i].ID)
		}
	}
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
	if again, err := b.Enrollment(t.Context(), owner("alice"), begun.ID); err != nil || again.Key != begun.Key {
		t.Fatalf("%+v, %v", again, err)
	}
	_, err = b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.must(err)
	// One that doesn't open keeps no other from being sealed anew.
	if swapped, err := b.config.Store.SwapSealed(t.Context(), after[0], []byte("damaged")); !swapped || err != nil {
		t.Fatal(swapped, err)
	}
	if n, err := b.Reseal(t.Context()); n != 2 || err == nil {
		t.Errorf("%d secrets, %v", n, err)
	}
}

func TestAfterRestore(t *testing.T) {
	b := newBench(t)
	phone, codes := b.enroll("alice")
	token := b.remember("alice")
	b.must(b.AfterRestore(t.Context()))
	for _, step := range []int{-1, 0, 1} {
		b.is(b.VerifyTOTP(t.Context(), "alice", phone.Code(step)), mfa.ErrReplayed)
	}
	_, err := b.VerifyRecoveryCode(t.Context(), "alice", codes[0])
	b.is(err, mfa.ErrNotEnrolled)
	if b.present("alice", token) != "" {
		t.Fatal("the device is remembered")
	}
	status, err := b.Status(t.Context(), "alice")
	if err != nil || !status.Enrolled || status.CodesLeft != 0 {
		t.Fatalf("%+v, %v", status, err)
	}
	b.pass(2 * mfa.Period)
	b.must(b.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
}
