package mfahttp

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/mfa"
)

// What a page of a sign-in says about whose it is; the zero Person when it says nothing.
func (b *browser) whose(target string) Person {
	b.t.Helper()
	b.get(target)
	name, _ := plainField(b.data, "Account").(string)
	another, _ := plainField(b.data, "AnotherURL").(string)
	return Person{Account: name, AnotherURL: another}
}

// Whoever sits down after somebody else must see whose sign-in it is, at every step, and be able to begin their own.
func TestEveryStepOfASignInSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	says := func(target, page string, want Person) {
		t.Helper()
		got := b.whose(target)
		b.shows(http.StatusOK, page)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
	}
	says(pathStart+"?request=r1", PageStart, asAlice)
	says(pathAddKey+"?request=r1", PageAddKey, asAlice)
	says(pathStart, PageStart, Person{})
	says(pathAddKey, PageAddKey, Person{})
	says(b.leads(b.post(pathStart), pathScan), PageScan, Person{Account: alice.Account})
	says(b.leads(b.post(pathStart+"?request=r1"), pathScan), PageScan, asAlice)
	query, _ := b.proven("?request=r1")
	says(pathRecovery+query, PageRecoveryCodes, asAlice)
	b.confirmed(query)
	b.addKey()
	for _, of := range []string{"request=r1", "to=%2Faccount"} {
		says("/mfa?"+of, PageChallenge, asAlice)
		says("/mfa?way=pair&"+of, PagePair, asAlice)
		says("/mfa?way=passkey&"+of, PageKey, asAlice)
		says("/mfa?way=recovery&"+of, PageRecovery, asAlice)
		if own := plainField(b.data, "Own").(bool); own {
			t.Errorf("%s: signing in has a reason of its own", of)
		}
	}
	says(pathNewCodes+"?request=r1", PageRemind, asAlice)
	b.waiting.Another = ""
	says("/mfa?request=r1", PageChallenge, Person{Account: alice.Account})
}

func (b *browser) addKey() {
	b.t.Helper()
	b.post(pathAddKey, "ceremony", b.options(pathAddOptions, "create"), "response", "made", "name", "Laptop")
}

// A page that a policy keeps closed leads to the enrolment as a sign-in does, once nothing more can be put off.
func TestAPageThatWaitsForAnEnrolment(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	for _, row := range []struct {
		name            string
		demanded        bool
		due             time.Duration
		forced, overdue bool
	}{
		{"no policy", false, 0, false, false},
		{"without a date", true, 0, true, false},
		{"in time", true, time.Hour, false, false},
		{"over", true, -time.Hour, true, true},
	} {
		b.waiting.Demanded, b.waiting.Due = row.demanded, time.Time{}
		if row.due != 0 {
			b.waiting.Due = b.now.Add(row.due)
		}
		b.get(pathStart + "?to=%2Faccount")
		page := b.data.(*StartPage)
		if page.Forced != row.forced || page.Overdue.IsZero() == row.overdue || (page.AnotherURL != "") != row.forced || page.Cancel {
			t.Errorf("%s: %+v", row.name, page)
		}
		b.get(pathSettings)
		if page := b.data.(*SettingsPage); page.Demanded != row.demanded || page.DueBy.IsZero() != (row.due <= 0) {
			t.Errorf("%s: the settings: %+v", row.name, page)
		}
	}
	b.get(pathStart)
	if page := b.data.(*StartPage); page.Forced || !page.Overdue.IsZero() {
		t.Errorf("of their own accord: %+v", page)
	}
}

// The box stands only where it can do something; where a remembered device is no use the page says why.
func TestTheBoxAndWhyADeviceDoesNotCount(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	box := func(what string, days int, says bool) {
		t.Helper()
		b.get("/mfa?request=r1")
		if page := b.data.(*ChallengePage); page.RememberDays != days || page.Insists != says {
			t.Errorf("%s: %d days, says why: %v", what, page.RememberDays, page.Insists)
		}
	}
	box("an app that takes a device", 30, false)
	b.waiting.Insists = true
	box("one that does not this time", 30, false)
	b.waiting.NoBox = true
	box("one that never does, and no device is remembered", 0, false)
	b.waiting.NoBox = false
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	box("on a remembered device", 0, true)
	b.waiting.Insists = false
	box("for a page of one's own, on a remembered device", 0, false)
	b.store.err = errStore
	b.get("/mfa?request=r1")
	if b.failed == nil {
		t.Error("a store that fails is not told")
	}
}

// Whoever has used a recovery code is offered a new phone inside the sign-in, and goes on with it afterwards.
func TestANewPhoneAfterARecoveryCode(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withApp()
	b.user.AMR = mfa.AMR(mfa.Password, mfa.RecoveryCode)
	b.proved = nil
	b.get(pathNewCodes + "?request=r1")
	b.shows(http.StatusOK, PageRemind)
	remind := b.data.(*RemindPage)
	if !remind.UsedCode || remind.AddURL != pathStart+"?more=1&request=r1" {
		t.Fatalf("%+v", remind)
	}
	b.get(remind.AddURL)
	b.shows(http.StatusOK, PageStart)
	start := b.data.(*StartPage)
	if !start.Enrolled || start.Forced || !strings.HasPrefix(start.ReturnURL, pathNewCodes+"?") {
		t.Errorf("%+v", start)
	}
	b.get(start.ReturnURL)
	b.shows(http.StatusOK, PageRemind)
	query, phone := b.scanned("?" + start.Query)
	done := b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), pathDone)
	if want := [][]string{{"pwd", "otp", "mfa"}}; !cmp.Equal(b.proved, want) {
		t.Errorf("proved %v, want %v", b.proved, want)
	}
	b.get(done)
	b.shows(http.StatusOK, PageDone)
	page := b.data.(*DonePage)
	if page.NextURL != "/resume?id=r1" || !strings.HasPrefix(page.SettingsURL, pathSettings+"?") {
		t.Errorf("%+v", page)
	}
	b.get(page.SettingsURL)
	b.shows(http.StatusOK, PageSettings)
	if settings := b.data.(*SettingsPage); settings.NextURL != "/resume?id=r1" || len(settings.Authenticators) != 2 {
		t.Errorf("%+v", settings)
	}
	b.leads(b.get(pathStart+"?request=r1"), "/resume?id=r1") // without the offer it is a step that is done

	b.get(pathNewCodes + "?request=r1&more=1")
	b.get(pathAddKey + "?request=r1&more=1") // a passkey will do as well
	if key := b.data.(*AddKeyPage); !strings.HasPrefix(key.BackURL, pathStart+"?more=1") {
		t.Errorf("%+v", key)
	}
	b.user.AMR = mfa.AMR(mfa.Password, mfa.TOTP)
	b.get(pathNewCodes + "?request=r1")
	if remind := b.data.(*RemindPage); remind.UsedCode || remind.AddURL != "" {
		t.Errorf("%+v", remind)
	}
}
