package mfahttp

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

func TestEnrolmentFromTheSettings(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	back := "?client_id=focus-hq&return_to=https%3A%2F%2Ffocus.example%2Fprofile"
	b.get("/account/mfa" + back)
	b.shows(http.StatusOK, PageSettings)
	if page := b.data.(*SettingsPage); page.Enrolled || page.Forced || page.BackName != "Focus HQ" || "?"+page.Query != back {
		t.Fatalf("settings: %+v", page)
	}
	b.get(pathStart + back)
	b.shows(http.StatusOK, PageStart)
	if page := b.data.(*StartPage); page.Forced || page.Enrolled || page.Cancel || !page.Postpone.IsZero() {
		t.Fatalf("start: %+v", page)
	}

	b.get(b.leads(b.post(pathStart+back), pathScan))
	b.shows(http.StatusOK, PageScan)
	scan := b.data.(*ScanPage)
	key, _ := url.Parse(string(scan.URI))
	if scan.KeyRaw != key.Query().Get("secret") || strings.ReplaceAll(scan.Key, " ", "") != scan.KeyRaw || len(scan.Key) != 39 {
		t.Errorf("key %q, raw %q, uri %q", scan.Key, scan.KeyRaw, scan.URI)
	}
	if svg := string(scan.QR); !strings.HasPrefix(svg, `<svg id="qr-image" `) || strings.Contains(svg, scan.KeyRaw) {
		t.Errorf("picture %.80s", svg)
	}
	if scan.Account != alice.Account || scan.Issuer != "Acme" || scan.Digits != 6 || scan.Period != 30 || scan.Second {
		t.Errorf("scan: %+v", scan)
	}

	b.get(scan.Next)
	b.shows(http.StatusOK, PageCodes)
	pair := b.data.(*CodesPage)
	if pair.Entry != "Acme: alice@example.com" || pair.Remaining != 20 || pair.ScanURL != pathScan+"?"+pair.Query {
		t.Errorf("codes: %+v", pair)
	}
	phone := &mfatest.Phone{Key: scan.KeyRaw, Clock: b.config.Now}
	b.get(b.leads(b.post(scan.Next, "code1", phone.Code(0), "code2", phone.Code(1)), pathRecovery))
	b.shows(http.StatusOK, PageRecoveryCodes)
	codes := b.data.(*RecoveryCodesPage)
	if len(codes.Codes) != 10 || codes.Reloaded || codes.Replacement || codes.Problem != nil {
		t.Errorf("recovery codes: %+v", codes)
	}
	if b.isEnrolled(alice) {
		t.Error("MFA is on before Confirm")
	}

	b.get(b.leads(b.post(pathRecovery+"?"+codes.Query, "set", codes.Set, "saved", "1"), pathDone))
	b.shows(http.StatusOK, PageDone)
	done := b.data.(*DonePage)
	if done.Name == "" || done.Offset != 0 || done.NextURL != "" || done.BackURL != "https://focus.example/profile" {
		t.Errorf("done: %+v", done)
	}
	if !b.isEnrolled(alice) || b.saw(mfa.Enrolled) != 1 {
		t.Error("MFA is not on after Confirm")
	}
	if len(b.proved) != 1 || len(b.passed) != 0 {
		t.Errorf("the two codes should count in this session, and lead nowhere: %v %v", b.proved, b.passed)
	}
}

func TestEnrolmentInsideASignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	until := w.now.Add(24 * time.Hour)
	w.waiting.Postpone = until
	w.config.Postpone = func(rw http.ResponseWriter, r *http.Request, _ User) {
		http.Redirect(rw, r, "/postponed", http.StatusSeeOther)
	}
	b := w.browser()
	b.get(pathStart + "?request=r1")
	if page := b.data.(*StartPage); !page.Forced || !page.Cancel || page.Postpone != until || page.Client != "Focus HQ" {
		t.Errorf("start: %+v", page)
	}
	b.leads(b.post(pathStart+"?request=r1", "cancel", "1"), "/cancelled")
	b.leads(b.post(pathPostpone+"?request=r1"), "/postponed")
	for _, w.waiting.Postpone = range []time.Time{{}, w.now, w.now.Add(-time.Hour)} { // over, or never possible
		b.leads(b.post(pathPostpone+"?request=r1"), pathStart+"?request=r1")
	}

	query, _ := b.proven("?request=r1")
	if !strings.Contains(query, "request=r1") {
		t.Fatalf("the sign-in got lost on the way: %s", query)
	}
	done := b.confirmed(query)
	if want := [][]string{{"pwd", "otp", "mfa"}}; !cmp.Equal(b.proved, want) {
		t.Errorf("proved %v, want %v", b.proved, want)
	}
	b.get(done)
	if page := b.data.(*DonePage); page.NextURL != "/resume?id=r1" {
		t.Errorf("done leads to %q", page.NextURL)
	}
	b.leads(b.get(pathStart+"?request=r1"), "/resume?id=r1")
}

func TestAHostWithoutProvedCountsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Proved, w.config.Waiting = nil, nil
	b := w.browser()
	query, _ := b.proven("?request=r1")
	b.get(b.confirmed(query))
	b.shows(http.StatusOK, PageDone)
}

// The two codes have to follow each other and belong to this pending key; each mistake has a sentence of its own.
func TestSec_MF07(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	_, before := b.scanned("") // begun, and left for another one
	query, phone := b.scanned("")
	wrong := func(code string) string { return string('0'+(code[0]-'0'+5)%10) + code[1:] }
	for _, row := range []struct {
		name, code1, code2, want string
	}{
		{"nothing", "", "", "enrol.malformed code1"},
		{"five digits", "12345", phone.Code(1), "enrol.malformed code1"},
		{"letters", phone.Code(0), "abcdef", "enrol.malformed code2"},
		{"the same twice", phone.Code(0), phone.Code(0), "enrol.same code2"},
		{"swapped", phone.Code(1), phone.Code(0), "enrol.swapped code1"},
		{"a gap", phone.Code(0), phone.Code(2), "enrol.gap code2"},
		{"first wrong", wrong(phone.Code(0)), phone.Code(1), "enrol.field1 code1"},
		{"second wrong", phone.Code(0), wrong(phone.Code(1)), "enrol.field2 code2"},
		{"both wrong", wrong(phone.Code(0)), wrong(phone.Code(1)), "enrol.wrong_entry code1"},
		{"of the key before", before.Code(0), before.Code(1), "enrol.other_abandoned code1"},
		{"an hour fast", phone.Code(120), phone.Code(121), "enrol.clock code1"},
		{"a quarter slow", phone.Code(-31), phone.Code(-30), "enrol.clock code1"},
	} {
		got := b.post(pathCodes+query, "code1", row.code1, "code2", row.code2)
		if got.StatusCode != http.StatusUnprocessableEntity || b.problem() != row.want {
			t.Errorf("%s: %d %q, want %q", row.name, got.StatusCode, b.problem(), row.want)
			continue
		}
		page := b.data.(*CodesPage)
		if page.Code1 != row.code1 || page.Code2 != row.code2 {
			t.Errorf("%s: what was typed is gone: %+v", row.name, page)
		}
		if off, _ := page.Problem.Args["Offset"].(time.Duration); row.name == "an hour fast" && !about(off, time.Hour) {
			t.Errorf("offset %v", off)
		}
	}
	b.leads(b.get(pathRecovery+query), pathCodes)
	b.leads(b.post(pathRecovery+query, "set", "x", "saved", "1"), pathCodes)
	if b.isEnrolled(alice) {
		t.Fatal("enrolled")
	}

	spaced := phone.Code(1)[:3] + " " + phone.Code(1)[3:]
	b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", spaced), pathRecovery)
	b.confirmed(query)
	b.pass(30 * time.Second) // both codes are used up
	b.post("/mfa", "code", phone.Code(0))
	if b.problem() != "code.replayed code" {
		t.Errorf("a code of the enrolment: %q", b.problem())
	}
	b.pass(30 * time.Second)
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")
}

func TestAClockThatIsOffIsAllowedForAndTold(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	query, phone := b.scanned("")
	phone.Offset = -6 * time.Minute
	b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), pathRecovery)
	b.get(b.confirmed(query))
	if page := b.data.(*DonePage); !about(page.Offset, -6*time.Minute) {
		t.Errorf("offset %v", page.Offset)
	}
}

