package mfatest

import (
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
)

func testRemoveAll(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	fill := func(prefix, subject string) {
		e, a, c, d := newEnrollment(prefix+"e"), newAuthenticator(prefix+"a"), newCodes(prefix+"c", "e"), newDevice(prefix+"d")
		e.Subject, a.Subject, c.Subject, d.Subject = subject, subject, subject, subject
		must(t, s.Lock(ctx, subject))
		must(t, s.AddEnrollment(ctx, e))
		must(t, s.AddAuthenticator(ctx, a))
		must(t, s.AddCodes(ctx, c))
		check(t, "activate", true)(s.ActivateCodes(ctx, c.Owner, "e", c.ID))
		must(t, s.AddDevice(ctx, d))
	}
	left := func(subject string) int {
		e, err := s.Enrollments(ctx, subject)
		must(t, err)
		a, err := s.Authenticators(ctx, subject)
		must(t, err)
		c, err := s.Codes(ctx, subject)
		must(t, err)
		d, err := s.Devices(ctx, subject)
		must(t, err)
		return len(e) + len(a) + len(c.Codes) + len(d)
	}
	fill("1", "alice")
	fill("2", "bob")
	must(t, s.RemoveAll(ctx, "alice"))
	if left("alice") != 0 || left("bob") != 13 {
		t.Fatalf("alice has %d records, bob %d of 13", left("alice"), left("bob"))
	}
	must(t, s.Lock(ctx, "alice")) // she can begin anew
}

func testPrune(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	must(t, s.AddEnrollment(ctx, newEnrollment("e")))
	must(t, s.AddCodes(ctx, newCodes("active", "")))
	check(t, "activate", true)(s.ActivateCodes(ctx, owner, "", "active"))
	must(t, s.AddCodes(ctx, newCodes("pending", "")))
	must(t, s.AddDevice(ctx, newDevice("d")))
	must(t, s.AddAuthenticator(ctx, newAuthenticator("a")))
	const network = "network/192.0.2.7/32/2027-01-15T08"
	for _, key := range []string{network, "totp/alice", "totp/network/"} {
		check(t, "count", true)(s.CountAttempt(ctx, key, 0, 3, at))
	}
	all := func(stale, now time.Time) (total int) {
		for {
			n, err := s.Prune(ctx, stale, now, 1)
			must(t, err)
			if n == 0 {
				return total
			}
			total += n
		}
	}
	if n := all(at, at); n != 0 {
		t.Fatalf("%d rows were removed before their time", n)
	}
	if all(at.Add(2*time.Hour), at) == 0 {
		t.Fatal("the enrolment and the pending codes were to go")
	}
	check(t, "enrolment", []mfa.PendingEnrollment(nil))(s.Enrollments(ctx, owner.Subject))
	check(t, "pending codes", false)(s.ActivateCodes(ctx, owner, "", "pending"))
	if n := all(at, at.Add(721*time.Hour)); n != 1 {
		t.Fatalf("%d devices were removed, not 1", n)
	}
	check(t, "the network begins anew", true)(s.CountAttempt(ctx, network, 0, 1, at))
	for _, key := range []string{"totp/alice", "totp/network/"} {
		check(t, "a person's count stays", true)(s.CountAttempt(ctx, key, 3, 1, at))
	}
	check(t, "active codes stay", newCodes("active", ""))(s.Codes(ctx, owner.Subject))
	check(t, "authenticators stay", []mfa.AuthenticatorRecord{newAuthenticator("a")})(s.Authenticators(ctx, owner.Subject))
}

func testSealed(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	must(t, s.AddAuthenticator(ctx, newAuthenticator("b")))
	must(t, s.AddAuthenticator(ctx, newAuthenticator("a")))
	must(t, s.AddEnrollment(ctx, newEnrollment("a")))
	must(t, s.AddCodes(ctx, newCodes("a", "")))
	seen, last := map[string]bool{}, mfa.SealedSecret{}
	for {
		rows, err := s.SealedSecrets(ctx, last, 3)
		must(t, err)
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			if seen[row.Place+row.ID] {
				t.Fatalf("%s%s came twice", row.Place, row.ID)
			}
			seen[row.Place+row.ID], last = true, row
			check(t, "swap", true)(s.SwapSealed(ctx, row, []byte("anew")))
			check(t, "swap again", false)(s.SwapSealed(ctx, row, []byte("again")))
		}
	}
	if len(seen) != 4 {
		t.Fatalf("%d secrets of 4: %v", len(seen), seen)
	}
	a, b, e := newAuthenticator("a"), newAuthenticator("b"), newEnrollment("a")
	a.Secret, b.Secret, e.Secret = []byte("anew"), []byte("anew"), []byte("anew")
	check(t, "authenticators", []mfa.AuthenticatorRecord{a, b})(s.Authenticators(ctx, owner.Subject))
	check(t, "enrolment", []mfa.PendingEnrollment{e})(s.Enrollments(ctx, owner.Subject))
	check(t, "activate", true)(s.ActivateCodes(ctx, owner, "", "a"))
	codes := newCodes("a", "")
	codes.Salt = []byte("anew")
	check(t, "codes", codes)(s.Codes(ctx, owner.Subject))
}

func testDistrust(t *testing.T, s mfa.Store) {
	ctx := t.Context()
	behind, ahead, provisional := newAuthenticator("a"), newAuthenticator("b"), newAuthenticator("c")
	ahead.LastStep, provisional.Provisional = 1000, true
	must(t, s.AddAuthenticator(ctx, provisional))
	must(t, s.AddAuthenticator(ctx, behind))
	must(t, s.AddAuthenticator(ctx, ahead))
	must(t, s.AddEnrollment(ctx, newEnrollment("e")))
	must(t, s.AddCodes(ctx, newCodes("c", "")))
	check(t, "activate", true)(s.ActivateCodes(ctx, owner, "", "c"))
	must(t, s.AddDevice(ctx, newDevice("d")))
	must(t, s.Distrust(ctx, 500))
	behind.LastStep, provisional.LastStep = 500+behind.Offset, 500
	check(t, "authenticators", []mfa.AuthenticatorRecord{behind, ahead, provisional})(s.Authenticators(ctx, owner.Subject))
	check(t, "enrolments", []mfa.PendingEnrollment(nil))(s.Enrollments(ctx, owner.Subject))
	check(t, "codes", mfa.CodeSet{})(s.Codes(ctx, owner.Subject))
	check(t, "devices", []mfa.DeviceRecord(nil))(s.Devices(ctx, owner.Subject))
}
