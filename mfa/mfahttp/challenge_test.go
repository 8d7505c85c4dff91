package mfahttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/mfa"
)

func TestChallenge(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.get("/mfa?request=r1&other=dropped")
	b.shows(http.StatusOK, PageChallenge)
	want := &ChallengePage{Asking: Asking{Person: asAlice, Query: "request=r1", Client: "Focus HQ", RememberDays: 30,
		RecoveryURL: "/mfa?request=r1&way=recovery", Cancel: true}, Entry: "Acme: alice@example.com"}
	if diff := cmp.Diff(want, b.data); diff != "" {
		t.Error(diff)
	}
	b.leads(b.post("/mfa?request=r1", "cancel", "1"), "/cancelled")
	b.leads(b.post("/mfa?request=r1", "code", phone.Code(0)), "/resume")
	if want := [][]string{{"pwd", "otp", "mfa"}}; !cmp.Equal(b.passed, want) {
		t.Errorf("passed %v, want %v", b.passed, want)
	}

	b.user = User{}
	b.leads(b.get("/mfa"), "/login")
	b.leads(b.post("/mfa", "code", phone.Code(1)), "/login")
	b.user = bob // has no factor
	b.leads(b.get("/mfa"), pathSettings)
	b.leads(b.post("/mfa?request=r2", "code", phone.Code(1)), "/resume?id=r2")
	if len(b.passed) != 1 {
		t.Error("somebody else passed")
	}
}

// However a code is written it is one code: never a second success, and what is none is not looked at.
func TestSec_MF06(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	code := phone.Code(0)
	wide := strings.Map(func(d rune) rune { return d - '0' + '０' }, code)
	arabic := strings.Map(func(d rune) rune { return d - '0' + '٠' }, code)
	b.leads(b.post("/mfa", "code", " "+code[:3]+"-"+code[3:]), "/resume")
	for _, row := range []struct{ code, want string }{
		{code, "code.replayed code"},
		{wide, "code.replayed code"},
		{"+" + code, "code.malformed code"},
		{code + "\x00", "code.malformed code"},
		{code + "0", "code.malformed code"},
		{"abcdef", "code.malformed code"},
		{"", "code.malformed code"},
		{strings.Repeat(code, 20_000), "code.malformed code"},
		{arabic, "code.replayed code"},
	} {
		got := b.post("/mfa", "code", row.code)
		if got.StatusCode != http.StatusUnprocessableEntity || b.problem() != row.want {
			t.Errorf("%.12q: %d %q, want %q", row.code, got.StatusCode, b.problem(), row.want)
		}
		if body, _ := io.ReadAll(got.Body); strings.Contains(string(body), code) {
			t.Errorf("%.12q: the page repeats the code", row.code)
		}
	}
	if len(b.passed) != 1 {
		t.Errorf("passed %d times", len(b.passed))
	}
}

func TestWrongCodesHaveTheirSentencesAndTheirPrice(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.pass(time.Hour)
	b.post("/mfa", "code", phone.Code(-5))
	if page := b.data.(*ChallengePage); b.problem() != "code.clock code" || page.Problem.Args["Offset"] != -150*time.Second {
		t.Errorf("a code of a slow phone: %+v", page.Problem)
	}
	for n, want := range []any{nil, 2, 1, nil} {
		b.post("/mfa", "code", phone.Code(5+n))
		page := b.data.(*ChallengePage)
		if b.problem() != "code.wrong code" || page.Problem.Args["Left"] != want {
			t.Errorf("failure %d: %+v", n+2, page.Problem)
		}
		if waits := n == 3; waits != (page.Wait == time.Minute) {
			t.Errorf("failure %d: wait %v", n+2, page.Wait)
		}
	}

	code := phone.Code(0)
	got := b.post("/mfa", "code", code)
	b.shows(http.StatusTooManyRequests, PageChallenge)
	page := b.data.(*ChallengePage)
	after := got.Header.Get("Retry-After")
	if b.problem() != "throttled code" || page.Wait != time.Minute || page.Problem.Args["Wait"] != time.Minute || after != "60" {
		t.Errorf("during the wait: %+v, Retry-After %s", page.Problem, after)
	}
	b.pass(20*time.Second + 100*time.Millisecond)
	b.get("/mfa")
	b.shows(http.StatusOK, PageChallenge)
	if page := b.data.(*ChallengePage); b.problem() != "throttled code" || page.Wait != 40*time.Second {
		t.Errorf("the page during the wait: %+v", page)
	}
	b.get("/mfa?way=recovery")
	if page := b.data.(*RecoveryPage); page.Problem != nil || page.Wait != 0 {
		t.Errorf("recovery codes have a count of their own: %+v", page)
	}
	b.pass(41 * time.Second)
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")
}

