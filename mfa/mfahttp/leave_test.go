package mfahttp

import (
	"net/http"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
)

// Whoever gives up inside a sign-in is led to where it goes on, outside of one to the settings.
func TestLeaving(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": pathSettings, "?client_id=focus-hq": pathSettings + "?client_id=focus-hq", "?request=r1": pathStart + "?request=r1",
	} {
		b := newWorld(t).browser()
		enrolment, phone := b.scanned(query)
		if page := b.data.(*ScanPage); page.LeaveURL != want {
			t.Errorf("%s: from the key to %q", query, page.LeaveURL)
		}
		b.leads(b.post(pathCodes+enrolment, "code1", phone.Code(0), "code2", phone.Code(1)), pathRecovery)
		b.get(pathRecovery + enrolment)
		page := b.data.(*RecoveryCodesPage)
		if page.LeaveURL != want || page.GoOn != "" {
			t.Errorf("%s: from the codes to %q, %q", query, page.LeaveURL, page.GoOn)
		}
		b.get(page.LeaveURL)
		if b.status != http.StatusOK || b.isEnrolled(alice) {
			t.Errorf("%s: left to %d", query, b.status)
		}
	}

	b := newWorld(t).browser()
	b.withApp()
	b.scanned("")
	if page := b.data.(*ScanPage); page.LeaveURL != pathSettings || !page.Second {
		t.Errorf("from a further one: %+v", page)
	}
	b.get(pathNewCodes)
	if page := b.data.(*RecoveryCodesPage); page.LeaveURL != pathSettings || page.GoOn != "" {
		t.Errorf("from new codes: %+v", page)
	}
	b.scanned("?request=r1")
	if page := b.data.(*ScanPage); page.LeaveURL != "/resume?id=r1" {
		t.Errorf("from a further one inside a sign-in: %+v", page)
	}
}

// "Keep the codes that I have" inside a sign-in is an answer to the reminder.
func TestLeavingNewCodesGoesOn(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	_, codes := b.enrolled()
	b.get(pathNewCodes + "?request=r1&make=1")
	b.shows(http.StatusOK, PageRecoveryCodes)
	page := b.data.(*RecoveryCodesPage)
	if page.LeaveURL != "" || page.GoOn != pathGoOn+"?request=r1" || page.CodesLeft != 10 || page.First {
		t.Errorf("%+v", page)
	}
	b.leads(b.post(page.GoOn), "/resume")
	if b.reminded != 1 {
		t.Errorf("reminded %d times", b.reminded)
	}
	b.leads(b.post("/mfa", "recovery_code", codes[0]), "/resume") // they are good still

	b.user = bob
	key := b.withKey()
	b.leads(b.showsKey(key), "/resume")
	b.get(pathNewCodes + "?request=r1&make=1")
	if page := b.data.(*RecoveryCodesPage); !page.First || page.CodesLeft != 0 || page.GoOn != pathGoOn+"?request=r1" {
		t.Errorf("%+v", page)
	}
	b.leads(b.post(pathGoOn+"?request=r1"), "/resume")
	b.get(pathNewCodes + "?request=r2") // the next sign-in
	b.shows(http.StatusOK, PageRemind)
	if left := b.data.(*RemindPage).CodesLeft; left != 0 {
		t.Errorf("%d left", left)
	}
}

// The last page knows whether MFA was on before, and whether remembered devices went.
func TestTheLastPageKnowsWhatWasThere(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	query, _ := b.proven("")
	done := b.confirmed(query)
	b.get(done)
	if page := b.data.(*DonePage); page.Second || page.DevicesForgotten {
		t.Errorf("the first: %+v", page)
	}
	b.pass(time.Minute)
	query, phone := b.scanned("")
	b.remember()
	second := b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), pathDone)
	b.get(second)
	if page := b.data.(*DonePage); !page.Second || !page.DevicesForgotten {
		t.Errorf("the second: %+v", page)
	}
	b.get(second)
	if page := b.data.(*DonePage); page.DevicesForgotten {
		t.Error("the notice is repeated")
	}
	b.get(done)
	if page := b.data.(*DonePage); page.Second {
		t.Errorf("the first, opened again: %+v", page)
	}

	b.user = bob
	b.withKey()
	query, phone = b.scanned("")
	b.get(b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), pathDone))
	if page := b.data.(*DonePage); !page.Second {
		t.Errorf("beside a passkey: %+v", page)
	}
}

func TestNoticesTellOfDevices(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.enrolled()
	for _, remembered := range []bool{false, true} {
		for _, row := range []struct {
			notice string
			change func() *http.Response
		}{
			{"notice.key_added", func() *http.Response {
				return b.post(pathAddKey, "ceremony", b.options(pathAddOptions, "create"), "response", "made")
			}},
			{"notice.key_removed", func() *http.Response {
				return b.post(pathRemoveKey, "id", b.keys.have[alice.Subject][0].ID)
			}},
		} {
			if remembered {
				b.remember()
			}
			b.leads(row.change(), pathSettings)
			b.get(pathSettings)
			if page := b.data.(*SettingsPage); page.Notice != row.notice || page.DevicesForgotten != remembered {
				t.Errorf("%s: %q, %v", row.notice, page.Notice, page.DevicesForgotten)
			}
		}
	}
	b.remember()
	b.leads(b.post(pathOff), pathSettings)
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Notice != "notice.off" || !page.DevicesForgotten {
		t.Errorf("off: %q, %v", page.Notice, page.DevicesForgotten)
	}
}

// remember gives the user a remembered device, of another browser.
func (b *browser) remember() {
	b.t.Helper()
	if _, _, err := b.mfa.RememberDevice(b.t.Context(), b.user.Subject, mfa.Label{Browser: "Firefox"}); err != nil {
		b.t.Fatal(err)
	}
}