// A pending key belongs to one session, is the same at every load, ends, and is no factor.
func TestSec_MF08(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.get(pathStart)
	b.get("/account/mfa")
	query, phone := b.scanned("")
	for range 3 {
		b.get(pathScan + query)
		if page := b.data.(*ScanPage); page.KeyRaw != phone.Key {
			t.Fatal("the key changed")
		}
		b.get(pathCodes + query)
		b.shows(http.StatusOK, PageCodes)
	}
	elsewhere := alice
	elsewhere.Session = "session-of-another-browser"
	for _, foreign := range []User{bob, elsewhere} {
		b.user = foreign
		for _, path := range []string{pathScan, pathCodes, pathRecovery} {
			b.get(path + query)
			b.shows(http.StatusNotFound, PageStart)
			if b.problem() != "enrol.not_found" {
				t.Errorf("%s of %s: %q", path, foreign.Session, b.problem())
			}
		}
		b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1))
		b.shows(http.StatusNotFound, PageStart)
		b.post(pathRecovery+query, "set", "x", "saved", "1")
		b.shows(http.StatusNotFound, PageStart)
		b.leads(b.get(pathDone+query), pathSettings)
	}
	b.user = alice
	b.leads(b.get("/mfa?request=r1"), "/resume?id=r1") // not asked for a code
	b.get(pathScan)
	b.shows(http.StatusNotFound, PageStart)

	b.pass(31 * time.Minute)
	for _, path := range []string{pathScan, pathCodes, pathRecovery} {
		b.get(path + query)
		b.shows(http.StatusGone, PageStart)
		if b.problem() != "enrol.expired" {
			t.Errorf("%s: %q", path, b.problem())
		}
	}
	b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1))
	b.shows(http.StatusGone, PageStart)
	if _, again := b.scanned(""); again.Key == phone.Key {
		t.Error("the key came back")
	}
}

// A set of codes is shown once: a reload makes another one, and after Confirm none is shown by any page.
func TestSec_RC02(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	query, _ := b.proven("")
	b.get(pathRecovery + query)
	first := b.data.(*RecoveryCodesPage)
	b.get(pathRecovery + query)
	second := b.data.(*RecoveryCodesPage)
	if first.Reloaded || !second.Reloaded || cmp.Equal(first.Codes, second.Codes) || first.Set == second.Set {
		t.Fatal("a reload shows the same set, or does not say that it is another one")
	}

	b.post(pathRecovery+query, "set", first.Set, "saved", "1")
	b.shows(http.StatusUnprocessableEntity, PageRecoveryCodes)
	if b.problem() != "enrol.replaced" || b.isEnrolled(alice) {
		t.Errorf("the replaced set: %q", b.problem())
	}
	b.post(pathRecovery+query, "set", b.data.(*RecoveryCodesPage).Set)
	b.shows(http.StatusUnprocessableEntity, PageRecoveryCodes)
	last := b.data.(*RecoveryCodesPage)
	if b.problem() != "enrol.unsaved saved" || b.isEnrolled(alice) || !last.Reloaded {
		t.Errorf("not saved: %q", b.problem())
	}
	b.keys.then = func() { // in another window, while the form is looked at
		b.keys.have[alice.Subject] = []mfa.Credential{{ID: "key-0", Name: "Passkey"}}
	}
	b.post(pathRecovery+query, "set", "", "saved", "1") // which confirms a further authenticator
	b.shows(http.StatusUnprocessableEntity, PageRecoveryCodes)
	if b.problem() != "enrol.replaced" || len(b.keys.have) != 1 || b.saw(mfa.AuthenticatorAdded) != 0 {
		t.Errorf("no set: %q", b.problem())
	}
	delete(b.keys.have, alice.Subject)
	b.get(pathRecovery + query)
	last = b.data.(*RecoveryCodesPage)
	b.leads(b.post(pathRecovery+query, "set", last.Set, "saved", "1"), pathDone)

	for _, path := range []string{pathScan, pathCodes, pathRecovery} {
		b.leads(b.get(path+query), pathDone)
	}
	for _, path := range []string{pathSettings, pathStart, pathDone + query, "/mfa", "/mfa?way=recovery"} {
		answer := httptest.NewRecorder()
		if got := b.get(path); got.StatusCode == http.StatusOK {
			_ = got.Write(answer)
		}
		for _, code := range last.Codes {
			if strings.Contains(answer.Body.String(), code) {
				t.Errorf("%s shows a recovery code", path)
			}
		}
	}
}

func TestTheDownloadHoldsTheCodesAndWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	page := &RecoveryCodesPage{Product: "Acme & Söhne", Account: "alice@example.com", Date: "2026-11-02",
		Codes: []string{"ABCD-0123", "EFGH-4567"}}
	text, err := url.PathUnescape(strings.TrimPrefix(string(download(page)), "data:text/plain;charset=utf-8,"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{page.Product, page.Account, page.Date, "\r\nABCD-0123\r\nEFGH-4567\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if strings.Contains(text, "Sign-in") {
		t.Error("an address that nobody has told")
	}
	page.Address = "https://id.example.com"
	text, _ = url.PathUnescape(string(download(page)))
	if !strings.Contains(text, "\r\nSign-in: https://id.example.com\r\n") {
		t.Errorf("no address in %q", text)
	}
	if got := fileName(page.Product); got != "acme---söhne-recovery-codes.txt" {
		t.Errorf("file name %q", got)
	}
}

func TestEveryStepSentTwiceIsHarmless(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	query, phone := b.proven("?request=r1")
	b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), pathRecovery)
	b.leads(b.get(pathCodes+query), pathRecovery)
	for range 2 {
		b.confirmed(query)
	}
	b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), pathDone)
	if b.saw(mfa.Enrolled) != 1 || len(b.proved) != 1 {
		t.Errorf("enrolled %d times, proved %d times", b.saw(mfa.Enrolled), len(b.proved))
	}
}

func TestAFurtherAuthenticatorSkipsTheRecoveryCodes(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	first := b.withApp()
	query, phone := b.scanned("")
	if !b.data.(*ScanPage).Second {
		t.Error("the page does not know that it is a further one")
	}
	b.leads(b.get(pathRecovery+query), pathCodes)
	b.post(pathCodes+query, "code1", first.Code(0), "code2", first.Code(1))
	if b.problem() != "enrol.other_entry code1" {
		t.Errorf("codes of the first app: %q", b.problem())
	}
	for range 2 {
		b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), pathDone)
	}
	if b.saw(mfa.AuthenticatorAdded) != 1 {
		t.Errorf("added %d times", b.saw(mfa.AuthenticatorAdded))
	}

	waiting, _ := b.scanned("")
	for range mfa.MaxAuthenticators - 2 {
		b.user.Session += "'" // an enrolment that is confirmed ends the person's others
		b.proven("")
	}
	b.get(pathScan + waiting)
	b.shows(http.StatusNotFound, PageStart)
	b.post(pathStart)
	b.shows(http.StatusUnprocessableEntity, PageStart)
	if page := b.data.(*StartPage); b.problem() != "enrol.too_many" || !page.Enrolled || page.Forced {
		t.Errorf("the sixth: %+v", page)
	}
}

func TestEnrolmentWantsAFreshProof(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.stale = true
	b.leads(b.post(pathStart), "/login?to=%2Faccount%2Fmfa%2Fenrol%2Fstart")
	b.stale = false
	query, phone := b.scanned("")
	b.stale = true // what was begun in time is not interrupted: the codes on the page would be lost
	b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), pathRecovery)
	b.confirmed(query)
}

func TestFormsFromElsewhereAndOddOnesDoNothing(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	r := httptest.NewRequest("POST", pathStart, nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if got := b.send(r); got.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign form: %d", got.StatusCode)
	}
	query, _ := b.scanned("")
	long := strings.Repeat("1", formLimit)
	b.post(pathCodes+query, "code1", long, "code2", long)
	if b.problem() != "enrol.malformed code1" {
		t.Errorf("a form of 128 KB: %q", b.problem())
	}
	r = httptest.NewRequest("POST", pathCodes+query, strings.NewReader("code1=%zz&code2=%"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.send(r)
	b.shows(http.StatusUnprocessableEntity, PageCodes)
	for path, method := range map[string]string{pathStart: "DELETE", pathScan: "POST", pathRename: "PUT"} {
		if got := b.send(httptest.NewRequest(method, path, nil)); got.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", method, path, got.StatusCode)
		}
	}
}

func TestAStoreThatFailsIsTheHostsConcern(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.store.err = errStore
	for _, target := range []string{pathSettings, pathStart, pathScan, pathCodes, pathRecovery, pathDone, pathNewCodes, "/mfa"} {
		if got := b.get(target); got.StatusCode != http.StatusInternalServerError || b.failed == nil {
			t.Errorf("GET %s: %d, %v", target, got.StatusCode, b.failed)
		}
	}
	for _, target := range []string{pathStart, "/mfa"} {
		if b.post(target, "code", "123456"); b.failed == nil {
			t.Errorf("POST %s: no failure", target)
		}
	}
}