func TestASealedFactorNamesTheWayOut(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone, codes := b.enrolled()
	b.pass(time.Hour)
	for n := range 60 {
		b.post("/mfa", "code", phone.Code(9))
		if sealed := b.problem() == "code.sealed code"; sealed != (n == 59) {
			t.Fatalf("after %d wrong codes: %q", n+1, b.problem())
		}
		b.pass(61 * time.Minute)
	}
	if page := b.data.(*ChallengePage); b.status != http.StatusForbidden || page.Wait != 0 || page.RecoveryURL == "" {
		t.Errorf("the one that seals: %d, %+v", b.status, page)
	}
	b.post("/mfa", "code", phone.Code(0))
	b.shows(http.StatusForbidden, PageChallenge)
	if b.problem() != "code.sealed code" || b.data.(*ChallengePage).RecoveryURL == "" {
		t.Errorf("sealed: %+v", b.data)
	}
	b.get("/mfa")
	b.shows(http.StatusOK, PageChallenge)
	if b.problem() != "code.sealed code" {
		t.Errorf("the page does not say so: %+v", b.data)
	}
	b.leads(b.post("/mfa?way=recovery", "recovery_code", codes[3]), "/resume")
	b.pass(time.Minute)
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")
}

// A recovery code counts as a factor, never as otp; it remembers no device and ends those that were.
func TestSec_RC10(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone, codes := b.enrolled()
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	if remembered(b) == "" {
		t.Fatal("not remembered")
	}
	b.get("/mfa?way=recovery&request=r1")
	b.shows(http.StatusOK, PageRecovery)
	want := &RecoveryPage{Person: asAlice, Query: "request=r1&way=recovery", BackURL: "/mfa?request=r1", Client: "Focus HQ", CodesLeft: 10, Cancel: true}
	if diff := cmp.Diff(want, b.data); diff != "" {
		t.Error(diff)
	}
	b.leads(b.post("/mfa?way=recovery&request=r1", "recovery_code", codes[9], "remember", "1"), "/resume")
	if got, want := b.passed[1], []string{"pwd", "mfa"}; !cmp.Equal(got, want) {
		t.Errorf("passed %v, want %v", got, want)
	}
	if remembered(b) != "" || b.saw(mfa.DeviceRemembered) != 1 || b.saw(mfa.DevicesForgotten) != 1 {
		t.Error("the device is still remembered")
	}
	b.get("/mfa?way=recovery")
	if left := b.data.(*RecoveryPage).CodesLeft; left != 9 {
		t.Errorf("%d codes left", left)
	}
	b.post("/mfa?way=recovery", "recovery_code", codes[9])
	b.shows(http.StatusUnprocessableEntity, PageRecovery)
	if b.problem() != "recovery.wrong recovery_code" {
		t.Errorf("used twice: %q", b.problem())
	}
	b.post("/mfa", "code", codes[8]) // in the wrong field it is not spent
	if b.problem() != "code.malformed code" {
		t.Errorf("a recovery code as code: %q", b.problem())
	}
	b.leads(b.post("/mfa?way=recovery", "recovery_code", codes[8]), "/resume")
}

// Recovery codes may be written in any manner, and have a limit of their own.
func TestSec_RC09(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone, codes := b.enrolled()
	b.post("/mfa?way=recovery", "recovery_code", "hello")
	if b.problem() != "recovery.malformed recovery_code" {
		t.Errorf("no code at all: %q", b.problem())
	}
	loose := strings.NewReplacer("0", "o", "1", "l", "-", " ").Replace(strings.ToLower(codes[0]))
	b.leads(b.post("/mfa?way=recovery", "recovery_code", " "+loose+" "), "/resume")

	for range 5 {
		b.post("/mfa?way=recovery", "recovery_code", codes[0])
		b.shows(http.StatusUnprocessableEntity, PageRecovery)
	}
	got := b.post("/mfa?way=recovery", "recovery_code", codes[1])
	b.shows(http.StatusTooManyRequests, PageRecovery)
	after, page := got.Header.Get("Retry-After"), b.data.(*RecoveryPage)
	if b.problem() != "throttled recovery_code" || after != "900" || page.CodesLeft != 9 {
		t.Errorf("during the wait: %+v, Retry-After %s", page, after)
	}
	b.get("/mfa?way=recovery")
	if b.problem() != "throttled recovery_code" {
		t.Errorf("the page during the wait: %q", b.problem())
	}
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")
}

func TestARecoveryCodeOfSomebodyWithoutAny(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.leads(b.post("/mfa?way=recovery&request=r1", "recovery_code", "ABCD-EFGH-JKMN-PQRS"), "/resume?id=r1")
	b.leads(b.get("/mfa?way=recovery"), pathSettings)
	if len(b.passed) != 0 {
		t.Error("passed")
	}
}

// A server that is too busy to hash has counted and used up nothing; its host says so.
func TestABusyServerIsTheHostsToExplain(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	_, codes := b.enrolled()
	busy := errors.New("test: busy")
	crowded, err := mfa.New(mfa.Config{
		Store: b.store, Cipher: b.cipher, Issuer: "Acme", Now: b.config.Now, HashMemory: 64,
		Gate: func(context.Context) (func(), error) { return nil, busy },
	})
	if err != nil {
		t.Fatal(err)
	}
	calm := b.config.MFA
	b.config.MFA = crowded
	for range 10 {
		b.post("/mfa?way=recovery", "recovery_code", codes[0])
		if !errors.Is(b.failed, busy) || len(b.passed) != 0 {
			t.Fatalf("a recovery code: %v, page %q", b.failed, b.page)
		}
	}
	b.get("/account/mfa/codes")
	if !errors.Is(b.failed, busy) || b.page != "" {
		t.Errorf("new codes: %v, page %q", b.failed, b.page)
	}
	b.config.MFA = calm
	b.leads(b.post("/mfa?way=recovery", "recovery_code", codes[0]), "/resume")
}
