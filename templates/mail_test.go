package templates

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/htmlcheck"
)

func TestMails(t *testing.T) {
	s := newSet(t, Options{Product: "Focus & HQ", Help: "the help desk"})
	letter := Letter{Account: "alice", When: noon, Browser: "Firefox", System: "Windows", Address: "192.0.2.7",
		URL: "https://id.example/account", Name: "<Phone>", Left: 1, Life: 720 * time.Hour}
	names := []string{"mfa_on", "mfa_off", "mfa_off_demanded", "authenticator_added", "authenticator_removed", "codes_replaced",
		"recovery_used", "recovery_used_last", "device_remembered", "device_copied", "clock_moved", "password_changed", "password_compromised", "app_ended", "mfa_reset", "warned",
		"warned_recovery", "warned_passkey", "sealed", "sealed_recovery", "sealed_passkey", "unsealed", "mfa_on_passkey", "passkey_added", "passkey_removed",
		"passkey_cloned", "codes_made", "trial", "new_browser", "new_browser_passkey"}
	subjects := map[string]bool{}
	for _, name := range names {
		subject, text, html, err := s.Mail(t.Context(), name, letter)
		if err != nil {
			t.Fatal(err)
		}
		subjects[subject] = true
		if !strings.HasPrefix(subject, "Focus & HQ: ") || strings.ContainsAny(subject, "\r\n") {
			t.Errorf("%s: subject %q", name, subject)
		}
		p := htmlcheck.Must(t, html)
		for _, want := range []string{"Hello alice,", "24 November 2026, 12:00 UTC", "Firefox on Windows", "192.0.2.7", "the help desk", "https://id.example/account"} {
			if strings.HasPrefix(name, "warned") && want == "the help desk" {
				continue
			}
			if !strings.Contains(text, want) || !strings.Contains(p.Text("main"), want) {
				t.Errorf("%s does not say %q:\n%s\n%s", name, want, text, p.Text("main"))
			}
		}
		if all := text + html; strings.Contains(all, "<no value>") || strings.Contains(all, "mail.") || strings.Contains(html, "<Phone>") {
			t.Errorf("%s: %s\n%s", name, text, html)
		}
		if n := p.Count("a"); n != 1 {
			t.Errorf("%s has %d links", name, n)
		}
	}
	if len(subjects) != len(names) {
		t.Error("two mails have the same subject")
	}
	if _, text, _, _ := s.Mail(t.Context(), "recovery_used", letter); !strings.Contains(text, "1 is left") {
		t.Errorf("recovery_used: %s", text)
	}
	if _, text, _, _ := s.Mail(t.Context(), "mfa_reset", Letter{Account: "bob", When: noon, Reason: "lost phone"}); !strings.Contains(text, "lost phone") ||
		strings.Contains(text, "Browser") {
		t.Errorf("mfa_reset: %s", text)
	}
	_, text, html, err := s.Mail(t.Context(), "reset", Letter{Account: "bob", Link: "https://id.example/password?token=t", Life: time.Hour})
	if err != nil || !strings.Contains(text, "https://id.example/password?token=t") ||
		htmlcheck.Must(t, html).Attr("a", "href") != "https://id.example/password?token=t" || strings.Contains(text, "When:") {
		t.Errorf("reset: %v %s", err, text)
	}
	if _, _, _, err := s.Mail(t.Context(), "no_such", letter); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown mail: %v", err)
	}
}

func TestMailsGreetByName(t *testing.T) {
	s := newSet(t, Options{})
	for person, want := range map[string]string{
		"": "alice", "Alice Example": "Alice Example", "J. R. O'Hara & Sons": "J. R. O'Hara & Sons", "Zoë": "Zoë",
		"<b>Alice</b>": "alice", "see https://evil.example": "alice", "www.evil.example": "alice", "a@evil.example": "alice",
	} {
		_, text, html, err := s.Mail(t.Context(), "warned", Letter{Account: "alice", Person: person, When: noon})
		if want = "Hello " + want + ","; err != nil || !strings.HasPrefix(text, want) || !strings.HasPrefix(htmlcheck.Must(t, html).Text("main"), want) {
			t.Errorf("%q: %v %s", person, err, text)
		}
	}
}

