package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// mistakes is a provider whose clock can be moved, with alice, bob and an app.
type mistakes struct {
	*idptest.Server
	app *idptest.Client
	t   *testing.T
}

func mistakesStart(t *testing.T) *mistakes {
	t.Helper()
	m := &mistakes{Server: idptest.Start(t), t: t}
	m.AddUser("alice")
	m.AddUser("bob")
	m.app = m.AddClient(oauth.Client{ID: "app", Name: "The App", RedirectURIs: []string{"http://127.0.0.1:9/callback"}})
	return m
}

// start opens the app's sign-in in a fresh browser.
func (m *mistakes) start() (*idptest.Browser, *idptest.Page) {
	b := m.Browser()
	return b, b.Get(m.app.AuthCodeURL("state"))
}

// signIn gives the password, in a fresh browser.
func (m *mistakes) signIn(name string) (*idptest.Browser, *idptest.Page) {
	m.t.Helper()
	b, page := m.start()
	return b, page.Submit("login-submit", "username", name, "password", idptest.Password)
}

// signedIn fails the test unless the page is the way back to the app, with a code.
func (m *mistakes) signedIn(page *idptest.Page) {
	m.t.Helper()
	if page.URL.Host != "127.0.0.1:9" || page.URL.Query().Get("code") == "" {
		m.t.Fatalf("no way back to the app but %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
}

// scan begins an enrolment and scans the QR code's URI.
func (m *mistakes) scan(b *idptest.Browser) (*idptest.Page, *mfatest.Phone) {
	m.t.Helper()
	page := b.Get("/account/mfa?client_id=app&return_to=http://127.0.0.1:9/profile").Submit("enrol-start")
	phone, err := mfatest.Scan(page.Attr(`a[href^="otpauth://"]`, "href"))
	if err != nil {
		m.t.Fatalf("%v:\n%s", err, page.Body)
	}
	phone.Clock = m.Clock.Now
	return page, phone
}

// enroll turns MFA on and returns the phone and the recovery codes.
func (m *mistakes) enroll(b *idptest.Browser) (*mfatest.Phone, []string) {
	m.t.Helper()
	page, phone := m.scan(b)
	page = m.pair(page.Submit("scan-next"), phone)
	codes := page.All("#recovery-codes li")
	m.says(page.Submit("enrol-confirm", "saved", "1"), http.StatusOK, "h1", "MFA is set up")
	return phone, codes
}

// pair types two good codes.
func (m *mistakes) pair(page *idptest.Page, phone *mfatest.Phone) *idptest.Page {
	m.t.Helper()
	page = page.Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
	m.says(page, http.StatusOK, "h1", "Recovery codes")
	return page
}

// says fails the test unless the page has the status, and what selector chooses says want.
func (m *mistakes) says(page *idptest.Page, status int, selector, want string) {
	m.t.Helper()
	if page.Status != status || !strings.Contains(page.Text(selector), want) {
		m.t.Fatalf("%s: status %d, %s says %q; not %d and %q\n%s", page.URL, page.Status, selector, page.Text(selector),
			status, want, page.Text("main"))
	}
}

// TestMistakesWithTwoCodes types every wrong pair into one enrolment and reads the sentence about it.
func TestMistakesWithTwoCodes(t *testing.T) {
	m := mistakesStart(t)
	b, _ := m.signIn("alice")
	other, _ := m.signIn("bob")
	_, foreign := m.scan(other)
	_, abandoned := m.scan(b)
	page, phone := m.scan(b)
	page = page.Submit("scan-next")
	m.says(page, http.StatusOK, ".entry", "Focus HQ: alice@example.com")

	late := func(d time.Duration) *mfatest.Phone {
		return &mfatest.Phone{Key: phone.Key, Clock: m.Clock.Now, Offset: d}
	}
	wrong := mistakesWrong(phone)
	for _, c := range []struct {
		name, code1, code2, want string
	}{
		{"same code twice", phone.Code(0), phone.Code(0), "same code twice"},
		{"swapped", phone.Code(0), phone.Code(-1), "wrong order"},
		{"current one wrong", wrong, phone.Code(0), "The current code is not right, but the next code is"},
		{"next one wrong", phone.Code(0), wrong, "The current code is right, but the next code is not"},
		{"not consecutive", phone.Code(-2), phone.Code(0), "at least one came between them"},
		{"letters", "12a456", phone.Code(0), "6 digits"},
		{"letters in the next code", phone.Code(0), "code", "6 digits"},
		{"too long", phone.Code(-1) + "7", phone.Code(0), "6 digits"},
		{"empty", "", "", "6 digits"},
		{"another account", foreign.Code(-1), foreign.Code(0), "Neither code belongs to this entry"},
		{"an entry given up", abandoned.Code(-1), abandoned.Code(0), "began to set up earlier"},
		{"clock 20 minutes fast", late(20 * time.Minute).Code(0), late(20 * time.Minute).Code(1), "clock is about 20 minutes fast"},
		{"clock 3 hours slow", late(-3 * time.Hour).Code(0), late(-3 * time.Hour).Code(1), "clock is about 3 hours slow"},
		{"time zone", late(time.Hour).Code(-1), late(time.Hour).Code(0), "time zone"},
	} {
		answer := page.Submit("codes-next", "code1", c.code1, "code2", c.code2)
		if answer.Status != http.StatusUnprocessableEntity || !strings.Contains(answer.Text("[role=alert]"), c.want) {
			t.Errorf("%s: %d %q, not %q", c.name, answer.Status, answer.Text("[role=alert]"), c.want)
		}
		if kept := answer.Attr("#code1", "value"); kept != c.code1 {
			t.Errorf("%s: what was typed is gone: %q", c.name, kept)
		}
		page = answer
	}
	for _, spaced := range []func(string) string{
		func(code string) string { return " " + code[:3] + " " + code[3:] + " " },
		func(code string) string { return code[:3] + "-" + code[3:] },
	} {
		b, _ := m.signIn("bob")
		scan, phone := m.scan(b)
		page := scan.Submit("scan-next").Submit("codes-next", "code1", spaced(phone.Code(-1)), "code2", spaced(phone.Code(0)))
		m.says(page, http.StatusOK, "h1", "Recovery codes")
	}
	m.pair(page, phone) // after all that the right ones are still taken
}

// mistakesWrong returns a code that the phone shows at no time near this one.
func mistakesWrong(phone *mfatest.Phone) string {
	var shown []string
	for step := -50; step <= 50; step++ {
		shown = append(shown, phone.Code(step))
	}
	for _, code := range []string{"000000", "111111", "222222"} {
		if !slices.Contains(shown, code) {
			return code
		}
	}
	return "333333" // it shows three of them already
}

// TestMistakesOfClocks enrols with clocks that are wrong by what is allowed, and signs in with them.
func TestMistakesOfClocks(t *testing.T) {
	for _, c := range []struct {
		off  time.Duration
		want string // in the confirmation
	}{
		{9*time.Minute + 30*time.Second, "clock is about 9 minutes fast|clock is about 10 minutes fast"},
		{-9*time.Minute - 30*time.Second, "clock is about 9 minutes slow|clock is about 10 minutes slow"},
		{2 * time.Minute, "clock is about 2 minutes fast"},
		{0, ""},
	} {
		t.Run(c.off.String(), func(t *testing.T) {
			m := mistakesStart(t)
			b, _ := m.signIn("alice")
			page, phone := m.scan(b)
			phone.Offset = c.off
			page = page.Submit("scan-next").Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
			page = page.Submit("enrol-confirm", "saved", "1")
			m.says(page, http.StatusOK, "h1", "MFA is set up")
			told := page.Text("main")
			if c.want == "" && strings.Contains(told, "clock") {
				t.Errorf("a right clock is talked about: %s", told)
			}
			if !slices.ContainsFunc(strings.Split(c.want, "|"), func(want string) bool { return strings.Contains(told, want) }) {
				t.Errorf("the confirmation does not say %q: %s", c.want, told)
			}
			m.Clock.Add(5 * time.Minute)
			_, page = m.signIn("alice")
			m.signedIn(page.Submit("mfa-submit", "code", phone.Code(0)))
		})
	}
}

// TestMistakesAtSignIn types wrong codes at a sign-in: each gets its own sentence, and none keeps the right one out.
func TestMistakesAtSignIn(t *testing.T) {
	m := mistakesStart(t)
	b, _ := m.signIn("alice")
	phone, codes := m.enroll(b)
	m.Clock.Add(time.Minute)
	_, page := m.signIn("alice")
	used := phone.Code(0)
	m.signedIn(page.Submit("mfa-submit", "code", used))

	_, page = m.signIn("alice")
	m.says(page.Submit("mfa-submit", "code", used), http.StatusUnprocessableEntity, "[role=alert]", "used already")
	m.says(page.Submit("mfa-submit", "code", "12a456"), http.StatusUnprocessableEntity, "[role=alert]", "6 digits")
	m.says(page.Submit("mfa-submit", "code", mistakesWrong(phone)), http.StatusUnprocessableEntity, "[role=alert]", "not right")

	m.Clock.Add(10 * time.Minute)
	_, page = m.signIn("alice")
	slow := mfatest.Phone{Key: phone.Key, Clock: m.Clock.Now, Offset: -4 * time.Minute}
	m.says(page.Submit("mfa-submit", "code", slow.Code(0)), http.StatusUnprocessableEntity, "[role=alert]", "clock is about 4 minutes slow")

	recovery := page.Follow("#use-recovery-code")
	m.says(recovery.Submit("recovery-submit", "recovery_code", "AAAA"), http.StatusUnprocessableEntity, "[role=alert]", "16 letters and digits")
	m.says(recovery.Submit("recovery-submit", "recovery_code", "AAAA-BBBB-CCCC-DDDD"), http.StatusUnprocessableEntity, "[role=alert]", "not one of your unused")
	m.signedIn(secGoOn(t, recovery.Submit("recovery-submit", "recovery_code", strings.ToLower(strings.ReplaceAll(codes[0], "-", " ")))))
	_, page = m.signIn("alice")
	again := page.Follow("#use-recovery-code").Submit("recovery-submit", "recovery_code", codes[0])
	m.says(again, http.StatusUnprocessableEntity, "[role=alert]", "not one of your unused")
}

// TestMistakesOfPatience reloads, waits too long and walks away in the middle.
func TestMistakesOfPatience(t *testing.T) {
	t.Run("reload shows the same key", func(t *testing.T) {
		m := mistakesStart(t)
		b, _ := m.signIn("alice")
		page, phone := m.scan(b)
		for range 2 {
			page = b.Get(page.URL.String())
			if key := strings.ReplaceAll(page.Text("#totp-key"), " ", ""); key != phone.Key {
				t.Errorf("the key was %s and is %s", phone.Key, key)
			}
		}
	})
	t.Run("thirty minutes", func(t *testing.T) {
		m := mistakesStart(t)
		b, _ := m.signIn("alice")
		page, phone := m.scan(b)
		page = page.Submit("scan-next")
		m.Clock.Add(29 * time.Minute)
		m.says(b.Get(page.URL.String()), http.StatusOK, "h1", "Enter 6-digit codes")
		m.Clock.Add(2 * time.Minute)
		m.says(b.Get(page.URL.String()), http.StatusGone, "[role=alert]", "30 minutes")
		late := page.Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
		m.says(late, http.StatusGone, "[role=alert]", "30 minutes")
		again := late.Submit("enrol-start") // the proof is too old by now as well
		m.says(again, http.StatusOK, "h1", "Sign in again")
		again = again.Submit("login-submit", "password", idptest.Password)
		m.says(again, http.StatusOK, "h1", "Set up multi-factor authentication")
		if again = again.Submit("enrol-start"); strings.ReplaceAll(again.Text("#totp-key"), " ", "") == phone.Key {
			t.Error("the key of the enrolment that ended is shown again")
		}
	})
	t.Run("recovery codes shown twice", func(t *testing.T) {
		m := mistakesStart(t)
		b, _ := m.signIn("alice")
		page, phone := m.scan(b)
		first := m.pair(page.Submit("scan-next"), phone)
		second := b.Get(first.URL.String())
		m.says(second, http.StatusOK, "[role=status]", "void")
		third := first.Submit("enrol-confirm", "saved", "1") // the page that was left open elsewhere
		m.says(third, http.StatusUnprocessableEntity, "[role=alert]", "were replaced")
		m.says(second.Submit("enrol-confirm", "saved", "1"), http.StatusUnprocessableEntity, "[role=alert]", "were replaced")
		newest := b.Get(first.URL.String())
		m.says(newest.Submit("enrol-confirm", "saved", "1"), http.StatusOK, "h1", "MFA is set up")

		_, page = m.signIn("alice")
		page = page.Follow("#use-recovery-code")
		for _, old := range []*idptest.Page{first, second, third} {
			refused := page.Submit("recovery-submit", "recovery_code", old.All("#recovery-codes li")[0])
			m.says(refused, http.StatusUnprocessableEntity, "[role=alert]", "not one of your unused")
		}
		m.signedIn(secGoOn(t, page.Submit("recovery-submit", "recovery_code", newest.All("#recovery-codes li")[0])))
	})
	t.Run("left before Confirm", func(t *testing.T) {
		m := mistakesStart(t)
		b, _ := m.signIn("alice")
		page, phone := m.scan(b)
		m.pair(page.Submit("scan-next"), phone)
		_, page = m.signIn("alice")
		m.signedIn(page) // no code is asked for
		m.says(b.Get("/account/mfa"), http.StatusOK, "#enrol-start", "Enrol in MFA")
	})
}

// TestMistakesOfHands sends every form twice and goes back to every page when it is over.
func TestMistakesOfHands(t *testing.T) {
	m := mistakesStart(t)
	b, login := m.start()
	m.signedIn(login.Submit("login-submit", "username", "alice", "password", idptest.Password))
	m.says(login.Submit("login-submit", "username", "alice", "password", idptest.Password), http.StatusForbidden, "[role=alert]", "Nothing was changed")
	m.says(b.Get(login.URL.String()), http.StatusBadRequest, "[role=alert]", "finished already")

	settings := b.Get("/account/mfa?client_id=app&return_to=http://127.0.0.1:9/profile")
	settings.Submit("enrol-start")
	scan := settings.Submit("enrol-start")
	phone := &mfatest.Phone{Key: strings.ReplaceAll(scan.Text("#totp-key"), " ", ""), Clock: m.Clock.Now}
	codes := scan.Submit("scan-next")
	m.pair(codes, phone)
	recovery := m.pair(codes, phone) // the same form again goes on, with codes that count
	m.says(b.Get(scan.URL.String()), http.StatusOK, "h1", "Scan QR Code")
	recovery = b.Get(recovery.URL.String())
	done := recovery.Submit("enrol-confirm", "saved", "1")
	m.says(done, http.StatusOK, "h1", "MFA is set up")
	m.says(recovery.Submit("enrol-confirm", "saved", "1"), http.StatusOK, "h1", "MFA is set up")
	m.says(codes.Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0)), http.StatusOK, "h1", "MFA")
	if back := done.Attr("#done-back", "href"); back != "http://127.0.0.1:9/profile" {
		t.Errorf("the way back leads to %q", back)
	}

	m.Clock.Add(time.Minute)
	b, code := m.signIn("alice")
	answer := phone.Code(0)
	m.signedIn(code.Submit("mfa-submit", "code", answer))
	twice := code.Submit("mfa-submit", "code", answer)
	if twice.Status >= 500 || !twice.Has("[role=alert]") {
		t.Errorf("the code sent twice: %d\n%s", twice.Status, twice.Text("main"))
	}
	m.says(b.Get(code.URL.String()), http.StatusBadRequest, "h1", "This sign-in is over")
}

