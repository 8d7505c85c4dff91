package mfahttp

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	b.get(pathSettings + "?client_id=focus-hq")
	b.shows(http.StatusOK, PageSettings)
	page := b.data.(*SettingsPage)
	if !page.Enrolled || len(page.Authenticators) != 1 || page.CodesLeft != 0 || len(page.Devices) != 1 ||
		page.RememberDays != 30 || page.Notice != "" || page.Problem != nil || page.Query != "client_id=focus-hq" {
		t.Errorf("settings: %+v", page)
	}
	id := page.Authenticators[0].ID

	b.leads(b.post(pathRename+"?client_id=focus-hq", "id", id, "name", "Old phone"), pathSettings+"?client_id=focus-hq")
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Notice != "notice.renamed" || page.Authenticators[0].Name != "Old phone" {
		t.Errorf("renamed: %+v", page)
	}
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Notice != "" {
		t.Errorf("the notice is repeated: %q", page.Notice)
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 65), "a\x00b"} {
		b.post(pathRename, "id", id, "name", name)
		b.shows(http.StatusUnprocessableEntity, PageSettings)
		if page := b.data.(*SettingsPage); b.problem() != "settings.name name" || page.RenameID != id || page.NewName != name {
			t.Errorf("name %q: %q, %q of %q", name, b.problem(), page.NewName, page.RenameID)
		}
	}

	b.post(pathRename, "id", "<gone>", "name", "")
	if page := b.data.(*SettingsPage); page.RenameID != "" {
		t.Errorf("the name of nothing: %q", page.RenameID)
	}
	b.leads(b.post(pathRemove, "id", id), pathSettings)
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Enrolled || page.Notice != "notice.off" || len(b.devicesOf(alice)) != 0 {
		t.Errorf("removed: %+v", page)
	}
	b.post(pathRemove, "id", id)
	b.shows(http.StatusNotFound, PageSettings)
	if b.problem() != "settings.not_found" {
		t.Errorf("removed twice: %q", b.problem())
	}
}

func TestTurningOff(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withApp()
	for range 2 {
		b.leads(b.post(pathOff), pathSettings)
		b.get(pathSettings)
		if page := b.data.(*SettingsPage); page.Enrolled || page.Notice != "notice.off" {
			t.Errorf("turned off: %+v", page)
		}
	}
	if b.saw(mfa.Disabled) != 1 {
		t.Errorf("turned off %d times", b.saw(mfa.Disabled))
	}
}

// Devices are listed and removed by their owner only, and removal wants a fresh proof.
func TestSec_RD10(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	second := b.world.browser()
	second.post("/mfa", "code", phone.Code(1), "remember", "1")
	b.get(pathSettings)
	devices := b.data.(*SettingsPage).Devices
	if len(devices) != 2 || devices[0].This == devices[1].This {
		t.Fatalf("devices %+v", devices)
	}
	authenticator := b.data.(*SettingsPage).Authenticators[0].ID

	b.user = bob
	for path, id := range map[string]string{pathForget: devices[0].ID, pathRemove: authenticator, pathRename: authenticator} {
		b.post(path, "id", id, "name", "mine")
		b.shows(http.StatusNotFound, PageSettings)
	}
	b.user, b.stale = alice, true
	b.leads(b.post(pathForget, "id", devices[0].ID), "/login?to=")
	b.leads(b.post(pathForget), "/login?to=")
	b.leads(b.post(pathRemove, "id", authenticator), "/login?to=")
	b.leads(b.post(pathOff), "/login?to=")
	b.leads(b.get(pathNewCodes), "/login?to=")
	b.leads(b.post(pathStart), "/login?to=")
	b.stale = false
	if len(b.devicesOf(alice)) != 2 || !b.isEnrolled(alice) {
		t.Fatal("something was removed")
	}
	b.leads(b.get(pathForget), pathSettings) // where the fresh sign-in leads back to
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Notice != "notice.again" {
		t.Errorf("notice %q", page.Notice)
	}

	b.leads(b.post(pathForget, "id", devices[0].ID), pathSettings)
	b.post(pathForget, "id", devices[0].ID)
	b.shows(http.StatusNotFound, PageSettings)
	if left := b.devicesOf(alice); len(left) != 1 || left[0].ID != devices[1].ID {
		t.Errorf("left %+v", left)
	}
	b.leads(b.post(pathForget), pathSettings)
	if len(b.devicesOf(alice)) != 0 {
		t.Error("not all are forgotten")
	}
}

