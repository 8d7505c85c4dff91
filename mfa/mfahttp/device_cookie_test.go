package mfahttp

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
)

const firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"

// remembered returns the device cookie of the browser's user, "" when there is none.
func remembered(b *browser) string {
	return b.cookies[b.config.Cookies.jar().Name(deviceCookie(b.user.Subject))]
}

// asks signs the browser's user in with the password and reports whether the code would be asked for.
func (b *browser) asks() bool {
	b.t.Helper()
	r, answer := httptest.NewRequest("GET", "/oauth2/authorize", nil), httptest.NewRecorder()
	for name, value := range b.cookies {
		r.Header.Add("Cookie", name+"="+value) // as it is, however odd
	}
	ok, err := Remembered(b.config, answer, r, b.user.Subject)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range answer.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return !ok
}

func TestRememberMe(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.agent = firefox
	phone := b.withApp()
	if !b.asks() {
		t.Fatal("not asked before the tick")
	}
	got := b.post("/mfa", "code", phone.Code(0), "remember", "1")
	b.leads(got, "/resume")
	cookies := got.Cookies()
	if len(cookies) != 1 || !strings.HasPrefix(cookies[0].Name, "idp_device_") || !cookies[0].HttpOnly ||
		cookies[0].MaxAge != 30*24*3600 || cookies[0].SameSite != http.SameSiteLaxMode || strings.Contains(cookies[0].Name, alice.Subject) {
		t.Errorf("cookie %+v", cookies)
	}
	first := remembered(b)
	b.pass(10 * 24 * time.Hour)
	r, answer := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	r.AddCookie(&http.Cookie{Name: cookies[0].Name, Value: first})
	if ok, err := Remembered(b.config, answer, r, alice.Subject); !ok || err != nil {
		t.Fatalf("asked on day 10: %v %v", ok, err)
	}
	renewed := answer.Result().Cookies()
	if len(renewed) != 1 || renewed[0].Value == first || renewed[0].MaxAge != 20*24*3600 {
		t.Errorf("renewed cookie %+v", renewed)
	}
	b.cookies[renewed[0].Name] = renewed[0].Value

	b.get(pathSettings)
	devices := b.data.(*SettingsPage).Devices
	if len(devices) != 1 || devices[0].Browser != "Firefox" || devices[0].System != "Windows" || !devices[0].This {
		t.Errorf("devices %+v", devices)
	}
	b.leads(b.post("/mfa", "code", phone.Code(0), "remember", "1"), "/resume")
	b.get(pathSettings)
	if devices := b.data.(*SettingsPage).Devices; len(devices) != 1 || !devices[0].FirstUsedAt.Equal(b.now) {
		t.Errorf("ticked again: %+v", devices)
	}
	b.pass(30 * 24 * time.Hour)
	if !b.asks() || remembered(b) != "" {
		t.Error("not asked on day 31, or the cookie is still there")
	}
}

// The box has to be ticked, and counts only with a code that is right.
func TestSec_RD09(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.post("/mfa", "code", phone.Code(7), "remember", "1")
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")
	b.leads(b.post("/mfa", "code", phone.Code(1), "remember", ""), "/resume")
	if remembered(b) != "" || b.saw(mfa.DeviceRemembered) != 0 {
		t.Error("remembered without a tick and a right code")
	}
}

// Where the app asks for the code every time there is no box, and a tick of one's own making counts for nothing.
func TestSec_RD09_NoBoxThatPromisesTooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	phone := b.withApp()
	w.waiting.NoBox = true
	b.get("/mfa")
	if days := b.data.(*ChallengePage).RememberDays; days != 0 {
		t.Errorf("a box of %d days", days)
	}
	b.leads(b.post("/mfa", "code", phone.Code(0), "remember", "1"), "/resume")
	if remembered(b) != "" || b.saw(mfa.DeviceRemembered) != 0 {
		t.Error("remembered")
	}
	w.waiting.NoBox = false
	b.get("/mfa")
	if days := b.data.(*ChallengePage).RememberDays; days != 30 {
		t.Errorf("elsewhere a box of %d days", days)
	}
}