// TestMistakesOfStaleForms sends a form of a sign-in that goes on, from a page of before: the way on leads to the step
// that is next, which need not be that page's.
func TestMistakesOfStaleForms(t *testing.T) {
	m := mistakesStart(t)
	b, _ := m.signIn("alice")
	phone, _ := m.enroll(b)
	m.Clock.Add(time.Minute)
	_, login := m.start()
	code := login.Submit("login-submit", "username", "alice", "password", idptest.Password)
	m.says(code, http.StatusOK, "h1", "MFA code")
	stale := login.Submit("login-submit", "username", "alice", "password", idptest.Password)
	m.says(stale, http.StatusForbidden, "[role=alert]", "sent twice")
	m.says(stale.Follow("main a"), http.StatusOK, "h1", "MFA code")
	m.signedIn(code.Submit("mfa-submit", "code", phone.Code(0)))
	stale = login.Submit("login-submit", "username", "alice", "password", idptest.Password)
	m.says(stale.Follow("main a"), http.StatusBadRequest, "[role=alert]", "finished already")
}

// TestMistakesOfBrowsers opens a sign-in that another browser began.
func TestMistakesOfBrowsers(t *testing.T) {
	m := mistakesStart(t)
	_, page := m.start()
	foreign := m.Browser().Get(page.URL.String())
	m.says(foreign, http.StatusBadRequest, "[role=alert]", "another browser")
	m.signedIn(page.Submit("login-submit", "username", "alice", "password", idptest.Password)) // its owner goes on
}
