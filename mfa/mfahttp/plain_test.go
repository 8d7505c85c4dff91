package mfahttp

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/htmlcheck"
	"github.com/focushq/idp/mfa"
)

// checkPlain renders what a test's host was given by Plain too: every journey of this package's tests is one of its.
func (w *world) checkPlain(page string, data any) {
	pages := w.plain
	if pages.set.Lookup(page) == nil {
		return // TestPlainKnowsThePages names those that it has
	}
	answer := httptest.NewRecorder()
	pages.Render(answer, nil, http.StatusOK, page, data)
	text := strings.ReplaceAll(answer.Body.String(), "{wait}", "60") // which the script fills in
	if answer.Code != http.StatusOK {
		_, err := pages.main(page, data)
		w.t.Fatalf("%s: %v", page, err)
	}
	for _, odd := range []string{"problem.", "notice.", "{"} {
		if strings.Contains(text, odd) {
			w.t.Errorf("%s holds %q:\n%s", page, odd, text)
		}
	}
	if problem, ok := plainField(data, "Problem").(*Problem); ok && problem != nil && !strings.Contains(text, `role="alert"`) {
		w.t.Errorf("%s says nothing about %s:\n%s", page, problem.ID, text)
	}
	for _, found := range htmlcheck.Must(w.t, text).Lint() {
		if !strings.Contains(found, "has no form_token") { // other origins are refused by their headers here
			w.t.Errorf("%s: %s", page, found)
		}
	}
}

func TestPlainKnowsThePages(t *testing.T) {
	for page, data := range map[string]any{
		PageChallenge: &ChallengePage{Asking: Asking{RememberDays: 30, Cancel: true, Query: "request=1"}, Entry: "Acme: alice"},
		PageRecovery:  &RecoveryPage{}, PageStart: &StartPage{Postpone: time.Unix(1_800_000_000, 0)},
		PageSettings: &SettingsPage{Enrolled: true, Notice: "renamed", Authenticators: []mfa.Authenticator{{Name: "Phone"}},
			Devices: []mfa.Device{{Browser: "Firefox"}}},
		PageScan: &ScanPage{QR: `<svg id="qr-image"></svg>`, Key: "ABCD EFGH"}, PageCodes: &CodesPage{},
		PageRecoveryCodes: &RecoveryCodesPage{Codes: []string{"AAAA"}}, PageDone: &DonePage{Offset: -40 * time.Second},
		PageKey: &KeyPage{Notice: "notice.key_try", Script: PasskeyScript()}, PagePair: &PairPage{},
		PageAddKey: &AddKeyPage{First: true, Forced: true, Script: PasskeyScript()},
		PageRemind: &RemindPage{CodesLeft: 2, GoOn: "/account/mfa/codes/later"},
	} {
		answer := httptest.NewRecorder()
		Plain(nil).Render(answer, httptest.NewRequest("GET", "/", nil), http.StatusOK, page, data)
		body := answer.Body.String()
		if answer.Code != http.StatusOK || !strings.Contains(body, "<title>"+plainTitle(page)+"</title>") ||
			!strings.Contains(body, "</html>") {
			t.Errorf("%s: %d\n%s", page, answer.Code, body)
		}
	}
	answer := httptest.NewRecorder()
	Plain(nil).Render(answer, httptest.NewRequest("GET", "/", nil), http.StatusOK, "no such page", nil)
	if answer.Code != http.StatusInternalServerError {
		t.Errorf("an unknown page: %d", answer.Code)
	}
}