func TestRememberingTurnedOff(t *testing.T) {
	t.Parallel()
	b := newWorldRemembering(t, 0).browser()
	phone := b.withApp()
	b.get("/mfa")
	if days := b.data.(*ChallengePage).RememberDays; days != 0 {
		t.Errorf("a box of %d days", days)
	}
	b.leads(b.post("/mfa", "code", phone.Code(0), "remember", "1"), "/resume")
	if remembered(b) != "" {
		t.Error("a cookie")
	}
	b.cookies[b.config.Cookies.jar().Name(deviceCookie(alice.Subject))] = "kept.from-earlier-days"
	if !b.asks() {
		t.Error("an old cookie counts")
	}
}

// The cookie signs nobody in and makes nobody somebody else.
func TestSec_RD01(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	b.user = User{}
	for _, path := range []string{"/mfa", pathSettings, pathStart, pathScan, pathCodes, pathRecovery, pathDone,
		pathNewCodes, pathRemove, pathOff, pathForget} {
		b.leads(b.get(path), "/login")
	}
	for _, path := range []string{"/mfa", pathStart, pathPostpone, pathCodes, pathRecovery, pathNewCodes, pathGoOn,
		pathRename, pathRemove, pathOff, pathForget} {
		b.leads(b.post(path), "/login")
	}
	if len(b.passed) != 1 {
		t.Error("the cookie passed")
	}
}

// Whatever is not the very token is ignored.
func TestSec_RD03(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	name, token := b.config.Cookies.jar().Name(deviceCookie(alice.Subject)), remembered(b)
	forged := []string{"x", ".", token[:len(token)-1], token + "A", "." + token, strings.Repeat("a.", 4000),
		strings.ToUpper(token)}
	for i := range token {
		for bit := range 7 {
			forged = append(forged, token[:i]+string(token[i]^1<<bit)+token[i+1:])
		}
	}
	for i, value := range forged {
		b.cookies[name] = value
		if !b.asks() {
			t.Fatalf("%q counts", value)
		}
		if i == 0 && b.cookies[name] != "" {
			t.Error("an odd cookie is kept")
		}
	}
	b.cookies[name] = token
	if b.asks() {
		t.Error("the device was lost to forgeries")
	}
}

// Two people in one browser do not disturb each other.
func TestSec_RD04(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	hers := remembered(b)

	b.user = bob
	b.cookies[b.config.Cookies.jar().Name(deviceCookie(bob.Subject))] = hers // planted
	if !b.asks() {
		t.Error("her device counts for him")
	}
	phone = b.withApp()
	if !b.asks() {
		t.Error("his browser is remembered before the tick")
	}
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	if b.asks() {
		t.Error("he is asked")
	}
	b.user = alice
	if b.asks() {
		t.Error("she is asked")
	}
	b.leads(b.post(pathForget), pathSettings)
	if !b.asks() {
		t.Error("hers is still remembered")
	}
	b.user = bob
	if b.asks() {
		t.Error("his went with hers")
	}
}

func TestAStoreThatFailsIsNoOddCookie(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.post("/mfa", "code", phone.Code(0), "remember", "1")
	r, answer := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	r.AddCookie(&http.Cookie{Name: b.config.Cookies.jar().Name(deviceCookie(alice.Subject)), Value: remembered(b)})
	b.store.err = errStore
	if ok, err := Remembered(b.config, answer, r, alice.Subject); ok || !errors.Is(err, errStore) {
		t.Errorf("%v %v", ok, err)
	}
	if len(answer.Result().Cookies()) != 0 {
		t.Error("the cookie was touched")
	}
	b.store.err = nil
	if b.asks() {
		t.Error("the device was lost")
	}
}

func TestALabelIsShort(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User-Agent", strings.Repeat("é", 500)+"/1.0")
	if got := label(r); len(got.Browser) > 42 || len(got.System) > 42 {
		t.Errorf("label %+v", got)
	}
	if got := label(httptest.NewRequest("GET", "/", nil)); got != (mfa.Label{}) {
		t.Errorf("label of nothing %+v", got)
	}
}

// devicesOf is how a test looks past the pages.
func (w *world) devicesOf(user User) []mfa.Device {
	w.t.Helper()
	devices, err := w.mfa.Devices(context.Background(), user.Subject, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return devices
}