func TestMailsSetNamesApart(t *testing.T) {
	s := newSet(t, Options{})
	for _, name := range []string{"mfa_on", "mfa_on_passkey", "authenticator_added", "authenticator_removed", "passkey_added", "passkey_removed", "passkey_cloned", "app_ended"} {
		for lang, want := range map[string]string{"en": `"Authenticator app"`, "de": "„Authenticator app“"} {
			if _, text, _, err := s.Mail(t.Context(), name, Letter{Name: "Authenticator app", When: noon, Language: lang}); err != nil || !strings.Contains(text, want) {
				t.Errorf("%s %s: %v %s", name, lang, err, text)
			}
		}
	}
	for lang, want := range map[string]string{"en": "The link works once, for 1 hour.", "de": "1 Stunde."} {
		if _, text, _, err := s.Mail(t.Context(), "reset", Letter{Link: "https://id.example/x", Life: time.Hour, Language: lang}); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %v %s", lang, err, text)
		}
	}
}

// Readers choose the colours, and text that has none of its own is always as plain as theirs.
func TestMailsHaveNoColours(t *testing.T) {
	s := newSet(t, Options{})
	_, _, html, err := s.Mail(t.Context(), "warned", Letter{Account: "alice", When: noon})
	style, _, _ := strings.Cut(html[strings.Index(html, "<style>"):], "</style>")
	if err != nil || strings.Contains(style, "color") || strings.Contains(style, "opacity") {
		t.Error(err, style)
	}
}

// A mail is in one language from the first word to the last, whichever the browser or the profile asks for.
func TestMailsSpeakTheReadersLanguage(t *testing.T) {
	s, err := New(Options{Product: "Focus HQ"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ wanted, lang, says string }{
		{"", "en", "Hello alice,"}, {"*", "en", "Hello alice,"}, {"fr", "en", "Hello alice,"}, {"en-GB", "en", "Hello alice,"},
		{"de", "de", "Guten Tag alice,"}, {"de-CH", "de", "Guten Tag alice,"}, {"fr, de;q=0.8, en;q=0.5", "de", "Guten Tag alice,"},
		{"en, de;q=0.9", "en", "Hello alice,"}, {"\x00;;q=x", "en", "Hello alice,"}, {strings.Repeat("de-,", 10_000), "en", "Hello alice,"},
	} {
		_, text, html, err := s.Mail(t.Context(), "warned", Letter{Account: "alice", When: noon, Language: test.wanted})
		if err != nil || !strings.Contains(text, test.says) || htmlcheck.Must(t, html).Attr("html", "lang") != test.lang {
			t.Errorf("%.40q: %v %s", test.wanted, err, text)
		}
	}
	mails, err := s.mails()
	if err != nil {
		t.Fatal(err)
	}
	for id := range mails.texts.ids {
		if !strings.HasPrefix(id, "mail.") || id == "mail.browser" { // which is the same word
			continue
		}
		if mails.texts.text("de", id, "Count", 2) == mails.texts.text("en", id, "Count", 2) {
			t.Errorf("%s is said in English", id)
		}
	}
	_, text, _, err := s.Mail(t.Context(), "recovery_used", Letter{Account: "alice", When: noon, Browser: "Firefox", System: "Windows", Left: 1, Language: "de"})
	for _, want := range []string{"1 ist übrig", "24.11.2026, 12:00 UTC", "Firefox unter Windows", "Ihre Administration"} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%v: not %q in\n%s", err, want, text)
		}
	}
	if lang := s.texts.closest("de"); lang != "en" {
		t.Errorf("pages speak %s, of which there are only mails", lang)
	}
}