func TestNewRecoveryCodes(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.leads(b.get(pathNewCodes), pathStart) // nothing to recover
	_, old := b.enrolled()
	b.stale = true
	b.leads(b.get(pathNewCodes), "/login?to=")
	b.stale = false
	b.get(pathNewCodes)
	b.shows(http.StatusOK, PageRecoveryCodes)
	page := b.data.(*RecoveryCodesPage)
	if !page.Replacement || page.Reloaded || len(page.Codes) != 10 {
		t.Errorf("new codes: %+v", page)
	}
	b.post(pathNewCodes, "set", page.Set)
	b.shows(http.StatusUnprocessableEntity, PageRecoveryCodes)
	if b.problem() != "enrol.unsaved saved" {
		t.Errorf("not saved: %q", b.problem())
	}
	b.post(pathNewCodes, "set", page.Set, "saved", "1")
	b.shows(http.StatusUnprocessableEntity, PageRecoveryCodes)
	if b.problem() != "enrol.replaced" {
		t.Errorf("the replaced set: %q", b.problem())
	}
	page = b.data.(*RecoveryCodesPage)
	b.leads(b.post("/mfa", "recovery_code", old[0]), "/resume") // the old ones are good until Confirm
	b.stale = true
	b.leads(b.post(pathNewCodes, "set", page.Set, "saved", "1"), pathSettings)
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Notice != "notice.codes_replaced" || page.CodesLeft != 10 {
		t.Errorf("replaced: %+v", page)
	}
	b.post("/mfa", "recovery_code", old[1])
	if b.problem() != "recovery.wrong recovery_code" {
		t.Errorf("an old code: %q", b.problem())
	}
	b.leads(b.post("/mfa", "recovery_code", page.Codes[0]), "/resume")
}

func TestReminderInsideASignIn(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withApp()
	b.get(pathNewCodes + "?request=r1")
	b.shows(http.StatusOK, PageRemind)
	remind := b.data.(*RemindPage)
	if remind.CodesLeft != 0 || remind.GoOn != pathGoOn+"?request=r1" {
		t.Errorf("reminder: %+v", remind)
	}
	b.leads(b.post(remind.GoOn), "/resume")
	b.get(remind.MakeURL)
	b.shows(http.StatusOK, PageRecoveryCodes)
	page := b.data.(*RecoveryCodesPage)
	b.leads(b.post(pathNewCodes+"?"+page.Query, "set", page.Set, "saved", "1"), "/resume")
	if b.reminded != 2 || b.saw(mfa.CodesReplaced) != 1 || len(b.passed) != 0 {
		t.Errorf("reminded %d times, replaced %d, passed %v", b.reminded, b.saw(mfa.CodesReplaced), b.passed)
	}
	b.config.Reminded = nil
	b.leads(b.post(remind.GoOn), "/resume?id=r1")
}

func TestAHostThatForgetsAHookIsToldAtOnce(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Challenge(Config{})
}

func TestADayAndABitIsTwoDays(t *testing.T) {
	t.Parallel()
	w := newWorldRemembering(t, 25*time.Hour)
	if got := newHandler(w.config).rememberDays(&visitor{waiting: func() Waiting { return w.waiting }}); got != 2 {
		t.Errorf("%d days", got)
	}
}