func TestPlainInTheHostsLayout(t *testing.T) {
	pages := Plain(func(w http.ResponseWriter, _ *http.Request, status int, title string, main template.HTML) {
		w.WriteHeader(status)
		w.Write([]byte(title + "|" + string(main)))
	})
	answer := httptest.NewRecorder()
	pages.Render(answer, nil, http.StatusUnprocessableEntity, PageChallenge, &ChallengePage{
		Entry: "<b>: eve", Asking: Asking{Problem: &Problem{ID: "problem.code.wrong", Field: "code", Args: map[string]any{"Left": 2}}},
	})
	body := answer.Body.String()
	for _, want := range []string{"Error: MFA code|", "Tries left before a pause: 2.", `aria-invalid="true"`, "&lt;b&gt;: eve"} {
		if answer.Code != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("%d without %q:\n%s", answer.Code, want, body)
		}
	}
}

func TestPlainDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-40 * time.Second: "40 seconds behind", time.Second: "1 second ahead", 121 * time.Second: "3 minutes ahead",
		2 * time.Hour: "2 hours ahead", -3 * time.Minute: "3 minutes behind",
	} {
		if got := plainOffset(d); got != want {
			t.Errorf("%v: %q, not %q", d, got, want)
		}
	}
}

func TestPlainSaysWhatIsAtStake(t *testing.T) {
	t.Parallel()
	phone := mfa.Authenticator{ID: "a1", Name: "Phone", Offset: -2 * time.Minute, Provisional: true}
	key := mfa.Credential{ID: "k1", Name: "Laptop"}
	const last, devices, slow = "It is all that you have", "remembered browsers are forgotten", "seems to be 2 minutes behind, or "
	for _, row := range []struct {
		page   string
		data   any
		says   []string
		silent []string
	}{
		{PageSettings, &SettingsPage{Enrolled: true, Authenticators: []mfa.Authenticator{phone}}, []string{last, slow}, []string{devices}},
		{PageSettings, &SettingsPage{Enrolled: true, Passkeys: []mfa.Credential{key}}, []string{last}, nil},
		{PageSettings, &SettingsPage{Enrolled: true, Authenticators: []mfa.Authenticator{phone}, Passkeys: []mfa.Credential{key},
			Notice: "notice.key_added", DevicesForgotten: true}, []string{devices}, []string{last}},
		{PageSettings, &SettingsPage{Enrolled: true, Authenticators: []mfa.Authenticator{phone}, RenameID: "a1", NewName: "new",
			Problem: &Problem{ID: "problem.settings.name", Field: "name"}}, []string{`value="new"`, `aria-describedby="name-a1-error"`}, []string{`value="Phone"`}},
		{PageDone, &DonePage{Name: "Tablet", Second: true, Offset: -2 * time.Minute, Provisional: true}, []string{slow, "is added"}, []string{"is on", devices}},
		{PageDone, &DonePage{Name: "Phone", DevicesForgotten: true}, []string{"is on", devices}, []string{"clock"}},
		{PageRecoveryCodes, &RecoveryCodesPage{Replacement: true, CodesLeft: 2, GoOn: "/on"}, []string{"Keep the codes", `action="/on"`}, nil},
		{PageRecoveryCodes, &RecoveryCodesPage{Replacement: true, LeaveURL: "/away"}, []string{"without recovery codes", `href="/away"`}, []string{"present codes"}},
		{PageRecoveryCodes, &RecoveryCodesPage{Reloaded: true, Problem: unsaved()}, []string{"is void"}, []string{"These are new codes."}},
		{PageStart, &StartPage{Forced: true, Client: "the app"}, []string{"To go on to the app you need"}, nil},
		{PageKey, &KeyPage{Abandon: true}, []string{`id="key-abandon" name="abandon" value="1"`}, []string{"use-recovery-code"}},
	} {
		html, err := Plain(nil).(*plain).main(row.page, row.data)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range row.says {
			if !strings.Contains(string(html), want) {
				t.Errorf("%s %+v: no %q in\n%s", row.page, row.data, want, html)
			}
		}
		for _, odd := range row.silent {
			if strings.Contains(string(html), odd) {
				t.Errorf("%s %+v: %q in\n%s", row.page, row.data, odd, html)
			}
		}
	}
}
