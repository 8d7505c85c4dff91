package mfahttp

import (
	"net/http"
	"strings"
	"testing"

	"github.com/focushq/idp/mfa"
)

// Nobody enrolled is offered to put an enrolment off: they would come back to where it was offered.
func TestNotNowIsForThoseWithoutAFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Postpone = func(http.ResponseWriter, *http.Request, User) { t.Error("put off") }
	b := w.browser()
	b.waiting.Postpone = b.now.Add(mfa.EnrollmentLife)
	b.get(pathStart + "?request=r1")
	if b.data.(*StartPage).Postpone.IsZero() {
		t.Fatal("no grace")
	}
	b.withApp()
	b.waiting.Postpone = b.now.Add(mfa.EnrollmentLife)
	b.get(pathStart + "?request=r1&more=1")
	if page := b.data.(*StartPage); !page.Postpone.IsZero() {
		t.Errorf("%+v", page)
	}
	b.get(pathSettings + "?request=r1")
	if page := b.data.(*SettingsPage); !page.Postpone.IsZero() || page.Overdue {
		t.Errorf("%+v", page)
	}
}

// Codes that were shown before are void where the same page is loaded again, and no news where new ones are asked for.
func TestOnlyAReloadIsOne(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withApp()
	sheet := func(want bool) {
		t.Helper()
		b.get(pathNewCodes + "?request=r1&make=1")
		if page := b.data.(*RecoveryCodesPage); page.Reloaded != want || page.Steps {
			t.Errorf("%+v", page)
		}
	}
	sheet(false)
	sheet(true)
	b.get(pathNewCodes + "?request=r1")
	sheet(false)
	b.get(pathSettings)
	sheet(false)
}

// A passkey beside an app that never had codes is added, and no first one.
func TestAFurtherPasskeyWithoutCodesIsNews(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withKey()
	b.get(pathNewCodes + "?make=1")
	if page := b.data.(*RecoveryCodesPage); !page.Steps || !page.First || page.Notice != "" {
		t.Errorf("the first: %+v", page)
	}
	b.get(b.leads(b.post(pathAddKey, "name", "Tablet", "ceremony", b.options(pathAddOptions, "create"), "response", "made"), pathNewCodes))
	b.shows(http.StatusOK, PageRecoveryCodes)
	if page := b.data.(*RecoveryCodesPage); page.Steps || page.Reloaded || page.Notice != noticeKeyAdded {
		t.Errorf("the second: %+v", page)
	}
}

// Without codes no code is asked for, and no other one promised.
func TestNoRecoveryCodes(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	_, codes := b.enrolled()
	for _, code := range codes {
		b.post("/mfa?way=recovery", "recovery_code", code)
	}
	b.get("/mfa?way=recovery")
	if page := b.data.(*RecoveryPage); page.CodesLeft != 0 {
		t.Errorf("%+v", page)
	}
	b.post("/mfa?way=recovery", "recovery_code", codes[0])
	if got := b.problem(); strings.TrimSpace(got) != "recovery.none" {
		t.Errorf("a used one: %q", got)
	}
}

// On the way to a page of the host's own the use of a recovery code leads to the same question as in a sign-in.
func TestACodeOnTheWayToAPage(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withApp()
	b.user.AMR = mfa.AMR(mfa.Password, mfa.RecoveryCode)
	b.get(pathNewCodes + "?to=%2Faccount")
	b.shows(http.StatusOK, PageRemind)
	page := b.data.(*RemindPage)
	if !page.UsedCode || page.NoApp || page.AddURL != pathStart+"?more=1&to=%2Faccount" || page.GoOn != pathGoOn+"?to=%2Faccount" {
		t.Errorf("%+v", page)
	}
	b.get(page.MakeURL)
	b.shows(http.StatusOK, PageRecoveryCodes)
	b.get("/mfa?to=%2Faccount")
	if page := b.data.(*ChallengePage); !page.SignedIn || !page.Own || page.AppName != "Focus HQ" {
		t.Errorf("asked again: %+v", page)
	}
}

// A pair costs two tries: of four that are left it is twice, of one it has to wait.
func TestTriesLeftOfPairs(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.pass(mfa.EnrollmentLife)
	var said []string
	for range 2 {
		b.post("/mfa", "code1", phone.Code(-300), "code2", phone.Code(300))
		page := b.data.(*PairPage)
		if page.Problem.Args["Left"] != nil {
			said = append(said, "left")
		}
		if page.Problem.Args["Single"] == true {
			said = append(said, "single")
		}
	}
	if got := strings.Join(said, " "); !strings.HasSuffix(got, "single") {
		t.Errorf("said %q", got)
	}
}
