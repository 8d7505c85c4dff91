package account

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/focushq/idp/internal/dbxtest"
)

// FuzzPassword chooses arbitrary new passwords: each is taken or refused with a reason that there is a sentence for, and in
// every spelling of the same text alike.
func FuzzPassword(f *testing.F) {
	for _, text := range []string{good, "", "short", "Focus HQ Focus HQ", "ada ada ada ada ada", "e\u0301cole des arts et des lettres", "\xff\xfe", "a\x00b",
		strings.Repeat("😀", 20), strings.Repeat("x", maxPassword+1), "qwertzuiopasdfgh", "2023 2024 2025 2026"} {
		f.Add(text)
	}
	s := &Service{cfg: Config{MinPassword: 15}, common: commonWords()}
	ada := &Account{Username: "ada", Email: "lovelace@example.com", Name: "Ada Lovelace"}
	reasons := []string{"empty", "too_long", "characters", "too_short", "common", "personal"}
	f.Fuzz(func(t *testing.T, text string) {
		said := func(text string) string {
			err := s.CheckPassword(ada, text)
			var invalid *InvalidError
			switch {
			case err == nil:
				return ""
			case errors.As(err, &invalid) && invalid.Field == "password" && strings.Contains(strings.Join(reasons, " "), invalid.Reason):
				return invalid.Reason
			}
			t.Fatalf("%q: %v", text, err)
			return ""
		}
		got := said(text)
		if got == "" && (utf8.RuneCountInString(norm.NFC.String(text)) < 15 || len(text) > maxPassword) {
			t.Errorf("%q is taken", text)
		}
		if other := norm.NFD.String(text); len(other) <= maxPassword && len(text) <= maxPassword && said(other) != got {
			t.Errorf("%q: %q, decomposed %q", text, got, said(other))
		}
	})
}

// FuzzNames makes accounts of arbitrary names: what is taken stays as it is when it is read again, and nobody can take a name
// by which another one signs in.
func FuzzNames(f *testing.F) {
	f.Add("ada", "ada@example.com", "Ada Lovelace")
	f.Add("Ａｄａ", "", "\u202eevol")
	f.Add("ada@example.com", "ADA@example.com", "a\nb")
	f.Add("a\u200db", "\"a b\"@example.com", strings.Repeat("x", 300))
	f.Fuzz(func(t *testing.T, username, email, name string) {
		address, bad := checkEmail(email)
		if again, err := checkEmail(address); bad == nil && (err != nil || again != address || !utf8.ValidString(address)) {
			t.Errorf("%q: %q, then %q, %v", email, address, again, err)
		}
		full, bad := checkName(name)
		if again, err := checkName(full); bad == nil && (err != nil || again != full || strings.ContainsAny(full, "\r\n\x00")) {
			t.Errorf("%q: %q, then %q, %v", name, full, again, err)
		}
		kept, bad := checkUsername(username, email)
		if bad != nil {
			return
		}
		if again, err := checkUsername(kept, email); err != nil || again != kept || Canonical(kept) == "" || strings.ContainsAny(kept, " \t\r\n\x00") {
			t.Errorf("%q: %q, then %q, %v", username, kept, again, err)
		}
		if strings.Contains(Canonical(kept), "@") && Canonical(kept) != Canonical(email) {
			t.Errorf("%q is somebody else's address", kept)
		}
	})
}

// FuzzLinks brings arbitrary tokens of one-time links, for reset, invitation and set-up: nobody's but the one that was made.
func FuzzLinks(f *testing.F) {
	s, err := New(Config{DB: dbxtest.SQLite(f, "account"), Hasher: NewHasher(cheap()), Key: make([]byte, 32)})
	if err != nil {
		f.Fatal(err)
	}
	a, err := s.Create(f.Context(), NewAccount{Username: "ada", Password: good})
	if err != nil {
		f.Fatal(err)
	}
	token, err := s.NewLink(f.Context(), PurposeReset, a.Subject, ResetLife)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{token, "", strings.ToLower(token), token + " ", token[:26], "' OR 1=1 --", "\x00", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, purpose := range []string{PurposeReset, PurposeInvite, PurposeSetup} {
			subject, err := s.Link(t.Context(), purpose, text)
			if right := text == token && purpose == PurposeReset; right != (err == nil && subject == a.Subject) || !right && !errors.Is(err, ErrNotFound) {
				t.Errorf("%s %q: %q, %v", purpose, text, subject, err)
			}
		}
	})
}

// FuzzBrowserToken shows arbitrary cookies of known browsers: none but the one that was made lets anybody out of a wait.
func FuzzBrowserToken(f *testing.F) {
	key := make([]byte, 32)
	rand.Read(key) // each process that fuzzes makes a token of its own
	s := &Service{cfg: Config{Key: key}}
	token := s.BrowserToken(&Account{Subject: "ada"})
	for _, text := range []string{token, "", token[1:], token + token, strings.ToUpper(token), strings.Repeat("A", browserToken)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at := (&Account{}).PasswordAt.Unix()
		if got := s.browserOf("ada", at, text); (got != "") != (text == token) || s.browserOf("bob", at, text) != "" || s.browserOf("ada", at+1, text) != "" {
			t.Errorf("%q is the browser %q", text, got)
		}
	})
}
