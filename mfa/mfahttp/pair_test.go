package mfahttp

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A phone whose clock has run away gets in with two codes, and then with one.
func TestTwoCodesForAClockThatRanAway(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.pass(time.Hour)
	phone.Clock = func() time.Time { return b.now.Add(8 * time.Minute) }
	offered := func(want string) {
		t.Helper()
		if page := b.data.(*ChallengePage); page.PairURL != want {
			t.Errorf("%q: two codes at %q, want %q", b.problem(), page.PairURL, want)
		}
	}
	b.get("/mfa?request=r1")
	offered("")
	b.post("/mfa?request=r1", "code", phone.Code(0))
	offered("")
	b.post("/mfa?request=r1", "code", phone.Code(1))
	offered("/mfa?request=r1&way=pair")
	b.get("/mfa?request=r1")
	offered("/mfa?request=r1&way=pair")

	b.get("/mfa?request=r1&way=pair")
	b.shows(http.StatusOK, PagePair)
	want := &PairPage{Asking: Asking{Person: asAlice, Query: "request=r1&way=pair", Client: "Focus HQ", RememberDays: 30,
		RecoveryURL: "/mfa?request=r1&way=recovery", Cancel: true},
		Entry: "Acme: alice@example.com", Remaining: int(30 - b.now.Unix()%30), BackURL: "/mfa?request=r1"}
	if diff := cmp.Diff(want, b.data); diff != "" {
		t.Error(diff)
	}
	b.leads(b.post("/mfa?request=r1&way=pair", "cancel", "1"), "/cancelled")
	b.leads(b.post("/mfa?request=r1&way=pair", "code1", phone.Code(0), "code2", phone.Code(1), "remember", "1"), "/resume")
	if want := [][]string{{"pwd", "otp", "mfa"}}; !cmp.Equal(b.passed, want) || remembered(b) == "" {
		t.Errorf("passed %v, remembered %q", b.passed, remembered(b))
	}
	b.pass(time.Minute)
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")
}

func TestASlowPhoneIsOfferedTwoCodesAtOnce(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.pass(time.Hour)
	b.post("/mfa", "code", phone.Code(-5))
	if page := b.data.(*ChallengePage); b.problem() != "code.clock code" || page.PairURL != "/mfa?way=pair" {
		t.Errorf("%+v", page)
	}
}

// Two wrong codes have a sentence, which never says that one of them was right.
func TestTwoCodesTellNothingAboutOne(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	used := []string{phone.Code(0), phone.Code(1)}
	b.leads(b.post("/mfa", "code1", used[0], "code2", used[1]), "/resume")
	b.pass(time.Hour)
	for _, row := range []struct{ first, second, want string }{
		{"12345", phone.Code(1), "pair.malformed code1"},
		{phone.Code(0), "", "pair.malformed code2"},
		{phone.Code(0), phone.Code(0), "pair.same code2"},
		{phone.Code(1), phone.Code(0), "pair.swapped code1"},
		{phone.Code(0), phone.Code(7), "pair.wrong code1"},
	} {
		b.post("/mfa?way=pair", "code1", row.first, "code2", row.second)
		b.shows(http.StatusUnprocessableEntity, PagePair)
		if page := b.data.(*PairPage); b.problem() != row.want || page.Code1 != row.first || page.Code2 != row.second {
			t.Errorf("%s %s: %q, want %q", row.first, row.second, b.problem(), row.want)
		}
	}
	got := b.post("/mfa?way=pair", "code1", phone.Code(0), "code2", phone.Code(1)) // costs the fifth try and the sixth
	b.shows(http.StatusTooManyRequests, PagePair)
	page := b.data.(*PairPage)
	if b.problem() != "throttled code1" || page.Wait == 0 || got.Header.Get("Retry-After") == "" {
		t.Errorf("in the pause: %+v", page)
	}
	b.get("/mfa?way=pair")
	if page := b.data.(*PairPage); b.problem() != "throttled code1" || page.Wait == 0 {
		t.Errorf("the page in the pause: %+v", page)
	}
	b.pass(time.Hour)
	for _, row := range []struct {
		first, second int
		want          string
	}{{-100, -99, "pair.clock code1"}, {3, 90, "pair.wrong code1"}} {
		b.post("/mfa?way=pair", "code1", phone.Code(row.first), "code2", phone.Code(row.second))
		if b.problem() != row.want {
			t.Errorf("%d, %d: %q, want %q", row.first, row.second, b.problem(), row.want)
		}
		b.pass(2 * time.Hour)
	}
	b.leads(b.post("/mfa?way=pair", "code1", phone.Code(0), "code2", phone.Code(1)), "/resume")
	b.post("/mfa?way=pair", "code1", phone.Code(0), "code2", phone.Code(1))
	if b.problem() != "pair.replayed code1" {
		t.Errorf("used twice: %q", b.problem())
	}
	for range 40 {
		b.pass(3 * time.Hour)
		b.post("/mfa?way=pair", "code1", phone.Code(40), "code2", phone.Code(50))
	}
	b.shows(http.StatusForbidden, PagePair)
	b.get("/mfa?way=pair")
	if b.problem() != "pair.sealed code1" {
		t.Errorf("sealed: %q", b.problem())
	}
	b.get("/mfa")
	if page := b.data.(*ChallengePage); page.PairURL != "" {
		t.Errorf("two codes of a sealed app: %+v", page)
	}
	b.user = bob
	b.leads(b.post("/mfa?way=pair&request=r2", "code1", "123456", "code2", "654321"), "/resume?id=r2")
}

// With one code left before the seal two are not asked for, and whoever sends them is told to enter one.
func TestOneCodeLeft(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	for n := range 59 {
		if n == 58 {
			b.get("/mfa")
			if page := b.data.(*ChallengePage); page.PairURL == "" {
				t.Errorf("two are left: %+v", page)
			}
		}
		b.post("/mfa", "code", phone.Code(90))
		b.pass(2 * time.Hour)
	}
	one := func(status int) {
		t.Helper()
		b.shows(status, PageChallenge)
		if page := b.data.(*ChallengePage); b.problem() != "pair.one code" || page.PairURL != "" || page.RecoveryURL == "" {
			t.Errorf("%q: %+v", b.problem(), page)
		}
	}
	b.get("/mfa?way=pair")
	one(http.StatusOK)
	b.post("/mfa?way=pair", "code1", phone.Code(0), "code2", phone.Code(1))
	one(http.StatusUnprocessableEntity)
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")
}
